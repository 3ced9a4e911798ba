#!/node/usr/bin/busybox sh
# The first program of a machine, in what the kernel has unpacked: /node is to be the root, or to be laid over a Debian's.
set -e
export PATH=/node/usr/bin
b=/node/usr/bin/busybox
$b mkdir -p /proc /dev
$b mount -t proc proc /proc
$b mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do
    $b insmod "$module"
done
if [ -e /dev/vda ]; then
    $b mkdir /debian
    $b mount -t ext4 /dev/vda /debian
    # From inside, so that links lead to what they mean: the C library replaces Debian's.
    $b mount -o bind /node /debian/mnt
    for folder in usr etc shimmer; do
        $b chroot /debian /mnt/usr/bin/busybox cp -a /mnt/$folder /
    done
    $b umount /debian/mnt /proc /dev
    exec $b switch_root /debian /sbin/init
fi
# No process may change its root where that is what the kernel has unpacked; a mount of it will do.
$b umount /proc /dev
$b mount -o bind /node /node
cd /node
$b mount -o move . /
exec $b chroot . /shimmer/boot
