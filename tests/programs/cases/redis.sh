# timeout: 60
cd /tmp && redis-server --port 0 --unixsocket /tmp/r.sock --save "" --daemonize yes >/dev/null
for i in $(seq 300); do redis-cli -s /tmp/r.sock ping 2>/dev/null | grep -q PONG && break; sleep 0.1; done
redis-cli -s /tmp/r.sock set k v; redis-cli -s /tmp/r.sock get k
for i in 1 2 3; do redis-cli -s /tmp/r.sock incr n; done
redis-cli -s /tmp/r.sock shutdown nosave; for i in $(seq 300); do [ -e r.sock ] || break; sleep 0.1; done; ls r.sock 2>&1
