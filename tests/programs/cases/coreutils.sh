cd /tmp
seq 100000 | sort -rn | head -3; seq 10000 | sha256sum; seq 1000 | split -l 100 - part.; ls part.* | wc -l
find /usr/share/doc -maxdepth 1 | wc -l
find /bin/ /sbin/ -name 'b*' | sort
seq 40 | xargs -P4 -I{} sh -c 'echo {}' | sort -n | tail -2
stat -c '%A %U %G %s' /etc/passwd; df /tmp | wc -l; id; umask
install -m 4755 /bin/true ./t && stat -c %a t; cp -a /etc ./etc && diff -r /etc ./etc && echo same
truncate -s 10M h; stat -c '%s' h; ls -la / | awk '{print $1, $3, $4, $9}' | grep -v -e '^d.* \.$' | sort
