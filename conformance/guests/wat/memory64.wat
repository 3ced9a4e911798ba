;; A memory with addresses of 64 bits, beside the functions of WASI, none of whose pointers is used. Exits with
;; 42, which it reads from there.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") i64 1)

  (func $_start (export "_start")
    (i64.store (i64.const 65528) (i64.const 42))
    (call $proc_exit (i32.wrap_i64 (i64.load (i64.const 65528))))))
