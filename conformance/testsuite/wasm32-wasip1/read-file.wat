;; Prints `read-file.dir/note.txt`, from the directory of that name or from one that has it.
(module
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))

  ;; 0: the vector; 8: how much was read or written; 12: the file; 16: what a directory is; 128: the text.
  (memory (export "memory") 1)
  (data (i32.const 64) "read-file.dir/note.txt")

  (func (export "_start")
    (local $file i32)
    (local.set $file (call $open))
    (i32.store (i32.const 0) (i32.const 128))
    (i32.store (i32.const 4) (i32.const 1024))
    (if (call $fd_read (local.get $file) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))

  ;; Tries all directories that are open, by the whole path and by the file's name alone.
  (func $open (result i32)
    (local $directory i32)
    (local.set $directory (i32.const 3))
    (loop $next
      (if (call $fd_prestat_get (local.get $directory) (i32.const 16)) (then unreachable))
      (if (i32.eqz (call $try (local.get $directory) (i32.const 64) (i32.const 22)))
        (then (return (i32.load (i32.const 12)))))
      (if (i32.eqz (call $try (local.get $directory) (i32.const 78) (i32.const 8)))
        (then (return (i32.load (i32.const 12)))))
      (local.set $directory (i32.add (local.get $directory) (i32.const 1)))
      (br $next))
    unreachable)

  ;; Opens a path for reading: the right 2 is that of fd_read.
  (func $try (param $directory i32) (param $path i32) (param $length i32) (result i32)
    (call $path_open (local.get $directory) (i32.const 0) (local.get $path) (local.get $length)
      (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 12))))
