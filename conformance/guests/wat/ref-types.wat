;; Reference types: tables that grow, are filled, copied and called through. Exits 42, or with the number of the
;; step that failed.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (type $number (func (result i32)))
  (table $functions 1 funcref)
  (table $copy 4 funcref)
  (table $hosts 2 externref)
  (elem declare func $forty-two)

  (func $_start (export "_start")
    (call $expect (i32.const 1) (ref.is_null (table.get $functions (i32.const 0))))
    (call $expect (i32.const 2)
      (i32.eq (table.grow $functions (ref.func $forty-two) (i32.const 2)) (i32.const 1)))
    (call $expect (i32.const 3) (i32.eq (table.size $functions) (i32.const 3)))
    (table.copy $copy $functions (i32.const 1) (i32.const 0) (i32.const 3))
    (call $expect (i32.const 4) (ref.is_null (table.get $copy (i32.const 1))))
    (table.fill $hosts (i32.const 0) (ref.null extern) (i32.const 2))
    (call $expect (i32.const 5) (ref.is_null (table.get $hosts (i32.const 1))))
    (call $proc_exit (call_indirect $copy (type $number) (i32.const 3))))

  (func $forty-two (type $number) (i32.const 42))

  (func $expect (param $step i32) (param $true i32)
    (if (i32.eqz (local.get $true)) (then (call $proc_exit (local.get $step))))))
