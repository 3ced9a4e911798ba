;; Prints a line and ends with 42; what follows must not happen.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  ;; 0: the vector; 8: the result of fd_write.
  (memory (export "memory") 1)
  (data (i32.const 16) "before\n")

  (func (export "_start")
    (call $print)
    (call $proc_exit (i32.const 42))
    (call $print))

  (func $print
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 7))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
