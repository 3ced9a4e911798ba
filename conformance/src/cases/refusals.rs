use std::path::Path;
use std::thread;
use std::time::Instant;

use shimmer_node::{Access, ContainerSpec, ErrorKind};

use super::row;
use crate::case::Case;
use crate::expected::Seen;
use crate::failure::{Failure, Result, ensure};
use crate::guests::{EXPORTS, HELLO, NO_START, UNKNOWN_IMPORT};
use crate::level::Level;
use crate::patience::patience;
use crate::profile::Profile;
use crate::setup::{Setup, probe};
use crate::stage::{self, Stage};
use crate::{host, images, running};

/// A component that exports nothing: the magic number, and the version of components.
const LIBRARY: &[u8] = b"\0asm\x0d\0\x01\0";
/// `_start` beside a memory whose pages are of one byte, which no engine of ours knows: type, function, memory, export
/// and code.
const PAGES_OF_A_BYTE: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x04\x01\x08\x01\0\
    \x07\x0a\x01\x06_start\0\0\x0a\x04\x01\x02\0\x0b";

pub(super) fn cases() -> Vec<Case> {
    [no_program(), unsupported(), refused_containers()].concat()
}

fn no_program() -> Vec<Case> {
    let half = &HELLO.bytes[..HELLO.bytes.len() / 2];
    let folder = Setup::of(HELLO).form(images::Form::Rootfs).path("/data");
    row(
        "no-program",
        Profile::Images,
        [
            bytes("refusal/not-wasm", b"hello").refused(["not WebAssembly", "app.wasm"]),
            bytes("refusal/empty-file", b"").refused(["an empty file", "app.wasm"]),
            bytes("refusal/truncated-module", half).refused(["app.wasm"]),
            bytes("refusal/forged-elf", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0")
                .refused(["native code"]),
            bytes("refusal/forged-wasmer-artifact", b"WASMER\0\0\0\0\0\0\0\0\0\0")
                .refused(["compiled Wasmer module"]),
            Case::new("refusal/stale-compiled-file", Setup::of(HELLO))
                .in_form(&[host::Form::Stale])
                .refused(["compile it again", "hello.wasm"]),
            Case::new("refusal/entrypoint-is-a-folder", folder).refused(["/data"]),
        ],
    )
}

fn unsupported() -> Vec<Case> {
    let another_type = Setup::of_text("app.wasm", include_str!("refusals/another-type.wat"));
    row(
        "unsupported-program",
        Profile::Images,
        [
            Case::new("refusal/unknown-import", Setup::of(UNKNOWN_IMPORT))
                .refused(["env.nothing_has_this", "does not provide"]),
            Case::new("refusal/wrong-import-type", another_type).refused(["sched_yield", "app.wasm"]),
            Case::new("refusal/no-start", Setup::of(NO_START)).refused(["`_start`", "no-start.wasm"]),
            Case::new("refusal/missing-function", Setup::of(EXPORTS).function("#nothing"))
                .refused(["`nothing`", "greet"]),
            bytes("refusal/component-without-run", LIBRARY).refused(["wasi:cli/run", "app.wasm"]),
            bytes("refusal/unknown-proposal", PAGES_OF_A_BYTE).refused(["cannot compile", "app.wasm"]),
        ],
    )
}

fn refused_containers() -> Vec<Case> {
    let refused = || Setup::of_bytes("app.wasm", b"hello");
    let nowhere = probe(["return"]).in_task(|spec| spec.mount(Path::new("/nowhere"), "/mnt", Access::Read));
    row(
        "refused-container",
        Profile::Images,
        [
            Case::container("refusal/has-a-code", refused(), has_a_code),
            Case::task("refusal/leaves-nothing", refused(), leaves_nothing),
            // CRI looks for the source itself, and Docker does.
            Case::new("refusal/names-what-cannot-be-mounted", nowhere)
                .only([Level::Task])
                .twin()
                .refused(["/nowhere"]),
        ],
    )
}

fn bytes(id: &'static str, bytes: &'static [u8]) -> Case {
    Case::new(id, Setup::of_bytes("app.wasm", bytes))
}

/// What a client can act on: whoever sees `Unknown` can only try again.
fn has_a_code(stage: &Stage<'_>) -> Result {
    match stage.observe(&stage.setup(), None)? {
        Seen::Refused { code: Some(code), .. } if code != "Unknown" => {
            stage.note("code", code);
            Ok(())
        }
        other => Err(Failure(format!("expected a refusal with a code, but saw {}", other.describe()))),
    }
}

/// No task and no shim stay, and the id can be used again.
fn leaves_nothing(stage: &Stage<'_>) -> Result {
    let node = &stage.shim.node;
    let id = stage.next_name();
    let spec = |setup: &Setup| -> Result<ContainerSpec> {
        let spec = ContainerSpec::new(&id, &stage.image(setup)?, &stage.shim.runtime).timeout(patience());
        Ok(running::described(spec, setup))
    };
    let container = node.container(spec(&stage.setup())?)?;
    stage::refusal(container.create())?;
    let tasks = node.tasks()?;
    ensure(!tasks.iter().any(|task| task.id == id), || format!("there is a task {id}"))?;
    let begin = Instant::now();
    while let Some(process) = shim_of(stage, &id)? {
        ensure(begin.elapsed() < patience(), || format!("the process {process} stays"))?;
        thread::yield_now();
    }
    container.delete()?;
    let again = node.run(spec(&Setup::of(HELLO))?)?;
    ensure(again.code == 0, || format!("expected status 0 of the next container, but saw {}", again.code))
}

/// The command line of a process that is there for the container; on a containerd that is not ours, nobody knows.
fn shim_of(stage: &Stage<'_>, id: &str) -> Result<Option<String>> {
    match stage.shim.node.processes() {
        Ok(processes) => {
            let found = processes.into_iter().find(|process| process.args.iter().any(|arg| arg == id));
            Ok(found.map(|process| process.args.join(" ")))
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotPrivate) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
