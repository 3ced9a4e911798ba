use crate::Case;
use crate::guests::{EXPORTS, HELLO, NO_START, UNKNOWN_IMPORT};

pub(super) fn cases() -> Vec<Case> {
    let bytes = |id, bytes: &'static [u8]| Case::of_bytes(id, "app.wasm", bytes);
    let half = &HELLO.bytes[..HELLO.bytes.len() / 2];
    vec![
        bytes("refusal/not-wasm", b"hello").refused(["not WebAssembly", "app.wasm"]),
        bytes("refusal/empty-file", b"").refused(["an empty file", "app.wasm"]),
        bytes("refusal/truncated-module", half).refused(["app.wasm"]),
        bytes("refusal/forged-elf", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0")
            .refused(["native code"]),
        bytes("refusal/forged-wasmer-artifact", b"WASMER\0\0\0\0\0\0\0\0\0\0")
            .refused(["compiled Wasmer module"]),
        Case::new("refusal/unknown-import", UNKNOWN_IMPORT)
            .refused(["env.nothing_has_this", "does not provide"]),
        Case::new("refusal/no-start", NO_START).refused(["`_start`", "no-start.wasm"]),
        Case::new("refusal/missing-function", EXPORTS).function("#nothing").refused(["`nothing`", "greet"]),
    ]
}
