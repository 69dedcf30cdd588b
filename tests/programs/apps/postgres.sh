# timeout: 300
# PostgreSQL: initdb, pgbench over a Unix socket, kill -9 of a backend and of all of it, recovery.
cd /tmp; B=$(echo /usr/lib/postgresql/*/bin); D=/var/lib/postgresql/t; export PGHOST=/tmp LC_ALL=C
as() { setpriv --reuid postgres --regid postgres --clear-groups env PATH=$B:$PATH HOME=/tmp PGHOST=/tmp "$@"; }
q() { as psql -qAtX -c "$1" "${2:-postgres}" 2>&1; }
ready() { for i in $(seq 300); do as pg_isready -q && return; sleep 0.1; done; echo not ready; }
as initdb -D $D -A trust --no-sync 2>&1 | grep -E '^(Success|selecting dynamic|selecting default max)'
printf "listen_addresses=''\nunix_socket_directories='/tmp'\nlog_min_messages=warning\n" >> $D/postgresql.conf
as pg_ctl -D $D -l /tmp/log -w start | tail -1
q 'create table t(i int primary key, s text)'; q "insert into t select i, repeat('x', 100) from generate_series(1, 20000) i"; q 'select count(*), sum(length(s)) from t'
q 'begin; update t set s = s || s where i % 7 = 0; rollback; vacuum analyze t'; q 'select sum(length(s)) from t'
echo == pgbench
as pgbench -q -i -s 2 postgres 2>&1 | grep -c done
as pgbench -n -c 8 -j 4 -t 50 postgres 2>&1 | grep -E 'processed|failed' | sed 's/ (.*//'
as pgbench -n -S -c 4 -j 2 -t 200 postgres 2>&1 | grep -E 'processed'
q 'select sum(abalance) = (select sum(delta) from pgbench_history) from pgbench_accounts'
echo == a backend is killed
as psql -qAtX -c "select pg_backend_pid()" -c "select pg_sleep(30)" postgres > /tmp/b 2>&1 & c=$!
for i in $(seq 50); do grep -q . /tmp/b && break; sleep 0.1; done
kill -9 $(head -1 /tmp/b); wait $c; echo client $?; grep -c 'server closed\|terminat' /tmp/b
sleep 0.5; ready; q 'select count(*) from t'; grep -c 'all server processes terminated; reinitializing' /tmp/log; grep -c 'was terminated by signal 9' /tmp/log
echo == everything is killed
q "insert into t select i, 'after' from generate_series(20001, 21000) i"
kill -9 $(head -1 $D/postmaster.pid); sleep 1
as pg_ctl -D $D -l /tmp/log2 -w start | tail -1; ready; q "select count(*), count(*) filter (where s = 'after') from t"
grep -cE 'was not properly shut down|interrupted' /tmp/log2
as psql -qAtX -c 'listen n' -c "select pg_notify('n', 'x')" postgres | grep -c Asynchronous
q 'create extension pg_prewarm; select pg_prewarm($$t$$) > 0'
as pg_ctl -D $D -m fast -w stop | tail -1; ls /dev/shm | wc -l
