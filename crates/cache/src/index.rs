use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::workspace::Workspace;
use crate::{Digest, Identity, Result, clock, seal};

/// What is remembered of a file that was read.
#[derive(Debug, Deserialize, Serialize)]
struct Note {
    file: Identity,
    digest: Digest,
}

/// The digest of a file, if it was read before in this state. Whatever is wrong with the note, the file is there to be
/// read.
pub(crate) fn look_up(digests: &Folder, file: &Identity) -> Option<Digest> {
    let (bytes, handle, metadata) = digests.read(&name(file)).ok()?;
    let note: Note = seal::unseal(&bytes).ok()?;
    if note.file != *file {
        return None;
    }
    clock::note_use(&handle, &metadata);
    Some(note.digest)
}

/// Remembers the digest of a file.
pub(crate) fn remember(digests: &Folder, temporary: Folder, file: &Identity, digest: Digest) -> Result<()> {
    let workspace = Workspace::new(temporary)?;
    workspace.write("note", &seal::seal(&Note { file: *file, digest })?)?;
    workspace.replace("note", digests, &name(file))
}

/// Whether a change of the file that follows would show in its identity.
///
/// Timestamps advance in steps: of 10 ms at most in the kernel, of a whole second on some file systems. A file that
/// was changed in this step can be changed again in it, and keep its identity with other bytes; git calls such a file
/// racily clean. Two seconds are longer than every step. A change time in the future, which a clock that was set back
/// leaves behind, is never old enough.
pub(crate) fn is_settled(file: &Identity) -> bool {
    file.changed().is_older_than(2)
}

/// Forgets what was not used for a month, and the least recently used of more than a few thousand notes.
pub(crate) fn forget(digests: &Folder) -> Result<()> {
    const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    const MANY: usize = 4096;
    let mut notes = Vec::new();
    for name in digests.names()? {
        // What cannot be opened as a note is older than all notes.
        let used = digests.file(&name).ok().and_then(|(_, metadata)| metadata.modified().ok());
        notes.push((used, name));
    }
    notes.sort_unstable_by(|a, b| b.cmp(a));
    for (position, (used, name)) in notes.into_iter().enumerate() {
        let is_old = used.is_none_or(|used| used.elapsed().is_ok_and(|age| age > MONTH));
        if is_old || position >= MANY {
            crate::error::present(digests.remove(&name))?;
        }
    }
    Ok(())
}

fn name(file: &Identity) -> String {
    let Identity { device, inode, size, mtime, ctime } = file;
    Digest::of(format!("{device} {inode} {size} {mtime:?} {ctime:?}").as_bytes()).hex()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;

    use super::*;

    struct Bench {
        root: tempfile::TempDir,
        file: Identity,
    }

    impl Bench {
        fn new() -> Self {
            let root = tempfile::tempdir().expect("a folder");
            fs::create_dir(root.path().join("temporary")).expect("a folder");
            fs::create_dir(root.path().join("digests")).expect("a folder");
            let metadata = root.path().metadata().expect("it is there");
            Self { file: Identity::of(&metadata), root }
        }

        fn folder(&self, name: &str) -> Folder {
            Folder::open(&self.root.path().join(name)).expect("it is this user's")
        }

        fn remember(&self, file: &Identity) {
            remember(&self.folder("digests"), self.folder("temporary"), file, Digest::of(b"x"))
                .expect("it is written");
        }

        fn look_up(&self, file: &Identity) -> Option<Digest> {
            look_up(&self.folder("digests"), file)
        }
    }

    #[test]
    fn a_note_is_of_one_state_of_one_file() {
        let bench = Bench::new();
        bench.remember(&bench.file);
        assert_eq!(bench.look_up(&bench.file), Some(Digest::of(b"x")));
        let Identity { device, inode, size, mtime, ctime } = bench.file;
        for other in [
            Identity { device: device + 1, ..bench.file },
            Identity { inode: inode + 1, ..bench.file },
            Identity { size: size + 1, ..bench.file },
            Identity { mtime: (mtime.0, mtime.1 + 1), ..bench.file },
            Identity { ctime: (ctime.0, ctime.1 + 1), ..bench.file },
        ] {
            assert_eq!(bench.look_up(&other), None, "{other:?}");
        }
    }

    #[test]
    fn a_damaged_note_is_no_note() {
        let bench = Bench::new();
        bench.remember(&bench.file);
        let path = bench.root.path().join("digests").join(name(&bench.file));
        let note = fs::read(&path).expect("it is there");
        for at in 0..note.len() {
            let file = File::options().write(true).open(&path).expect("it is there");
            file.write_at(&[note[at] ^ 1], at as u64).expect("it is written");
            assert_eq!(bench.look_up(&bench.file), None, "byte {at}");
            file.write_at(&note[at..=at], at as u64).expect("it is written");
        }
        assert_eq!(bench.look_up(&bench.file), Some(Digest::of(b"x")));
    }

    #[test]
    fn what_was_not_used_for_long_is_forgotten() {
        let bench = Bench::new();
        let old = Identity { size: 0, ..bench.file };
        bench.remember(&bench.file);
        bench.remember(&old);
        let path = bench.root.path().join("digests").join(name(&old));
        let file = File::options().write(true).open(path).expect("it is there");
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("it is this user's");
        fs::write(bench.root.path().join("digests/garbage"), "").expect("it is written");
        forget(&bench.folder("digests")).expect("it forgets");
        assert_eq!(bench.look_up(&old), None);
        assert!(bench.look_up(&bench.file).is_some());
    }

    #[test]
    fn a_file_that_was_just_changed_is_not_settled() {
        let just_now = || {
            let folder = tempfile::tempdir().expect("a folder");
            Identity::of(&folder.path().metadata().expect("it is there"))
        };
        // A test that has to stand still in between looks at another one.
        assert!((0..10).any(|_| !is_settled(&just_now())));
        let just_now = just_now();
        assert!(is_settled(&Identity { ctime: (just_now.ctime.0 - 5, 0), ..just_now }));
        assert!(!is_settled(&Identity { ctime: (just_now.ctime.0 + 3600, 0), ..just_now }));
    }
}
