# timeout: 120
# nginx over a Unix socket: files of sizes, ranges, keep-alive, sendfile, a reload, a killed worker, a proxy to itself.
mkdir -p /root/www && cd /root/www && chmod 755 /root; echo hello > i.html; head -c 3000000 /dev/zero | tr '\0' x > big; mkdir d; touch d/{a,b,c}
cat > /tmp/n.conf <<'X'
user www-data; worker_processes 2; pid /tmp/n.pid; error_log /tmp/e.log warn;
events { worker_connections 256; }
http { access_log /tmp/a.log; sendfile on; tcp_nopush on; aio threads; client_body_temp_path /tmp/b;
 server { listen unix:/tmp/n.sock; root /root/www; autoindex on; location /p/ { proxy_pass http://unix:/tmp/n.sock:/; } location /gz { gzip on; gzip_types *; alias /root/www/big; } } }
X
nginx -t -c /tmp/n.conf 2>&1 | tail -1; nginx -c /tmp/n.conf
c() { curl -s --unix-socket /tmp/n.sock "$@"; }
c http://x/i.html; c http://x/big | md5sum; c -r 100-199 http://x/big | wc -c; c http://x/d/ | grep -c href; c -o /dev/null -w '%{http_code}\n' http://x/none
c http://x/p/big | md5sum; c --compressed http://x/gz | md5sum; c -I http://x/i.html | grep -ciE '^(Server|ETag|Content-Length: 6)'
for i in $(seq 20); do c http://x/big http://x/i.html -o /dev/null -o /dev/null & w="$w $!"; done; wait $w; grep -c ' 200 ' /tmp/a.log
old=$(cat /tmp/n.pid); nginx -c /tmp/n.conf -s reload 2>/dev/null; sleep 0.5; c http://x/i.html; [ "$old" = "$(cat /tmp/n.pid)" ] && echo same master
kill -9 $(pgrep -P $old | head -1); sleep 0.5; pgrep -P $old | wc -l; c http://x/i.html; grep -c 'exited on signal 9' /tmp/e.log
nginx -c /tmp/n.conf -s quit 2>/dev/null; for i in $(seq 50); do [ -e /tmp/n.pid ] || break; sleep 0.1; done; ls /tmp/n.pid 2>&1; grep -cE 'emerg|crit' /tmp/e.log
