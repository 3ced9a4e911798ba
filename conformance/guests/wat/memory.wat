;; Grows its memory by 64 MiB at a time until the host refuses, and exits 0: a refusal is an answer, not a
;; trap. Nothing is touched, so that no host runs out of memory.
(module
  (memory (export "memory") 1)
  (func $_start (export "_start")
    (loop $again
      (br_if $again (i32.ne (memory.grow (i32.const 1024)) (i32.const -1))))))
