# timeout: 60
# PHP: fpm over a Unix socket with several workers, reload, a slow request killed; cli with pcntl, streams, shared memory.
cd /root; mkdir -p /run/php w; cat > fpm.conf <<'X'
[global]
pid = /root/fpm.pid
error_log = /root/fpm.log
daemonize = yes
[www]
user = www-data
group = www-data
listen = /root/fpm.sock
pm = dynamic
pm.max_children = 4
pm.start_servers = 2
pm.min_spare_servers = 1
pm.max_spare_servers = 3
request_terminate_timeout = 1
X
chmod 755 /root
echo '<?php echo $_GET["q"] ?? "none", " ", PHP_SAPI, " ", posix_getuid(), "\n"; file_put_contents("/tmp/n", "x", FILE_APPEND | LOCK_EX);' > w/a.php; echo '<?php while (1) usleep(1000);' > w/slow.php; echo '<?php var_dump(opcache_get_status(false)["opcache_enabled"] ?? null);' > w/op.php
php-fpm8.2 -y fpm.conf; req() { REQUEST_METHOD=GET SCRIPT_FILENAME=/root/w/$1 QUERY_STRING="$2" timeout 10 cgi-fcgi -bind -connect /root/fpm.sock | tr -d '\r' | grep -vE '^(X-Powered|Content-type|$)'; }
req a.php q=1; for i in $(seq 30); do req a.php q=$i > /dev/null & done; wait; wc -c < /tmp/n; req op.php
req slow.php; echo status $?; req a.php q=after; kill -USR2 $(cat fpm.pid); sleep 1; req a.php q=reloaded; kill -QUIT $(cat fpm.pid); sleep 0.7; ls fpm.sock 2>&1
cat > c.php <<'X'
<?php pcntl_async_signals(true); pcntl_signal(SIGUSR1, function () { echo "usr1\n"; }); posix_kill(posix_getpid(), SIGUSR1);
for ($i = 0; $i < 3; $i++) if (($p = pcntl_fork()) == 0) { exit($i); } else $k[] = $p; foreach ($k as $p) { pcntl_waitpid($p, $s); echo pcntl_wexitstatus($s), "\n"; }
[$a, $b] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); fwrite($a, "pair\n"); echo fgets($b); $r = [$b]; $w = $e = null; var_dump(stream_select($r, $w, $e, 0, 1000));
$d = proc_open(['sh', '-c', 'cat; echo err >&2; exit 3'], [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pp); fwrite($pp[0], "in\n"); fclose($pp[0]); echo stream_get_contents($pp[1]), stream_get_contents($pp[2]), proc_close($d), "\n";
$m = shmop_open(0x1234, 'c', 0600, 100); shmop_write($m, 'shared', 0); echo shmop_read($m, 0, 6), "\n"; shmop_delete($m); $s = sem_get(77); var_dump(sem_acquire($s), sem_release($s), sem_remove($s));
$q = msg_get_queue(88); msg_send($q, 1, ['x' => 1]); msg_receive($q, 0, $t, 1000, $v); var_dump($v); msg_remove_queue($q); echo count(glob('/proc/[0-9]*')) > 0, "\n"; 
X
php c.php; echo status $?
