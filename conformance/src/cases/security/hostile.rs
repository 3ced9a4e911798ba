//! Programs made to harm whoever reads, compiles or runs them.

use crate::case::Case;
use crate::cases::row;
use crate::expected::Seen;
use crate::failure::{Failure, Result, ensure};
use crate::guests::HELLO;
use crate::images::Form;
use crate::profile::Profile;
use crate::setup::Setup;
use crate::stage::Stage;

const MIB: usize = 1 << 20;
const MEMORY: u64 = 128 << 20;
/// The parts of a module of one function: header and type, and the exports that every program has.
const HEADER: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0";
const START: &[u8] = b"\x06_start\0\0";
const MEMORY_EXPORT: &[u8] = b"\x06memory\x02\0";

pub(super) fn cases() -> Vec<Case> {
    let hello = || Setup::of(HELLO);
    row(
        "hostile-programs",
        Profile::Security,
        [
            Case::container("security/memory-beyond-all-limits", hello().memory(MEMORY), memory_beyond),
            Case::container("security/many-exports", hello(), many_exports),
            Case::container("security/a-very-long-name", hello(), a_very_long_name),
            Case::container("security/deeply-nested-text", hello(), deeply_nested_text),
            Case::task("security/a-large-custom-section", hello(), a_large_custom_section),
        ],
    )
}

/// A module that declares 4 GiB of memory and fills them.
fn memory_beyond(stage: &Stage<'_>) -> Result {
    let program = [
        HEADER,
        &section(3, b"\x01\0"),
        &section(5, b"\x01\0\x80\x80\x04"),
        &section(7, &[b"\x02", START, MEMORY_EXPORT].concat()),
        &section(10, b"\x01\x0b\0\x41\0\x41\x01\x41\x7f\xfc\x0b\0\x0b"),
    ]
    .concat();
    match settle(stage, "greedy.wasm", program)? {
        Seen::Ended(ended) if ended.code == 0 => {
            Err(Failure("a guest filled 4 GiB of memory where it was allowed 128 MiB".into()))
        }
        _ => lives(stage),
    }
}

fn many_exports(stage: &Stage<'_>) -> Result {
    const COUNT: u32 = 100_000;
    let exports: Vec<u8> = (0..COUNT)
        .flat_map(|number| {
            let name = format!("function-{number}");
            [&length(name.len()), name.as_bytes(), &[0, 0]].concat()
        })
        .collect();
    let exports = [&length(COUNT as usize + 2), START, MEMORY_EXPORT, &exports].concat();
    runs_or_is_refused(stage, "exports.wasm", exporting(&exports))
}

fn a_very_long_name(stage: &Stage<'_>) -> Result {
    let name = "x".repeat(MIB);
    let exports = [b"\x03", START, MEMORY_EXPORT, &length(name.len()), name.as_bytes(), &[0, 0]].concat();
    runs_or_is_refused(stage, "name.wasm", exporting(&exports))
}

/// A module of one function that does nothing, with these exports.
fn exporting(exports: &[u8]) -> Vec<u8> {
    let (functions, memories) = (section(3, b"\x01\0"), section(5, b"\x01\0\x01"));
    [HEADER, &functions, &memories, &section(7, exports), &section(10, b"\x01\x02\0\x0b")].concat()
}

fn runs_or_is_refused(stage: &Stage<'_>, file: &str, program: Vec<u8>) -> Result {
    match settle(stage, file, program)? {
        Seen::Ended(ended) if ended.code != 0 => {
            Err(Failure(format!("expected it to run or to be refused, but saw {}", ended.describe())))
        }
        _ => lives(stage),
    }
}

fn deeply_nested_text(stage: &Stage<'_>) -> Result {
    const DEPTH: usize = MIB / 8;
    let blocks = ["(block ".repeat(DEPTH), ")".repeat(DEPTH)].concat();
    let text = format!("(module (memory (export \"memory\") 1) (func (export \"_start\") {blocks}))");
    runs_or_is_refused(stage, "deep.wat", text.into_bytes())
}

fn a_large_custom_section(stage: &Stage<'_>) -> Result {
    let filler = [b"\x04fill".as_slice(), &vec![0; 8 * MIB]].concat();
    let program = [HELLO.bytes, &section(0, &filler)].concat();
    let seen = settle(stage, "large.wasm", program)?;
    greets(&seen)
}

/// What comes of a program in place of the case's.
fn settle(stage: &Stage<'_>, file: &str, program: Vec<u8>) -> Result<Seen> {
    let form = if file.ends_with(".wat") { Form::Rootfs } else { Form::Artifact };
    let setup = Setup { name: file.to_owned(), program: program.into(), form, ..stage.setup() };
    stage.observe_unnoted(&setup, None)
}

/// The next container of the same shim is none the worse.
fn lives(stage: &Stage<'_>) -> Result {
    greets(&Seen::Ended(stage.start(&Setup { memory: None, ..stage.setup() })?.end_unnoted()?))
}

fn greets(seen: &Seen) -> Result {
    let greeted =
        matches!(seen, Seen::Ended(ended) if ended.code == 0 && ended.stdout().starts_with("hello"));
    ensure(greeted, || format!("expected a greeting, but saw {}", seen.describe()))
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], length(content.len()).as_slice(), content].concat()
}

/// A number as WebAssembly has it, in groups of seven bits.
fn length(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let group = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        bytes.push(if number == 0 { group } else { group | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}
