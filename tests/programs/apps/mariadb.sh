# timeout: 300
# MariaDB: 10,000 inserts, restart, kill -9, recovery.
D=/var/lib/mysql; S=/tmp/m.sock; mkdir -p /run/mysqld; chown mysql /run/mysqld; rm -rf $D/*
mysql_install_db --user=mysql --datadir=$D --skip-test-db --auth-root-authentication-method=normal >/tmp/i 2>&1; echo install $?
start() { mariadbd --no-defaults --user=mysql --datadir=$D --socket=$S --skip-networking --pid-file=/tmp/m.pid >/tmp/log.$1 2>&1 & p=$!; for i in $(seq 300); do mysqladmin --no-defaults -S $S ping >/dev/null 2>&1 && return; sleep 0.1; done; echo not up; tail -5 /tmp/log.$1; }
q() { mysql --no-defaults -S $S -N -e "$1" ${2:-test} 2>&1; }
start 1; q 'create database test; select version() like "10.%"' mysql; q 'create table t(i int primary key auto_increment, s varchar(100), key(s)) engine=innodb'
{ for j in $(seq 20); do echo "begin;"; for i in $(seq 500); do echo "insert into t(s) values('row $j $i');"; done; echo "commit;"; done; } | mysql --no-defaults -S $S test; echo $?
for k in 1 2 3 4; do (for i in $(seq 25); do echo "insert into t(s) values('p $k $i');"; done | mysql --no-defaults -S $S test) & w="$w $!"; done; wait $w
q 'select count(*), count(distinct s), max(i) from t'; q 'start transaction; delete from t; rollback; select count(*) from t'
mysqladmin --no-defaults -S $S shutdown; wait $p; echo stopped $?
start 2; q 'select count(*) from t; check table t; update t set s = concat(s, "!"); select count(*) from t where s like "%!"'
kill -9 $p; wait $p 2>/dev/null; echo killed $?
start 3; q 'select count(*) from t where s like "%!"; check table t'; grep -ciE 'crash recovery' /tmp/log.3
mysqladmin --no-defaults -S $S shutdown; wait $p; echo stopped $?
