# rootfs: busybox
trap 'echo got term' TERM
kill -TERM $$
sleep 100 & p=$!
kill -9 $p; wait $p; echo $?
sh -c 'kill -SEGV $$' 2>/dev/null; echo $?
timeout -s INT 1 sleep 10; echo $?
