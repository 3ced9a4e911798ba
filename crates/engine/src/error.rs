use std::error::Error as StdError;
use std::fmt;

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a program could not be compiled, loaded or run.
///
/// It has a [kind](ErrorKind) for machines, and for people a sentence, the things it is about, and its cause.
/// `Display` is one line for a log or a gRPC status:
///
/// ```text
/// the program is a component, which this engine does not run (engine: wasmer 7.3.0, file: /app.wasm); choose …
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    advice: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The engine failed in a way that says nothing about the program. Report it.
    Engine,
    /// The bytes are no valid program. Another engine will not help; rebuild the image.
    Invalid,
    /// The operating system refused. Repeat it when the cause is gone.
    Io,
    /// What was named does not exist: a file, an export.
    NotFound,
    /// A compiled file does not belong to this engine, version or setting, or is damaged. Compile again.
    Stale,
    /// The program is valid and this engine does not run it. Choose another engine.
    Unsupported,
}

impl Error {
    /// An error whose `message` is a sentence without its full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), context: Vec::new(), advice: None, source: None }
    }

    /// Names a thing that the error is about. The first of several values under one `key` stays: whoever stands
    /// nearest to the failure knows best.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        if !self.context.iter().any(|(known, _)| *known == key) {
            self.context.push((key, value.into()));
        }
        self
    }

    /// Says what to do about it, where the default for the [kind](Self::kind) is not good enough.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    fn advice(&self) -> Option<&str> {
        self.advice.as_deref().or(match self.kind {
            ErrorKind::Engine => Some("please report it"),
            ErrorKind::Invalid => Some("rebuild the image"),
            ErrorKind::Stale => Some("compile it again"),
            ErrorKind::Unsupported => Some("choose an engine that does"),
            ErrorKind::Io | ErrorKind::NotFound => None,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for (position, (key, value)) in self.context.iter().enumerate() {
            let opening = if position == 0 { " (" } else { ", " };
            write!(f, "{opening}{key}: {value}")?;
        }
        if !self.context.is_empty() {
            f.write_str(")")?;
        }
        let mut cause = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(error) = cause {
            write!(f, ": {}", error.to_string().trim_end())?;
            cause = error.source();
        }
        self.advice().map_or(Ok(()), |advice| write!(f, "; {advice}"))
    }
}

impl StdError for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Self::new(kind, "the operating system refused").because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_thing_the_cause_and_what_to_do() {
        let error = Error::new(ErrorKind::Invalid, "this is not WebAssembly")
            .with("file", "/app.wasm")
            .with("engine", "fake 1")
            .because("unexpected end");
        assert_eq!(
            error.to_string(),
            "this is not WebAssembly (file: /app.wasm, engine: fake 1): unexpected end; rebuild the image"
        );
    }

    #[test]
    fn keeps_the_context_that_was_given_first() {
        let error = Error::new(ErrorKind::Io, "no").with("file", "inner").with("file", "outer");
        assert_eq!(error.to_string(), "no (file: inner)");
    }
}
