use std::borrow::Cow;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, Mode, mkfifoat};
use shimmer_node::ContainerSpec;
use shimmer_node::cri::CriContainerSpec;
use shimmer_node::docker::DockerSpec;

use crate::guests::{self, Program};
use crate::images::Form;

/// What is run and how, in words that every driver understands.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) program: Cow<'static, [u8]>,
    /// The name of the program's file, which lies in `/`.
    pub(crate) name: String,
    pub(crate) form: Form,
    /// The program's path in the entrypoint, where it is not that of its file.
    pub(crate) path: Option<Cow<'static, str>>,
    /// What follows the program's path in the entrypoint: nothing, or `#function`.
    pub(crate) function: &'static str,
    pub(crate) args: Vec<String>,
    /// Whether the image says what is run and where, as far as there are no arguments.
    pub(crate) left_to_the_image: bool,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: &'static str,
    /// Files for the guest below `/data`: path and content; a path with a slash at its end is a folder.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Symbolic links below `/data`: path and target.
    pub(crate) links: Vec<(&'static str, Cow<'static, str>)>,
    /// Pipes without a writer below `/data`.
    pub(crate) pipes: Vec<&'static str>,
    /// Which of them are mounted at a path of their own as well.
    pub(crate) mounts: Vec<(&'static str, &'static str)>,
    /// Whether `/data` is mounted read-only.
    pub(crate) read_only: bool,
    pub(crate) read_only_root: bool,
    /// Whether the guest shares this machine's network: a container's own has no loopback that is up.
    pub(crate) network: bool,
    pub(crate) stdin: Option<Vec<u8>>,
    pub(crate) user: Option<(u32, u32)>,
    /// Bytes.
    pub(crate) memory: Option<u64>,
    /// Microseconds of processor time in each period of as many.
    pub(crate) cpu: Option<(i64, u64)>,
    /// What else it is given, in words that only containerd's task service has.
    pub(crate) in_task: Option<fn(ContainerSpec) -> ContainerSpec>,
    /// The same in words that only CRI has.
    pub(crate) in_pod: Option<fn(CriContainerSpec) -> CriContainerSpec>,
    /// And in Docker's.
    pub(crate) in_docker: Option<fn(DockerSpec) -> DockerSpec>,
}

/// What tells an [`eater`] that it has been started.
pub(crate) const TOLD: &str = "told";

/// The probe, told what to do.
pub(crate) fn probe<const N: usize>(args: [&str; N]) -> Setup {
    Setup::of(guests::PROBE).args(args)
}

/// The probe that takes memory without end. The native twin waits for the file [`TOLD`] in its `/data`: runc's shim looks for
/// an end by lack of memory only after a container has been started.
pub(crate) fn eater() -> Setup {
    probe(["eat"]).env([("EAT_AFTER", &format!("/data/{TOLD}"))])
}

/// The probe as a component.
pub(crate) fn probe_component<const N: usize>(args: [&str; N]) -> Setup {
    Setup::of(guests::PROBE_COMPONENT).args(args)
}

/// A native program: busybox's applet and its arguments.
pub(crate) fn busybox<const N: usize>(args: [&str; N]) -> Setup {
    Setup { form: Form::Userland, ..Setup::of_bytes("busybox", b"") }.args(args)
}

impl Setup {
    /// A guest in its artifact, without arguments.
    pub(crate) fn of(program: Program) -> Self {
        Self::of_bytes(program.name, program.bytes)
    }

    /// Bytes that are no committed guest: `name` is the file's.
    pub(crate) fn of_bytes(name: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self {
            program: bytes.into(),
            name: name.into(),
            form: Form::Artifact,
            path: None,
            function: "",
            args: Vec::new(),
            left_to_the_image: false,
            env: Vec::new(),
            cwd: "/",
            files: Vec::new(),
            links: Vec::new(),
            pipes: Vec::new(),
            mounts: Vec::new(),
            read_only: false,
            read_only_root: false,
            network: false,
            stdin: None,
            user: None,
            memory: None,
            cpu: None,
            in_task: None,
            in_pod: None,
            in_docker: None,
        }
    }

    /// A program of a case's own, in the text format, for what an engine would compile a whole guest for.
    pub(crate) fn of_text(name: impl Into<String>, text: &str) -> Self {
        let program =
            wat::parse_str(text).expect("the texts are the cases', and whoever lists them compiles them");
        Self::of_bytes(name, program)
    }

    pub(crate) fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    pub(crate) fn path(self, path: impl Into<Cow<'static, str>>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    pub(crate) fn function(self, function: &'static str) -> Self {
        Self { function, ..self }
    }

    pub(crate) fn args<const N: usize>(self, args: [&str; N]) -> Self {
        Self { args: args.map(str::to_owned).into(), ..self }
    }

    pub(crate) fn env<const N: usize>(self, env: [(&str, &str); N]) -> Self {
        Self { env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), ..self }
    }

    pub(crate) fn cwd(self, cwd: &'static str) -> Self {
        Self { cwd, ..self }
    }

    pub(crate) fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    pub(crate) fn link(mut self, path: &'static str, target: impl Into<Cow<'static, str>>) -> Self {
        self.links.push((path, target.into()));
        self
    }

    pub(crate) fn pipe(mut self, path: &'static str) -> Self {
        self.pipes.push(path);
        self
    }

    /// Mounts one of the case's files or folders at a path of its own.
    pub(crate) fn mounted(mut self, file: &'static str, target: &'static str) -> Self {
        self.mounts.push((file, target));
        self
    }

    pub(crate) fn left_to_the_image(self) -> Self {
        Self { left_to_the_image: true, ..self }
    }

    pub(crate) fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    pub(crate) fn read_only_root(self) -> Self {
        Self { read_only_root: true, ..self }
    }

    pub(crate) fn network(self) -> Self {
        Self { network: true, ..self }
    }

    pub(crate) fn stdin(self, stdin: &[u8]) -> Self {
        Self { stdin: Some(stdin.to_owned()), ..self }
    }

    pub(crate) fn user(self, user: u32, group: u32) -> Self {
        Self { user: Some((user, group)), ..self }
    }

    pub(crate) fn memory(self, bytes: u64) -> Self {
        Self { memory: Some(bytes), ..self }
    }

    pub(crate) fn cpu(self, quota: i64, period: u64) -> Self {
        Self { cpu: Some((quota, period)), ..self }
    }

    pub(crate) fn in_task(self, change: fn(ContainerSpec) -> ContainerSpec) -> Self {
        Self { in_task: Some(change), ..self }
    }

    pub(crate) fn in_pod(self, change: fn(CriContainerSpec) -> CriContainerSpec) -> Self {
        Self { in_pod: Some(change), ..self }
    }

    pub(crate) fn in_docker(self, change: fn(DockerSpec) -> DockerSpec) -> Self {
        Self { in_docker: Some(change), ..self }
    }

    /// The same for the probe's native twin, which runs on any runtime; what is native already stays as it is.
    pub(crate) fn native(self) -> Self {
        if self.form == Form::Userland && self.program.is_empty() {
            return self;
        }
        Self { form: Form::Userland, name: guests::PROBE_TWIN.0.into(), program: b"".into(), ..self }
    }

    /// Whether an engine alone can show it: mounts, users, limits and working directories are a container's.
    pub(crate) fn is_for_engines(&self) -> bool {
        self.form != Form::Userland
            && self.path.is_none()
            && self.cwd == "/"
            && !(self.read_only || self.read_only_root || self.left_to_the_image)
            && self.mounts.is_empty()
            && (self.user, self.memory, self.cpu) == (None, None, None)
            && self.in_task.is_none()
            && self.in_pod.is_none()
            && self.in_docker.is_none()
    }

    /// Whether a pod can show it: the kubelet closes a container's stdin, and opens it only for `kubectl attach`.
    pub(crate) fn is_for_pods(&self) -> bool {
        self.stdin.is_none() && (self.in_task.is_none() || self.in_pod.is_some())
    }

    /// Whether the manifest of a pod can say it.
    pub(crate) fn is_for_kube(&self) -> bool {
        self.stdin.is_none() && self.in_task.is_none() && self.in_pod.is_none()
    }

    /// Whether Docker can show it: it is given nothing in the words of others that is not said in Docker's as well.
    pub(crate) fn is_for_docker(&self) -> bool {
        (self.in_task.is_none() && self.in_pod.is_none()) || self.in_docker.is_some()
    }

    /// The entrypoint and its arguments.
    pub(crate) fn command(&self) -> Vec<String> {
        let file = format!("/{}", self.name);
        let entrypoint = format!("{}{}", self.path.as_deref().unwrap_or(&file), self.function);
        [entrypoint].into_iter().chain(self.args.iter().cloned()).collect()
    }

    /// Writes the case's files into a folder, which is to be the guest's `/data`.
    pub(crate) fn write_files(&self, folder: &Path) -> io::Result<()> {
        for (name, content) in &self.files {
            let path = folder.join(name);
            if name.ends_with('/') {
                fs::create_dir_all(path)?;
                continue;
            }
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(path, content)?;
        }
        for (path, target) in &self.links {
            symlink(&**target, folder.join(path))?;
        }
        let pipe = |path: &&str| mkfifoat(CWD, folder.join(path), Mode::RUSR | Mode::WUSR);
        Ok(self.pipes.iter().try_for_each(pipe)?)
    }
}
