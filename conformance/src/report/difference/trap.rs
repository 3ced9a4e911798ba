/// What sort of trap an engine's message is about; engines name the same trap in words of their own.
///
/// None where the words are of no engine that is known here.
pub(super) fn class(message: &str) -> Option<&'static str> {
    let message = message.to_lowercase();
    let (_, class) = CLASSES.iter().find(|(words, _)| words.iter().any(|word| message.contains(word)))?;
    Some(class)
}

/// The words of Wasmtime, WasmEdge, Wasmer and wasmi, the particular before the general: a table's message
/// names its bounds too, and a backtrace has functions whose names speak of what is unreachable.
const CLASSES: [(&[&str], &str); 8] = [
    (&["call stack exhausted", "stack overflow", "stack exhausted"], "stack overflow"),
    (&["indirect call type mismatch", "bad signature"], "indirect call type mismatch"),
    (&["undefined element", "uninitialized element", "table access"], "undefined element"),
    (&["divide by zero", "division by zero"], "division by zero"),
    (&["invalid conversion to integer"], "invalid conversion to integer"),
    (&["integer overflow"], "integer overflow"),
    (&["out of bounds", "out-of-bounds"], "out-of-bounds memory access"),
    (&["unreachable"], "unreachable"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engines_words_have_their_class() {
        for (message, expected) in [
            ("wasm trap: wasm `unreachable` instruction executed", "unreachable"),
            ("wasm trap: unreachable, in a call of the export `_start`", "unreachable"),
            ("wasm trap: integer divide by zero", "division by zero"),
            (
                "memory fault at wasm address 0x10\nwasm trap: out of bounds memory access",
                "out-of-bounds memory access",
            ),
            ("wasm trap: integer overflow", "integer overflow"),
            ("indirect call type mismatch", "indirect call type mismatch"),
            ("undefined element: out of bounds table access", "undefined element"),
            ("uninitialized element 2", "undefined element"),
            ("RuntimeError: call stack exhausted\n  at core::hint::unreachable", "stack overflow"),
            ("invalid conversion to integer", "invalid conversion to integer"),
        ] {
            assert_eq!(class(message), Some(expected), "{message}");
        }
        assert_eq!(class("all fuel consumed by WebAssembly"), None);
    }
}
