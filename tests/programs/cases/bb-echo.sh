# rootfs: busybox
echo hello
echo err >&2
exit 7
