use std::borrow::Cow;
use std::fmt::Write;
use std::{fs, io};

use shimmer_engine::{Capabilities, Info};
use tempfile::TempDir;

use crate::guests::Program;

/// One promise: a guest, how it is run, and what must be seen.
#[derive(Clone, Debug)]
pub struct Case {
    /// `topic/promise`, both in lower case with dashes.
    pub id: &'static str,
    pub(crate) program: Cow<'static, [u8]>,
    pub(crate) name: &'static str,
    /// What follows the program's path in the entrypoint: nothing, or `#function`.
    pub(crate) function: &'static str,
    pub(crate) args: Vec<&'static str>,
    pub(crate) env: Vec<(&'static str, &'static str)>,
    pub(crate) cwd: &'static str,
    /// Files for the guest below `/data`: name and content.
    pub(crate) files: Vec<(&'static str, &'static str)>,
    pub(crate) read_only: bool,
    /// Whether the guest needs a loopback that is up, which a container's own network has not.
    pub(crate) network: bool,
    pub(crate) stdin: &'static [u8],
    /// The signal to send when the guest has printed `ready`.
    pub(crate) signal: Option<u32>,
    pub(crate) needs: fn(&Capabilities) -> bool,
    pub(crate) levels: &'static [Level],
    pub(crate) expected: Expected,
    /// Engines that break the promise, and why. The case is run all the same, and fails when they begin to keep it.
    pub(crate) broken_by: Vec<(&'static str, &'static str)>,
}

/// Where a case means something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// An engine by itself, in a child process.
    Engine,
    /// A container of containerd's task service.
    Task,
}

/// What must be seen.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// The guest ended with this status, and wrote this.
    Ended { code: u32, stdout: Vec<Text>, stderr: Vec<Text> },
    /// The guest never ran, for a reason that says all of this.
    Refused { says: Vec<&'static str> },
}

/// What a stream must hold.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Is(String),
    Has(&'static str),
    HasNot(&'static str),
}

/// What was seen.
#[derive(Debug)]
pub(crate) enum Seen {
    Ended { code: u32, stdout: Vec<u8>, stderr: Vec<u8> },
    Refused { sentence: String },
}

impl Case {
    pub(crate) fn new(id: &'static str, program: Program) -> Self {
        Self::of_bytes(id, program.name, program.bytes)
    }

    /// A case on bytes that are no committed guest: `name` is the file's.
    pub(crate) fn of_bytes(
        id: &'static str,
        name: &'static str,
        bytes: impl Into<Cow<'static, [u8]>>,
    ) -> Self {
        Self {
            id,
            program: bytes.into(),
            name,
            function: "",
            args: Vec::new(),
            env: Vec::new(),
            cwd: "/",
            files: Vec::new(),
            read_only: false,
            network: false,
            stdin: b"",
            signal: None,
            needs: |_| true,
            levels: &[Level::Engine, Level::Task],
            expected: Expected::Ended { code: 0, stdout: Vec::new(), stderr: Vec::new() },
            broken_by: Vec::new(),
        }
    }

    pub(crate) fn function(self, function: &'static str) -> Self {
        Self { function, ..self }
    }

    pub(crate) fn args<const N: usize>(self, args: [&'static str; N]) -> Self {
        Self { args: args.into(), ..self }
    }

    pub(crate) fn env<const N: usize>(self, env: [(&'static str, &'static str); N]) -> Self {
        Self { env: env.into(), ..self }
    }

    pub(crate) fn file(mut self, name: &'static str, content: &'static str) -> Self {
        self.files.push((name, content));
        self
    }

    pub(crate) fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    pub(crate) fn network(self) -> Self {
        Self { network: true, ..self }
    }

    pub(crate) fn stdin(self, stdin: &'static [u8]) -> Self {
        Self { stdin, ..self }
    }

    pub(crate) fn needs(self, needs: fn(&Capabilities) -> bool) -> Self {
        Self { needs, ..self }
    }

    /// Runs in `cwd`, which only a container has.
    pub(crate) fn cwd(self, cwd: &'static str) -> Self {
        Self { cwd, ..self }.task_only()
    }

    /// Sends a signal when the guest has printed `ready`; only a host delivers one.
    pub(crate) fn signal(self, signal: u32) -> Self {
        Self { signal: Some(signal), ..self }.task_only()
    }

    pub(crate) fn task_only(self) -> Self {
        Self { levels: &[Level::Task], ..self }
    }

    pub(crate) fn ends_with(mut self, status: u32) -> Self {
        if let Expected::Ended { code, .. } = &mut self.expected {
            *code = status;
        }
        self
    }

    pub(crate) fn prints(self, text: impl Into<String>) -> Self {
        self.stdout(Text::Is(text.into()))
    }

    pub(crate) fn prints_among_others(self, text: &'static str) -> Self {
        self.stdout(Text::Has(text))
    }

    pub(crate) fn never_prints(self, text: &'static str) -> Self {
        self.stdout(Text::HasNot(text))
    }

    pub(crate) fn complains(mut self, text: &'static str) -> Self {
        if let Expected::Ended { stderr, .. } = &mut self.expected {
            stderr.push(Text::Has(text));
        }
        self
    }

    /// The container cannot be created, for a reason that says all of `says`.
    pub(crate) fn refused<const N: usize>(self, says: [&'static str; N]) -> Self {
        Self { expected: Expected::Refused { says: says.into() }, ..self }
    }

    /// An engine breaks the promise, for a reason that is the engine's own.
    pub(crate) fn broken_by(mut self, engine: &'static str, reason: &'static str) -> Self {
        self.broken_by.push((engine, reason));
        self
    }

    /// Compares what an engine did with what it must do.
    pub(crate) fn judge(&self, info: &Info, seen: Result<Seen, String>) -> Result<(), String> {
        let verdict = seen.and_then(|seen| self.expected_of(info).compare(&seen));
        match self.broken_by.iter().find(|(engine, _)| *engine == info.name) {
            Some((engine, reason)) if verdict.is_ok() => {
                Err(format!("{engine} keeps this promise now; remove its exception: {reason}"))
            }
            Some(_) => Ok(()),
            None => verdict,
        }
    }

    /// The entrypoint and its arguments.
    pub(crate) fn command(&self) -> Vec<String> {
        let entrypoint = format!("/{}{}", self.name, self.function);
        [entrypoint].into_iter().chain(self.args.iter().map(|arg| (*arg).to_owned())).collect()
    }

    /// A folder with the case's files, to be the guest's `/data`.
    pub(crate) fn data(&self) -> io::Result<TempDir> {
        let data = TempDir::new()?;
        for (name, content) in &self.files {
            fs::write(data.path().join(name), content)?;
        }
        Ok(data)
    }

    #[cfg(test)]
    pub(crate) fn program_name(&self) -> &'static str {
        self.name
    }

    /// What an engine with these capabilities must do: the promise, or its refusal where it does not claim enough.
    fn expected_of(&self, info: &Info) -> Expected {
        if (self.needs)(&info.capabilities) {
            return self.expected.clone();
        }
        Expected::Refused { says: vec!["which this engine does not provide", info.name] }
    }

    fn stdout(mut self, text: Text) -> Self {
        if let Expected::Ended { stdout, .. } = &mut self.expected {
            stdout.push(text);
        }
        self
    }
}

impl Expected {
    /// Compares; the error shows what was expected and what was seen.
    fn compare(&self, seen: &Seen) -> Result<(), String> {
        let matches = match (self, seen) {
            (
                Self::Ended { code, stdout, stderr },
                Seen::Ended { code: seen_code, stdout: seen_stdout, stderr: seen_stderr },
            ) => {
                code == seen_code
                    && stdout.iter().all(|text| text.matches(seen_stdout))
                    && stderr.iter().all(|text| text.matches(seen_stderr))
            }
            (Self::Refused { says }, Seen::Refused { sentence }) => {
                says.iter().all(|text| sentence.contains(text))
            }
            _ => false,
        };
        if matches { Ok(()) } else { Err(format!("expected {self:#?}\nbut saw {}", seen.describe())) }
    }
}

impl Text {
    fn matches(&self, bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        match self {
            Self::Is(exactly) => text == *exactly,
            Self::Has(part) => text.contains(part),
            Self::HasNot(part) => !text.contains(part),
        }
    }
}

impl Seen {
    pub(crate) fn describe(&self) -> String {
        const SHOWN: usize = 2000;
        match self {
            Self::Refused { sentence } => format!("a refusal: {sentence}"),
            Self::Ended { code, stdout, stderr } => {
                let mut text = format!("status {code}");
                for (name, stream) in [("stdout", stdout), ("stderr", stderr)] {
                    let shown = String::from_utf8_lossy(&stream[..stream.len().min(SHOWN)]);
                    let _ = write!(text, "\n{name} ({} bytes):\n{shown}", stream.len());
                }
                text
            }
        }
    }
}
