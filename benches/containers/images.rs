//! The images of the programs on a node.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};

use shimmer_benches::results::containers::{Form, Program};
use shimmer_node::cri::CriContainerSpec;
use shimmer_node::{ContainerSpec, Image, Node};
use shimmer_oci::{Archive, NewImage};
use tempfile::TempDir;

use crate::Result;
use crate::program::Wasm;
use crate::target::Target;

/// The images of all programs on a node, of which every target has its own: shims keep compiled code with the image,
/// and may overwrite each other's.
#[derive(Debug)]
pub(crate) struct Images<'a> {
    pub(crate) wasm: &'a Wasm,
    all: BTreeMap<(String, Program, Form), Image>,
}

impl<'a> Images<'a> {
    /// Imports those of `programs` that there are.
    pub(crate) fn import(
        node: &Node,
        targets: &[Target],
        wasm: &'a Wasm,
        programs: &[Program],
    ) -> Result<Self> {
        let mut all = BTreeMap::new();
        for target in targets {
            for &program in programs {
                for (form, image) in wasm.built(target, program, &target.name)? {
                    let name = format!("shimmer.bench/{}/{program}:{form}", target.name);
                    all.insert((target.name.clone(), program, form), import(node, &name, image)?);
                }
            }
        }
        Ok(Self { wasm, all })
    }

    /// The forms in which a target runs a program.
    pub(crate) fn forms(&self, target: &Target, program: Program) -> Vec<Form> {
        let all = [Form::Native, Form::Rootfs, Form::Artifact].into_iter();
        all.filter(|form| self.all.contains_key(&(target.name.clone(), program, *form))).collect()
    }

    fn image(&self, target: &Target, program: Program, form: Form) -> &Image {
        &self.all[&(target.name.clone(), program, form)]
    }

    /// A container of containerd's task service, with an id that no other has.
    pub(crate) fn container(&self, target: &Target, program: Program, form: Form) -> (String, ContainerSpec) {
        self.container_of(self.image(target, program, form), target, program, form)
    }

    /// The same, of another image of the program.
    pub(crate) fn container_of(
        &self,
        image: &Image,
        target: &Target,
        program: Program,
        form: Form,
    ) -> (String, ContainerSpec) {
        let id = format!("{}-{program}-{form}-{:05}", target.name, number());
        let spec = ContainerSpec::new(&id, image, target.runtime());
        (id, spec.args(self.wasm.args(program, form)))
    }

    /// A container of a pod.
    pub(crate) fn of_pod(&self, target: &Target, program: Program, form: Form) -> CriContainerSpec {
        self.of_pod_of(self.image(target, program, form), program, form)
    }

    /// The same, of another image of the program.
    pub(crate) fn of_pod_of(&self, image: &Image, program: Program, form: Form) -> CriContainerSpec {
        let spec = CriContainerSpec::new(program.to_string(), image);
        spec.command(self.wasm.args(program, form))
    }

    /// An image of the program that nobody has seen before. Whoever takes it removes it.
    pub(crate) fn unseen(&self, node: &Node, target: &Target, program: Program, form: Form) -> Result<Image> {
        let mark = format!("{}-{:05}", target.name, number());
        let built = self.wasm.built(target, program, &mark)?;
        let image = built.into_iter().find_map(|(one, image)| (one == form).then_some(image));
        let image = image.ok_or_else(|| format!("{program} has no image of the form {form}"))?;
        import(node, &format!("shimmer.bench/{mark}/{program}:{form}"), image)
    }
}

/// Imports an image under a name.
pub(crate) fn import(node: &Node, reference: &str, image: NewImage) -> Result<Image> {
    let folder = TempDir::new()?;
    let path = folder.path().join("image.tar");
    Archive::default().image(reference, image).write(File::create(&path)?)?;
    node.import(&path)?.into_iter().next().ok_or_else(|| format!("{reference} was not imported").into())
}

/// One that this process has not given before.
fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
