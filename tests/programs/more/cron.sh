# timeout: 110
# cron: a job each minute, as root and as another user, with its environment and mail-less output.
cd /root; echo '* * * * * root echo ran $(id -un) $PATH >> /tmp/log1' > /etc/cron.d/t; echo '* * * * * nobody date +\%S > /tmp/log2; exit 3' >> /etc/cron.d/t; chmod 644 /etc/cron.d/t
cron -f -L 15 & p=$!; for i in $(seq 90); do [ -s /tmp/log1 ] && [ -s /tmp/log2 ] && break; sleep 1; done; head -1 /tmp/log1; stat -c %U /tmp/log2; [ "$(cat /tmp/log2)" -lt 20 ] && echo in time; kill $p; wait $p; echo $?
