use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use shimmer_engine::{Compiled, Error, ErrorKind, Result};
use shimmer_oci::Process;

use crate::wire::{Answer, EngineIdentity, Report};
use crate::{Connection, Failure};

/// What the entrypoint of a container leads to, as the container sees it.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A program to be executed.
    Native(PathBuf),
    /// A program for an engine, open for reading, and its name.
    Guest(File, String),
}

/// A file of the host that no path of a container may lead to: the program that this process was executed from, which
/// `/proc/self/exe` names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Own {
    device: u64,
    inode: u64,
}

impl Own {
    /// Asks while the host's `/proc` is in sight.
    ///
    /// # Errors
    ///
    /// Those of stat(2).
    pub(crate) fn program() -> io::Result<Self> {
        let metadata = fs::metadata("/proc/self/exe")?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// Looks for the entrypoint where execvp(3) would; the first regular file counts.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] where there is no file, [`ErrorKind::Invalid`] for what is no regular file or may not be
/// executed.
pub(crate) fn find(process: &Process<'_>, own: Own) -> Result<Entry> {
    let entrypoint = process.entrypoint()?;
    let candidates = entrypoint.candidates(&process.environment()?, process.cwd);
    for path in &candidates {
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_dir() || entrypoint.name().contains('/') => {
                return inspect(path, &metadata, own)
                    .map_err(|error| error.with("file", path.display().to_string()));
            }
            Ok(_) | Err(_) => {}
        }
    }
    let tried: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
    // Docker knows what does not exist by the kernel's words, and gives the status 127.
    Err(Error::new(
        ErrorKind::NotFound,
        "no such file or directory: the entrypoint does not exist in the image",
    )
    .with("file", entrypoint.path().display().to_string())
    .with("looked for", tried.join(" "))
    .advise("name a file of the image as the first element of `command`"))
}

fn inspect(path: &Path, metadata: &fs::Metadata, own: Own) -> Result<Entry> {
    let kind = metadata.file_type();
    if !kind.is_file() {
        let what = match () {
            () if kind.is_dir() => "a directory",
            () if kind.is_fifo() => "a pipe",
            () if kind.is_socket() => "a socket",
            () => "a device",
        };
        return Err(Error::new(ErrorKind::Invalid, format!("the entrypoint is {what}, and no regular file"))
            .advise("name a regular file of the image as the first element of `command`"));
    }
    let executable = metadata.permissions().mode() & 0o111 != 0;
    let file = match open(path) {
        Ok(file) => file,
        // As under runc, a program may be executed that its user cannot read.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && executable => {
            return Ok(Entry::Native(path.to_owned()));
        }
        Err(error) => return Err(Error::from(error)),
    };
    let opened = file.metadata()?;
    if (Own { device: opened.dev(), inode: opened.ino() }) == own {
        return Err(Error::new(ErrorKind::Invalid, "the entrypoint leads out of the container"));
    }
    if is_native(&file)? {
        return if executable {
            Ok(Entry::Native(path.to_owned()))
        } else {
            Err(Error::new(
                ErrorKind::Invalid,
                "permission denied: the entrypoint is native code or a script, and not executable",
            )
            .advise("set its mode to 0755, or name a WebAssembly program"))
        };
    }
    Ok(Entry::Guest(file, path.display().to_string()))
}

/// Opens a path without the links of /proc that lead out of every root.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    match rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS) {
        Ok(file) => Ok(file.into()),
        // A seccomp filter that is older than the call: `Own` is what remains.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
            File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
        }
        Err(error) => Err(error.into()),
    }
}

fn is_native(file: &File) -> io::Result<bool> {
    let mut magic = [0; 4];
    let mut file = file;
    let mut read = 0;
    while read < magic.len() {
        match file.read(&mut magic[read..])? {
            0 => break,
            more => read += more,
        }
    }
    rustix::fs::seek(file.as_fd(), rustix::fs::SeekFrom::Start(0))?;
    Ok(magic == *b"\x7fELF" || magic.starts_with(b"#!"))
}

/// Asks the shim for the compiled code of what was found.
///
/// # Errors
///
/// The shim's refusal.
pub(crate) fn ask(
    connection: &Connection,
    found: Result<(File, String)>,
    entrypoint: &str,
    engine: EngineIdentity,
) -> Result<Compiled, Failure> {
    match found {
        Ok((file, name)) => connection.send(&Report::Found { name, engine }, &[file.as_fd()])?,
        Err(error) => {
            let failure = Failure::refusal(&engine.title, &error);
            connection.send(&Report::Missing { name: entrypoint.to_owned(), failure, engine }, &[])?;
        }
    }
    let answer = connection.receive::<Answer>()?;
    let (answer, descriptors) =
        answer.ok_or_else(|| Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)))?;
    let mut files = descriptors.into_iter().map(File::from);
    match (answer, files.next(), files.next()) {
        (Answer::Refused(failure), ..) => Err(failure),
        (Answer::Compiled, Some(code), Some(mut needs)) => {
            let mut text = Vec::new();
            needs.read_to_end(&mut text)?;
            let needs = serde_json::from_slice(&text).map_err(io::Error::from)?;
            // SAFETY: the shim answers with what its cache has verified: that this engine, by its fingerprint, compiled
            // it outside of any container, for a program with these needs, in a folder that only root may write to.
            Ok(unsafe { Compiled::trust(code, needs) })
        }
        (Answer::Compiled, ..) => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
    }
}
