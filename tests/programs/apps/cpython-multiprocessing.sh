# timeout: 3600
# with: cpython.py
# CPython's own tests, as Debian ships them
python3 cpython.py test_multiprocessing_fork test_multiprocessing_spawn test_multiprocessing_forkserver test_multiprocessing_main_handling
