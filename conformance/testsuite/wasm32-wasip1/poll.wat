;; Waits for 20 ms with poll_oneoff, and looks at the clock whether it did.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))

  ;; 0: a time; 8: the count of events; 64: the subscription; 128: the event.
  (memory (export "memory") 1)

  (func (export "_start")
    (local $before i64)
    ;; Our tag, the monotonic clock, and how long; what is not set is zero: a clock, and a relative time.
    (i64.store (i32.const 64) (i64.const 7777))
    (i32.store (i32.const 80) (i32.const 1))
    (i64.store (i32.const 88) (i64.const 20000000))
    (local.set $before (call $time))
    (if (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 8)) (then unreachable))
    (if (i64.lt_u (i64.sub (call $time) (local.get $before)) (i64.const 20000000)) (then unreachable))
    ;; One event, of our tag, without an error, of a clock.
    (if (i32.ne (i32.load (i32.const 8)) (i32.const 1)) (then unreachable))
    (if (i64.ne (i64.load (i32.const 128)) (i64.const 7777)) (then unreachable))
    (if (i32.load16_u (i32.const 136)) (then unreachable))
    (if (i32.load8_u (i32.const 138)) (then unreachable)))

  (func $time (result i64)
    (if (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 0)) (then unreachable))
    (i64.load (i32.const 0))))
