;; A valid module without `_start`, so that only its other export can be called.
(module
  (memory (export "memory") 1)
  (func $other (export "other")))
