//! A Go module beside this crate, and what is built from it: once, into the cache.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::go;

/// Told how far a long step has come, in a few words that may be overwritten by the next ones.
pub(crate) type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// Pins what is built, down to the last of its dependencies.
#[derive(Debug)]
pub(crate) struct Module {
    /// Of its folder in the cache.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    /// Names and texts, `go.mod` and `go.sum` among them.
    pub(crate) files: &'static [(&'static str, &'static str)],
    pub(crate) programs: &'static [Program],
}

/// One of the programs of a module.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// Of its `main`, which may be in another module that this one requires.
    pub(crate) package: &'static str,
    /// What the linker is told besides to leave out symbols.
    pub(crate) flags: fn() -> String,
}

impl Module {
    /// The folder below `cache` that has the programs, which are built there if they are not yet; that takes minutes.
    ///
    /// # Errors
    /// [`Toolchain`](ErrorKind::Toolchain) where Go is missing or too old; [`Environment`](ErrorKind::Environment) where the
    /// module cannot be built.
    pub(crate) fn provide(&self, cache: &Path, progress: Progress<'_>) -> Result<PathBuf> {
        let (home, folder) = (cache.join(self.name), self.folder(cache));
        let made = fs::create_dir_all(&home).and_then(|()| File::create(home.join("lock")));
        let lock = made.map_err(|error| Error::io(format!("make {}", home.display()), error))?;
        // Two builds at once would take twice as long; the second finds its work done.
        lock.lock().map_err(|error| Error::io(format!("wait for another build of {}", self.title), error))?;
        if !self.programs.iter().all(|program| folder.join(program.name).exists()) {
            self.build(&home, &folder, progress)?;
        }
        Ok(folder)
    }

    /// Its name changes when anything changes that the programs are made of.
    pub(crate) fn folder(&self, cache: &Path) -> PathBuf {
        let mut hash = Sha256::new();
        for (_, text) in self.files {
            hash.update(text);
        }
        let key: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        cache.join(self.name).join(key)
    }

    /// Builds in a folder of its own, which becomes `folder` when all is there.
    fn build(&self, home: &Path, folder: &Path, progress: Progress<'_>) -> Result<()> {
        let go = go::find(self.title)?;
        let work = home.join("build");
        let describe = |error| Error::io(format!("build {} in {}", self.title, work.display()), error);
        let (source, output) = (work.join("source"), work.join("output"));
        fs::create_dir_all(&source).and_then(|()| fs::create_dir_all(&output)).map_err(describe)?;
        for (name, text) in self.files {
            fs::write(source.join(name), text).map_err(describe)?;
        }
        self.compile(&Compiler { go: &go, work: &work }, progress)?;
        fs::rename(&output, folder).map_err(describe)?;
        // Gigabytes that only another version would look at, and little of.
        fs::remove_dir_all(&work).map_err(describe)
    }

    /// Runs the compiler, which names each package that it has done.
    fn compile(&self, compiler: &Compiler<'_>, progress: Progress<'_>) -> Result<()> {
        progress(&format!("{}: fetching its sources", self.title));
        let total = self.packages(compiler)?;
        let mut done = 0;
        for program in self.programs {
            let (mut child, mut said) = (compiler.start(program)?, Vec::new());
            let output = child.stderr.take().into_iter().next().ok_or_else(unseen)?;
            for line in BufReader::new(output).lines() {
                said.push(line.map_err(|error| Error::io("read what go build says", error))?);
                done += 1;
                progress(&format!("{}: {done} of about {total} packages compiled, once for all", self.title));
            }
            let status = child.wait().map_err(|error| Error::io("wait for go build", error))?;
            if !status.success() {
                return Err(self.failed(&said.join("\n")));
            }
        }
        Ok(())
    }

    /// How many packages there are to be compiled.
    fn packages(&self, compiler: &Compiler<'_>) -> Result<usize> {
        let packages = self.programs.iter().map(|program| program.package);
        let listed = compiler.command().args(["list", "-deps"]).args(packages).output();
        let listed = listed.map_err(|error| Error::io("run go list", error))?;
        if !listed.status.success() {
            return Err(self.failed(&String::from_utf8_lossy(&listed.stderr)));
        }
        Ok(listed.stdout.iter().filter(|byte| **byte == b'\n').count())
    }

    fn failed(&self, said: &str) -> Error {
        let tail: Vec<&str> = said.lines().rev().take(20).collect();
        let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        let message = format!("{} cannot be built from its Go module; go says:\n{tail}", self.title);
        Error::new(ErrorKind::Environment, message)
    }
}

/// Go, in a folder that has all that it reads and writes.
struct Compiler<'a> {
    go: &'a Path,
    work: &'a Path,
}

impl Compiler<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(self.go);
        command.current_dir(self.work.join("source")).stdin(Stdio::null());
        // Everything that is fetched and compiled goes with the build; where from is the user's own affair.
        command.env("GOCACHE", self.work.join("compiled")).env("GOMODCACHE", self.work.join("modules"));
        command.env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly -modcacherw -buildvcs=false");
        command
    }

    fn start(&self, program: &Program) -> Result<Child> {
        let flags = format!("-s -w {}", (program.flags)());
        let mut build = self.command();
        build.args(["build", "-v", "-trimpath", "-ldflags", flags.trim(), "-o"]);
        build.arg(self.work.join("output").join(program.name)).arg(program.package).stderr(Stdio::piped());
        build.spawn().map_err(|error| Error::io("run go build", error))
    }
}

fn unseen() -> Error {
    Error::io("read what go build says", std::io::ErrorKind::BrokenPipe.into())
}
