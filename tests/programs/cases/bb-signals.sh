# rootfs: busybox
exec 2>/dev/null # whether ash says "Killed" depends on when it looks
trap 'echo got term' TERM
kill -TERM $$
sleep 100 & p=$!
kill -9 $p; wait $p; echo $?
sh -c 'kill -SEGV $$' 2>/dev/null; echo $?
timeout -s INT 1 sleep 10; echo $?
