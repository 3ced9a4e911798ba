;; WASIX sockets: listens on a free TCP port of 127.0.0.1 and prints "socket listening".
;; Exit codes: 0 done, else the number of the step that failed.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasix_32v1" "sock_open"
    (func $sock_open (param $family i32) (param $type i32) (param $proto i32) (param $out i32) (result i32)))
  (import "wasix_32v1" "sock_bind" (func $sock_bind (param $socket i32) (param $address i32) (result i32)))
  (import "wasix_32v1" "sock_listen"
    (func $sock_listen (param $socket i32) (param $backlog i32) (result i32)))
  (import "wasix_32v1" "sock_addr_local"
    (func $sock_addr_local (param $socket i32) (param $address i32) (result i32)))

  (memory (export "memory") 1)
  (data (i32.const 64) "socket listening\n")
  ;; An address is a family (1 is IPv4), a byte of padding, the port and the bytes of the address.
  (data (i32.const 128) "\01\00\00\00\7f\00\00\01")

  ;; Where things are: 0 vector of fd_write, 8 its result, 16 the socket, 128 the address asked for, 160 the
  ;; one given.
  (func $_start (export "_start")
    ;; IPv4, stream, TCP.
    (call $expect (i32.const 1)
      (i32.eqz (call $sock_open (i32.const 1) (i32.const 1) (i32.const 6) (i32.const 16))))
    (call $expect (i32.const 2) (i32.eqz (call $sock_bind (i32.load (i32.const 16)) (i32.const 128))))
    (call $expect (i32.const 3) (i32.eqz (call $sock_listen (i32.load (i32.const 16)) (i32.const 1))))
    (call $expect (i32.const 4) (i32.eqz (call $sock_addr_local (i32.load (i32.const 16)) (i32.const 160))))
    (call $expect (i32.const 5) (i32.load16_u (i32.const 162))) ;; a port was found
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 17))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))

  (func $expect (param $step i32) (param $true i32)
    (if (i32.eqz (local.get $true)) (then (call $proc_exit (local.get $step))))))
