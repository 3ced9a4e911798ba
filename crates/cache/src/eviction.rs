use std::time::SystemTime;

use crate::error::present;
use crate::folder::Folder;
use crate::record::{RECORD, Record};
use crate::workspace::{self, CODE};
use crate::{Digest, Error, Result, lock};

/// What one entry of the cache takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Usage {
    /// The digest of the program.
    pub program: Digest,
    /// The name of the engine that compiled it.
    pub engine: String,
    /// What the engine said its code depends on.
    pub fingerprint: String,
    /// What the entry takes on the disk, in bytes.
    pub size: u64,
    /// When it was last used, to the minute.
    pub used: SystemTime,
}

/// The entries, for who removes some.
#[derive(Debug)]
pub(crate) struct Entries {
    pub(crate) entries: Folder,
    pub(crate) temporary: Folder,
}

/// What is known of an entry without reading its record.
#[derive(Debug)]
struct Item {
    name: String,
    size: u64,
    used: SystemTime,
}

impl Entries {
    /// Removes what was used least recently, and is not in use, until the rest takes no more than `limit` bytes.
    pub(crate) fn shrink(&self, limit: u64) -> Result<()> {
        loop {
            let refused = |error| Error::os("the folder cannot be locked", self.entries.path(), error);
            // It is enough that one process evicts, if it looks again at the end for what was published meanwhile.
            let lock = self.entries.reopened()?;
            if !lock::try_exclusive(lock.handle()).map_err(refused)? {
                return Ok(());
            }
            let rest = self.shrink_once(limit)?;
            drop(lock);
            if self.size()? <= rest {
                return Ok(());
            }
        }
    }

    /// All entries, the most recently used first.
    pub(crate) fn usage(&self) -> Result<Vec<Usage>> {
        let mut usage = Vec::new();
        for Item { name, size, used } in self.items()? {
            let Ok((record, ..)) = self.entries.folder(&name).and_then(|folder| Record::read(&folder)) else {
                continue;
            };
            let (engine, fingerprint) = (record.engine().to_owned(), record.fingerprint().to_owned());
            usage.push(Usage { program: record.program(), engine, fingerprint, size, used });
        }
        usage.sort_by_key(|usage| std::cmp::Reverse(usage.used));
        Ok(usage)
    }

    /// Gives what the rest takes.
    fn shrink_once(&self, limit: u64) -> Result<u64> {
        let mut items = self.items()?;
        let mut total: u64 = items.iter().map(|item| item.size).sum();
        items.sort_by_key(|item| item.used);
        for Item { name, size, .. } in items {
            if total <= limit {
                break;
            }
            if self.evict(&name)? {
                total -= size;
            }
        }
        Ok(total)
    }

    /// Removes an entry unless it is in use.
    fn evict(&self, name: &str) -> Result<bool> {
        let Some(folder) = present(self.entries.folder(name))? else { return Ok(true) };
        let Some((code, _)) = present(folder.file(CODE))? else { return Ok(true) };
        let refused = |error| folder.refused("the code cannot be locked", CODE, error);
        if !lock::try_exclusive(&code).map_err(refused)? {
            return Ok(false);
        }
        // Who opens it from now on finds it locked, or moved away. If it is another's entry by now, it stays.
        if self.entries.still_names(name, folder.handle()) {
            workspace::discard(&self.entries, name, &self.temporary)?;
            tracing::debug!(entry = name, "evicted");
        }
        Ok(true)
    }

    fn size(&self) -> Result<u64> {
        Ok(self.items()?.iter().map(|item| item.size).sum())
    }

    /// The entries; what is none is removed.
    fn items(&self) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for name in self.entries.names()? {
            match self.item(&name) {
                Ok(Some((size, used))) => items.push(Item { name, size, used }),
                Ok(None) => {}
                Err(error) if error.condemns() => {
                    tracing::debug!(%error, "garbage is removed from the cache");
                    workspace::discard(&self.entries, &name, &self.temporary)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(items)
    }

    /// None if it was removed just now.
    fn item(&self, name: &str) -> Result<Option<(u64, SystemTime)>> {
        const BLOCK: u64 = 4096;
        let Some(folder) = present(self.entries.folder(name))? else { return Ok(None) };
        let files = folder.file(CODE).and_then(|code| Ok((code.1, folder.file(RECORD)?.1)));
        if files.is_err() && !self.entries.still_names(name, folder.handle()) {
            return Ok(None);
        }
        let (code, record) = files?;
        let size = code.len().next_multiple_of(BLOCK) + record.len().next_multiple_of(BLOCK);
        Ok(Some((size, record.modified().unwrap_or(SystemTime::UNIX_EPOCH))))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::ptr::null_mut;
    use std::thread;
    use std::time::Duration;

    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

    use crate::fixture::{Bench, compile_to, content, is_empty, key};

    /// Room for two entries of this size.
    const SIZE: usize = 100_000;
    const ROOM: u64 = 220_000;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Both are older than what is made next, by more than a tick of the clock by which files are stamped.
    fn filled(bench: &Bench) {
        for (hours, program) in [(1, "new"), (2, "old")] {
            bench.make(&key(program), &[1; SIZE]);
            bench.age(&key(program), HOUR * hours);
        }
    }

    #[test]
    fn what_was_not_used_longest_goes_first() {
        let bench = Bench::limited(ROOM);
        filled(&bench);
        bench.make(&key("newest"), &[1; SIZE]);
        assert!(!bench.finds(&key("old")));
        let programs: Vec<_> =
            bench.cache.usage().expect("it is read").into_iter().map(|u| u.program).collect();
        assert_eq!(programs, [key("newest").digest, key("new").digest]);
        assert!(is_empty(&bench.path("temporary")));
    }

    #[test]
    fn a_use_counts_and_is_noted_once_a_minute() {
        let bench = Bench::limited(ROOM);
        filled(&bench);
        let used =
            || bench.file(&key("old"), "record").metadata().expect("it is there").modified().expect("a time");
        bench.age(&key("old"), Duration::from_secs(1));
        let noted = used();
        assert!(bench.finds(&key("old")));
        assert_eq!(used(), noted);
        bench.age(&key("old"), HOUR * 2);
        bench.age(&key("new"), HOUR);
        assert!(bench.finds(&key("old")));
        bench.make(&key("newest"), &[1; SIZE]);
        assert!(bench.finds(&key("old")) && !bench.finds(&key("new")));
    }

    #[test]
    fn what_is_in_use_stays() {
        let bench = Bench::limited(0);
        let (code, _) = bench.make(&key("a"), b"code").into_parts();
        let duplicate = code.try_clone().expect("it is open");
        drop(code);
        bench.cache.evict().expect("it evicts");
        assert!(bench.finds(&key("a")));
        drop(duplicate);
        bench.cache.evict().expect("it evicts");
        assert!(!bench.finds(&key("a")));
    }

    #[test]
    fn what_is_mapped_stays() {
        let bench = Bench::limited(0);
        let entry = bench.make(&key("a"), b"code");
        // SAFETY: the kernel chooses an address where nothing is, and nobody writes or cuts the file.
        let mapping = unsafe { mmap(null_mut(), 4, ProtFlags::READ, MapFlags::PRIVATE, entry.code(), 0) };
        let mapping = mapping.expect("it is mapped");
        drop(entry);
        bench.cache.evict().expect("it evicts");
        assert!(bench.finds(&key("a")));
        // SAFETY: it was mapped above, and nothing refers to it.
        unsafe { munmap(mapping, 4) }.expect("it was mapped");
        bench.cache.evict().expect("it evicts");
        assert!(!bench.finds(&key("a")));
    }

    #[test]
    fn what_a_crash_has_left_is_removed() {
        let bench = Bench::new();
        bench.make(&key("whole"), b"code");
        for garbage in ["temporary/00", "entries/01", "entries/02"] {
            fs::create_dir(bench.path(garbage)).expect("a folder");
        }
        for garbage in ["temporary/00/code", "entries/01/code", "entries/02/record", "locks/03"] {
            fs::write(bench.path(garbage), "half").expect("it is written");
        }
        bench.cache.evict().expect("it evicts");
        assert!(is_empty(&bench.path("temporary")) && is_empty(&bench.path("locks")));
        assert_eq!(fs::read_dir(bench.path("entries")).expect("a folder").count(), 1);
        assert!(bench.finds(&key("whole")));
    }

    #[test]
    fn finders_makers_and_evictors_do_not_hurt_each_other() {
        let bench = Bench::limited(ROOM);
        thread::scope(|scope| {
            for thread in 0..4 {
                let bench = &bench;
                scope.spawn(move || {
                    for round in 0..60 {
                        let program = format!("{}", (thread + round) % 5);
                        let code = program.repeat(SIZE).into_bytes();
                        let entry =
                            bench.cache.find_or_make(&key(&program), compile_to(&code)).expect("it compiles");
                        assert_ne!(entry.origin(), crate::Origin::Private);
                        assert_eq!(content(&entry), code, "{program}");
                    }
                });
            }
            scope.spawn(|| (0..200).for_each(|_| bench.cache.evict().expect("it evicts")));
        });
        bench.cache.evict().expect("it evicts");
        let size: u64 = bench.cache.usage().expect("it is read").iter().map(|usage| usage.size).sum();
        assert!(size <= ROOM, "{size}");
        assert!(is_empty(&bench.path("temporary")));
    }
}
