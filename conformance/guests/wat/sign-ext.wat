;; Sign extension: narrow negative numbers become wide ones. Exits 42, or with the number of the step that failed.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  ;; Read from memory, so that nothing is computed at compile time.
  (data (i32.const 0) "\80\ff\00\80\00\00\00\80")

  (func $_start (export "_start")
    (call $expect (i32.const 1)
      (i32.eq (i32.extend8_s (i32.load (i32.const 0))) (i32.const -128)))
    (call $expect (i32.const 2)
      (i32.eq (i32.extend16_s (i32.load (i32.const 2))) (i32.const -32768)))
    (call $expect (i32.const 3)
      (i64.eq (i64.extend8_s (i64.load (i32.const 0))) (i64.const -128)))
    (call $expect (i32.const 4)
      (i64.eq (i64.extend16_s (i64.load (i32.const 0))) (i64.const -128)))
    (call $expect (i32.const 5)
      (i64.eq (i64.extend32_s (i64.load32_u (i32.const 4))) (i64.const -2147483648)))
    (call $proc_exit (i32.const 42)))

  (func $expect (param $step i32) (param $true i32)
    (if (i32.eqz (local.get $true)) (then (call $proc_exit (local.get $step))))))
