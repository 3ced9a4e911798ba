;; Arithmetic that has one answer on every engine and processor: NaN, infinity, signed zero, rounding, and the
;; conversion that saturates. Exits 42, or with the number of the step that failed.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  ;; Read from memory, so that nothing is computed at compile time: 0.0, 1.0, 3.0, -2.5, 1e300.
  (data (i32.const 0) "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\f0\3f\00\00\00\00\00\00\08\40")
  (data (i32.const 24) "\00\00\00\00\00\00\04\c0\9c\75\00\88\3c\e4\37\7e")

  (func $_start (export "_start") (local $zero f64) (local $one f64) (local $nan f64)
    (local.set $zero (f64.load (i32.const 0)))
    (local.set $one (f64.load (i32.const 8)))
    (local.set $nan (f64.div (local.get $zero) (local.get $zero)))

    (call $expect (i32.const 1) (f64.ne (local.get $nan) (local.get $nan)))
    (call $expect (i32.const 2) (i32.eqz (f64.lt (local.get $nan) (local.get $one))))
    (call $expect (i32.const 3) (f64.eq (f64.div (local.get $one) (local.get $zero)) (f64.const inf)))
    ;; The smaller one of the two zeros is the negative one.
    (call $expect (i32.const 4)
      (i64.eq (i64.reinterpret_f64 (f64.min (local.get $zero) (f64.neg (local.get $zero))))
        (i64.const 0x8000000000000000)))
    (call $expect (i32.const 5)
      (i64.eq (i64.reinterpret_f64 (f64.div (local.get $one) (f64.load (i32.const 16))))
        (i64.const 0x3fd5555555555555)))
    ;; Halves go to the even number.
    (call $expect (i32.const 6) (f64.eq (f64.nearest (f64.load (i32.const 24))) (f64.const -2)))
    (call $expect (i32.const 7)
      (i32.eq (i32.trunc_sat_f64_s (f64.load (i32.const 32))) (i32.const 0x7fffffff)))
    (call $expect (i32.const 8) (i32.eqz (i32.trunc_sat_f64_s (local.get $nan))))
    (call $expect (i32.const 9) (f32.eq (f32.demote_f64 (f64.load (i32.const 32))) (f32.const inf)))
    (call $proc_exit (i32.const 42)))

  (func $expect (param $step i32) (param $true i32)
    (if (i32.eqz (local.get $true)) (then (call $proc_exit (local.get $step))))))
