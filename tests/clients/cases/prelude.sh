# SPDX-License-Identifier: Apache-2.0
# prelude.sh: what the rows use.  RT: the runtime, CLIENT: docker, podman, ctr, cri; N: a name for the row's containers.

case $CLIENT in
docker) cli() { docker "$@"; } ;;
podman) cli() { podman "$@"; } ;;
rootless) # as a command too: `rootless` is podman as an ordinary user
	cli() { podman "$@"; }; podman() { as_user podman "$@"; }; PATH=$PATH:$CASES/.. ;;
esac

# An ordinary user, with subordinate ids: the first of /etc/subuid.
ORDINARY=$(cut -d: -f1 /etc/subuid 2> /dev/null | head -1)
as_user() { "$CASES/../rootless" --any "$@"; }

# The path of the runtime under test, or runc's.
runtime_path() {
	[ "$RT" = runc ] && type -P runc || echo "$RUNSC"
}

# docker|podman run with the row's runtime and no network
run() {
	case $CLIENT in
	docker) docker run --runtime "$RT" --network none --label row="$N" "$@" ;;
	podman|rootless) podman --runtime "$RT" run --network none --label row="$N" "$@" ;;
	esac
}
create() {
	case $CLIENT in
	docker) docker create --runtime "$RT" --network none --label row="$N" "$@" ;;
	podman|rootless) podman --runtime "$RT" create --network none --label row="$N" "$@" ;;
	esac
}
# docker|podman run with the row's runtime and the host's network (the world's, tests/clients/world)
host_run() {
	case $CLIENT in
	docker) docker run --runtime "$RT" --network host --label row="$N" "$@" ;;
	podman|rootless) podman --runtime "$RT" run --network host --label row="$N" "$@" ;;
	esac
}
# docker with the row's runtime, on its networks: dk run|create [FLAGS…]
dk() { docker "$1" --runtime "$RT" --label row="$N" "${@:2}"; }
# A network of the row's: net [FLAGS…]
net() { docker network create "$@" "$N" > /dev/null; }
address() { docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"; }
# buildah with the row's runtime; for an ordinary user with the isolation that needs no bridge: bd bud|run|… [ARG…]
bd() {
	local flags=()
	case $1 in bud|run) flags=(--runtime "$(runtime_path)" --isolation oci --network none) ;; esac
	if [ "$CLIENT" = rootless ]; then as_user buildah "$1" "${flags[@]}" "${@:2}"; else buildah "$1" "${flags[@]}" "${@:2}"; fi
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

# ---- containerd

ctr_run() { # FLAGS… -- COMMAND…: in the foreground
	local flags=()
	while [ "$1" != -- ]; do flags+=("$1"); shift; done; shift
	ctr run --runtime io.containerd.runc.v2 --runc-binary "$(runtime_path)" "${flags[@]}" docker.io/library/busybox:latest "$N" "$@"
}

CRICTL=${CRICTL:-$(type -P crictl)}
crictl() { "$CRICTL" --timeout 600s --runtime-endpoint unix:///run/containerd/containerd.sock --image-endpoint unix:///run/containerd/containerd.sock "$@"; }
# pod [JSON members of the pod's linux object]: a sandbox; its id in POD
pod() {
	cat > "$TMP/pod.json" <<-E
	{ "metadata": { "name": "$N", "namespace": "default", "uid": "$N" }, "hostname": "$N", "log_directory": "$TMP/log",
	  "linux": { "cgroup_parent": "/runsc-c-clients" ${1:+, $1} } }
	E
	mkdir -p "$TMP/log"
	POD=$(crictl runp --runtime "$RT" "$TMP/pod.json") || return
}
# container NAME 'JSON array of the command' [JSON members of the container's config]: made and started; its id in C
container() {
	cat > "$TMP/$1.json" <<-E
	{ "metadata": { "name": "$1" }, "image": { "image": "docker.io/library/busybox:latest" }, "command": $2,
	  "log_path": "$1.log" ${3:+, $3} }
	E
	C=$(crictl create "$POD" "$TMP/$1.json" "$TMP/pod.json") && crictl start "$C" > /dev/null
}
cri_state() { crictl inspect "$1" | jq -r .status.state; }
cri_log() { cut -d' ' -f2,4- "$TMP/log/$1.log"; }
cri_ended() { [ "$(cri_state "$1")" = CONTAINER_EXITED ]; }
TMP=/tmp/clients.$N
[ "$CLIENT" != cri ] || mkdir -p "$TMP"

cleanup() {
	case $CLIENT in
	ctr)
		ctr task kill -s KILL "$N"; sleep 0.3; ctr task rm -f "$N"; ctr container rm "$N" ;;
	cri)
		crictl pods -q --name "$N\$" | xargs -r -n1 "$CRICTL" --timeout 600s --runtime-endpoint unix:///run/containerd/containerd.sock rmp -f
		rm -rf "$TMP" ;;
	esac
	case $CLIENT in
	docker|podman|rootless)
		for i in $(cli ps -aq --filter label=row="$N"); do cli rm -f $([ "$CLIENT" = docker ] || echo -t 0) "$i"; done
		cli volume rm -f "$N"
		cli network rm "$N" "$N-b" ;;
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
			{ "default-runtime": "${DEFAULT_RUNTIME:-runc}",
			  "runtimes": { "runsc-c": { "path": "$RUNSC", "runtimeArgs": ["--debug-log", "$WORLD/log/%ID%.log"] } },
			  "cgroup-parent": "${CGROUP_PARENT:-/runsc-c-clients}", "bip": "172.31.7.1/24" }
			E
			dockerd > "$WORLD/log/dockerd.log" 2>&1 &
			for i in $(seq 150); do docker version > /dev/null 2>&1 && break; sleep 0.2; done
			docker version > /dev/null
			docker inspect busybox > /dev/null 2>&1 || busybox_tar | docker import - busybox > /dev/null ;;
		podman|rootless)
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
			[ "$c" = podman ] || {
				# What an ordinary user needs: a run-time directory, a home on a real file system, tun.
				i=/run/user/$(id -u "$ORDINARY")
				mkdir -p "$i/home" "$WORLD/home-$ORDINARY" && chown "$ORDINARY" "$i" "$WORLD/home-$ORDINARY" && chmod 700 "$i"
				mount --bind "$WORLD/home-$ORDINARY" "$i/home"
				mkdir -p /dev/net && mount -t tmpfs tmpfs /dev/net && mknod -m 666 /dev/net/tun c 10 200
				as_user podman image exists busybox || busybox_tar | as_user podman import - busybox > /dev/null 2>&1
				continue
			}
			podman image exists busybox || busybox_tar | podman import - busybox > /dev/null 2>&1 ;;
		ctr|cri)
			[ -e /run/containerd/containerd.sock ] && continue
			cat > /etc/containerd/config.toml <<-E
			version = 2
			[plugins."io.containerd.grpc.v1.cri"]
			  sandbox_image = "docker.io/library/pause:1"
			  restrict_oom_score_adj = true
			  [plugins."io.containerd.grpc.v1.cri".cni]
			    bin_dir = "/usr/lib/cni"
			    conf_dir = "/etc/containerd/net.d"
			  [plugins."io.containerd.grpc.v1.cri".containerd]
			    default_runtime_name = "runc"
			    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
			      runtime_type = "io.containerd.runc.v2"
			    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc-c]
			      runtime_type = "io.containerd.runc.v2"
			      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc-c.options]
			        BinaryName = "$RUNSC"
			E
			mkdir -p /etc/containerd/net.d
			cat > /etc/containerd/net.d/10-test.conflist <<-E
			{ "cniVersion": "0.4.0", "name": "test", "plugins": [
			  { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
			    "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.99.0.0/16" }]],
			              "routes": [{ "dst": "0.0.0.0/0" }], "dataDir": "/run/cni-ipam" } } ] }
			E
			containerd > "$WORLD/log/containerd.log" 2>&1 &
			for i in $(seq 150); do ctr version > /dev/null 2>&1 && break; sleep 0.2; done
			ctr version > /dev/null
			for i in default k8s.io; do
				ctr -n $i images ls -q | grep -q busybox ||
					"$CASES/../mkimage" "$ROOTFS_CACHE/busybox" docker.io/library/busybox:latest '["/bin/sh"]' |
					ctr -n $i images import - > /dev/null
				ctr -n $i images ls -q | grep -q pause ||
					"$CASES/../mkimage" "$ROOTFS_CACHE/busybox" docker.io/library/pause:1 \
					'["/bin/sh", "-c", "trap \"exit 0\" TERM INT; while :; do sleep 3600 & wait $!; done"]' |
					ctr -n $i images import - > /dev/null
			done ;;
		esac
	done
}
