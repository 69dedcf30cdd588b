# timeout: 300
# with: cpython.py
# CPython's own tests, as Debian ships them
python3 cpython.py -m '*Unix*' -m '*UNIX*' test_socket
