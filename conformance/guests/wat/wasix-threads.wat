;; WASIX threads: a second thread writes into shared memory and wakes the first, which prints "thread ran".
;; Exit codes: 0 done, 1 no thread was made, 2 the thread did not run within ten seconds.
(module
  (import "env" "memory" (memory 2 16 shared))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasix_32v1" "thread_spawn_v2"
    (func $thread_spawn (param $start i32) (param $thread i32) (result i32)))

  ;; Every thread is an instance of its own and writes the data segments again: what changes is not among
  ;; them.
  (data (i32.const 64) "thread ran\n")

  ;; Where things are: 0 vector of fd_write, 8 its result, 16 thread id, 32 the flag, 128 the description of
  ;; the thread.
  (func $_start (export "_start")
    ;; The upper end of its stack, in the second page, and behind other words the size of its stack.
    (i32.store (i32.const 128) (i32.const 131072))
    (i32.store (i32.const 184) (i32.const 32768))
    (if (call $thread_spawn (i32.const 128) (i32.const 16))
      (then (call $proc_exit (i32.const 1))))
    (if (i32.eq (memory.atomic.wait32 (i32.const 32) (i32.const 0) (i64.const 10_000_000_000)) (i32.const 2))
      (then (call $proc_exit (i32.const 2))))
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 11))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $proc_exit (i32.const 0)))

  ;; The host calls this on the new thread, with the address of its description.
  (func $wasi_thread_start (export "wasi_thread_start") (param $thread i32) (param $start i32)
    (i32.atomic.store (i32.const 32) (i32.const 1))
    (drop (memory.atomic.notify (i32.const 32) (i32.const 1)))))
