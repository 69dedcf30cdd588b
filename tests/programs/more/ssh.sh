# timeout: 90
# OpenSSH without a network: sshd -i behind a proxy command; keys, agent, pty, sftp, scp, forwarded sockets, multiplexing.
cd /root; mkdir -p .ssh /run/sshd; chmod 700 .ssh
ssh-keygen -q -t ed25519 -N '' -f .ssh/id; ssh-keygen -q -t rsa -b 2048 -N secret -f .ssh/rsa; ssh-keygen -q -t ed25519 -N '' -f host
ssh-keygen -lf .ssh/id | awk '{print $1, $4}'
cat .ssh/id.pub .ssh/rsa.pub > .ssh/authorized_keys
printf 'HostKey /root/host\nPermitRootLogin yes\nSubsystem sftp internal-sftp\nUsePAM no\nStrictModes no\nAllowStreamLocalForwarding yes\n' > cfg
printf 'Host *\n ProxyCommand /usr/sbin/sshd -i -f /root/cfg -E /root/sshd.log\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n LogLevel ERROR\n IdentityFile /root/.ssh/id\n' > .ssh/config
S="ssh -F /root/.ssh/config"
$S h 'echo hello; id -u; tty; exit 7'; echo status $?
seq 100000 | $S h 'cat | md5sum'
$S -tt h 'tty | sed s/[0-9]//; stty size; echo $TERM' < /dev/null | tr -d '\r'
dd if=/dev/zero bs=1M count=8 2>/dev/null | $S h 'wc -c'
eval "$(ssh-agent -s)" > /dev/null; printf '#!/bin/sh\necho secret\n' > ask; chmod +x ask; SSH_ASKPASS=/root/ask SSH_ASKPASS_REQUIRE=force ssh-add .ssh/rsa < /dev/null 2>&1; ssh-add -l | awk '{print $1, $4}'
ssh -F .ssh/config -o IdentityFile=none h 'echo by agent'; ssh -A -F .ssh/config h 'ssh-add -l | wc -l'
head -c 3000000 /dev/urandom > big; scp -q -F .ssh/config big h:/root/big2; cmp big big2 && echo scp
printf 'put big big3\nls big3\nrename big3 big4\nchmod 600 big4\nbye\n' | sftp -q -F .ssh/config -b - h | grep -v '^sftp> ls'; cmp big big4 && stat -c %a big4
$S -M -S ctl -fN h; ssh -F .ssh/config -S ctl h 'echo multiplexed'; ssh -F .ssh/config -S ctl -O check h 2>&1 | sed 's/pid=[0-9]*/pid/'; ssh -F .ssh/config -S ctl -O exit h 2>&1
socat UNIX-LISTEN:/root/back,fork EXEC:'/bin/cat' & b=$!; sleep 0.3
$S -fN -M -S ctl2 -L /root/front:/root/back h; echo through | timeout 5 socat -t 2 - UNIX-CONNECT:/root/front; ssh -F .ssh/config -S ctl2 -O exit h 2>/dev/null; kill $b
kill $SSH_AGENT_PID; grep -ciE 'fatal|error' sshd.log
