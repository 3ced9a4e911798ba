use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Error, ErrorKind};

/// The SHA-256 digest by which a blob is known, written `sha256:` and 64 digits.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 digits alone, lower case, by which blobs are filed.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A writer that passes bytes on, and knows their digest and number: for blobs that are too big for memory.
#[derive(Debug)]
pub struct Measured<W> {
    inner: W,
    state: Sha256,
    size: u64,
}

impl<W: Write> Measured<W> {
    /// Nothing is written yet.
    pub fn new(inner: W) -> Self {
        Self { inner, state: Sha256::new(), size: 0 }
    }

    /// The writer behind it, and the digest and the number of the bytes that went there.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, Digest(self.state.finalize().into()), self.size)
    }
}

impl<W: Write> Write for Measured<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.state.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl FromStr for Digest {
    type Err = Error;

    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for another algorithm, [`ErrorKind::Invalid`] for anything else than 64
    /// lower-case hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).map_err(|(kind, message)| Error::new(kind, message).with("digest", format!("{text:?}")))
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse(&text).map_err(|(_, message)| format!("{message}: {text:?}"))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

fn parse(text: &str) -> Result<Digest, (ErrorKind, &'static str)> {
    let digits = match text.split_once(':') {
        Some(("sha256", digits)) => digits.as_bytes(),
        Some(_) => return Err((ErrorKind::Unsupported, "the digest is no SHA-256 digest")),
        None => return Err((ErrorKind::Invalid, "the digest names no algorithm")),
    };
    let malformed =
        (ErrorKind::Invalid, "a SHA-256 digest has 64 lower-case hexadecimal digits, and this one has not");
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return Err(malformed);
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0]).zip(nibble(pair[1])).map(|(high, low)| high << 4 | low).ok_or(malformed)?;
    }
    Ok(Digest(bytes))
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn reads_what_it_writes() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<Digest>().expect("it is a digest"), Digest::of(b""));
    }

    #[test]
    fn measures_what_was_written_and_no_more() {
        let mut room = [0; 4];
        let mut measured = Measured::new(&mut room[..]);
        assert!(measured.write_all(b"123456").is_err(), "there is room for four");
        let (_, digest, size) = measured.finish();
        assert_eq!((digest, size), (Digest::of(b"1234"), 4));
    }

    #[test]
    fn refuses_what_is_no_digest() {
        for (text, kind) in [
            ("", ErrorKind::Invalid),
            (&EMPTY[7..], ErrorKind::Invalid),
            ("sha512:00", ErrorKind::Unsupported),
            ("sha256:", ErrorKind::Invalid),
            (&EMPTY[..70], ErrorKind::Invalid),
            (&EMPTY.to_uppercase().replace("SHA", "sha"), ErrorKind::Invalid),
            (&EMPTY.replace("e3", "é"), ErrorKind::Invalid),
            (&EMPTY.replace("e3", "../.."), ErrorKind::Invalid),
        ] {
            assert_eq!(text.parse::<Digest>().expect_err("it is no digest").kind(), kind, "{text:?}");
        }
    }
}
