//! Files packed into an archive, without holding one in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use shimmer_oci::{Digest, Measured, header};
use tar::EntryType;

use crate::{Error, Result};

/// What a file holds.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Source {
    /// Its bytes in pieces, and their number.
    fn open(&self) -> io::Result<(Box<dyn Read + '_>, u64)> {
        match self {
            Self::Bytes(bytes) => Ok((Box::new(bytes.as_slice()), bytes.len() as u64)),
            Self::File(path) => {
                let file = File::open(path)?;
                let size = file.metadata()?.len();
                Ok((Box::new(file), size))
            }
        }
    }

    pub(crate) fn digest(&self) -> Result<Digest> {
        let read = || {
            let mut measured = Measured::new(io::sink());
            io::copy(&mut self.open()?.0, &mut measured)?;
            Ok(measured.finish().1)
        };
        read().map_err(Error::io("read", self.path()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Bytes(_) => Path::new("memory"),
            Self::File(path) => path,
        }
    }
}

/// A thing in an archive.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Program(Source),
    Data(Source),
    Folder { mode: u32 },
}

/// The files of an archive by their paths, which also decide their order.
pub(crate) type Entries = BTreeMap<String, Entry>;

/// An archive that was packed.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// The digest before compression.
    pub(crate) unpacked: Digest,
}

/// Packs `entries` into a tar archive with gzip, at `path`.
pub(crate) fn pack(entries: &Entries, path: &Path) -> Result<Packed> {
    let file = File::create_new(path).map_err(Error::io("make", path))?;
    // Not the time, and no system: the same files make the same bytes.
    let gzip = GzBuilder::new().write(Measured::new(BufWriter::new(file)), Compression::default());
    let mut archive = tar::Builder::new(Measured::new(gzip));
    for (name, entry) in entries {
        let (kind, mode, source) = match entry {
            Entry::Program(source) => (EntryType::Regular, 0o755, source),
            Entry::Data(source) => (EntryType::Regular, 0o644, source),
            Entry::Folder { mode } => (EntryType::Directory, *mode, &EMPTY),
        };
        let mut add = || {
            let (reader, size) = source.open()?;
            archive.append_data(&mut header(kind, mode, size), name, Exactly { reader, left: size })
        };
        add().map_err(Error::io("pack", source.path()))?;
    }
    let end = || {
        let (gzip, unpacked, _) = archive.into_inner()?.finish();
        let (mut buffer, digest, size) = gzip.finish()?.finish();
        buffer.flush()?;
        Ok(Packed { digest, size, unpacked })
    };
    end().map_err(Error::io("write", path))
}

const EMPTY: Source = Source::Bytes(Vec::new());

/// A reader that fails where a file has another size than it had: its header is written already.
struct Exactly<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let left = self.left.checked_sub(read as u64);
        self.left = left.filter(|left| read > 0 || buffer.is_empty() || *left == 0).ok_or_else(|| {
            io::Error::other("its size changed meanwhile: build again, and let nobody else write there")
        })?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Folder;

    fn entries(big: &Path) -> Entries {
        [
            ("tmp", Entry::Folder { mode: 0o1777 }),
            ("app", Entry::Program(Source::File(big.to_owned()))),
            ("text", Entry::Data(Source::Bytes(b"a text".to_vec()))),
        ]
        .map(|(name, entry)| (name.to_owned(), entry))
        .into()
    }

    #[test]
    fn packs_in_order_for_root_and_always_the_same() {
        let folder = Folder::default().file("big", &vec![7; 1 << 20]);
        let (one, other) = (folder.path().join("1"), folder.path().join("2"));
        let packed = pack(&entries(&folder.path().join("big")), &one).expect("it can be packed");
        pack(&entries(&folder.path().join("big")), &other).expect("it can be packed again");
        let bytes = std::fs::read(&one).expect("it was written");
        assert_eq!(bytes, std::fs::read(&other).expect("it was written"));
        assert_eq!((packed.digest, packed.size), (Digest::of(&bytes), bytes.len() as u64));
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).expect("it is gzip");
        assert_eq!(packed.unpacked, Digest::of(&unpacked));
        let line = |entry: tar::Entry<'_, &[u8]>| {
            let header = entry.header();
            assert_eq!(
                (header.mtime().ok(), header.uid().ok(), header.gid().ok()),
                (Some(0), Some(0), Some(0))
            );
            format!(
                "{:o} {} {}",
                header.mode().expect("set"),
                header.size().expect("set"),
                entry.path().expect("set").display()
            )
        };
        let mut archive = tar::Archive::new(unpacked.as_slice());
        let lines: Vec<_> =
            archive.entries().expect("a tar").map(|entry| line(entry.expect("an entry"))).collect();
        assert_eq!(lines, ["755 1048576 app", "644 6 text", "1777 0 tmp"]);
    }

    #[test]
    fn fails_where_a_file_is_gone_or_changes() {
        let folder = Folder::default();
        let error =
            pack(&entries(&folder.path().join("gone")), &folder.path().join("1")).expect_err("no file");
        assert_eq!(error.kind(), crate::ErrorKind::Input);
        assert!(
            error.to_string().contains("cannot pack ") && error.to_string().contains("/gone: "),
            "{error}"
        );
        for (bytes, left) in [(&b"short"[..], 9), (b"long", 2)] {
            let mut reader = Exactly { reader: bytes, left };
            let error = io::copy(&mut reader, &mut io::sink()).expect_err("it has another size");
            assert!(error.to_string().contains("its size changed"), "{error}");
        }
    }
}
