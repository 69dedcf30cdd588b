# rootfs: busybox
cd /tmp
mkdir -p a/b/c && echo data > a/b/c/f && cat a/b/c/f
ln -s b/c/f a/link && cat a/link && readlink a/link
mv a/b a/d && ls -R a
cat a/link; echo status $?
chmod 640 a/d/c/f && stat -c '%a %u %g %s %F' a/d/c/f
rm -r a && ls | wc -l
dd if=/dev/zero of=big bs=64k count=64 2>/dev/null && wc -c < big && md5sum big
touch x && [ -e x ] && rm x && [ ! -e x ] && echo gone
ls / | sort
