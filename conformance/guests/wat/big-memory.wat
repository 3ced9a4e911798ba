;; Starts with a memory of 64 MiB: its last byte is zero and can be written. Exits 0, or traps.
(module
  (memory (export "memory") 1024)
  (func $_start (export "_start")
    (if (i32.load8_u (i32.const 0x3ffffff)) (then unreachable))
    (i32.store8 (i32.const 0x3ffffff) (i32.const 1))
    (if (i32.ne (i32.load8_u (i32.const 0x3ffffff)) (i32.const 1)) (then unreachable))))
