# timeout: 900
# with: cpython.py
# CPython's tests of sockets, over the sandbox's own loopback (test_asyncio: cpython-asyncio)
python3 cpython.py test_socket test_ssl test_socketserver test_httplib test_httpservers test_ftplib test_poplib test_smtplib test_xmlrpc test_select test_selectors
