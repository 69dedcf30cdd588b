# rootfs: busybox
echo one two three | tr ' ' '\n' | sort | head -n 2
seq 1 1000 | awk '{s+=$1} END {print s}'
yes | head -n 100000 | wc -l
(exit 3); echo $?
for i in 1 2 3; do (echo sub $i) & wait; done
cat <<X | sed s/a/b/g
banana
X
