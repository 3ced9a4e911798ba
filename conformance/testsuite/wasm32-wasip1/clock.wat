;; Looks at both clocks: the one is after 2020, the other never goes back. There is no JSON for it.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))

  (memory (export "memory") 1)

  (func (export "_start")
    (local $before i64)
    (local $rounds i32)
    ;; In nanoseconds since 1970.
    (if (i64.lt_u (call $time (i32.const 0)) (i64.const 1577836800000000000)) (then unreachable))
    (local.set $before (call $time (i32.const 1)))
    (loop $again
      (if (i64.lt_u (call $time (i32.const 1)) (local.get $before)) (then unreachable))
      (local.set $before (i64.load (i32.const 0)))
      (local.set $rounds (i32.add (local.get $rounds) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $rounds) (i32.const 1000)))))

  (func $time (param $clock i32) (result i64)
    (if (call $clock_time_get (local.get $clock) (i64.const 1) (i32.const 0)) (then unreachable))
    (i64.load (i32.const 0))))
