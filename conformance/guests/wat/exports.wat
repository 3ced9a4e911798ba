;; Exports to choose from with `path#func`: each prints its name, ends in its own way, or both.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (memory (export "memory") 1)
  (data (i32.const 32) "start\n")
  (data (i32.const 48) "greet\n")

  (func $_start (export "_start") (call $print (i32.const 32) (i32.const 6)))
  (func $greet (export "greet") (call $print (i32.const 48) (i32.const 6)))
  (func $seven (export "seven") (call $proc_exit (i32.const 7)))
  (func $fail (export "fail") unreachable)

  ;; Writes to stdout; the one vector of fd_write is at 0, its result at 8.
  (func $print (param $text i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $text))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
