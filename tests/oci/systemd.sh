#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# systemd.sh: --systemd-cgroup asks systemd for the container's scope, as runc does: what systemd then knows of it, live updates,
# what a daemon-reload leaves, removal, a name used twice, errors.  systemd runs as pid 1 of a container of runc, on the root
# file system `apps` (tests/programs/mkrootfs; skipped without).  Run in a mount namespace of its own.
set -u
if [ "${1-}" != --inside ]; then
	apps=${ROOTFS_CACHE:-/var/tmp/runsc-c}/apps
	[ -x "$apps/lib/systemd/systemd" ] && command -v runc > /dev/null || { echo "systemd: skipped: no runc or no systemd in $apps"; exit 77; }
	. "$(dirname "$0")/lib.sh"
	finish() { runc --root "$T/runc" delete -f "sd-$$" 2> /dev/null; umount -l "$T/tree"; }
	mkdir "$T/tree"; mount -t tmpfs tmpfs "$T/tree"
	mkdir -p "$T"/tree/{up,work,root}
	mount -t overlay overlay -o "lowerdir=$apps,upperdir=$T/tree/up,workdir=$T/tree/work" "$T/tree/root"
	root=$T/tree/root
	rm -f "$root"/etc/systemd/system/{multi-user,timers}.target.wants/*
	for u in systemd-networkd-wait-online systemd-firstboot systemd-resolved systemd-logind; do ln -sf /dev/null "$root/etc/systemd/system/$u.service"; done
	mkdir "$root/t"; cp "$(realpath "$RUNSC")" "$root/t/runsc-c"; cp "$(command -v runc)" "$root/t/runc"; cp "$0" "$root/t/test"
	busybox_root "$root/t/b/rootfs" sh sleep cat
	(cd "$T/tree" && runc spec) && python3 - "$T/tree/config.json" "$$" <<'P'
import json, sys
f = sys.argv[1]
c = json.load(open(f))
p = c["process"]
p.update(terminal=False, args=["/lib/systemd/systemd"], noNewPrivileges=False)
p["env"].append("container=oci")
p.pop("rlimits", None)
bound = [int(l.split()[1], 16) for l in open("/proc/self/status") if l.startswith("CapBnd")][0]
names = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP".split()
for s in p["capabilities"]:
    p["capabilities"][s] = ["CAP_" + n for i, n in enumerate(names) if bound >> i & 1]
c["root"] = {"path": "root"}
for m in c["mounts"]:
    if m["type"] == "cgroup":
        m["options"] = ["nosuid", "noexec", "nodev", "rw"]
c["mounts"].append({"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]})
l = c["linux"]
l.update(resources={}, maskedPaths=[], readonlyPaths=[], cgroupsPath="/sd-" + sys.argv[2])
l["namespaces"].append({"type": "cgroup"})
json.dump(c, open(f, "w"))
P
	(cd "$T/tree" && runc --root "$T/runc" run -d "sd-$$" < /dev/null > "$T/console" 2>&1) || { cat "$T/console"; echo "systemd: skipped: it does not start"; exit 77; }
	inside() { timeout -s KILL 120 runc --root "$T/runc" exec "sd-$$" "$@"; }
	becomes "systemd runs" 'inside systemctl is-system-running | sed s/degraded/running/' running
	inside bash /t/test --inside runc > "$T/runc.out" 2>&1
	inside bash /t/test --inside runsc-c > "$T/runsc-c.out" 2>&1
	is "as with runc" "$(diff "$T/runc.out" "$T/runsc-c.out")" ""
	has "and that is right" "$(cat "$T/runsc-c.out")" "ControlGroup=/my.slice/my-own.slice/pre-one.scope"
	runc --root "$T/runc" kill "sd-$$" KILL
	becomes "the end" 'runc --root "$T/runc" state "sd-$$" | grep -c stopped' 1
	[ "$fail" = 0 ] || cat "$T/runsc-c.out"
	report
	exit
fi
R="/t/$2 --root /run/$2"
cd /t/b
config() { # CGROUPSPATH
	$R spec; python3 - "$1" <<-'P'
	import json, sys
	c = json.load(open("config.json"))
	c["process"].update(terminal=False, args=["sleep", "1000"])
	c["linux"]["cgroupsPath"] = sys.argv[1]
	c["linux"]["resources"] = {"memory": {"limit": 100 << 20}, "cpu": {"shares": 512, "quota": 50000, "period": 100000}, "pids": {"limit": 100}}
	json.dump(c, open("config.json", "w"))
	P
}
show() { systemctl show pre-one.scope -p ActiveState,Slice,ControlGroup,Delegate,MemoryLimit,MemoryMax,CPUShares,CPUWeight,CPUQuotaPerSecUSec; }
limit() { find /sys/fs/cgroup -path '*/pre-one.scope/memory.limit_in_bytes' -o -path '*/pre-one.scope/memory.max' | head -1 | xargs cat; }
gone() { # a moment is the client's to wait for, too
	for i in $(seq 200); do [ -z "$(systemctl list-units --all --no-legend "$1")" ] && [ -z "$(find /sys/fs/cgroup -name "$1")" ] && break; sleep 0.05; done
	systemctl list-units --all --no-legend "$1"; find /sys/fs/cgroup -name "$1"
}
rm -f config.json; config my-own.slice:pre:one
$R --systemd-cgroup create --pid-file /run/pid one < /dev/null > /run/out 2>&1; echo "create $?"; cat /run/out
$R start one
tr '\0' '\n' < /proc/$(cat /run/pid)/cgroup | grep -E 'name=systemd|memory|^0::|pids|cpu:' | sort
show; limit
# runc is told by its flag each time; the other keeps it in its state.
$R --systemd-cgroup update --memory 209715200 one; echo "update $?"; show | grep Memory; limit
systemctl daemon-reload; show | grep -E 'Memory|Active'; limit
$R --systemd-cgroup kill one KILL
for i in $(seq 100); do $R --systemd-cgroup delete one 2> /dev/null && break; sleep 0.05; done
gone pre-one.scope
$R --systemd-cgroup run -d one < /dev/null > /run/out 2>&1; echo "again $?"; show | grep Active; $R --systemd-cgroup delete -f one; gone pre-one.scope
rm config.json; config "no slice:x:y"
$R --systemd-cgroup run -d one < /dev/null > /run/out 2>&1; echo "bad $?"; grep -o -i 'invalid unit name\|invalid slice name' /run/out | sed 's/.*/refused/'
$R list -q; find /sys/fs/cgroup -name '*.scope' -path '*no*slice*'
