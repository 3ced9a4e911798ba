;; Writes to both of its output streams and ends with 3.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  ;; 0: the vector; 8: the result of fd_write.
  (memory (export "memory") 1)
  (data (i32.const 16) "result\n")
  (data (i32.const 32) "complaint\n")

  (func (export "_start")
    (call $print (i32.const 2) (i32.const 32) (i32.const 10))
    (call $print (i32.const 1) (i32.const 16) (i32.const 7))
    (call $proc_exit (i32.const 3)))

  (func $print (param $stream i32) (param $text i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $text))
    (i32.store (i32.const 4) (local.get $length))
    (if (call $fd_write (local.get $stream) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))))
