# timeout: 120
# Random file operations from fixed seeds, each with its result: names, attributes, content, holes,
# mappings, extended attributes.  Whatever Linux answers, the sandbox answers.
mkdir -p /root/fs-random && cd /root/fs-random && python3 - <<'X'
import errno, mmap, os, random, stat
BASES = "abcd"
OPENS = [os.O_RDONLY, os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_CREAT,
         os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDWR | os.O_TRUNC,
         os.O_WRONLY | os.O_APPEND | os.O_CREAT, os.O_RDONLY | os.O_DIRECTORY,
         os.O_RDONLY | os.O_NOFOLLOW, os.O_PATH, os.O_RDWR | os.O_CREAT | os.O_TRUNC,
         os.O_RDONLY | os.O_CREAT]
os.umask(0o022)

class Run:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.fds = [-1] * 6

    def n(self, limit):
        return self.r.randrange(limit)

    def name(self):
        s = "/".join(self.r.choice(BASES) for _ in range(1 + self.n(3)))
        return s + ["", "/", "/..", "/."][self.r.choices(range(4), [60, 2, 1, 1])[0]]

    def fd(self):
        return self.fds[self.n(6)]

    def length(self):
        return self.n(100) if self.n(3) else self.n(100000)

    def show(self, st):
        size = -1 if stat.S_ISDIR(st.st_mode) else st.st_size
        return f"{st.st_mode:o} n{st.st_nlink} {st.st_uid}:{st.st_gid} {size}"

    def regular(self, fd):
        return stat.S_ISREG(os.fstat(fd).st_mode)

    def op_open(self):
        k, x, f = self.n(6), self.name(), self.r.choice(OPENS) | os.O_NONBLOCK
        m = self.r.choice([0o644, 0o600 | self.n(0o1000)])
        if self.fds[k] >= 0:
            os.close(self.fds[k])
        self.fds[k] = -1
        self.fds[k] = os.open(x, f, m)
        return x, oct(f)

    def op_write(self):
        fd, n = self.fd(), self.length()
        return os.write(fd, bytes([97 + self.n(26)]) * n)

    def op_pwrite(self):
        fd, n, off = self.fd(), self.length(), self.n(200000)
        return os.pwrite(fd, b"p" * n, off)

    def op_read(self):
        fd, n = self.fd(), self.length()
        return hash_of(os.read(fd, n)) if self.regular(fd) else None

    def op_pread(self):
        fd, off = self.fd(), self.n(300000)
        return hash_of(os.pread(fd, 1000, off)) if self.regular(fd) else None

    def op_seek(self):
        fd, off, whence = self.fd(), self.n(100000), self.n(3)
        return os.lseek(fd, off, whence) if self.regular(fd) else None

    def op_ftruncate(self):
        return os.ftruncate(self.fd(), self.n(300000))

    def op_truncate(self):
        return os.truncate(self.name(), self.n(300000))

    def op_mkdir(self):
        return os.mkdir(self.name(), self.r.choice([0o755, 0o700]))

    def op_rmdir(self):
        return os.rmdir(self.name())

    def op_unlink(self):
        return os.unlink(self.name())

    def op_rename(self):
        return os.rename(self.name(), self.name())

    def op_link(self):
        return os.link(self.name(), self.name(), follow_symlinks=False)

    def op_symlink(self):
        return os.symlink(self.name(), self.name())

    def op_readlink(self):
        return os.readlink(self.name())

    def op_stat(self):
        x = self.name()
        return self.show(os.stat(x, follow_symlinks=bool(self.n(2))))

    def op_fstat(self):
        return self.show(os.fstat(self.fd()))

    def op_chmod(self):
        # Not sticky: what links and FIFOs in such directories do depends on the host (fs.protected_*).
        return os.chmod(self.name(), self.n(0o10000) & ~0o1000)

    def op_chown(self):
        u, g = self.n(2000), self.r.choice([-1, self.n(2000)])
        return os.chown(self.name(), u, g, follow_symlinks=bool(self.n(2)))

    def op_utime(self):
        x, t = self.name(), (self.n(10**9), self.n(10**9))
        os.utime(x, ns=t, follow_symlinks=False)
        return os.lstat(x).st_mtime_ns

    def op_list(self):
        x = self.name()
        with os.scandir(x) as d:
            # A directory of an overlay may have one number here and another in stat.
            return sorted((e.name, e.is_dir(follow_symlinks=False) or
                           e.inode() == os.lstat(x + "/" + e.name).st_ino) for e in d)

    def op_fallocate(self):
        return os.posix_fallocate(self.fd(), self.n(100000), 1 + self.n(100000))

    def op_mknod(self):
        t = self.r.choice([stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFREG])
        return os.mknod(self.name(), t | 0o640)

    def op_xattr(self):
        x, q, v = self.name(), self.n(4), b"v" * (1 + self.n(5))
        if q == 0:
            return os.setxattr(x, "user.one", v, self.n(3), follow_symlinks=False)
        if q == 1:
            return os.getxattr(x, "user.one", follow_symlinks=False)
        if q == 2:
            return os.removexattr(x, "user.one", follow_symlinks=False)
        return os.listxattr(x, follow_symlinks=False)

    def op_mmap(self):
        fd, at = self.fd(), self.n(1000)
        if not self.regular(fd) or os.fstat(fd).st_size <= at:
            return None
        with mmap.mmap(fd, 0) as m:
            m[at] = 90
        return at

    def op_access(self):
        return os.access(self.name(), self.n(8))

    def op_fsync(self):
        return os.fdatasync(self.fd())

def hash_of(data):
    h = 0
    for c in data[::7]:
        h = (h * 31 + c) & 0xffffffff
    return len(data), h

OPS = [getattr(Run, f) for f in sorted(dir(Run)) if f.startswith("op_")]
for seed in range(4):
    os.mkdir(f"w{seed}")
    os.chdir(f"w{seed}")
    run = Run(seed)
    for i in range(1500):
        op = run.r.choice(OPS)
        try:
            result = op(run)
        except OSError as e:
            result = errno.errorcode[e.errno]
        except ValueError: # fsync(-1)
            result = "EBADF"
        print(seed, i, op.__name__[3:], result)
    for fd in run.fds:
        if fd >= 0:
            os.close(fd)
    os.chdir("..")
print("done")
X
cd /root && rm -rf fs-random && ls -A /root | grep -c fs-random
