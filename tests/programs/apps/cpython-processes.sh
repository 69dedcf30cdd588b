# timeout: 900
# with: cpython.py
# CPython's own tests, as Debian ships them
python3 cpython.py test_subprocess test_threading test_signal test_pty test_eintr test_faulthandler test_time
