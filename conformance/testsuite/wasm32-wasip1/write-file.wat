;; Writes a file into its root, which is the directory with `kept.txt` in it, reads it back and removes it.
(module
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $path_unlink_file (param i32 i32 i32) (result i32)))

  ;; 0: the vector; 8: how much was read or written; 12: the opened file; 16: what a directory is; 128: what is read.
  (memory (export "memory") 1)
  (data (i32.const 32) "kept.txt")
  (data (i32.const 48) "new.cleanup")
  (data (i32.const 64) "written and read\n")

  (global $root (mut i32) (i32.const 3))

  (func (export "_start")
    (call $find)
    (call $write (call $open (i32.const 48) (i32.const 11) (i32.const 5) (i64.const 64)))
    (call $read (call $open (i32.const 48) (i32.const 11) (i32.const 0) (i64.const 2)))
    (if (call $path_unlink_file (global.get $root) (i32.const 48) (i32.const 11)) (then unreachable))
    (i32.store (i32.const 0) (i32.const 128))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))

  ;; Engines may open directories of their own before the root.
  (func $find
    (loop $next
      (if (call $fd_prestat_get (global.get $root) (i32.const 16)) (then unreachable))
      (if (call $try (i32.const 32) (i32.const 8) (i32.const 0) (i64.const 2))
        (then (global.set $root (i32.add (global.get $root) (i32.const 1))) (br $next))))
    (call $close (i32.load (i32.const 12))))

  ;; Opens a file. Of `how`, 1 creates it and 4 refuses one that there is; of `rights`, 2 is to read, 64 to write.
  (func $open (param $path i32) (param $length i32) (param $how i32) (param $rights i64) (result i32)
    (if (call $try (local.get $path) (local.get $length) (local.get $how) (local.get $rights)) (then unreachable))
    (i32.load (i32.const 12)))

  (func $try (param $path i32) (param $length i32) (param $how i32) (param $rights i64) (result i32)
    (call $path_open (global.get $root) (i32.const 0) (local.get $path) (local.get $length)
      (local.get $how) (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 12)))

  (func $write (param $file i32)
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 17))
    (if (call $fd_write (local.get $file) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
    (if (i32.ne (i32.load (i32.const 8)) (i32.const 17)) (then unreachable))
    (call $close (local.get $file)))

  (func $read (param $file i32)
    (i32.store (i32.const 0) (i32.const 128))
    (i32.store (i32.const 4) (i32.const 1024))
    (if (call $fd_read (local.get $file) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
    (call $close (local.get $file)))

  (func $close (param $file i32)
    (if (call $fd_close (local.get $file)) (then unreachable))))
