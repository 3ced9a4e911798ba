;; Prints its whole environment: each variable with a line feed.
(module
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))

  ;; 0: the vector and the result of fd_write; 16: the count; 20: the size; 64: the pointers; 4096: the texts.
  (memory (export "memory") 1)

  (func (export "_start")
    (local $byte i32)
    (local $end i32)
    (if (call $environ_sizes_get (i32.const 16) (i32.const 20)) (then unreachable))
    (if (i32.gt_u (i32.load (i32.const 16)) (i32.const 1000)) (then unreachable))
    (if (call $environ_get (i32.const 64) (i32.const 4096)) (then unreachable))
    ;; The variables lie one after the other, each with a NUL at its end.
    (local.set $byte (i32.const 4096))
    (local.set $end (i32.add (i32.const 4096) (i32.load (i32.const 20))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $byte) (local.get $end)))
        (if (i32.eqz (i32.load8_u (local.get $byte)))
          (then (i32.store8 (local.get $byte) (i32.const 10))))
        (local.set $byte (i32.add (local.get $byte) (i32.const 1)))
        (br $next)))
    (i32.store (i32.const 0) (i32.const 4096))
    (i32.store (i32.const 4) (i32.load (i32.const 20)))
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))))
