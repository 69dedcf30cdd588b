# rootfs: busybox
trap 'echo got term' TERM
kill -TERM $$
sleep 100 & p=$!
kill -9 $p; wait $p; echo $?
sleep 100 & p=$!
kill -STOP $p; kill -CONT $p; kill $p; wait $p; echo $?
sh -c 'kill -SEGV $$'; echo $?
timeout -s INT 1 sleep 10; echo $?
