;; Traps: the function in the table has another type than the call.
(module
  (memory (export "memory") 1)
  (type $number (func (result i32)))
  (table 1 funcref)
  (elem (i32.const 0) $nothing)
  (func $nothing)
  (func $_start (export "_start") (drop (call_indirect (type $number) (i32.const 0)))))
