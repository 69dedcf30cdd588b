# timeout: 90
# GnuPG: keys, signatures, encryption, gpg-agent over its socket.
export GNUPGHOME=/root/g; mkdir -m 700 $GNUPGHOME; cd /root
gpg --batch -q --passphrase '' --quick-gen-key 'A <a@example>' ed25519 sign never 2>&1 | grep -v revocation; fpr=$(gpg --list-keys --with-colons 2>/dev/null | awk -F: '/^fpr/{print $10; exit}')
gpg --batch -q --passphrase '' --quick-add-key "$fpr" cv25519 encr never; gpg -k --with-colons 2>/dev/null | awk -F: '/^(pub|sub)/{print $1, $3, $4, $12}'
seq 20000 > data; gpg --batch -q --sign -o data.sig data; gpg --batch -q --verify data.sig 2>&1 | grep -o 'Good signature.*'
gpg --batch -q --detach-sign data; echo x >> data; gpg --batch --verify data.sig data 2>&1 | grep -oE 'BAD signature.*|not a detached.*'
gpg --batch -q -r a@example --trust-model always -e -o data.gpg data; gpg --batch -q -d data.gpg | cmp - data && echo decrypted
gpg --batch -q --passphrase pw --pinentry-mode loopback -c -o sym.gpg data; gpg --batch -q --passphrase pw --pinentry-mode loopback -d sym.gpg | cmp - data && echo symmetric
gpg --batch --passphrase no --pinentry-mode loopback -d sym.gpg > /dev/null 2>&1; echo status $?
gpg-connect-agent 'getinfo version' /bye | tail -1; gpg-connect-agent 'keyinfo --list' /bye | grep -c KEYINFO; gpgconf --kill gpg-agent; sleep 0.5; ls $GNUPGHOME | sort | tr '\n' ' '
