;; Multiplies four lanes at once and exits with their sum, which is 42.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\01\00\00\00\02\00\00\00\03\00\00\00\04\00\00\00")
  (data (i32.const 16) "\06\00\00\00\06\00\00\00\04\00\00\00\03\00\00\00")

  (func $_start (export "_start") (local $lanes v128)
    (local.set $lanes (i32x4.mul (v128.load (i32.const 0)) (v128.load (i32.const 16))))
    (call $proc_exit
      (i32.add
        (i32.add (i32x4.extract_lane 0 (local.get $lanes)) (i32x4.extract_lane 1 (local.get $lanes)))
        (i32.add (i32x4.extract_lane 2 (local.get $lanes)) (i32x4.extract_lane 3 (local.get $lanes)))))))
