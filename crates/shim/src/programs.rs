//! Compiled code for the guests of a pod: from the cache, or compiled once for the whole node.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use shimmer_cache::{Cache, Digest, Entry, Identity, Key, MakeError};
use shimmer_container::wire::{Answer, Compile, EngineIdentity, Report, Request};
use shimmer_container::{Failure, FailureKind, Launcher};
use shimmer_engine::{Fingerprint, Needs};
use tracing::{Instrument, info, info_span};

use crate::images::Images;
use crate::leash::Line;

/// Where programs come from and compiled code is kept.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) cache: Cache,
    pub(crate) launcher: Launcher,
    pub(crate) images: Images,
}

/// Which container asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) container: &'a str,
    /// The folders of its root's layers, as [`crate::mounts::layers`] has them.
    pub(crate) layers: &'a [PathBuf],
}

impl Programs {
    /// Answers a guest's process that has found its program, or none; returns what must be kept while it runs.
    pub(crate) async fn answer(
        &self,
        line: &Line,
        asking: Asking<'_>,
        report: Report,
        program: Option<OwnedFd>,
    ) -> io::Result<Option<Entry>> {
        let found = match report {
            Report::Found { name, engine } => self.of_file(asking, name, program, engine).await,
            Report::Missing { name, failure, engine } => self.of_layer(asking, name, failure, engine).await,
            _ => Err(Failure::new(FailureKind::Internal, "this report asks for no program")),
        };
        let answered = found.and_then(|entry| Ok((needs(entry.needs())?, entry)));
        match answered {
            Ok((needs, entry)) => {
                // An engine may keep it open while the guest runs.
                let code = shimmer_container::read_only(entry.code())?;
                line.send(&Answer::Compiled, &[code.as_fd(), needs.as_fd()])?;
                Ok(Some(entry))
            }
            Err(failure) => {
                line.send(&Answer::Refused(failure), &[])?;
                Ok(None)
            }
        }
    }

    async fn of_file(
        &self,
        asking: Asking<'_>,
        name: String,
        program: Option<OwnedFd>,
        engine: EngineIdentity,
    ) -> Result<Entry, Failure> {
        let file = program
            .map(File::from)
            .ok_or_else(|| Failure::new(FailureKind::Internal, "no program was sent"))?;
        let identity = identity(&file, &name, asking.layers);
        let _resolving = info_span!("resolve", file = name).entered();
        let digest = self.cache.digest(&file, identity.as_ref()).map_err(|error| {
            Failure::new(FailureKind::Io, format!("the program cannot be read (file: {name}): {error}"))
        })?;
        drop(_resolving);
        let key = key(digest, &engine);
        if let Some(entry) = self.kept(&key) {
            return Ok(entry);
        }
        self.make(key, name, file).await
    }

    async fn of_layer(
        &self,
        asking: Asking<'_>,
        name: String,
        missing: Failure,
        engine: EngineIdentity,
    ) -> Result<Entry, Failure> {
        let looked_up = self.images.program(asking.container).instrument(info_span!("resolve", file = name));
        let layer = match looked_up.await {
            Ok(Some(layer)) => layer,
            Ok(None) => return Err(missing),
            Err(failure) => {
                let title = &engine.title;
                return Err(Failure::new(failure.kind, format!("{title} refuses the container: {failure}")));
            }
        };
        let digest: Digest = layer.descriptor.digest.to_string().parse().map_err(|error| {
            Failure::new(FailureKind::Invalid, format!("the image {} has no digest: {error}", layer.image))
        })?;
        let key = key(digest, &engine);
        if let Some(entry) = self.kept(&key) {
            return Ok(entry);
        }
        let file = layer.file().await.map_err(|error| {
            let message =
                format!("the program cannot be read (image: {}, layer: {digest}): {error}", layer.image);
            Failure::new(FailureKind::Io, message)
        })?;
        self.make(key, name, file).await
    }

    /// What is kept already. A cache that cannot be read is told of by `find_or_make`, which goes on without it.
    fn kept(&self, key: &Key) -> Option<Entry> {
        self.cache.find(key).ok().flatten()
    }

    /// Compiles, or waits for another shim that does. Neither may hold up the pod's other containers.
    async fn make(&self, key: Key, name: String, file: File) -> Result<Entry, Failure> {
        let programs = self.clone();
        let span = info_span!("compile", file = name);
        // Entered on another thread, where the log's fields are found through it.
        let made = tokio::task::spawn_blocking(move || {
            let _compiling = span.entered();
            let compile = |output: &Path| programs.compile(&name, &file, key.digest, output);
            programs.cache.find_or_make(&key, compile)
        });
        match made.await {
            Ok(Ok(entry)) => Ok(entry),
            Ok(Err(MakeError::Compile(failure))) => Err(failure),
            Ok(Err(MakeError::Cache(error))) => Err(Failure::new(FailureKind::Io, error.to_string())),
            Err(error) => Err(Failure::new(FailureKind::Internal, format!("compiling panicked: {error}"))),
        }
    }

    /// Has a fork of the engine's zygote compile: what a hostile program does to it, it does to that process.
    fn compile(&self, name: &str, mut file: &File, digest: Digest, output: &Path) -> Result<Needs, Failure> {
        file.rewind()?;
        let connection = self.launcher.connect()?;
        let request = Compile { name: name.to_owned(), output: output.to_owned() };
        connection.send(&Request::Compile(request), &[file.as_fd()])?;
        match connection.receive::<Report>()? {
            Some((Report::Compiled { digest: compiled }, mut needs)) => {
                // A container that writes to its program while it is compiled would else name one and get another.
                if compiled != digest.to_string() {
                    let message = format!("the program was changed while it was compiled (file: {name})");
                    return Err(Failure::new(FailureKind::Io, message));
                }
                info!(digest = %digest, file = name, "compiled a program");
                let needs = needs.pop().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
                let mut text = Vec::new();
                File::from(needs).read_to_end(&mut text)?;
                serde_json::from_slice(&text).map_err(|error| io::Error::from(error).into())
            }
            Some((Report::Failed(failure), _)) => Err(failure),
            _ => Err(Failure::new(
                FailureKind::Invalid,
                format!(
                    "the program cannot be compiled: the compiler ended without an answer, as where it takes more than \
                     its 4 GiB of memory or 10 minutes (file: {name}); make the program smaller"
                ),
            )),
        }
    }
}

fn key(digest: Digest, engine: &EngineIdentity) -> Key {
    Key::new(digest, engine.name.clone(), Fingerprint::new([engine.fingerprint.as_str()]))
}

fn needs(needs: &Needs) -> io::Result<File> {
    // SAFETY: the name is a C string; the result is checked before it is used, and nobody else owns it.
    let mut file = unsafe {
        match libc::memfd_create(c"needs".as_ptr(), libc::MFD_CLOEXEC) {
            -1 => return Err(io::Error::last_os_error()),
            descriptor => File::from_raw_fd(descriptor),
        }
    };
    file.write_all(&serde_json::to_vec(needs)?)?;
    file.rewind()?;
    Ok(file)
}

/// What tells a file from all others while it is not changed.
///
/// A file of an overlay shows the inode of the layer that it is in, and a device that is another one for each mount: so
/// the layer is asked, and believed if it names the same file.
fn identity(file: &File, name: &str, layers: &[PathBuf]) -> Option<Identity> {
    let seen = file.metadata().ok()?;
    if rustix::fs::major(seen.dev()) != 0 {
        return Some(Identity::of(&seen));
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    layers.iter().find_map(|layer| {
        let layer = File::open(layer).ok()?;
        let file = rustix::fs::openat2(&layer, name, flags, Mode::empty(), ResolveFlags::IN_ROOT).ok()?;
        let below = File::from(file).metadata().ok()?;
        let same = below.ino() == seen.ino()
            && below.size() == seen.size()
            && (below.ctime(), below.ctime_nsec()) == (seen.ctime(), seen.ctime_nsec());
        same.then(|| Identity::of(&below))
    })
}
