;; Asks for a function that no host has, and would exit 0 with it.
(module
  (import "env" "nothing_has_this" (func $nothing_has_this (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $_start (export "_start") (drop (call $nothing_has_this (i32.const 0)))))
