# What `machine.rs` runs as root on the emulated Debian.
set -e

is() {
    [ "$2" = "$3" ] || { echo "$1: expected $3, and it is $2"; exit 1; }
}

has() {
    grep -qF "$2" "$1" || { echo "\"$2\" is missing from: $(cat "$1")"; exit 1; }
}

# As a pod of the chart's: the host's root is below a folder, and the first process is the host's. Neither here nor in that
# folder there is a systemctl that runs, so that only the mounts of the first process have one.
in_a_pod() {
    unshare --mount sh -ec '
        mount --rbind / /host
        mount --bind /dev/null /host/usr/bin/systemctl
        mount -t tmpfs none /usr/bin
        exec "$@"
    ' sh shimmer-installer "$@" --host-root /host --timeout 300
}

by_hand() {
    shimmer-installer "$@" --host-root /
}

state() {
    cd /
    for folder in etc/containerd opt var/lib/shimmer run/shimmer; do
        [ ! -e $folder ] || find $folder -printf '%p %y %m %U:%G %l\n' -type f -exec sha256sum {} \; | sort
    done
}

run() {
    ctr --namespace k8s.io run "$@"
}

tasks() {
    ctr --namespace k8s.io task list | grep RUNNING || true
}

starts() {
    wc -l < /run/starts
}

mkdir -p /etc/containerd /opt /host
cat > /etc/systemd/system/containerd.service <<END
[Service]
ExecStart=/usr/bin/containerd
ExecStartPost=/bin/sh -c 'echo it serves >> /run/starts'
Type=notify
Delegate=yes
KillMode=process
END
cat > /etc/containerd/config.toml <<END
version = 3
imports = ["/etc/containerd/conf.d/*.toml"]
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "localhost/pause:1"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    SystemdCgroup = true
END
systemctl daemon-reload
systemctl start containerd
ctr --namespace k8s.io images import --no-unpack /shimmer/images.tar > /dev/null
state > /tmp/before

echo "== a pod installs 1.0.0"
in_a_pod install --release /shimmer/1.0.0 > /tmp/installed
cat /tmp/installed /etc/containerd/conf.d/50-shimmer.toml
has /tmp/installed "restart   by systemd's unit containerd.service"
is "starts of containerd" "$(starts)" 2
run --detach --runtime /opt/shimmer/current/containerd-shim-wasmtime-v1 localhost/hello:1 waits /wait.wat
tasks > /tmp/tasks
has /tmp/tasks waits

echo "== 1.1.0 by hand, under a task that runs"
by_hand install --release /shimmer/1.1.0 --timeout 300 > /tmp/upgraded
cat /tmp/upgraded
has /tmp/upgraded "restart   not necessary"
is "starts of containerd" "$(starts)" 2
is "the task" "$(tasks)" "$(cat /tmp/tasks)"
for engine in wasmedge wasmer wasmtime; do
    run --rm --runtime /opt/shimmer/current/containerd-shim-$engine-v1 localhost/hello:1 hello /hello.wasm > /tmp/hello
    is "$engine" "$(cat /tmp/hello)" "hello from wasm: world"
done
by_hand status > /tmp/status

echo "== a pod installs 2.0.0, which is broken, under another handler"
code=0
in_a_pod install --release /shimmer/2.0.0 --shim wasmtime=broken 2> /tmp/failed || code=$?
cat /tmp/failed
is "the exit code" $code 1
has /tmp/failed "make a pod by the handler broken"
is "starts of containerd, with the one that puts it back" "$(starts)" 4
is "the task" "$(tasks)" "$(cat /tmp/tasks)"
by_hand verify
by_hand status | diff /tmp/status -
has /tmp/status "release   1.1.0-"

echo "== uninstall"
code=0
by_hand uninstall --timeout 300 2> /tmp/refused || code=$?
is "the exit code" $code 3
has /tmp/refused "k8s.io/waits"
ctr --namespace k8s.io task delete --force waits > /dev/null
ctr --namespace k8s.io container delete waits
by_hand uninstall --timeout 300
is "starts of containerd" "$(starts)" 5
state > /tmp/after
diff /tmp/before /tmp/after
systemctl is-active containerd
echo "nothing is left"
