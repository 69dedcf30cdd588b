# timeout: 120
# SQLite: write-ahead log with two processes, rollback journal, locks, a killed writer.
cd /root
sqlite3 a.db 'pragma journal_mode=wal; create table t(i integer primary key, p int);'
ins() { for i in $(seq 300); do echo "insert into t(p) values($1);"; done | sqlite3 -cmd '.timeout 30000' a.db; }
ins 1 & a=$!; ins 2 & b=$!
for i in $(seq 20); do sqlite3 -cmd '.timeout 30000' -readonly a.db 'select count(*) >= 0 from t' ; done | sort | uniq -c | tr -s ' '
wait $a $b; sqlite3 a.db 'select p, count(*) from t group by p; pragma integrity_check; pragma wal_checkpoint(truncate)'; ls a.db*
echo == locks
mkfifo f; sqlite3 a.db < f & c=$!; exec 5>f; echo "begin immediate; insert into t(p) values(3);" >&5; sleep 0.3
sqlite3 -cmd '.timeout 100' a.db 'insert into t(p) values(4)' 2>&1; sqlite3 a.db 'select count(*) from t'
echo "commit;" >&5; exec 5>&-; wait $c; sqlite3 a.db 'select count(*) from t'
echo == a killed writer
sqlite3 b.db 'create table t(i, s); insert into t values(1, "first")'
rm -f g; mkfifo g; sqlite3 b.db < g & c=$!; exec 5>g; { echo "pragma cache_size=5; begin; "; for i in $(seq 2000); do echo "insert into t values($i, hex(randomblob(200)));"; done; } >&5; sleep 0.5; kill -9 $c; wait $c 2>/dev/null; exec 5>&-
ls b.db*; sqlite3 b.db 'select count(*) from t; pragma integrity_check'; ls b.db*
echo == mmap
sqlite3 a.db 'pragma mmap_size=100000000; select sum(p) from t; insert into t(p) values(5); vacuum; select count(*) from t'
python3 - <<'X'
import sqlite3, multiprocessing
def w(n):
    c = sqlite3.connect("/root/c.db", timeout=60, isolation_level=None)
    for i in range(100):
        c.execute("begin immediate"); v = c.execute("select v from t").fetchone()[0]; c.execute("update t set v=?", (v + 1,)); c.execute("commit")
for mode in "wal", "delete":
    c = sqlite3.connect("/root/c.db"); c.execute("pragma journal_mode=" + mode); c.execute("drop table if exists t"); c.execute("create table t(v)"); c.execute("insert into t values(0)"); c.commit(); c.close()
    ps = [multiprocessing.Process(target=w, args=(i,)) for i in range(4)]
    [p.start() for p in ps]; [p.join() for p in ps]
    print(mode, sqlite3.connect("/root/c.db").execute("select v from t").fetchone(), [p.exitcode for p in ps])
X
