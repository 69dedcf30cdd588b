# timeout: 200
# with: cpython.py
# CPython's own tests, as Debian ships them (which is without those of sqlite3)
python3 cpython.py test_select test_selectors test_poll test_epoll
