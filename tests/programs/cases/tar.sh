# timeout: 120
# long: yes
cd /tmp
python3 - <<'X'
import os
for i in range(10000):
    d = "t/d%d" % (i % 100)
    os.makedirs(d, exist_ok=True)
    p = "%s/f%d" % (d, i)
    with open(p, "w") as f: f.write("x" * (i % 997))
    os.chmod(p, 0o600 + i % 64)
    os.chown(p, i % 7, i % 5)
    os.utime(p, (i, i * 2))
X
tar cf a.tar t && mkdir out && tar xpf a.tar -C out --same-owner
(cd t && find . -type f -printf '%p %m %U %G %s %T@\n' | sort | sha256sum)
(cd out/t && find . -type f -printf '%p %m %U %G %s %T@\n' | sort | sha256sum)
diff -r t out/t && echo identical
