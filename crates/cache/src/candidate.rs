use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;

use crate::entry::Origin;
use crate::error::present;
use crate::folder::Folder;
use crate::record::{RECORD, Record};
use crate::workspace::{self, Workspace};
use crate::{Entry, Error, ErrorKind, Identity, Key, Result, clock, lock};

/// What is filed under a key: open, locked against eviction, and not yet known to be right.
#[derive(Debug)]
pub(crate) struct Candidate {
    folder: Folder,
    parts: Parts,
}

#[derive(Debug)]
struct Parts {
    code: File,
    file: Identity,
    record: Record,
    /// The record's file, whose modification time is the last use.
    used: (File, Metadata),
}

impl Candidate {
    /// Opens what is filed under a key, if anything is.
    ///
    /// # Errors
    ///
    /// One that [condemns](Error::condemns) what is there where that is no whole entry, or another key's.
    pub(crate) fn open(entries: &Folder, key: &Key) -> Result<Option<Self>> {
        let name = key.name();
        let Some(folder) = present(entries.folder(&name))? else { return Ok(None) };
        let parts = Parts::open(&folder, key);
        // An eviction first takes the exclusive lock and then moves the folder away. So either it came first, and the
        // folder is no longer there, or the lock that is held now keeps it off.
        if !entries.still_names(&name, folder.handle()) {
            return Ok(None);
        }
        Ok(parts?.map(|parts| Self { folder, parts }))
    }

    /// Whether it needs no reading to be right.
    pub(crate) fn is_trusted(&self) -> bool {
        self.parts.record.vouches_for(&self.parts.file)
    }

    /// Reads all of it, and notes that it is right, for the others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Damaged`] where it is not.
    pub(crate) fn verify(mut self, temporary: Result<Folder>) -> Result<Self> {
        let Parts { code, record, .. } = &mut self.parts;
        record.verify(code)?;
        if let Err(error) = temporary.and_then(|temporary| self.rewrite(temporary)) {
            tracing::debug!(%error, "a verification is not noted, and the next start repeats it");
        }
        Ok(self)
    }

    /// The entry, once it is known to be right.
    pub(crate) fn into_entry(self) -> Entry {
        let Parts { code, record, used: (file, metadata), .. } = self.parts;
        clock::note_use(&file, &metadata);
        Entry::new(code, record.into_needs(), Origin::Found)
    }

    fn rewrite(&self, temporary: Folder) -> Result<()> {
        let workspace = Workspace::new(temporary)?;
        workspace.write(RECORD, &self.parts.record.sealed()?)?;
        workspace.replace(RECORD, &self.folder, RECORD)
    }
}

impl Parts {
    /// None if it is being evicted.
    fn open(folder: &Folder, key: &Key) -> Result<Option<Self>> {
        let (code, metadata) = readable(folder)?;
        let refused = |error| folder.refused("the code cannot be locked", workspace::CODE, error);
        if !lock::try_shared(&code).map_err(refused)? {
            return Ok(None);
        }
        let (record, file, record_metadata) = Record::read(folder)?;
        if !record.belongs_to(key) {
            return Err(Error::new(
                ErrorKind::Damaged,
                "the record is of another program, engine or version",
            )
            .with("path", folder.path().display().to_string()));
        }
        Ok(Some(Self { code, file: Identity::of(&metadata), record, used: (file, record_metadata) }))
    }
}

/// The code, which a store of an earlier version keeps to its owner.
fn readable(folder: &Folder) -> Result<(File, Metadata)> {
    let (code, metadata) = folder.file(workspace::CODE)?;
    if metadata.mode() & 0o004 != 0 {
        return Ok((code, metadata));
    }
    rustix::fs::fchmod(&code, workspace::READABLE)
        .map_err(|error| folder.refused("the code cannot be made readable", workspace::CODE, error))?;
    folder.file(workspace::CODE)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::*;
    use crate::fixture::{Bench, content, key, needs};
    use crate::random::Random;
    use crate::workspace::CODE;

    /// Writes a file as a fault would: in place or as another file, and perhaps with its old modification time.
    fn overwrite(path: &Path, bytes: &[u8], in_place: bool, hidden: bool) {
        let modified = path.metadata().expect("it is there").modified().expect("a time");
        fs::set_permissions(path, Permissions::from_mode(0o600)).expect("it is this user's");
        if !in_place {
            fs::remove_file(path).expect("it is there");
        }
        fs::write(path, bytes).expect("it is written");
        if hidden {
            File::options()
                .write(true)
                .open(path)
                .and_then(|file| file.set_modified(modified))
                .expect("this user's");
        }
    }

    fn reseal(bench: &Bench, key: &Key, change: impl FnOnce(Record) -> Record) {
        let path = bench.file(key, RECORD);
        let record = crate::seal::unseal(&fs::read(&path).expect("it is there")).expect("it is whole");
        fs::write(path, change(record).sealed().expect("it is encoded")).expect("it is written");
    }

    fn identity(path: &Path) -> Identity {
        Identity::of(&path.metadata().expect("it is there"))
    }

    #[test]
    fn code_that_was_kept_to_its_owner_becomes_readable() {
        let (bench, key) = (Bench::new(), key("a"));
        bench.make(&key, b"code");
        let file = bench.file(&key, CODE);
        fs::set_permissions(&file, Permissions::from_mode(0o400)).expect("it is this user's");
        assert!(bench.finds(&key));
        assert_eq!(file.metadata().expect("it is there").permissions().mode() & 0o777, 0o444);
    }

    #[test]
    fn damaged_code_is_never_returned() {
        let (bench, key, mut random) = (Bench::new(), key("a"), Random::seeded(1));
        let code: Vec<u8> = (0..20_000).map(|_| random.below(256) as u8).collect();
        for round in 0..300 {
            let entry = bench.make(&key, &code);
            assert_eq!((content(&entry), entry.needs()), (code.clone(), &needs()), "round {round}");
            assert!(bench.finds(&key), "round {round}: it is whole");
            let path = bench.file(&key, if round % 3 == 0 { RECORD } else { CODE });
            let damaged = random.damage(&fs::read(&path).expect("it is there"));
            overwrite(&path, &damaged, round % 2 == 0, round % 5 == 0);
            assert!(!bench.finds(&key), "round {round}: {} is damaged", path.display());
            assert!(!bench.path("entries").join(key.name()).exists(), "round {round}: it is removed");
        }
    }

    #[test]
    fn code_is_read_again_after_a_boot_and_only_then() {
        let (bench, key) = (Bench::new(), key("a"));
        bench.make(&key, b"code");
        reseal(&bench, &key, Record::of_another_boot);
        assert!(bench.finds(&key));
        let record: Record = crate::seal::unseal(&fs::read(bench.file(&key, RECORD)).expect("it is there"))
            .expect("it is whole");
        assert!(record.is_of_this_boot(), "the verification is noted");
    }

    #[test]
    fn damage_that_the_stat_does_not_show_is_found_after_a_boot() {
        let (bench, key) = (Bench::new(), key("a"));
        bench.make(&key, b"code");
        overwrite(&bench.file(&key, CODE), b"c0de", true, true);
        let changed = identity(&bench.file(&key, CODE));
        reseal(&bench, &key, |record| record.of_file(changed).of_another_boot());
        assert!(!bench.finds(&key));
    }

    #[test]
    fn whole_code_with_another_stat_is_kept() {
        let (bench, key) = (Bench::new(), key("a"));
        bench.make(&key, b"code");
        overwrite(&bench.file(&key, CODE), b"code", false, false);
        assert!(bench.finds(&key), "as after a restored backup");
    }

    #[test]
    fn an_entry_of_another_key_is_foreign() {
        let bench = Bench::new();
        bench.make(&key("a"), b"code of a");
        fs::rename(bench.path("entries").join(key("a").name()), bench.path("entries").join(key("b").name()))
            .expect("it is moved");
        assert!(!bench.finds(&key("b")));
        assert_eq!(content(&bench.make(&key("b"), b"code of b")), b"code of b");
    }

    #[test]
    fn what_stands_in_an_entrys_place_is_replaced() {
        type Spoil = fn(&Path);
        let spoils: [Spoil; 5] = [
            |entry| fs::remove_file(entry.join(CODE)).expect("it is there"),
            |entry| fs::remove_file(entry.join(RECORD)).expect("it is there"),
            |entry| {
                fs::set_permissions(entry.join(CODE), Permissions::from_mode(0o666)).expect("this user's")
            },
            |entry| {
                fs::rename(entry.join(CODE), entry.join("elsewhere")).expect("it is moved");
                symlink("elsewhere", entry.join(CODE)).expect("a link");
            },
            |entry| {
                fs::remove_dir_all(entry).expect("it is there");
                symlink("/etc", entry).expect("a link");
            },
        ];
        let (bench, key) = (Bench::new(), key("a"));
        for (number, spoil) in spoils.into_iter().enumerate() {
            bench.make(&key, b"code");
            spoil(&bench.path("entries").join(key.name()));
            assert!(!bench.finds(&key), "spoil {number}");
            assert_eq!(bench.make(&key, b"code").origin(), Origin::Made, "spoil {number}");
        }
    }
}
