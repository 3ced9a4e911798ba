;; A start function, which runs when the module is instantiated: prints "start section", and `_start` prints its
;; own name after it.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 1)
  (data (i32.const 32) "start section\n")
  (data (i32.const 48) "_start\n")

  (start $initialize)
  (func $initialize (call $print (i32.const 32) (i32.const 14)))
  (func $_start (export "_start") (call $print (i32.const 48) (i32.const 7)))

  ;; Writes to stdout; the one vector of fd_write is at 0, its result at 8.
  (func $print (param $text i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $text))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
