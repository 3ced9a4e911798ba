//! What a machine hands over when its command has ended: the command's status, and files.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

/// In a machine, the folder whose files are brought back.
pub(crate) const BROUGHT: &str = "brought";
const STATUS: &str = "status";

/// Takes the archive that comes through a channel, and says so; the command's exit code. Files go into `folder`, if
/// there is one. Nothing if the machine ends before its archive does.
pub(crate) fn take(mut channel: impl Read + Write, folder: Option<&Path>) -> io::Result<Option<u8>> {
    let taken = unpack(&mut channel, folder);
    // Whatever became of it: the machine waits for that before it ends. One that has ended hears nothing.
    let _heard = channel.write_all(b"!");
    if taken.is_err() {
        io::copy(&mut channel, &mut io::sink())?;
    }
    taken
}

fn unpack(channel: impl Read, folder: Option<&Path>) -> io::Result<Option<u8>> {
    let mut status = None;
    for entry in tar::Archive::new(channel).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if path == Path::new(STATUS) {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            status = text.trim().parse().ok();
        } else if let (Ok(name), Some(folder)) = (path.strip_prefix(BROUGHT), folder) {
            bring(&mut entry, name, folder)?;
        }
    }
    Ok(status)
}

/// Unpacks an entry; a link or a device has no business here.
fn bring(entry: &mut tar::Entry<'_, impl Read>, name: &Path, folder: &Path) -> io::Result<()> {
    let kind = entry.header().entry_type();
    let is_inside = name.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if kind.is_dir() && is_inside {
        return fs::create_dir_all(folder.join(name));
    }
    if kind.is_file() && is_inside {
        let mut file = fs::File::create(folder.join(name))?;
        io::copy(entry, &mut file)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A channel that is read from one place and written to another.
    struct Channel {
        input: Cursor<Vec<u8>>,
        answer: Vec<u8>,
    }

    impl Read for Channel {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.input.read(buffer)
        }
    }

    impl Write for Channel {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.answer.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(text.len() as u64);
            header.set_cksum();
            archive.append(&header, text.as_bytes()).expect("an entry");
        }
        archive.into_inner().expect("an archive")
    }

    fn taken(bytes: Vec<u8>, folder: Option<&Path>) -> (io::Result<Option<u8>>, Vec<u8>) {
        let mut channel = Channel { input: Cursor::new(bytes), answer: Vec::new() };
        (take(&mut channel, folder), channel.answer)
    }

    #[test]
    fn brings_the_status_and_the_files_and_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let bytes = archive(&[("status", "3\n"), ("brought/report.json", "{}"), ("other", "x")]);
        let (status, answer) = taken(bytes, Some(folder.path()));
        assert_eq!((status.expect("an archive"), answer.as_slice()), (Some(3), &b"!"[..]));
        assert_eq!(fs::read_to_string(folder.path().join("report.json")).expect("the report"), "{}");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }

    #[test]
    fn writes_nothing_outside_of_the_folder() {
        let outer = tempfile::tempdir().expect("a folder");
        let folder = outer.path().join("inner");
        fs::create_dir(&folder).expect("a folder");
        let bytes = archive(&[("brought/../escaped", "x"), ("status", "0")]);
        assert_eq!(taken(bytes, Some(&folder)).0.expect("an archive"), Some(0));
        assert!(!outer.path().join("escaped").exists());
    }

    #[test]
    fn files_that_have_no_place_here_keep_no_machine_from_ending() {
        let bytes = archive(&[("brought/report.json", "{}"), ("status", "0")]);
        let mut channel = Channel { input: Cursor::new(bytes), answer: Vec::new() };
        assert!(take(&mut channel, Some(Path::new("/no/such/folder"))).is_err());
        assert_eq!(channel.answer, b"!");
        assert_eq!(channel.input.position(), channel.input.get_ref().len() as u64, "all was read");
    }

    #[test]
    fn a_machine_that_ends_early_has_no_status() {
        assert_eq!(taken(Vec::new(), None).0.expect("the end"), None);
        let mut half = archive(&[("status", "0"), ("brought/file", "text")]);
        half.truncate(1100);
        assert!(taken(half, None).0.is_err(), "an entry that is cut off");
    }
}
