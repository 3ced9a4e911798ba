;; Several results: of a function, and of a loop that takes as many as it gives. Exits with 42, the product of
;; two of them.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)

  (func $_start (export "_start")
    (call $pair)
    (call $count)
    (call $proc_exit (i32.mul)))

  (func $pair (result i32 i32) (i32.const 0) (i32.const 13))

  ;; Moves ones from the second number to the first until the second is 7, which makes it 6.
  (func $count (param $up i32) (param $down i32) (result i32 i32)
    (local.get $up)
    (local.get $down)
    (loop $again (param i32 i32) (result i32 i32)
      (local.set $down)
      (local.set $up)
      (local.tee $up (i32.add (local.get $up) (i32.const 1)))
      (local.tee $down (i32.sub (local.get $down) (i32.const 1)))
      (br_if $again (i32.gt_u (local.get $down) (i32.const 7))))))
