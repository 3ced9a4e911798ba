//! The programs that every target runs.

use std::fs;
use std::path::Path;

use shimmer_benches::results::containers::{Form, Program};
use shimmer_oci::{NewImage, Platform, Rootfs};

use crate::Result;
use crate::stamp;
use crate::target::{Kind, Target};

const HELLO: &[u8] = include_bytes!("../../conformance/guests/prebuilt/hello.wasm");
/// Answers HTTP.
pub(crate) const HTTP: &[u8] = include_bytes!("../../conformance/guests/prebuilt/http.component.wasm");
const PROBE: &[u8] = include_bytes!("../../conformance/guests/prebuilt/probe.wasm");
/// A static program that is many: it stands in for any native one.
const BUSYBOX: &str = "/bin/busybox";

/// The WebAssembly that is to be measured.
#[derive(Debug, Default)]
pub(crate) struct Wasm {
    /// The large component, where it can be had.
    pub(crate) python: Option<Vec<u8>>,
    /// The user's own, with its arguments: then it is measured alone.
    pub(crate) module: Option<Module>,
}

/// A program of the user's.
#[derive(Debug)]
pub(crate) struct Module {
    bytes: Vec<u8>,
    args: Vec<String>,
}

impl Module {
    /// Reads the file; its arguments follow the program's name.
    pub(crate) fn read(file: &Path, args: &[String]) -> Result<Self> {
        let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Self { bytes, args: args.to_owned() })
    }
}

impl Wasm {
    /// The programs there are, each with its bytes.
    pub(crate) fn all(&self) -> Vec<(Program, &[u8])> {
        if let Some(module) = &self.module {
            return vec![(Program::Module, &module.bytes)];
        }
        let mut all = vec![(Program::Hello, HELLO), (Program::Rest, PROBE), (Program::Stamp, PROBE)];
        all.extend(self.python.as_ref().map(|python| (Program::Python, python.as_slice())));
        all
    }

    /// The command line of a program.
    pub(crate) fn args(&self, program: Program, form: Form) -> Vec<String> {
        let words: &[&str] = match (program, form) {
            (Program::Hello, Form::Native) => &["/busybox", "echo", "hello from wasm: world"],
            (Program::Rest, Form::Native) => {
                &["/busybox", "sh", "-c", "echo ready; exec /busybox sleep 1000000"]
            }
            // Its `date` knows no fractions of a second.
            (Program::Stamp, Form::Native) => &["/busybox", "adjtimex"],
            (Program::Hello, _) => &["/hello.wasm"],
            (Program::Rest, _) => &["/rest.wasm", "sleep"],
            (Program::Stamp, _) => &["/stamp.wasm", "now"],
            (Program::Python, _) => &["/python.wasm"],
            (Program::Module, _) => &["/module.wasm"],
        };
        let own = self.module.iter().filter(|_| program == Program::Module).flat_map(|module| &module.args);
        words.iter().map(|&word| word.to_owned()).chain(own.cloned()).collect()
    }

    /// The images of one program for one target: runc runs the native twin. The large component and what is started
    /// for one figure alone are artifacts only: not every host keeps the compiled code of a file in a rootfs, and a
    /// rootfs would say no more. The floor looks into no image, so it is given none of them.
    ///
    /// No other image has the same bytes as one of this `mark`.
    pub(crate) fn built(
        &self,
        target: &Target,
        program: Program,
        mark: &str,
    ) -> Result<Vec<(Form, NewImage)>> {
        let Some((_, wasm)) = self.all().into_iter().find(|(one, _)| *one == program) else {
            return Ok(Vec::new());
        };
        let wasm = marked(wasm, mark);
        Ok(match (target.kind, program) {
            (Kind::Native, Program::Python | Program::Module)
            | (Kind::Floor, Program::Python | Program::Stamp) => Vec::new(),
            (Kind::Native, _) => {
                // Two images of the same configuration are one for CRI.
                let file = format!("/{program}");
                vec![(
                    Form::Native,
                    root().file("/busybox", 0o755, busybox()?).file(&file, 0o644, mark).build()?,
                )]
            }
            (_, Program::Python | Program::Stamp) => vec![(Form::Artifact, NewImage::artifact(wasm))],
            _ => vec![
                (Form::Rootfs, root().file(&format!("/{program}.wasm"), 0o755, wasm.clone()).build()?),
                (Form::Artifact, NewImage::artifact(wasm)),
            ],
        })
    }
}

/// The component that answers HTTP, for one target.
pub(crate) fn http(target: &Target) -> NewImage {
    NewImage::artifact(marked(HTTP, &target.name))
}

/// What a program writes first; nothing is known of the user's.
pub(crate) fn greeting(program: Program) -> &'static str {
    match program {
        Program::Hello => "hello from wasm: world\n",
        Program::Rest => "ready\n",
        Program::Python => "hello from python\n",
        Program::Stamp | Program::Module => "",
    }
}

/// Whether a program that has ended wrote what it should.
pub(crate) fn is_answer(program: Program, stdout: &[u8]) -> bool {
    match program {
        Program::Stamp => stamp::read(stdout).is_some(),
        Program::Module => true,
        _ => stdout == greeting(program).as_bytes(),
    }
}

fn root() -> Rootfs {
    Rootfs::new(Platform::host())
}

fn busybox() -> Result<Vec<u8>> {
    fs::read(BUSYBOX).map_err(|error| format!("{BUSYBOX} (busybox-static): {error}").into())
}

/// The same program with other bytes: a module or a component may end with a section that means nothing.
fn marked(wasm: &[u8], mark: &str) -> Vec<u8> {
    // Its id is 0, then come the length of the rest and that of the name, which are below 128.
    let length = u8::try_from(mark.len()).unwrap_or(u8::MAX).min(100);
    let mark = &mark.as_bytes()[mark.len() - usize::from(length)..];
    [wasm, &[0, length + 1, length], mark].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_program_is_the_same_with_another_digest() {
        let marked = marked(HELLO, "wasmtime");
        assert!(marked.starts_with(HELLO) && marked.ends_with(b"\x00\x09\x08wasmtime"));
        assert!(NewImage::artifact(marked).digest() != NewImage::artifact(HELLO).digest());
    }

    #[test]
    fn marks_that_differ_at_their_end_make_different_programs() {
        let long = "x".repeat(300);
        assert_ne!(marked(HELLO, &format!("{long}1")), marked(HELLO, &format!("{long}2")));
    }

    #[test]
    fn the_users_own_program_is_measured_alone() {
        let module = Module { bytes: HELLO.to_vec(), args: vec!["-n".into(), "3".into()] };
        let wasm = Wasm { module: Some(module), ..Wasm::default() };
        assert_eq!(wasm.all().iter().map(|(program, _)| *program).collect::<Vec<_>>(), [Program::Module]);
        assert_eq!(wasm.args(Program::Module, Form::Artifact), ["/module.wasm", "-n", "3"]);
    }
}
