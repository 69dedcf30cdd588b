# timeout: 600
# with: cpython.py
# CPython's own tests, as Debian ships them
python3 cpython.py test_os test_posix test_pathlib test_tempfile test_shutil test_fileio test_io test_zipfile test_mmap test_fcntl test_resource
