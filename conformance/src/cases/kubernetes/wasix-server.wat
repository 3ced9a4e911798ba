;; WASIX sockets: answers every connection to port 8080 with one HTTP response.
;; Exit codes: the number of the step that failed.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasix_32v1" "sock_open"
    (func $sock_open (param $family i32) (param $type i32) (param $proto i32) (param $out i32) (result i32)))
  (import "wasix_32v1" "sock_set_opt_flag"
    (func $sock_set_opt_flag (param $socket i32) (param $option i32) (param $flag i32) (result i32)))
  (import "wasix_32v1" "sock_bind" (func $sock_bind (param $socket i32) (param $address i32) (result i32)))
  (import "wasix_32v1" "sock_listen"
    (func $sock_listen (param $socket i32) (param $backlog i32) (result i32)))
  (import "wasix_32v1" "sock_accept_v2"
    (func $sock_accept
      (param $socket i32) (param $flags i32) (param $connection i32) (param $address i32) (result i32)))
  (import "wasix_32v1" "sock_recv"
    (func $sock_recv
      (param $socket i32) (param $vector i32) (param $count i32) (param $flags i32) (param $length i32)
      (param $flags_out i32) (result i32)))
  (import "wasix_32v1" "sock_send"
    (func $sock_send
      (param $socket i32) (param $vector i32) (param $count i32) (param $flags i32) (param $length i32)
      (result i32)))
  (import "wasix_32v1" "sock_shutdown" (func $sock_shutdown (param i32 i32) (result i32)))

  (memory (export "memory") 1)
  (data (i32.const 64) "listening\n")
  ;; An address is a family (1 is IPv4), a byte of padding, the port and the bytes of the address: 0.0.0.0:8080.
  (data (i32.const 128) "\01\00\90\1f\00\00\00\00")
  (data (i32.const 256)
    "HTTP/1.1 200 OK\0d\0acontent-length: 16\0d\0aconnection: close\0d\0a\0d\0ahello from wasm\0a")

  ;; Where things are: 0 and 32 vectors, 8 a result, 16 and 20 the sockets, 24 flags, 160 a peer's address, 1024 the
  ;; request.
  (func $_start (export "_start")
    ;; IPv4, stream, TCP.
    (call $expect (i32.const 1) (call $sock_open (i32.const 1) (i32.const 1) (i32.const 6) (i32.const 16)))
    ;; Who starts again finds connections of the time before; 2 is the option to reuse an address.
    (drop (call $sock_set_opt_flag (i32.load (i32.const 16)) (i32.const 2) (i32.const 1)))
    (call $expect (i32.const 2) (call $sock_bind (i32.load (i32.const 16)) (i32.const 128)))
    (call $expect (i32.const 3) (call $sock_listen (i32.load (i32.const 16)) (i32.const 64)))
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 10))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (loop $serve
      (call $expect (i32.const 4)
        (call $sock_accept (i32.load (i32.const 16)) (i32.const 0) (i32.const 20) (i32.const 160)))
      (i32.store (i32.const 32) (i32.const 1024))
      (i32.store (i32.const 36) (i32.const 4096))
      (i32.store (i32.const 8) (i32.const 0))
      (drop (call $sock_recv
        (i32.load (i32.const 20)) (i32.const 32) (i32.const 1) (i32.const 0) (i32.const 8) (i32.const 24)))
      ;; Whoever only knocked, as a TCP probe does, gets no answer.
      (if (i32.load (i32.const 8))
        (then
          (i32.store (i32.const 32) (i32.const 256))
          (i32.store (i32.const 36) (i32.const 74))
          (drop (call $sock_send
            (i32.load (i32.const 20)) (i32.const 32) (i32.const 1) (i32.const 0) (i32.const 8)))
          (drop (call $sock_shutdown (i32.load (i32.const 20)) (i32.const 2)))))
      (drop (call $fd_close (i32.load (i32.const 20))))
      (br $serve)))

  (func $expect (param $step i32) (param $error i32)
    (if (local.get $error) (then (call $proc_exit (local.get $step))))))
