//! The programs that every target runs, in their images.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use shimmer_node::cri::CriContainerSpec;
use shimmer_node::{ContainerSpec, Image, Node};
use shimmer_oci::{Archive, NewImage, Platform, Rootfs};
use tempfile::TempDir;

use crate::Result;
use crate::target::{Kind, Target};

const HELLO: &[u8] = include_bytes!("../../conformance/guests/prebuilt/hello.wasm");
const PROBE: &[u8] = include_bytes!("../../conformance/guests/prebuilt/probe.wasm");
/// A static program that is many: it stands in for any native one.
const BUSYBOX: &str = "/bin/busybox";

/// What runs in a container.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Program {
    /// Says hello and ends.
    Hello,
    /// Says that it is ready, and sleeps.
    Rest,
    /// An interpreter of 18 MB, which says hello and reads its input to the end.
    Python,
}

/// What kind of image it is in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    Native,
    Rootfs,
    Artifact,
}

impl Program {
    /// What it writes first.
    pub(crate) fn greeting(self) -> &'static str {
        match self {
            Self::Hello => "hello from wasm: world\n",
            Self::Rest => "ready\n",
            Self::Python => "hello from python\n",
        }
    }

    fn args(self, form: Form) -> &'static [&'static str] {
        match (self, form) {
            (Self::Hello, Form::Native) => &["/busybox", "echo", "hello from wasm: world"],
            (Self::Rest, Form::Native) => {
                &["/busybox", "sh", "-c", "echo ready; exec /busybox sleep 1000000"]
            }
            (Self::Hello, _) => &["/hello.wasm"],
            (Self::Rest, _) => &["/rest.wasm", "sleep"],
            (Self::Python, _) => &["/python.wasm"],
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hello => "hello",
            Self::Rest => "rest",
            Self::Python => "python",
        })
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Native => "native",
            Self::Rootfs => "rootfs",
            Self::Artifact => "artifact",
        })
    }
}

/// The images of all programs on a node, of which every target has its own: shims keep compiled code with the image,
/// and may overwrite each other's.
#[derive(Debug)]
pub(crate) struct Images(BTreeMap<(String, Program, Form), Image>);

impl Images {
    pub(crate) fn import(node: &Node, targets: &[Target], python: Option<&[u8]>) -> Result<Self> {
        let mut images = BTreeMap::new();
        let programs =
            [(Program::Hello, Some(HELLO)), (Program::Rest, Some(PROBE)), (Program::Python, python)];
        for target in targets {
            for (program, wasm) in programs {
                let Some(wasm) = wasm else { continue };
                for (form, image) in built(target, program, wasm)? {
                    let image =
                        import(node, &format!("shimmer.bench/{}/{program}:{form}", target.name), image)?;
                    images.insert((target.name.clone(), program, form), image);
                }
            }
        }
        Ok(Self(images))
    }

    /// The forms in which a target runs a program.
    pub(crate) fn forms(&self, target: &Target, program: Program) -> Vec<Form> {
        let all = [Form::Native, Form::Rootfs, Form::Artifact].into_iter();
        all.filter(|form| self.0.contains_key(&(target.name.clone(), program, *form))).collect()
    }

    fn image(&self, target: &Target, program: Program, form: Form) -> &Image {
        &self.0[&(target.name.clone(), program, form)]
    }

    /// A container of containerd's task service, with an id that no other has.
    pub(crate) fn container(&self, target: &Target, program: Program, form: Form) -> (String, ContainerSpec) {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let id = format!("{}-{program}-{form}-{:05}", target.name, NEXT.fetch_add(1, Ordering::Relaxed));
        let spec = ContainerSpec::new(&id, self.image(target, program, form), target.runtime());
        (id, spec.args(program.args(form).iter().copied()))
    }

    /// A container of a pod.
    pub(crate) fn of_pod(&self, target: &Target, program: Program, form: Form) -> CriContainerSpec {
        let spec = CriContainerSpec::new(program.to_string(), self.image(target, program, form));
        spec.command(program.args(form).iter().copied())
    }
}

/// The images of one program for one target: runc runs the native twin; the large component is an artifact only, since
/// not every host keeps the compiled code of a file in a rootfs, and is none for the floor, which looks into no image.
fn built(target: &Target, program: Program, wasm: &[u8]) -> Result<Vec<(Form, NewImage)>> {
    let wasm = marked(wasm, &target.name);
    let root = || Rootfs::new(Platform::host());
    Ok(match (target.kind, program) {
        (Kind::Native | Kind::Floor, Program::Python) => Vec::new(),
        (Kind::Native, _) => {
            let busybox =
                fs::read(BUSYBOX).map_err(|error| format!("{BUSYBOX} (busybox-static): {error}"))?;
            // Two images of the same configuration are one for CRI.
            let mark = format!("/{program}");
            vec![(Form::Native, root().file("/busybox", 0o755, busybox).file(&mark, 0o644, "").build()?)]
        }
        (_, Program::Python) => vec![(Form::Artifact, NewImage::artifact(wasm))],
        _ => vec![
            (Form::Rootfs, root().file(&format!("/{program}.wasm"), 0o755, wasm.clone()).build()?),
            (Form::Artifact, NewImage::artifact(wasm)),
        ],
    })
}

/// The same program with other bytes: a module or a component may end with a section that means nothing.
fn marked(wasm: &[u8], mark: &str) -> Vec<u8> {
    // Its id is 0, then come the length of the rest and that of the name, which are below 128.
    let length = u8::try_from(mark.len()).unwrap_or(u8::MAX).min(100);
    let mark = &mark.as_bytes()[..length.into()];
    [wasm, &[0, length + 1, length], mark].concat()
}

fn import(node: &Node, reference: &str, image: NewImage) -> Result<Image> {
    let folder = TempDir::new()?;
    let path = folder.path().join("image.tar");
    Archive::default().image(reference, image).write(File::create(&path)?)?;
    node.import(&path)?.into_iter().next().ok_or_else(|| format!("{reference} was not imported").into())
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
}
