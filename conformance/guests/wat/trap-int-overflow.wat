;; Traps: the float, 1e300, is too large for an integer.
(module
  (memory (export "memory") 1)
  ;; Read from memory, so that nothing is computed at compile time.
  (data (i32.const 0) "\9c\75\00\88\3c\e4\37\7e")
  (func $_start (export "_start") (drop (i32.trunc_f64_s (f64.load (i32.const 0))))))
