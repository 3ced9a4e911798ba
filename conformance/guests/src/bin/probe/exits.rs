//! The two ways to end with a code; the third is to return from `main`.

/// Ends through the standard library, as most programs do.
pub fn exit(code: i32) -> ! {
    std::process::exit(code)
}

/// Ends through WASI itself, which takes codes that no process has.
pub fn proc_exit(code: u32) -> ! {
    // SAFETY: the signature is that of WASI preview 1, where every runtime has this function; it touches no
    // memory.
    unsafe { raw::proc_exit(code) }
}

mod raw {
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub fn proc_exit(code: u32) -> !;
    }
}
