#!/bin/busybox sh
# The probe as a native program: the reference on runc, and what stands beside wasm in a pod. It needs nothing
# but itself and a static busybox; the shell's own commands aside, every applet is called by its path, since a
# container may have no PATH. README.md lists the probes.

busybox=/bin/busybox
child=

main() {
    # No signal without a handler ends a PID 1, so that it has to do what the kernel does to all others.
    trap 'stop 129' HUP
    trap 'stop 130' INT
    trap 'stop 143' TERM
    identity "$@" || content "$@" || names "$@" || descriptors "$@" || streams "$@" || waits "$@" || load "$@" ||
        ends "$@" || usage "$@"
}

# Each of these groups runs the probe that the words name and exits, or returns 1.

identity() {
    case "$1 $#" in
    args\ *) arguments "$@" ;;
    'env 1') attempt /proc/self/environ sorted_environ ;;
    'environ-file 1') attempt /proc/self/environ environ ;;
    *) return 1 ;;
    esac
    exit
}

content() {
    case "$1 $#" in
    'cwd-read 2') attempt "$2" "$busybox" cat "$2" ;;
    'write 3') attempt "$2" write "$2" "$3" ;;
    'append 3') attempt "$2" append "$2" "$3" ;;
    'create-new 2') attempt "$2" create_new "$2" ;;
    'truncate 3') must_exist "$2" && attempt "$2" "$busybox" truncate -c -s "$3" "$2" ;;
    'seek 4') print_part "$2" "$3" "$4" ;;
    'fail-write 1') must_exist /dev/full && attempt /dev/full write /dev/full text ;;
    *) return 1 ;;
    esac
    exit
}

names() {
    case "$1 $#" in
    'list 2') must_be_a_folder "$2" && attempt "$2" "$busybox" ls -1Ap "$2" ;;
    'mkdir 2') attempt "$2" "$busybox" mkdir "$2" ;;
    'rmdir 2') attempt "$2" "$busybox" rmdir "$2" ;;
    'remove 2') attempt "$2" "$busybox" unlink "$2" ;;
    'rename 3') attempt "$2" "$busybox" mv -f -T "$2" "$3" ;;
    'symlink 3') attempt "$2" "$busybox" ln -s -n "$2" "$3" ;;
    'readlink 2') must_be_a_link "$2" && attempt "$2" "$busybox" readlink "$2" ;;
    'stat 2') describe "$2" ;;
    *) return 1 ;;
    esac
    exit
}

descriptors() {
    case "$1 $#" in
    'fds 1' | 'proc-fds 1') list_descriptors | "$busybox" sort -n ;;
    'isatty 1')
        terminal stdin 0
        terminal stdout 1
        terminal stderr 2
        ;;
    *) return 1 ;;
    esac
    exit
}

streams() {
    case "$1 $#" in
    'stdin 1') copy_stdin ;;
    'echo 1') answer_lines ;;
    'flood 2') "$busybox" seq 1 "$2" && echo end ;;
    'stderr 2') printf '%s\n' "$2" >&2 ;;
    *) return 1 ;;
    esac
    exit
}

waits() {
    case "$1 $#" in
    'spin 1') spin ;;
    'sleep 1') ready_and_rest ;;
    'block-stdin 1') block_on_stdin ;;
    'tick 1') tick ;;
    'sleep-ms 2') sleep_for "$2" ;;
    *) return 1 ;;
    esac
    exit
}

load() {
    case "$1 $#" in
    'alloc 2') take "$2" && echo ok ;;
    'hold 2') take "$2" && ready_and_rest ;;
    'eat 1') eat ;;
    *) return 1 ;;
    esac
    exit
}

ends() {
    case "$1 $#" in
    'return 1') exit 0 ;;
    'exit 2' | 'proc-exit 2') exit $(($2 % 256)) ;;
    'trap 2') [ "$2" = unreachable ] && abort ;;
    esac
    return 1
}

usage() {
    echo "probe: no such probe: \"$*\"" >&2
    exit 2
}

arguments() {
    echo "argv[0]=$0"
    i=1
    for argument; do
        printf 'argv[%s]=%s\n' "$i" "$argument"
        i=$((i + 1))
    done
}

# As the kernel holds it, without what the shell has added since.
environ() {
    "$busybox" tr '\0' '\n' <"/proc/$$/environ"
}

sorted_environ() {
    variables=$(environ) || return
    [ -z "$variables" ] || printf '%s\n' "$variables" | "$busybox" sort -t = -k 1,1
}

# The shell's own commands do not say why a write failed.
write() {
    printf %s "$2" | "$busybox" cat >"$1"
}

append() {
    printf %s "$2" | "$busybox" cat >>"$1"
}

create_new() {
    set -C
    : >"$1"
}

print_part() {
    must_exist "$1"
    [ $(($2 + $3)) -le "$("$busybox" stat -L -c %s "$1")" ] || refuse "$1" UnexpectedEof 'the file ends before'
    attempt "$1" "$busybox" tail -c "+$(($2 + 1))" "$1" | "$busybox" head -c "$3"
}

describe() {
    if [ -L "$1" ]; then
        echo symlink
    elif [ -d "$1" ]; then
        echo dir
    elif [ -f "$1" ]; then
        echo "file $("$busybox" stat -c %s "$1")"
    else
        must_exist "$1"
        echo other
    fi
}

# The script itself is open too, for the shell that reads it.
list_descriptors() {
    script=$("$busybox" readlink -f "$0")
    for entry in "/proc/$$/fd"/*; do
        target=$("$busybox" readlink "$entry") || continue
        [ "$target" = "$script" ] || echo "${entry##*/} -> $target"
        found=yes
    done
    [ -n "$found" ] || echo none
}

terminal() {
    if [ -t "$2" ]; then echo "$1: tty"; else echo "$1: not a tty"; fi
}

# The copying program counts its records, which are bytes here: "5+0 records out".
copy_stdin() {
    { said=$("$busybox" dd bs=1 2>&1 >&3); } 3>&1
    said=${said#*records in}
    set -- ${said%+* records out*}
    echo "$1 bytes" >&2
}

answer_lines() {
    while IFS= read -r line; do
        printf '%s\n' "$line"
    done
    printf %s "$line"
}

spin() {
    echo ready
    while :; do :; done
}

# Only `wait` ends early when a signal comes: a program in the foreground would be waited for.
ready_and_rest() {
    "$busybox" sleep 1000000000 &
    child=$!
    echo ready
    wait
}

block_on_stdin() {
    echo ready
    while read -r line; do :; done
    echo eof
}

tick() {
    i=1
    while echo "$i"; do
        "$busybox" usleep 50000
        i=$((i + 1))
    done
}

# The clock of /proc/uptime shows hundredths of a second.
sleep_for() {
    started=$(uptime)
    "$busybox" usleep "$(($1 * 1000))"
    passed=$((($(uptime) - started) * 10))
    if [ "$passed" -lt $(($1 - 10)) ]; then
        echo "probe: slept for $passed ms instead of $1 ms" >&2
        exit 1
    fi
    echo slept
}

uptime() {
    read -r seconds _ <"/proc/uptime"
    # A leading zero would make it an octal number.
    echo "$((${seconds%.*} * 100 + 1${seconds#*.} - 100))"
}

# The memory is the shell's own, so that it is the PID 1 that runs out of it.
take() {
    mebibyte=$("$busybox" head -c 1048576 /dev/zero | "$busybox" tr '\0' x)
    i=0
    while [ "$i" -lt "$1" ]; do
        eval "taken_$i=\$mebibyte"
        i=$((i + 1))
    done
}

# The file says that somebody looks, which a shim may do only some time after the start.
eat() {
    echo ready
    until [ -z "$EAT_AFTER" ] || [ -e "$EAT_AFTER" ]; do "$busybox" usleep 10000; done
    take 1000000000
}

# A PID 1 cannot kill itself with a signal; 134 is what a shell makes of SIGABRT.
abort() {
    [ $$ = 1 ] || kill -ABRT $$
    exit 134
}

stop() {
    [ -z "$child" ] || kill "$child"
    exit "$1"
}

# Runs a command and ends with 5 where it fails, with its message and the kind of the error on stderr.
attempt() {
    what=$1
    shift
    { message=$("$@" 2>&1 >&3); } 3>&1 || refuse "$what" "$(kind "$message")" "$message"
}

refuse() {
    echo "probe: $1: $2: $3" >&2
    exit 5
}

must_exist() {
    [ -e "$1" ] || [ -L "$1" ] || refuse "$1" NotFound 'No such file or directory'
}

must_be_a_folder() {
    must_exist "$1"
    [ -d "$1" ] || refuse "$1" NotADirectory 'Not a directory'
}

must_be_a_link() {
    must_exist "$1"
    [ -L "$1" ] || refuse "$1" InvalidInput 'Invalid argument'
}

# What Rust calls the error of a message.
kind() {
    case "$1" in
    *[Nn]'o such file'* | *'nonexistent directory'*) echo NotFound ;;
    *'ermission denied'*) echo PermissionDenied ;;
    *'not permitted'*) echo PermissionDenied ;;
    *[Ff]'ile exists'*) echo AlreadyExists ;;
    *'ead-only file system'*) echo ReadOnlyFilesystem ;;
    *'ot a directory'*) echo NotADirectory ;;
    *'s a directory'*) echo IsADirectory ;;
    *'irectory not empty'*) echo DirectoryNotEmpty ;;
    *'o space left'*) echo StorageFull ;;
    *) echo Other ;;
    esac
}

main "$@"
