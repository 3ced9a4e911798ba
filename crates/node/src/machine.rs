//! Another machine inside of this one, for what this one's kernel does not have: cgroup v2 alone, and systemd.
//!
//! QEMU emulates it, so that it needs no support of this kernel's, no network and no right but that to run programs. It is
//! put together on the spot: a kernel and, with systemd, a Debian from packages, and this machine's containerd, runc and
//! CNI plugins. It runs one command, brings back what that leaves, and is gone.
//!
//! ```no_run
//! use shimmer_node::machine::{Flavour, Machine, machine_folder};
//!
//! let machine = Machine::new(Flavour::Small, machine_folder()?)?;
//! let code = machine.run(&["ctr".into(), "--version".into()], &mut |output| drop(output))?;
//! # Ok::<(), shimmer_node::Error>(())
//! ```

mod cpio;
mod debian;
mod delivery;
mod emulator;
mod kernel;
mod libraries;
mod store;
mod tool;
mod tree;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use self::delivery::BROUGHT;
use self::emulator::{Emulator, Hardware, pass_on};
use self::kernel::Kernel;
use self::store::Store;
use self::tree::{MERGED, Tree};
use crate::environment;
pub use crate::environment::machine_folder;
use crate::error::{Error, ErrorKind, Result};

/// What a machine is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flavour {
    /// Busybox, and nothing that is not needed: it is there within seconds.
    Small,
    /// A Debian with systemd, as nodes of Kubernetes are.
    Systemd,
}

/// A machine to be described further and run. All of its files are this machine's, and changes to them stay in there.
#[derive(Clone, Debug)]
pub struct Machine {
    flavour: Flavour,
    store: Store,
    files: Tree,
    brought: Option<PathBuf>,
    serves: bool,
}

impl Machine {
    /// A machine with the programs that a node is made of. `folder` keeps what is made once: it takes 10 MB, and with
    /// systemd 200 MB more.
    ///
    /// # Errors
    /// [`Environment`](ErrorKind::Environment) where one of the programs is missing.
    pub fn new(flavour: Flavour, folder: impl Into<PathBuf>) -> Result<Self> {
        if std::env::consts::ARCH != ARCHITECTURE {
            let message = format!("only machines of {ARCHITECTURE} are emulated, and only on such machines");
            return Err(Error::new(ErrorKind::Environment, message));
        }
        let mut files = Tree::default();
        for (program, place) in environment::programs()? {
            files.program(&program, &place)?;
        }
        Ok(Self { flavour, store: Store::new(folder.into()), files, brought: None, serves: false })
    }

    /// Adds a program, with the libraries that it is linked with. In the machine it is in `PATH`.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) where it cannot be read, [`Environment`](ErrorKind::Environment) where a library of it is
    /// nowhere.
    pub fn program(self, file: &Path) -> Result<Self> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.program_as(file, &name)
    }

    /// The same, under another name.
    ///
    /// # Errors
    /// As [`program`](Self::program).
    pub fn program_as(mut self, file: &Path, name: &str) -> Result<Self> {
        self.files.program(file, &Path::new(PROGRAMS).join(name))?;
        Ok(self)
    }

    /// Adds a shim, and the program of the same engine beside it, if there is one.
    ///
    /// # Errors
    /// As [`program`](Self::program).
    pub fn shim(self, file: &Path) -> Result<Self> {
        let with_shim = self.program(file)?;
        match companion(file).filter(|companion| companion.exists()) {
            Some(companion) => with_shim.program(&companion),
            None => Ok(with_shim),
        }
    }

    /// Adds a file, or a folder with all that is in it, at a place in the machine.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) where it cannot be read.
    pub fn file(mut self, file: &Path, place: &Path) -> Result<Self> {
        self.files.copy(file, place)?;
        Ok(self)
    }

    /// Brings into `folder` what the command leaves in [`LEFT`].
    #[must_use]
    pub fn bring(mut self, folder: impl Into<PathBuf>) -> Self {
        self.brought = Some(folder.into());
        self
    }

    /// Has containerd serve in the machine before the command runs, as it does on a node.
    #[must_use]
    pub fn containerd(mut self) -> Self {
        self.serves = true;
        self
    }

    /// Switches the machine on and runs a command in it, whose output, both streams, is given to `output` as it comes;
    /// returns its exit code once the machine is off. The machine is gone as well when the calling thread is.
    ///
    /// # Errors
    /// [`Environment`](ErrorKind::Environment) where a program is missing that makes machines, with how to install it;
    /// [`Machine`](ErrorKind::Machine) with the end of what the kernel said, where it ends before the command does.
    pub fn run(&self, command: &[OsString], output: &mut dyn FnMut(&[u8])) -> Result<u8> {
        let kernel = Kernel::provide(&self.store)?;
        let disk = match self.flavour {
            Flavour::Small => None,
            Flavour::Systemd => Some(debian::provide(&self.store)?),
        };
        let hardware = Hardware {
            kernel: kernel.image.clone(),
            parameters: self.flavour.parameters(),
            disk,
            processors: thread::available_parallelism().map_or(1, |count| count.get().min(PROCESSORS)),
            memory: MEMORY,
        };
        if let Some(folder) = &self.brought {
            fs::create_dir_all(folder)
                .map_err(|error| Error::io(format!("make {}", folder.display()), error))?;
        }
        let machine = Emulator::start(&hardware, &self.first_files(&kernel, command)?)?;
        self.attend(machine, output)
    }

    /// Listens until the machine is off.
    fn attend(&self, machine: Emulator, output: &mut dyn FnMut(&[u8])) -> Result<u8> {
        let failure = |error| Error::io("listen to the virtual machine", error);
        let files = machine.files.try_clone().map_err(failure)?;
        let folder = self.brought.clone();
        let delivery = thread::spawn(move || delivery::take(files, folder.as_deref()));
        pass_on(&machine.output, output);
        let said = machine.ended()?;
        match delivery.join() {
            Ok(Ok(Some(status))) => Ok(status),
            // What cannot be written here is told; that nothing came is told by what the machine has said.
            Ok(Err(error)) if self.brought.is_some() => {
                Err(Error::io("take what the virtual machine brings", error))
            }
            _ => Err(early(&said)),
        }
    }

    /// What the kernel unpacks: the modules that it lacks, the program that it starts, and the machine's files.
    fn first_files(&self, kernel: &Kernel, command: &[OsString]) -> Result<Tree> {
        let mut first = Tree::default();
        first.text("init", INIT)?;
        for module in &kernel.modules {
            let name = module.file_name().unwrap_or_default();
            first.copy(module, &Path::new("modules").join(name))?;
        }
        let mut files = self.files.clone();
        files.text("shimmer/session", SESSION)?;
        files.text("shimmer/command", script(command))?;
        files.folder(Path::new("shimmer").join(BROUGHT))?;
        if self.serves {
            files.text("shimmer/serve", SERVE)?;
        }
        files.text("etc/hosts", "127.0.0.1 localhost machine\n")?;
        files.text("etc/resolv.conf", "")?;
        files.text("etc/machine-id", "5b1a6e00000000000000000000000001\n")?;
        match self.flavour {
            Flavour::Small => small(&mut files)?,
            Flavour::Systemd => files.text("etc/systemd/system/shimmer.service", SERVICE)?,
        }
        first.graft("node", files);
        Ok(first)
    }
}

impl Flavour {
    /// What the kernel and the first program are told.
    fn parameters(self) -> &'static str {
        match self {
            Self::Small => "",
            Self::Systemd => {
                "systemd.unit=shimmer.service systemd.unified_cgroup_hierarchy=1 systemd.show_status=0"
            }
        }
    }
}

/// In a machine, the folder of the programs that were added to it, the first in `PATH`.
pub const PROGRAMS: &str = "/shimmer/bin";
/// In a machine, the folder whose files are brought back.
pub const LEFT: &str = "/shimmer/brought";

/// An emulated processor takes one of this machine's.
const PROCESSORS: usize = 4;
/// In MiB, of which half can be files.
const MEMORY: usize = 4096;

/// A machine has programs of this one.
const ARCHITECTURE: &str = "x86_64";

const INIT: &str = include_str!("machine/guest/init.sh");
const BOOT: &str = include_str!("machine/guest/boot.sh");
const SERVE: &str = include_str!("machine/guest/serve.sh");
const SESSION: &str = include_str!("machine/guest/session.sh");
const SERVICE: &str = include_str!("machine/guest/shimmer.service");

/// What a Debian has, as far as it is needed.
fn small(files: &mut Tree) -> Result<()> {
    files.text("shimmer/boot", BOOT)?;
    files.text("etc/passwd", "root:x:0:0::/root:/bin/sh\n")?;
    files.text("etc/group", "root:x:0:\n")?;
    for folder in ["dev", "proc", "root", "run", "sys", "tmp", "var/lib", "var/log", "var/tmp"] {
        files.folder(folder)?;
    }
    for folder in MERGED {
        files.link(folder, &format!("usr/{folder}"))?;
    }
    for applet in tool::Tool::BUSYBOX.lines(&["--list"])? {
        if applet != "busybox" {
            files.link(Path::new("/usr/bin").join(applet), "busybox")?;
        }
    }
    Ok(())
}

/// The program of a shim's engine: `shimmer-wasmtime` beside `containerd-shim-wasmtime-v1`.
fn companion(shim: &Path) -> Option<PathBuf> {
    let (engine, _version) =
        shim.file_name()?.to_str()?.strip_prefix("containerd-shim-")?.rsplit_once('-')?;
    Some(shim.with_file_name(format!("shimmer-{engine}")))
}

/// A command for a shell, word by word as it is.
fn script(command: &[OsString]) -> Vec<u8> {
    let mut script = b"exec".to_vec();
    for word in command {
        let quoted = word.to_string_lossy().replace('\'', r"'\''");
        script.extend_from_slice(format!(" '{quoted}'").as_bytes());
    }
    script.push(b'\n');
    script
}

/// What a kernel says after it has given up tells nothing of why.
fn early(said: &str) -> Error {
    let lines: Vec<&str> = said.lines().take_while(|line| !line.contains(" Call Trace:")).collect();
    let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n    ");
    let message = format!("the virtual machine ended before its command did; at last it said\n    {tail}");
    Error::new(ErrorKind::Machine, message)
}

const TAIL: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_each_word_as_it_is() {
        let words = ["sh", "-c", "echo \"$HOME\" 'it''s'", ""].map(OsString::from);
        let expected = "exec 'sh' '-c' 'echo \"$HOME\" '\\''it'\\'''\\''s'\\''' ''\n";
        assert_eq!(String::from_utf8_lossy(&script(&words)), expected);
    }

    #[test]
    fn a_machine_that_ends_early_says_why() {
        let said = "mount: no such disk\n[ 1.2] Kernel panic\n[ 1.3] Call Trace:\n[ 1.4]  panic+0x118\n";
        let error = early(said);
        assert_eq!(*error.kind(), ErrorKind::Machine);
        let sentence = error.to_string();
        assert!(sentence.ends_with("mount: no such disk\n    [ 1.2] Kernel panic"), "{sentence}");
    }

    #[test]
    fn finds_the_engines_program_beside_its_shim() {
        let found = |shim| companion(Path::new(shim));
        assert_eq!(found("/x/containerd-shim-my-own-v1"), Some("/x/shimmer-my-own".into()));
        assert_eq!(found("/x/containerd-shim-v1"), None);
        assert_eq!(found("/x/other"), None);
    }
}
