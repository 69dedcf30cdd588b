#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deb.sh EXECUTABLE OUTPUT-DIRECTORY: a Debian package of it.
set -eu
exe=$1 out=$2
version=$("$exe" --version | awk 'NR == 1 {print $3}')
arch=$(dpkg --print-architecture)
tree=$out/runsc-c_${version}_$arch
rm -rf "$tree"
install -D -m 0755 "$exe" "$tree/usr/bin/runsc-c"
for d in README.md docs/kubernetes.md docs/security.md docs/status.md; do install -D -m 0644 $d "$tree/usr/share/doc/runsc-c/$(basename $d)"; done
install -D -m 0644 LICENSE "$tree/usr/share/doc/runsc-c/copyright"
mkdir -p "$tree/DEBIAN"
cat > "$tree/DEBIAN/control" <<E
Package: runsc-c
Version: $version
Architecture: $arch
Section: admin
Priority: optional
Maintainer: the runsc-c authors <runsc-c@localhost>
Installed-Size: $(du -sk "$tree/usr" | cut -f1)
Suggests: docker.io | podman | containerd, iptables, passt | slirp4netns
Description: OCI runtime with a Linux kernel of its own, in user space
 Runs containers and pods on an emulated kernel, for Docker, containerd and
 podman. "runsc-c install" registers it with them.
E
# On removal the clients must not keep pointing at what is gone.
cat > "$tree/DEBIAN/prerm" <<'E'
#!/bin/sh
set -e
[ "$1" != remove ] || runsc-c uninstall > /dev/null 2>&1 || true
E
chmod 755 "$tree/DEBIAN/prerm"
dpkg-deb --root-owner-group --build "$tree" "$out" > /dev/null
rm -rf "$tree"
ls "$out"/runsc-c_"${version}"_"$arch".deb
