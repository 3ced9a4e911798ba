;; `open PATH` prints a file of at most 4096 bytes, and `open PATH create` makes an empty one, both in the working
;; directory. Ends with the errno where that fails.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)

  ;; Where things are: 0 how many arguments, 4 of how many bytes, 8 a prestat, 16 the file, 20 how much was read or
  ;; written, 24 vector, 64 pointers to the arguments, 1024 their text, 8192 content.
  (func (export "_start")
    (local $path i32) (local $create i32) (local $errno i32)
    (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
    (drop (call $args_get (i32.const 64) (i32.const 1024)))
    (local.set $path (i32.load (i32.const 68)))
    (local.set $create (i32.gt_u (i32.load (i32.const 0)) (i32.const 2)))
    (local.set $errno
      (call $path_open
        (call $working_directory)
        (i32.const 1) ;; follow links
        (local.get $path)
        (call $length (local.get $path))
        (local.get $create) ;; oflags.creat
        (select (i64.const 0x40) (i64.const 0x02) (local.get $create)) ;; rights.fd_write or rights.fd_read
        (i64.const 0)
        (i32.const 0)
        (i32.const 16)))
    (if (local.get $errno) (then (call $proc_exit (local.get $errno))))
    (if (i32.eqz (local.get $create)) (then (call $print (i32.load (i32.const 16))))))

  (func $print (param $file i32)
    (i32.store (i32.const 24) (i32.const 8192))
    (i32.store (i32.const 28) (i32.const 4096))
    (drop (call $fd_read (local.get $file) (i32.const 24) (i32.const 1) (i32.const 20)))
    (i32.store (i32.const 28) (i32.load (i32.const 20)))
    (drop (call $fd_write (i32.const 1) (i32.const 24) (i32.const 1) (i32.const 20))))

  ;; The last open directory whose name is at most one letter: `/`, or `.` behind it.
  (func $working_directory (result i32)
    (local $fd i32) (local $found i32)
    (local.set $fd (i32.const 3))
    (local.set $found (i32.const 3))
    (block $done
      (loop $next
        (br_if $done (call $fd_prestat_get (local.get $fd) (i32.const 8)))
        (if (i32.lt_u (i32.load (i32.const 12)) (i32.const 2)) (then (local.set $found (local.get $fd))))
        (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
        (br $next)))
    (local.get $found))

  (func $length (param $text i32) (result i32)
    (local $end i32)
    (local.set $end (local.get $text))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (i32.load8_u (local.get $end))))
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br $next)))
    (i32.sub (local.get $end) (local.get $text))))
