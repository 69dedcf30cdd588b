# SPDX-License-Identifier: Apache-2.0
# prelude.sh: what the rows use.  RT: the runtime, CLIENT: docker, podman, ctr, cri; N: a name for the row's containers.

case $CLIENT in
docker) cli() { docker "$@"; } ;;
podman) cli() { podman "$@"; } ;;
esac

# The path of the runtime under test, or runc's.
runtime_path() {
	[ "$RT" = runc ] && type -P runc || echo "$RUNSC"
}

# docker|podman run with the row's runtime and no network
run() {
	case $CLIENT in
	docker) docker run --runtime "$RT" --network none --label row="$N" "$@" ;;
	podman) podman --runtime "$RT" run --network none --label row="$N" "$@" ;;
	esac
}
create() {
	case $CLIENT in
	docker) docker create --runtime "$RT" --network none --label row="$N" "$@" ;;
	podman) podman --runtime "$RT" create --network none --label row="$N" "$@" ;;
	esac
}
# A container that sleeps: sleeper [FLAGS…]
sleeper() { run -d --name "$N" "$@" busybox sleep 1000 > /dev/null; }
# Wait until a command succeeds: until_true SECONDS COMMAND…
until_true() {
	local end=$((SECONDS + $1)); shift
	until "$@" > /dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "never true: $*"; return 1; }
		sleep 0.1
	done
}
status_is() { [ "$(cli inspect -f '{{.State.Status}}' "$N")" = "$1" ]; }
# Run a command on a terminal of its own: tty COMMAND…
tty() { script -qefc "$(printf '%q ' "$@")" /dev/null; }

cleanup() {
	case $CLIENT in
	docker|podman)
		cli ps -aq --filter label=row="$N" | xargs -r "$CLIENT" rm -f $([ "$CLIENT" = docker ] || echo -t 0)
		cli volume rm -f "$N" ;;
	esac
}

busybox_tar() { tar -C "$ROOTFS_CACHE/busybox" --exclude .complete -c .; }

# world_up CLIENTS…: start the daemons, make the images
world_up() {
	local c i
	for c; do
		case $c in
		docker)
			cat > /etc/docker/daemon.json <<-E
			{ "runtimes": { "runsc-c": { "path": "$RUNSC", "runtimeArgs": ["--debug-log", "$WORLD/log/%ID%.log"] } },
			  "cgroup-parent": "/runsc-c-clients", "bip": "172.31.7.1/24" }
			E
			dockerd > "$WORLD/log/dockerd.log" 2>&1 &
			for i in $(seq 150); do docker version > /dev/null 2>&1 && break; sleep 0.2; done
			docker version > /dev/null
			docker inspect busybox > /dev/null 2>&1 || busybox_tar | docker import - busybox > /dev/null ;;
		podman)
			cat > /etc/containers/containers.conf <<-E
			[engine]
			cgroup_manager = "cgroupfs"
			events_logger = "file"
			runtime_supports_json = ["crun", "runc", "runsc-c"]
			[engine.runtimes]
			runsc-c = ["$RUNSC"]
			[containers]
			log_driver = "k8s-file"
			E
			podman image exists busybox || busybox_tar | podman import - busybox > /dev/null 2>&1 ;;
		ctr|cri)
			[ -e /run/containerd/containerd.sock ] && continue
			;;
		esac
	done
}
