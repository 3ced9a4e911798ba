;; Bulk memory: fills, copies and initialises. Exits 42, or with the number of the step that failed.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data $passive "\01\02\03\04")

  (func $_start (export "_start")
    (memory.fill (i32.const 16) (i32.const 7) (i32.const 8))
    (call $expect (i32.const 1) (i64.eq (i64.load (i32.const 16)) (i64.const 0x0707070707070707)))
    (call $expect (i32.const 2) (i32.eqz (i32.load8_u (i32.const 24))))

    (memory.init $passive (i32.const 32) (i32.const 1) (i32.const 3))
    (data.drop $passive)
    (call $expect (i32.const 3) (i32.eq (i32.load (i32.const 32)) (i32.const 0x00040302)))

    ;; From and to overlap, which must not matter.
    (memory.copy (i32.const 33) (i32.const 32) (i32.const 3))
    (call $expect (i32.const 4) (i32.eq (i32.load (i32.const 32)) (i32.const 0x04030202)))
    (call $proc_exit (i32.const 42)))

  (func $expect (param $step i32) (param $true i32)
    (if (i32.eqz (local.get $true)) (then (call $proc_exit (local.get $step))))))
