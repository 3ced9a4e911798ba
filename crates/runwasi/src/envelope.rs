use serde::{Deserialize, Serialize};
use shimmer_engine::{Error, ErrorKind, Fingerprint, Needs, Result};

/// The first bytes of an envelope.
const MAGIC: &[u8; 8] = b"shimmer1";

/// Compiled code with what must be known about it before it is loaded.
///
/// `containerd-shim-wasm` carries compiled layers as bytes and forgets the program that they came from, so what the
/// program needs travels with them: magic, length of the header as a little-endian u32, header as JSON, code.
pub(crate) struct Envelope<'a> {
    pub(crate) needs: Needs,
    pub(crate) code: &'a [u8],
}

#[derive(Deserialize, Serialize)]
struct Header {
    fingerprint: String,
    needs: Needs,
}

impl<'a> Envelope<'a> {
    pub(crate) fn open(bytes: &'a [u8], fingerprint: &Fingerprint) -> Result<Self> {
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| stale("it is not one of this shim"))?;
        let (length, rest) = rest.split_first_chunk().ok_or_else(|| stale("it is cut off"))?;
        let length = u32::from_le_bytes(*length) as usize;
        let (header, code) = rest.split_at_checked(length).ok_or_else(|| stale("it is cut off"))?;
        let header: Header =
            serde_json::from_slice(header).map_err(|error| stale("it is damaged").because(error))?;
        if header.fingerprint != fingerprint.as_str() {
            return Err(stale("it was made by another engine, version or setting")
                .with("made by", header.fingerprint)
                .with("wanted", fingerprint.as_str()));
        }
        Ok(Self { needs: header.needs, code })
    }

    pub(crate) fn seal(&self, fingerprint: &Fingerprint) -> Vec<u8> {
        let header = Header { fingerprint: fingerprint.as_str().to_owned(), needs: self.needs.clone() };
        let header = serde_json::to_vec(&header).expect("strings, booleans and lists are always JSON");
        let length =
            u32::try_from(header.len()).expect("declarations are bounded by the size of an image's layer");
        [MAGIC, length.to_le_bytes().as_slice(), &header, self.code].concat()
    }
}

fn stale(why: &str) -> Error {
    Error::new(ErrorKind::Stale, format!("the compiled layer cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Vec<u8> {
        let needs = Needs::of(b"\0asm\x01\0\0\0").expect("the smallest module");
        Envelope { needs, code: b"code" }.seal(&Fingerprint::new(["a", "1"]))
    }

    fn refusal(bytes: &[u8], engine: &str) -> Error {
        Envelope::open(bytes, &Fingerprint::new([engine, "1"])).err().expect("it is refused")
    }

    #[test]
    fn gives_back_what_was_put_in() {
        let sealed = sealed();
        let opened = Envelope::open(&sealed, &Fingerprint::new(["a", "1"])).expect("our own");
        assert_eq!(opened.code, b"code");
    }

    #[test]
    fn refuses_another_engines_code() {
        let error = refusal(&sealed(), "b");
        assert_eq!(error.kind(), ErrorKind::Stale);
        assert!(error.to_string().contains("made by: a-1, wanted: b-1"), "{error}");
    }

    #[test]
    fn refuses_every_cut_and_foreign_bytes() {
        let sealed = sealed();
        let code = sealed.len() - b"code".len();
        for length in 0..code {
            assert_eq!(refusal(&sealed[..length], "a").kind(), ErrorKind::Stale, "cut at {length}");
        }
        assert_eq!(refusal(b"\x7fELF and more", "a").kind(), ErrorKind::Stale);
    }
}
