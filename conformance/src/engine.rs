//! Runs cases on an engine by itself: no containerd, no root, one child process for each guest.

mod compiled;

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::TempDir;

use self::compiled::{Compiled, Shelf};
use crate::claims::Claims;
use crate::expected::{Ended, Entry, Seen};
use crate::failure::{Failure, Result};
use crate::host::{
    COMPILE, COMPILED, DESCRIBE, Description, Form, HOST, ORDER, Order, PROGRAM, REFUSAL, ROOT,
};
use crate::patience::patience;
use crate::setup::Setup;

/// A program that hosts guests on an engine, for example `cargo test -p shimmer-wasmtime`'s.
#[derive(Debug)]
pub(crate) struct EngineHost {
    program: PathBuf,
    description: Description,
    compiled: Shelf,
}

impl EngineHost {
    /// Asks the program what its engine is.
    pub(crate) fn find(program: &Path) -> Result<Self> {
        let output = Command::new(program).arg(DESCRIBE).env_clear().stdin(Stdio::null()).output()?;
        let description = serde_json::from_slice(&output.stdout).map_err(|error| {
            let program = program.display();
            Failure(format!(
                "{program} is no host of an engine, since {DESCRIBE} gives no description: {error}"
            ))
        })?;
        Ok(Self { program: program.to_owned(), description, compiled: Shelf::new()? })
    }

    pub(crate) fn name(&self) -> &str {
        &self.description.name
    }

    /// Name and version, for people.
    pub(crate) fn engine(&self) -> String {
        format!("{} {}", self.description.name, self.description.version)
    }

    pub(crate) fn claims(&self) -> Claims {
        Claims::of(&self.description.claims)
    }

    /// Runs a guest in a child process.
    pub(crate) fn observe(&self, setup: &Setup, form: Form) -> Result<Seen> {
        let folder = TempDir::new()?;
        let data = folder.path().join(ROOT).join("data");
        fs::create_dir_all(&data)?;
        setup.write_files(&data)?;
        fs::write(folder.path().join(PROGRAM), &setup.program)?;
        let order = serde_json::to_vec(&self.order(setup, form))?;
        fs::write(folder.path().join(ORDER), &order)?;
        if form.is_compiled() {
            match self.compiled.file(&setup.program, setup.function, |at| self.compile(at, setup, &order))? {
                Compiled::File(file) => fs::hard_link(file, folder.path().join(COMPILED))?,
                Compiled::Refused(sentence) => return Ok(Seen::Refused { code: None, sentence }),
            }
        }
        let input = setup.stdin.as_deref().unwrap_or_default();
        let (status, stdout, stderr) = self.child(HOST, folder.path(), input)?;
        if let Ok(sentence) = fs::read_to_string(folder.path().join(REFUSAL)) {
            return Ok(Seen::Refused { code: None, sentence });
        }
        let code = status.code().and_then(|code| u32::try_from(code).ok());
        let code = code.ok_or_else(|| Failure(format!("the engine crashed: {status}")))?;
        Ok(Seen::Ended(Ended { code, reason: None, stdout, stderr, left: Entry::all(&data)? }))
    }

    /// Compiles in a process of its own, which must write one file and must not run the program.
    fn compile(&self, folder: &Path, setup: &Setup, order: &[u8]) -> Result<Compiled> {
        fs::write(folder.join(PROGRAM), &setup.program)?;
        fs::write(folder.join(ORDER), order)?;
        let (status, stdout, stderr) = self.child(COMPILE, folder, b"")?;
        if let Ok(sentence) = fs::read_to_string(folder.join(REFUSAL)) {
            return Ok(Compiled::Refused(sentence));
        }
        let mut written = names(folder)?;
        written.retain(|name| ![ORDER, PROGRAM].contains(&name.as_str()));
        if status.success() && written == [COMPILED] && stdout.is_empty() && stderr.is_empty() {
            return Ok(Compiled::File(folder.join(COMPILED)));
        }
        let output = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        Err(Failure(format!(
            "compiling ended with {status}, wrote the files {written:?} and printed {output:?}"
        )))
    }

    fn order(&self, setup: &Setup, form: Form) -> Order {
        Order {
            file: setup.name.clone(),
            function: setup.function.strip_prefix('#').unwrap_or("_start").to_owned(),
            args: [format!("/{}", setup.name)].into_iter().chain(setup.args.iter().cloned()).collect(),
            env: setup.env.clone(),
            form,
            fingerprint: self.description.fingerprint.clone(),
        }
    }

    fn child(&self, verb: &str, folder: &Path, input: &[u8]) -> Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let mut child = Command::new(&self.program)
            .arg(verb)
            .arg(folder)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        finish(&mut child, input)
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

/// Feeds the child, reads both its streams and waits for its end, but not for ever.
fn finish(child: &mut Child, stdin: &[u8]) -> Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let (input, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        // A child that reads nothing breaks the pipe, and that is its own affair.
        scope.spawn(move || input.map(|mut input| input.write_all(stdin)));
        let stdout = scope.spawn(move || read(stdout));
        let stderr = scope.spawn(move || read(stderr));
        let ended = wait(child);
        let (stdout, stderr) = (stdout.join(), stderr.join());
        let stdout = stdout.map_err(|_| Failure("the reader of stdout panicked".into()))??;
        let stderr = stderr.map_err(|_| Failure("the reader of stderr panicked".into()))??;
        Ok((ended?, stdout, stderr))
    })
}

fn read(stream: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn wait(child: &mut Child) -> Result<ExitStatus> {
    let descriptor = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let limit = Timespec { tv_sec: patience().as_secs().try_into()?, tv_nsec: 0 };
    let ended = poll(&mut [PollFd::new(&descriptor.as_fd(), PollFlags::IN)], Some(&limit))?;
    if ended == 0 {
        child.kill()?;
        child.wait()?;
        return Err(Failure(format!("the guest did not end within {:?}", patience())));
    }
    Ok(child.wait()?)
}
