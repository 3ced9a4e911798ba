//! QEMU: a machine that runs, and what it says.
//!
//! Nothing of it is a file on this machine: what it starts with is in memory, and it speaks through sockets that have no
//! name. It ends with the thread that started it, whatever becomes of that.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::{self, JoinHandle};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::error::{Error, Result};
use crate::machine::tool::Tool;
use crate::machine::tree::Tree;

/// What a machine is made of.
#[derive(Debug)]
pub(crate) struct Hardware {
    pub(crate) kernel: PathBuf,
    /// What the kernel is told, besides where its console is.
    pub(crate) parameters: &'static str,
    /// A disk that is not changed, whatever the machine writes to it.
    pub(crate) disk: Option<PathBuf>,
    pub(crate) processors: usize,
    /// In MiB.
    pub(crate) memory: usize,
}

/// A machine that runs. Dropped, it is switched off.
#[derive(Debug)]
pub(crate) struct Emulator {
    child: Child,
    /// Listen to its kernel and to QEMU.
    said: Vec<JoinHandle<Vec<u8>>>,
    /// What the command in it prints.
    pub(crate) output: UnixStream,
    /// Its files, once the command has ended.
    pub(crate) files: UnixStream,
}

impl Emulator {
    /// Switches a machine on whose first files are those of `tree`.
    pub(crate) fn start(hardware: &Hardware, tree: &Tree) -> Result<Self> {
        let failure = |error| Error::io("start the virtual machine", error);
        let first = memory(tree)?;
        let pair = || UnixStream::pair().map_err(failure);
        let ((console, its_console), (output, its_output), (files, its_files)) = (pair()?, pair()?, pair()?);
        let mut command = Tool::QEMU.command()?;
        hardware.describe(&mut command, &first);
        channels(&mut command, [&its_console, &its_output, &its_files]);
        let inherited: Vec<OwnedFd> =
            vec![first.into(), its_console.into(), its_output.into(), its_files.into()];
        leash(&mut command, inherited);
        let (said, complaint) = io::pipe().map_err(failure)?;
        command.stdout(complaint.try_clone().map_err(failure)?).stderr(complaint);
        let child = command.spawn().map_err(failure)?;
        // The command holds our copies of the machine's ends, and we would never see it end.
        drop(command);
        Ok(Self { child, said: vec![listen(console), listen(said)], output, files })
    }

    /// Waits until it has switched itself off; the end of what its kernel and QEMU have said.
    pub(crate) fn ended(mut self) -> Result<String> {
        self.child.wait().map_err(|error| Error::io("wait for the virtual machine", error))?;
        let said = self.said.drain(..).flat_map(|listener| listener.join().unwrap_or_default());
        Ok(String::from_utf8_lossy(&said.collect::<Vec<u8>>()).into_owned())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and there is nobody to tell.
        let _already_ended = self.child.kill();
        let _unreported = self.child.wait();
    }
}

impl Hardware {
    fn describe(&self, command: &mut Command, first: &File) {
        let kernel = "console=ttyS0 quiet panic=-1 mitigations=off nowatchdog random.trust_cpu=on";
        command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"]);
        command.args(["-accel", "tcg,thread=multi", "-cpu", "max"]);
        command.arg("-smp").arg(self.processors.to_string()).arg("-m").arg(self.memory.to_string());
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(descriptor(first));
        command.arg("-append").arg(format!("{kernel} {}", self.parameters));
        if let Some(disk) = &self.disk {
            command.arg("-drive").arg(format!("if=virtio,format=raw,snapshot=on,file={}", escaped(disk)));
        }
    }
}

/// A serial line for the kernel, and for the command two channels that carry any byte.
fn channels(command: &mut Command, [console, output, files]: [&UnixStream; 3]) {
    for (name, stream) in [("console", console), ("output", output), ("files", files)] {
        command.arg("-chardev").arg(format!("socket,id={name},fd={}", stream.as_raw_fd()));
    }
    command.args(["-serial", "chardev:console", "-device", "virtio-serial-pci"]);
    for (number, name) in [(1, "output"), (2, "files")] {
        command.arg("-device").arg(format!("virtserialport,chardev={name},nr={number}"));
    }
}

/// Lets the program have these descriptors, and end with the thread that starts it.
fn leash(command: &mut Command, inherited: Vec<OwnedFd>) {
    let owner = rustix::process::getpid();
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // An owner that was gone before that will not be missed.
        if getppid() != Some(owner) {
            return Err(rustix::io::Errno::SRCH.into());
        }
        inherited.iter().try_for_each(|descriptor| Ok(fcntl_setfd(descriptor.as_fd(), FdFlags::empty())?))
    };
    // SAFETY: between fork and exec the closure makes system calls only; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}

/// A file in memory with the archive that the kernel unpacks.
fn memory(tree: &Tree) -> Result<File> {
    let made = memfd_create(c"shimmer-machine", MemfdFlags::CLOEXEC);
    let file = File::from(made.map_err(|error| Error::io("keep files in memory", error.into()))?);
    tree.write(io::BufWriter::new(&file))?;
    Ok(file)
}

/// How a program that inherits a file opens it.
fn descriptor(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// In QEMU's options a comma ends a value unless there are two.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// Reads all that is said, of which the end is kept.
fn listen(from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut kept = Vec::new();
        pass_on(from, &mut |bytes| {
            kept.extend_from_slice(bytes);
            kept.drain(..kept.len().saturating_sub(KEPT));
        });
        kept
    })
}

/// Reads to the end, or to an error, which says no more than an end.
pub(crate) fn pass_on(mut from: impl Read, to: &mut dyn FnMut(&[u8])) {
    let mut buffer = [0; 4096];
    loop {
        match from.read(&mut buffer) {
            Ok(length @ 1..) => to(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
        }
    }
}

const KEPT: usize = 8192;
