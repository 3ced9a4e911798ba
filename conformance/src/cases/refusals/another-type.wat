;; Imports a function of WASI with another type than WASI's.
(module
  (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "_start") (drop (call $sched_yield (i64.const 0)))))
