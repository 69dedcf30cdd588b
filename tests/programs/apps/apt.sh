# timeout: 180
# apt-get update and install from a local file repository: dependencies, maintainer scripts, upgrade, remove, purge.
export DEBIAN_FRONTEND=noninteractive; cd /root; mkdir -p repo
pkg() { # name version depends
	d=b/$1-$2; mkdir -p $d/DEBIAN $d/usr/share/$1 $d/etc; for i in $(seq 100); do echo $1 $2 $i > $d/usr/share/$1/f$i; done; ln -s f1 $d/usr/share/$1/link; echo conf $2 > $d/etc/$1.conf
	printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: a <a@b>\nDepends: %s\nDescription: x\n' $1 $2 "$3" > $d/DEBIAN/control; echo /etc/$1.conf > $d/DEBIAN/conffiles
	printf '#!/bin/sh\necho postinst %s "$@"\nid -un > /var/lib/%s.ran\n' $1 $1 > $d/DEBIAN/postinst; printf '#!/bin/sh\necho prerm %s "$@"\n' $1 > $d/DEBIAN/prerm; chmod 755 $d/DEBIAN/p*
	dpkg-deb --root-owner-group -b $d repo >/dev/null
}
pkg liba 1.0 'libc6'; pkg progb 1.0 'liba (>= 1.0), coreutils'
(cd repo && dpkg-scanpackages -m . 2>/dev/null > Packages)
rm -rf /etc/apt/sources.list.d/*; echo 'deb [trusted=yes] file:/root/repo ./' > /etc/apt/sources.list; chmod 755 /root
f() { grep -vE '^(\(Reading|Reading|Building|Need to get|After this|Get:|Fetched|W:|N:)|debconf|^$' | sed 's/^Get:.*//'; }
apt-get update 2>&1 | f; echo status ${PIPESTATUS[0]}
apt-get install -y progb 2>&1 | f; cat /usr/share/progb/link /etc/liba.conf /var/lib/progb.ran; dpkg -L progb | wc -l
echo changed > /etc/liba.conf
pkg liba 2.0 'libc6'; (cd repo && dpkg-scanpackages -m . 2>/dev/null > Packages); apt-get update 2>&1 | f
apt-get -o Dpkg::Options::=--force-confold dist-upgrade -y 2>&1 | f; cat /etc/liba.conf /usr/share/liba/f7; dpkg --verify liba progb; dpkg -l liba progb | grep -E '^i'
apt-get remove -y liba 2>&1 | f; ls /usr/share/liba 2>&1; apt-get purge -y progb liba 2>&1 | f; ls /etc/liba.conf 2>&1
apt-get check 2>&1 | f; apt-get install -y nothing-here 2>&1 | f; dpkg --audit; apt-cache policy liba | head -3
