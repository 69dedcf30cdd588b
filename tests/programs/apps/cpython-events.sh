# timeout: 900
# with: cpython.py
# CPython's own tests, as Debian ships them
python3 cpython.py test_select test_selectors test_asyncio test_sqlite3
