;; Prints its arguments, each with a line feed, but not its own name.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))

  ;; 0: the vector and the result of fd_write; 16: the count; 20: the size; 64: the pointers; 4096: the texts.
  (memory (export "memory") 1)

  (func (export "_start")
    (local $pointer i32)
    (local $end i32)
    (if (call $args_sizes_get (i32.const 16) (i32.const 20)) (then unreachable))
    (if (i32.gt_u (i32.load (i32.const 16)) (i32.const 1000)) (then unreachable))
    (if (call $args_get (i32.const 64) (i32.const 4096)) (then unreachable))
    (local.set $pointer (i32.const 68))
    (local.set $end (i32.add (i32.const 64) (i32.mul (i32.const 4) (i32.load (i32.const 16)))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $pointer) (local.get $end)))
        (call $print (i32.load (local.get $pointer)))
        (local.set $pointer (i32.add (local.get $pointer) (i32.const 4)))
        (br $next))))

  ;; Prints the text up to its NUL, with a line feed in its place.
  (func $print (param $text i32)
    (local $end i32)
    (local.set $end (local.get $text))
    (block $found
      (loop $next
        (br_if $found (i32.eqz (i32.load8_u (local.get $end))))
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br $next)))
    (i32.store8 (local.get $end) (i32.const 10))
    (i32.store (i32.const 0) (local.get $text))
    (i32.store (i32.const 4) (i32.sub (i32.add (local.get $end) (i32.const 1)) (local.get $text)))
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))))
