# timeout: 240
# cgroup: rw
# tmpfs: /run /run/lock
# env: container=oci
# args: /bin/bash /root/case.sh
# output: /root/out
# systemd as pid 1 reaches multi-user.target; services, timers, sockets, journal, groups; then it ends with a status.
if [ "$1" != inside ]; then
	cd /etc/systemd/system || exit
	systemctl mask -q systemd-networkd-wait-online systemd-firstboot systemd-resolved systemd-logind 2>/dev/null
	systemctl disable -q postgresql mariadb nginx redis-server e2scrub_reap apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer 2>/dev/null
	rm -f multi-user.target.wants/{postgresql,mariadb,nginx,redis-server}* timers.target.wants/*
	printf '[Service]\nType=idle\nExecStart=/bin/bash /root/case.sh inside\n[Install]\nWantedBy=multi-user.target\n' > check.service
	printf '[Service]\nType=notify\nNotifyAccess=all\nExecStart=/bin/sh -c "systemd-notify --ready; exec sleep 1000"\nRestart=always\nRestartSec=0\n[Install]\nWantedBy=multi-user.target\n' > up.service
	printf '[Socket]\nListenStream=/run/echo.sock\nAccept=yes\n[Install]\nWantedBy=sockets.target\n' > echo.socket
	printf '[Service]\nExecStart=/bin/cat\nStandardInput=socket\n' > echo@.service
	printf '[Service]\nType=forking\nExecStart=/bin/sh -c "(sleep 1000 & sleep 1001 & ) ; :"\n' > forks.service
	systemctl enable -q check.service up.service echo.socket 2>/dev/null
	echo 'LogLevel=info' >> /etc/systemd/system.conf
	exec /sbin/init
fi
exec > /root/out 2>&1
timeout 60 systemctl is-system-running --wait
systemctl is-active multi-user.target basic.target dbus.service systemd-journald.service up.service echo.socket
systemctl --failed --no-legend --plain | awk '{print $1}'
cat /proc/1/comm; ps -o comm= -p $(systemctl show -p MainPID --value up.service)
a=$(systemctl show -p MainPID --value up.service); kill -9 $a; for i in $(seq 50); do b=$(systemctl show -p MainPID --value up.service); [ "$a" != "$b" ] && [ "$b" != 0 ] && echo restarted && break; sleep 0.1; done
python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect("/run/echo.sock"); s.send(b"through a socket unit\n"); print(s.recv(100))'
systemctl start forks; pgrep -c -f 'sleep 100[01]'; systemctl stop forks; for i in $(seq 50); do pgrep -f 'sleep 100[01]' >/dev/null || break; sleep 0.1; done; pgrep -l -f 'sleep 100[01]' | cut -d' ' -f2; systemctl is-active forks
systemd-run -q --wait --pipe -p User=nobody id -un; systemd-run -q --wait sh -c 'exit 3'; echo $?
systemd-run -q --unit=logs --wait echo a line for the journal; journalctl -q -u logs -o cat | grep -c '^a line'
systemd-run -q --on-active=1 --timer-property=AccuracySec=100ms --unit=later touch /run/later; for i in $(seq 100); do [ -e /run/later ] && break; sleep 0.1; done; ls /run/later
grep -c '/system.slice/check.service$' /proc/self/cgroup | sed 's/^[1-9].*/in its group/'
busctl --system list 2>/dev/null | grep -c org.freedesktop.systemd1
systemctl daemon-reload; echo $?; systemctl is-active up.service; systemctl stop up.service; systemctl is-active up.service
systemctl --no-block exit 7
