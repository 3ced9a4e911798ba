#!/usr/bin/busybox sh
# Starts containerd, and waits until it serves: it tells nobody when it does.
containerd > /var/log/containerd.log 2>&1 < /dev/null &
until ctr version > /dev/null 2>&1; do
    /usr/bin/busybox sleep 0.2
done
