# timeout: 120
# redis: append-only file, snapshots, a background save under load, kill -9.
mkdir -p /root/r && cd /root/r; S=/tmp/r.sock; r() { redis-cli -s $S "$@"; }
start() { redis-server --port 0 --unixsocket $S --dir /root/r --save "" "$@" > log 2>&1 & p=$!; for i in $(seq 100); do [ "$(r ping 2>/dev/null)" = PONG ] && return; sleep 0.1; done; echo not up; tail -5 log; }
start --appendonly yes --appendfsync everysec
seq 10000 | sed 's/.*/SET k& v&/' | r --pipe | tail -1 | tr ',' '\n' | tail -1
redis-benchmark -s $S -q -n 20000 -c 20 -r 5000 -t set,incr,lpush >/dev/null 2>&1 & b=$!
r bgsave; wait $b; for i in $(seq 100); do [ "$(r info persistence | tr -d '\r' | sed -n 's/rdb_bgsave_in_progress://p')" = 0 ] && break; sleep 0.1; done
r info persistence | tr -d '\r' | grep -E 'rdb_last_bgsave_status|aof_enabled|aof_last_write_status'
r bgrewriteaof; for i in $(seq 100); do [ "$(r info persistence | tr -d '\r' | sed -n 's/aof_rewrite_in_progress://p')" = 0 ] && break; sleep 0.1; done
r info persistence | tr -d '\r' | grep -E 'aof_last_bgrewrite_status'; r get k777; n=$(r dbsize)
r set last one; sleep 1.2; kill -9 $p; wait $p 2>/dev/null; echo killed $?
start --appendonly yes; r get last; [ $(r dbsize) = $((n + 1)) ] && echo same size; r save; r shutdown nosave; wait $p; echo $?
ls | sort; rm -rf appendonlydir; start --dbfilename dump.rdb; r get last; r shutdown nosave; wait $p; echo $?
redis-check-rdb dump.rdb | grep -c 'RDB looks OK'
start; (for i in 1 2 3; do r blpop list 10 >> pops & done; sleep 0.5; for i in 1 2 3; do r rpush list x$i; done; wait) | sort; sort pops
(timeout 1 redis-cli -s $S subscribe ch > sub & sleep 0.4; r publish ch hello; wait); tr '\n' ' ' < sub; r eval 'local s=0 for i=1,100000 do s=s+i end return s' 0
r debug sleep 0 ; r shutdown nosave
