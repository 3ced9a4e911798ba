//! Archives of the format that the kernel unpacks before it starts anything: cpio's "newc".

use std::fmt::Write as _;
use std::io::{self, Read, Write};

/// Writes one archive.
#[derive(Debug)]
pub(crate) struct Cpio<W> {
    output: W,
    written: u64,
    entries: u32,
}

impl<W: Write> Cpio<W> {
    pub(crate) fn new(output: W) -> Self {
        Self { output, written: 0, entries: 0 }
    }

    /// Adds a folder; its name has no slash at the beginning, as all names here.
    pub(crate) fn folder(&mut self, name: &str) -> io::Result<()> {
        self.entry(name, FOLDER | 0o755, 0)
    }

    /// Adds a link to what `target` says.
    pub(crate) fn link(&mut self, name: &str, target: &str) -> io::Result<()> {
        self.entry(name, LINK | 0o777, size(target.len() as u64)?)?;
        self.write(target.as_bytes())?;
        self.align()
    }

    /// Adds a file of this length.
    pub(crate) fn file(
        &mut self,
        name: &str,
        permissions: u32,
        length: u64,
        content: impl Read,
    ) -> io::Result<()> {
        self.entry(name, FILE | permissions & 0o7777, size(length)?)?;
        let copied = io::copy(&mut content.take(length), &mut self.output)?;
        self.written += copied;
        if copied != length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{name} became shorter")));
        }
        self.align()
    }

    /// Writes the archive's end.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, 0)?;
        self.output.flush()?;
        Ok(self.output)
    }

    /// The head of an entry: a mark, thirteen numbers of eight hexadecimal digits, and the name.
    fn entry(&mut self, name: &str, mode: u32, length: u32) -> io::Result<()> {
        self.entries += 1;
        let (links, name_length) = (1, size(name.len() as u64 + 1)?);
        let none = 0;
        let numbers =
            [self.entries, mode, none, none, links, none, length, none, none, none, none, name_length, none];
        let mut head = String::from("070701");
        for number in numbers {
            // A string takes whatever is written.
            let _infallible = write!(head, "{number:08x}");
        }
        head.push_str(name);
        head.push('\0');
        self.write(head.as_bytes())?;
        self.align()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Heads and contents begin at multiples of four.
    fn align(&mut self) -> io::Result<()> {
        let missing = self.written.wrapping_neg() % 4;
        self.write(&[0; 4][..usize::try_from(missing).unwrap_or_default()])
    }
}

const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// The format counts in 32 bits.
fn size(length: u64) -> io::Result<u32> {
    u32::try_from(length).map_err(|_| {
        io::Error::new(io::ErrorKind::FileTooLarge, "a file of 4 GiB and more has no place here")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut cpio = Cpio::new(Vec::new());
        cpio.folder("bin").expect("a folder");
        cpio.file("bin/run", 0o755, 5, &b"hello"[..]).expect("a file");
        cpio.link("init", "bin/run").expect("a link");
        cpio.finish().expect("an archive")
    }

    /// The numbers of the entry at `start`: its mode, and the lengths of its content and of its name.
    fn head(archive: &[u8], start: usize) -> (u32, usize, usize) {
        let text = std::str::from_utf8(&archive[start..start + 110]).expect("digits");
        assert!(text.starts_with("070701"), "{text}");
        let number =
            |index: usize| u32::from_str_radix(&text[6 + 8 * index..14 + 8 * index], 16).expect("hex");
        (number(1), number(6) as usize, number(11) as usize)
    }

    #[test]
    fn writes_entries_that_can_be_read_one_after_the_other() {
        let (archive, mut found, mut at) = (archive(), Vec::new(), 0);
        loop {
            let (mode, length, name_length) = head(&archive, at);
            let name = &archive[at + 110..at + 110 + name_length - 1];
            let content = (at + 110 + name_length).next_multiple_of(4);
            let name = std::str::from_utf8(name).expect("text").to_owned();
            if name == "TRAILER!!!" {
                break;
            }
            found.push((name, mode, archive[content..content + length].to_vec()));
            at = (content + length).next_multiple_of(4);
        }
        let expected: [(String, u32, Vec<u8>); 3] = [
            ("bin".into(), 0o040_755, Vec::new()),
            ("bin/run".into(), 0o100_755, b"hello".to_vec()),
            ("init".into(), 0o120_777, b"bin/run".to_vec()),
        ];
        assert_eq!(found, expected);
        assert_eq!(archive.len() % 4, 0);
    }

    #[test]
    fn a_file_that_becomes_shorter_while_it_is_read_is_an_error() {
        let error = Cpio::new(Vec::new()).file("a", 0o644, 9, &b"short"[..]).expect_err("five bytes of nine");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
