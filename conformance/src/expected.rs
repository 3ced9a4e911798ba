use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

use shimmer_oci::Digest;

use crate::report::Fact;

/// What must be seen of one run.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// The guest ended with this status, and wrote this.
    Ended { code: u32, stdout: Vec<Text>, stderr: Vec<Text>, left: Vec<(String, Option<Entry>)> },
    /// The container was not created, for a reason that says all of this.
    Refused { says: Vec<String> },
}

/// What a stream must hold.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Is(String),
    Has(String),
    HasNot(String),
}

/// What was seen of one run.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Ended(Ended),
    Refused {
        /// gRPC's code, where there was a call.
        code: Option<String>,
        sentence: String,
    },
}

/// How a guest ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ended {
    pub(crate) code: u32,
    /// CRI's word for it, for example `Completed`.
    pub(crate) reason: Option<String>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// What is below its `/data` now, by path.
    pub(crate) left: BTreeMap<String, Entry>,
}

/// What a path below `/data` leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Entry {
    File(Vec<u8>),
    Folder,
    Link(PathBuf),
}

impl Expected {
    /// Compares; the error shows what was expected and what was seen.
    pub(crate) fn compare(&self, seen: &Seen) -> Result<(), String> {
        let matches = match (self, seen) {
            (Self::Ended { code, stdout, stderr, left }, Seen::Ended(ended)) => {
                *code == ended.code
                    && left.iter().all(|(path, entry)| ended.left.get(path) == entry.as_ref())
                    && stdout.iter().all(|text| text.matches(&ended.stdout))
                    && stderr.iter().all(|text| text.matches(&ended.stderr))
            }
            (Self::Refused { says }, Seen::Refused { sentence, .. }) => {
                says.iter().all(|text| sentence.contains(text))
            }
            _ => false,
        };
        if matches {
            Ok(())
        } else {
            Err(format!("expected {}\nbut saw {}", self.describe(), seen.describe()))
        }
    }

    /// The same with another text in place of `name`, which the guest prints.
    pub(crate) fn renamed(self, name: &str, other: &str) -> Self {
        let rename = |texts: Vec<Text>| -> Vec<Text> {
            texts
                .into_iter()
                .map(|text| match text {
                    Text::Is(text) => Text::Is(text.replace(name, other)),
                    Text::Has(text) => Text::Has(text.replace(name, other)),
                    Text::HasNot(text) => Text::HasNot(text),
                })
                .collect()
        };
        match self {
            Self::Ended { code, stdout, stderr, left } => {
                Self::Ended { code, stdout: rename(stdout), stderr: rename(stderr), left }
            }
            refused @ Self::Refused { .. } => refused,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Refused { says } => format!("a refusal that says {says:?}"),
            Self::Ended { code, stdout, stderr, left } => {
                let mut text = format!("status {code}");
                for (name, texts) in [("stdout", stdout), ("stderr", stderr)] {
                    for one in texts {
                        let _ = write!(text, "\n{name} {}", one.describe());
                    }
                }
                for (path, entry) in left {
                    let _ = write!(
                        text,
                        "\n/data/{path}: {}",
                        entry.as_ref().map_or_else(|| "nothing".into(), Entry::describe)
                    );
                }
                text
            }
        }
    }
}

impl Text {
    fn matches(&self, bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        match self {
            Self::Is(exactly) => text == *exactly,
            Self::Has(part) => text.contains(part.as_str()),
            Self::HasNot(part) => !text.contains(part.as_str()),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Is(text) => format!("that is {:?}", shown(text.as_bytes())),
            Self::Has(text) => format!("that has {text:?}"),
            Self::HasNot(text) => format!("without {text:?}"),
        }
    }
}

impl Seen {
    /// What a report keeps of it, by which shims are compared.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let ended = match self {
            Self::Refused { sentence, .. } => return vec![Fact::new("refused", sentence)],
            Self::Ended(ended) => ended,
        };
        // Engines word the same trap differently; reports compare traps by their class.
        let (stderr, said) = if ended.code == TRAP {
            ("trap", String::from_utf8_lossy(&ended.stderr[..ended.stderr.len().min(KEPT)]).into_owned())
        } else {
            ("stderr", kept(&ended.stderr))
        };
        let status = Fact::new("status", ended.code.to_string());
        // Whether a kill was for want of memory is told by another way than the end, and may come later.
        let reason = ended.reason.as_ref().filter(|_| ended.code != KILLED);
        let reason = reason.map(|reason| Fact::new("reason", reason));
        let streams = [Fact::new("stdout", kept(&ended.stdout)), Fact::new(stderr, said)];
        [status].into_iter().chain(reason).chain(streams).collect()
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Refused { code, sentence } => {
                format!("a refusal ({}): {sentence}", code.as_deref().unwrap_or("no code"))
            }
            Self::Ended(ended) => ended.describe(),
        }
    }
}

impl Ended {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    pub(crate) fn describe(&self) -> String {
        let mut text = format!("status {}", self.code);
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let _ = write!(text, "\n{name} ({} bytes):\n{}", stream.len(), shown(stream));
        }
        for (path, entry) in self.left.iter().take(SHOWN_ENTRIES) {
            let _ = write!(text, "\n/data/{path}: {}", entry.describe());
        }
        text
    }
}

impl Entry {
    /// Everything below a folder, by path.
    pub(crate) fn all(folder: &Path) -> io::Result<BTreeMap<String, Self>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next)? {
                let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
                let entry = match () {
                    () if kind.is_dir() => Self::Folder,
                    () if kind.is_symlink() => Self::Link(fs::read_link(&path)?),
                    () => Self::File(fs::read(&path)?),
                };
                folders.extend((entry == Self::Folder).then(|| path.clone()));
                found.insert(path.strip_prefix(folder).unwrap_or(&path).display().to_string(), entry);
            }
        }
        Ok(found)
    }

    fn describe(&self) -> String {
        match self {
            Self::File(content) => format!("a file with {:?}", shown(content)),
            Self::Folder => "a folder".to_owned(),
            Self::Link(target) => format!("a link to {}", target.display()),
        }
    }
}

/// The status of a guest that trapped.
const TRAP: u32 = 134;
const KILLED: u32 = 128 + 9;
/// How many files of a folder a person wants to read about.
const SHOWN_ENTRIES: usize = 20;

/// As much of a stream as a report keeps.
const KEPT: usize = 4096;

/// A stream as a report keeps it; a long one by its digest.
fn kept(stream: &[u8]) -> String {
    if stream.len() <= KEPT {
        return String::from_utf8_lossy(stream).into_owned();
    }
    format!("{} bytes, {}", stream.len(), Digest::of(stream))
}

/// As much of a stream as a person wants to read.
fn shown(stream: &[u8]) -> String {
    const SHOWN: usize = 2000;
    String::from_utf8_lossy(&stream[..stream.len().min(SHOWN)]).into_owned()
}
