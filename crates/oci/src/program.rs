use std::borrow::Cow;
use std::path::Path;

use shimmer_engine::{Error as EngineError, ErrorKind as EngineErrorKind, Source};

use crate::{Error, ErrorKind, Result};

/// The largest program in the binary format, in bytes: 512 MiB.
///
/// A program and what it is compiled from are held in memory at once, before the container's own limit
/// applies, so it is the node that pays; the largest known components, language runtimes with their
/// libraries, are a tenth of this.
pub const MAX_PROGRAM_SIZE: u64 = 512 << 20;

/// The largest program in the text format, in bytes: 16 MiB. Text is for tests and examples, and its syntax
/// tree is many times larger than itself.
const MAX_TEXT_SIZE: u64 = 16 << 20;

/// Makes a program of the bytes of a file or layer that messages call `name`.
///
/// The text format is told by an ending in `.wat` or by beginning as such text does, and translated. All else
/// must begin with the magic bytes of the binary format: whatever looks like native code, from an engine's
/// cache or elsewhere, is a stranger's and refused.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] where the bytes are no WebAssembly, or too many.
pub fn program(name: &str, bytes: Vec<u8>) -> Result<Source> {
    let text = is_text(name, &bytes);
    let limit = if text { MAX_TEXT_SIZE } else { MAX_PROGRAM_SIZE };
    if bytes.len() as u64 > limit {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!("the program is larger than {} MiB", limit >> 20),
        )
        .with("file", name));
    }
    let wasm = if text { translate(name, &bytes)? } else { bytes };
    Source::parse(wasm).map_err(|error| Error::of_program(error.with("file", name)))
}

fn is_text(name: &str, bytes: &[u8]) -> bool {
    let is_binary = bytes.starts_with(b"\0asm");
    let ends_in_wat =
        Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wat"));
    !is_binary && (ends_in_wat || begins_like_text(bytes))
}

/// Whether `(module` or `(component` comes after white space and comments.
fn begins_like_text(mut bytes: &[u8]) -> bool {
    loop {
        bytes = bytes.trim_ascii_start();
        bytes = match bytes {
            [b';', b';', rest @ ..] => after_line(rest),
            [b'(', b';', rest @ ..] => after_block(rest),
            [b'(', rest @ ..] => {
                let rest = rest.trim_ascii_start();
                let keyword = rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
                return matches!(&rest[..keyword], b"module" | b"component");
            }
            _ => return false,
        };
    }
}

fn after_line(bytes: &[u8]) -> &[u8] {
    bytes.iter().position(|&byte| byte == b'\n').map_or(&[], |end| &bytes[end..])
}

/// What follows a block comment; block comments nest.
fn after_block(mut bytes: &[u8]) -> &[u8] {
    let mut depth = 1_usize;
    while depth > 0 {
        (depth, bytes) = match bytes {
            [b';', b')', rest @ ..] => (depth - 1, rest),
            [b'(', b';', rest @ ..] => (depth + 1, rest),
            [_, rest @ ..] => (depth, rest),
            [] => return bytes,
        };
    }
    bytes
}

fn translate(name: &str, text: &[u8]) -> Result<Vec<u8>> {
    wat::Parser::new().parse_bytes(Some(Path::new(name)), text).map(Cow::into_owned).map_err(|error| {
        Error::of_program(
            EngineError::new(EngineErrorKind::Invalid, "the text is no valid WebAssembly")
                .with("file", name)
                .because(error),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

    fn refusal(name: &str, bytes: &[u8]) -> String {
        let error = program(name, bytes.to_vec()).expect_err("it is no program");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let message = error.to_string();
        assert!(message.contains(&format!("file: {name}")), "the file is not named: {message}");
        message
    }

    #[test]
    fn takes_the_binary_format_under_any_name() {
        for name in ["/app.wasm", "/app", "/app.wat", "/app.cwasm"] {
            let source =
                program(name, EMPTY_MODULE.to_vec()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(source.wasm(), EMPTY_MODULE);
        }
    }

    #[test]
    fn takes_the_text_format() {
        for (name, text) in [
            ("/app.wat", "(func (export \"_start\"))"),
            ("/app", "(module)"),
            ("/app", "\n;; a comment\n(; a (; nested ;) one ;) ( module $name)"),
            ("/app", "(component)"),
        ] {
            let source = program(name, text.into()).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(source.wasm().starts_with(b"\0asm"));
        }
    }

    #[test]
    fn says_where_a_text_is_wrong() {
        let message = refusal("/app.wat", b"(module\n  (fund))");
        assert!(message.contains("/app.wat:2:4"), "{message}");
        refusal("/app.wat", b"\xff\xfe(module)");
        refusal("/app.wat", b"(module (func (call $missing)))");
    }

    #[test]
    fn takes_no_other_text_for_a_program() {
        for text in ["(modules)", "(print 1)", ";; (module)", "(; (module)", "module", "("] {
            assert!(refusal("/app", text.as_bytes()).contains("not WebAssembly"), "{text}");
        }
    }

    #[test]
    fn refuses_native_code_whatever_it_is_called() {
        let forged = b"\x7fELF\x02\x01\x01\xc8wasmtime-engine\0";
        for name in ["/app.cwasm", "/app.wasm", "/app.so"] {
            assert!(refusal(name, forged).contains("native code is not accepted"), "{name}");
            assert!(refusal(name, b"WASMERartifact").contains("compiled Wasmer module"), "{name}");
            assert!(refusal(name, b"wasmer-universal").contains("something else"), "{name}");
            assert!(refusal(name, b"#!/bin/sh\n").contains("a script"), "{name}");
        }
    }

    #[test]
    fn refuses_a_truncated_module() {
        assert!(refusal("/app.wasm", b"\0asm\x01\0\0\0\x0a\x7f").contains("rebuild the image"));
        assert!(refusal("/app.wasm", b"").contains("an empty file"));
    }

    #[test]
    fn refuses_more_text_than_a_node_should_translate() {
        let mut text = b"(module)".to_vec();
        text.resize(MAX_TEXT_SIZE as usize + 1, b' ');
        assert!(refusal("/app.wat", &text).contains("larger than 16 MiB"));
    }

    #[test]
    fn survives_deep_nesting() {
        for opening in ["(module ", "(component ", "(module (func (block ", "(;"] {
            refusal("/app.wat", opening.repeat(100_000).as_bytes());
        }
    }

    #[test]
    fn answers_any_bytes_with_a_program_or_an_error() {
        let mut random = Random::seeded(2);
        let text = b"(module (import \"a\" \"b\" (func)) (memory 1) (func (export \"_start\") (call 0)) (data \"x\"))";
        let wasm = program("a.wat", text.to_vec()).expect("the seed is valid").wasm().to_vec();
        let (mut programs, mut refusals) = (0, 0);
        for round in 0..10_000 {
            let bytes = match round % 3 {
                0 => random.bytes(64),
                1 => random.mutate(text),
                _ => random.mutate(&wasm),
            };
            match program(["a.wat", "a.wasm"][round % 2], bytes) {
                Ok(_) => programs += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
                    refusals += 1;
                }
            }
        }
        assert!(
            programs > 100 && refusals > 100,
            "{programs} programs, {refusals} refusals: the mutations are dull"
        );
    }
}
