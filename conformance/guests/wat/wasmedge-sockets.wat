;; WasmEdge's socket extension of WASI preview 1: listens on a free TCP port of 127.0.0.1, connects to itself,
;; and prints "socket listening". Exit codes: 0 done, else the number of the step that failed.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "sock_open"
    (func $sock_open (param $family i32) (param $type i32) (param $socket i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_bind"
    (func $sock_bind (param $socket i32) (param $address i32) (param $port i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_listen"
    (func $sock_listen (param $socket i32) (param $backlog i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_getlocaladdr"
    (func $sock_getlocaladdr
      (param $socket i32) (param $address i32) (param $type i32) (param $port i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_connect"
    (func $sock_connect (param $socket i32) (param $address i32) (param $port i32) (result i32)))

  (memory (export "memory") 1)
  (data (i32.const 64) "socket listening\n")
  ;; An address is a pointer to its bytes and their number.
  (data (i32.const 128) "\90\00\00\00\04\00\00\00")
  (data (i32.const 144) "\7f\00\00\01")
  (data (i32.const 160) "\b0\00\00\00\04\00\00\00")

  ;; Where things are: 0 vector of fd_write, 8 its result, 16 and 20 the sockets, 24 a type, 28 a port, 128
  ;; the address asked for with its bytes at 144, 160 the one given with its bytes at 176.
  (func $_start (export "_start")
    (call $expect (i32.const 1) (call $sock_open (i32.const 1) (i32.const 2) (i32.const 16))) ;; IPv4, stream
    (call $expect (i32.const 2) (call $sock_bind (i32.load (i32.const 16)) (i32.const 128) (i32.const 0)))
    (call $expect (i32.const 3) (call $sock_listen (i32.load (i32.const 16)) (i32.const 1)))
    (call $expect (i32.const 4)
      (call $sock_getlocaladdr (i32.load (i32.const 16)) (i32.const 160) (i32.const 24) (i32.const 28)))
    (call $expect (i32.const 5) (call $sock_open (i32.const 1) (i32.const 2) (i32.const 20)))
    (call $expect (i32.const 6)
      (call $sock_connect (i32.load (i32.const 20)) (i32.const 160) (i32.load (i32.const 28))))
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 17))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))

  (func $expect (param $step i32) (param $error i32)
    (if (local.get $error) (then (call $proc_exit (local.get $step))))))
