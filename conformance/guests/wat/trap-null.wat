;; Traps: the slot of the table that is called is empty.
(module
  (memory (export "memory") 1)
  (type $nothing (func))
  (table 1 funcref)
  (func $_start (export "_start") (call_indirect (type $nothing) (i32.const 0))))
