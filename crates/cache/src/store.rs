use std::fs::File;
use std::path::{Path, PathBuf};

use shimmer_engine::Needs;

use crate::candidate::Candidate;
use crate::entry::Origin;
use crate::error::present;
use crate::eviction::Entries;
use crate::folder::Folder;
use crate::lock::{self, Lock};
use crate::record::{RECORD, Record};
use crate::workspace::{self, CODE, Workspace};
use crate::{Digest, Entry, Error, ErrorKind, Identity, Key, MakeError, Result, Usage, fallback, index};

const ENTRIES: &str = "entries";
const DIGESTS: &str = "digests";
const LOCKS: &str = "locks";
const TEMPORARY: &str = "temporary";

/// Where compiled programs are, and how much they may take.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
    /// Where to compile when the folder does not do.
    fallback: Vec<PathBuf>,
}

impl Cache {
    /// The cache in a folder, which may take so many bytes. Nothing is touched: the folder is made when something is
    /// to be put there.
    ///
    /// The folders above it must be such that only this user can rename what is in them.
    pub fn at(folder: impl Into<PathBuf>, limit: u64) -> Self {
        let fallback = fallback::PLACES.map(PathBuf::from).to_vec();
        Self { folder: folder.into(), limit, fallback }
    }

    /// Which program a file is. With the file's identity, it is read once for each state it has, and then remembered.
    ///
    /// What is compiled later under this digest should be what was read here: where the file could have been changed in
    /// between, compare [`Digest::of`] the bytes.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read. What is wrong with the cache's folder only costs time.
    pub fn digest(&self, file: &File, identity: Option<&Identity>) -> Result<Digest> {
        let digests = self.existing(DIGESTS);
        if let Some(identity) = identity
            && let Ok(Some(digests)) = &digests
            && let Some(digest) = index::look_up(digests, identity)
        {
            return Ok(digest);
        }
        let state = || file.metadata().map(|metadata| Identity::of(&metadata));
        let refused = |error| Error::new(ErrorKind::Io, "the program cannot be read").because(error);
        let before = state().map_err(refused)?;
        let digest = Digest::of_file(file).map_err(refused)?;
        let after = state().map_err(refused)?;
        if let Some(identity) = identity
            && before == after
            && index::is_settled(identity)
            && index::is_settled(&after)
            && let Err(error) = self.remember(identity, digest)
        {
            tracing::debug!(%error, "a digest is not remembered, and the next start reads the program again");
        }
        Ok(digest)
    }

    /// The code of a program, if there is any, and after a check that it is what was compiled. Never compiles.
    ///
    /// It blocks while the code is verified, once after each boot.
    ///
    /// # Errors
    ///
    /// Where the folder is not to be trusted or cannot be read. [`find_or_make`](Self::find_or_make) goes on without
    /// it.
    pub fn find(&self, key: &Key) -> Result<Option<Entry>> {
        match self.candidate(key)? {
            None => return Ok(None),
            Some(candidate) if candidate.is_trusted() => return Ok(Some(candidate.into_entry())),
            Some(_) => {}
        }
        // After a boot, one of many starting containers reads the file, and the others wait for its word. Where there
        // can be no lock, because the folder is read-only, each of them reads it.
        let _lock = self.lock(key).ok();
        self.find_verified(key)
    }

    /// The code of a program, compiled now if there is none.
    ///
    /// `compile` writes native code to the path that it is given, at which nothing exists yet, and says what the
    /// program needs. It runs once at a time for each key, over all processes; who waited finds what was made. It may
    /// run a second time, with another path, where the first shows that the cache's disk is full.
    ///
    /// Where the cache cannot be used, the code is made in memory for this start alone, and a warning says why.
    ///
    /// It blocks as long as the compilation, another process's included.
    ///
    /// # Errors
    ///
    /// [`MakeError::Compile`] is what `compile` returned; nobody else sees it, and the next start tries again.
    /// [`MakeError::Cache`] only where there is no place at all to compile in.
    pub fn find_or_make<E>(
        &self,
        key: &Key,
        mut compile: impl FnMut(&Path) -> Result<Needs, E>,
    ) -> Result<Entry, MakeError<E>> {
        match self.find_or_publish(key, &mut compile) {
            Err(MakeError::Cache(cause)) => {
                tracing::warn!(
                    folder = %self.folder.display(),
                    %cause,
                    "the cache cannot be used, so this start compiles for itself; repair the folder, or each start will"
                );
                fallback::make(&self.fallback, compile)
            }
            result => result,
        }
    }

    /// Removes what was used least recently, and is not in use, until the limit is kept; and what processes have left
    /// that died. [`find_or_make`](Self::find_or_make) does it whenever it has put something there.
    ///
    /// # Errors
    ///
    /// Where the folder is not to be trusted, or cannot be read or written.
    pub fn evict(&self) -> Result<()> {
        let Some(entries) = self.entries()? else { return Ok(()) };
        workspace::sweep(&entries.temporary)?;
        entries.shrink(self.limit)?;
        self.existing(LOCKS)?.map_or(Ok(()), |locks| lock::sweep(&locks))?;
        self.existing(DIGESTS)?.map_or(Ok(()), |digests| index::forget(&digests))
    }

    /// What is in the cache, the most recently used first.
    ///
    /// # Errors
    ///
    /// Where the folder is not to be trusted or cannot be read.
    pub fn usage(&self) -> Result<Vec<Usage>> {
        self.entries()?.map_or_else(|| Ok(Vec::new()), |entries| entries.usage())
    }

    fn find_or_publish<E>(
        &self,
        key: &Key,
        compile: &mut impl FnMut(&Path) -> Result<Needs, E>,
    ) -> Result<Entry, MakeError<E>> {
        if let Some(entry) = self.find(key)? {
            return Ok(entry);
        }
        let lock = self.lock(key)?;
        if let Some(entry) = self.find_verified(key)? {
            return Ok(entry);
        }
        let workspace = Workspace::new(self.made(TEMPORARY)?)?;
        let needs = compile(&workspace.output()).map_err(|error| match workspace.starved() {
            Some(cause) => MakeError::Cache(cause),
            None => MakeError::Compile(error),
        })?;
        let entry = self.publish(key, needs, workspace)?;
        drop(lock);
        if let Err(error) = self.evict() {
            tracing::warn!(folder = %self.folder.display(), %error, "the cache may grow beyond its limit");
        }
        Ok(entry)
    }

    /// Gives what was compiled its place, where others find it.
    fn publish(&self, key: &Key, needs: Needs, workspace: Workspace) -> Result<Entry> {
        let refused = |message, error| workspace.folder().refused(message, CODE, error);
        let code = workspace::compiled(workspace.folder())?;
        rustix::fs::fchmod(&code, workspace::READABLE)
            .map_err(|error| refused("the code cannot be made read-only", error.into()))?;
        code.sync_all().map_err(|error| refused("the code cannot be written", error))?;
        let record =
            Record::of(key, needs, &code).map_err(|error| refused("the code cannot be read", error))?;
        workspace.write(RECORD, &record.sealed()?)?;
        // From its first moment on, it cannot be evicted under its maker.
        lock::try_shared(&code).map_err(|error| refused("the code cannot be locked", error.into()))?;
        workspace.publish(&self.made(ENTRIES)?, &key.name())?;
        Ok(Entry::new(code, record.into_needs(), Origin::Made))
    }

    /// As [`find`](Self::find), for who holds the lock.
    fn find_verified(&self, key: &Key) -> Result<Option<Entry>> {
        match self.candidate(key)? {
            None => Ok(None),
            Some(candidate) if candidate.is_trusted() => Ok(Some(candidate.into_entry())),
            Some(candidate) => match candidate.verify(self.made(TEMPORARY)) {
                Ok(candidate) => Ok(Some(candidate.into_entry())),
                Err(error) => self.condemn(key, error),
            },
        }
    }

    fn candidate(&self, key: &Key) -> Result<Option<Candidate>> {
        let Some(entries) = self.existing(ENTRIES)? else { return Ok(None) };
        match Candidate::open(&entries, key) {
            Err(error) => self.condemn(key, error),
            result => result,
        }
    }

    /// Removes an entry with which something is wrong, so that it is as if there were none.
    fn condemn<T>(&self, key: &Key, error: Error) -> Result<Option<T>> {
        if !error.condemns() {
            return Err(error);
        }
        tracing::warn!(%error, engine = key.engine, program = %key.digest, "an entry of the cache is replaced");
        let removed = self.existing(ENTRIES).and_then(|entries| {
            entries
                .map_or(Ok(()), |entries| workspace::discard(&entries, &key.name(), &self.made(TEMPORARY)?))
        });
        if let Err(error) = removed {
            tracing::debug!(%error, "the entry stays, and is not used");
        }
        Ok(None)
    }

    fn remember(&self, identity: &Identity, digest: Digest) -> Result<()> {
        index::remember(&self.made(DIGESTS)?, self.made(TEMPORARY)?, identity, digest)
    }

    fn lock(&self, key: &Key) -> Result<Lock> {
        Lock::wait(&self.made(LOCKS)?, &key.name())
    }

    fn entries(&self) -> Result<Option<Entries>> {
        let Some(entries) = self.existing(ENTRIES)? else { return Ok(None) };
        Ok(Some(Entries { entries, temporary: self.made(TEMPORARY)? }))
    }

    fn existing(&self, name: &str) -> Result<Option<Folder>> {
        present(Folder::open(&self.folder).and_then(|folder| folder.folder(name)))
    }

    fn made(&self, name: &str) -> Result<Folder> {
        Folder::open_or_create(&self.folder)?.folder_or_create(name)
    }
}

#[cfg(test)]
impl Cache {
    /// The same cache with another place to compile in when it fails.
    pub(crate) fn falling_back(self, place: PathBuf) -> Self {
        Self { fallback: vec![place], ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::fixture::{Bench, content, failing, is_compile_error, is_empty, key, needs, nothing};

    #[test]
    fn what_was_compiled_is_found() {
        let bench = Bench::new();
        assert!(!bench.finds(&key("a")));
        assert!(!bench.path("").exists(), "looking makes nothing");
        let made = bench.make(&key("a"), b"code of a");
        assert_eq!((made.origin(), content(&made)), (Origin::Made, b"code of a".to_vec()));
        let found = bench.cache.find_or_make(&key("a"), nothing).expect("it is there");
        assert_eq!((found.origin(), content(&found)), (Origin::Found, b"code of a".to_vec()));
        assert_eq!(found.needs(), &needs());
        assert!(!bench.finds(&key("b")));
        assert!(is_empty(&bench.path("temporary")));
    }

    #[test]
    fn only_the_owner_can_enter_and_nobody_can_write_code() {
        let bench = Bench::new();
        bench.make(&key("a"), b"code");
        let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        for folder in ["", ENTRIES, LOCKS, TEMPORARY] {
            assert_eq!(mode(&bench.path(folder)), 0o700, "{folder}");
        }
        // Who a guest is runs it, and is handed it open.
        assert_eq!(mode(&bench.file(&key("a"), CODE)), 0o444);
    }

    #[test]
    fn a_bad_program_is_compiled_once_for_each_start() {
        let (bench, count) = (Bench::new(), Cell::new(0));
        for start in 1..3 {
            assert!(is_compile_error(&bench.cache.find_or_make(&key("a"), failing(&count))));
            assert_eq!(count.get(), start);
        }
        assert!(is_empty(&bench.path(ENTRIES)) || !bench.path(ENTRIES).exists());
    }

    #[test]
    fn a_compiler_that_panics_harms_nobody_else() {
        let bench = Bench::new();
        let attempt = || bench.cache.find_or_make(&key("a"), nothing);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)).expect_err("it panics");
        assert!(is_empty(&bench.path(TEMPORARY)));
        assert_eq!(bench.make(&key("a"), b"code").origin(), Origin::Made);
    }

    #[test]
    fn a_file_is_read_once_in_each_state() {
        let bench = Bench::new();
        let path = bench.root.path().join("program");
        fs::write(&path, "a program").expect("it is written");
        let file = File::open(&path).expect("it is there");
        let identity = || Identity::of(&file.metadata().expect("it is open"));
        let notes = || fs::read_dir(bench.path(DIGESTS)).map_or(0, Iterator::count);
        let digest = |identity: &Identity| bench.cache.digest(&file, Some(identity)).expect("it is read");
        let leaves_no_note = |_| {
            let before = notes();
            fs::write(&path, "a program").expect("it is written");
            assert_eq!(digest(&identity()), Digest::of(b"a program"));
            notes() == before
        };
        // A test that has to stand still in between writes it once more.
        assert!((0..10).any(leaves_no_note), "it was written just now, and could be written again");
        let mut identity = identity();
        identity.ctime.0 -= 5;
        bench.cache.remember(&identity, Digest::of(b"another")).expect("it is written");
        assert_eq!(digest(&identity), Digest::of(b"another"), "it is not read");
        identity.size += 1;
        assert_eq!(digest(&identity), Digest::of(b"a program"));
    }

    #[test]
    fn a_digest_needs_no_cache() {
        let bench = Bench::new();
        fs::write(bench.path(""), "no folder").expect_err("the path ends with a slash");
        fs::write(bench.root.path().join("cache"), "no folder").expect("it is written");
        let file = File::open("/proc/self/exe").expect("it is there");
        let identity = Identity::of(&file.metadata().expect("it is open"));
        let digest = bench.cache.digest(&file, Some(&identity)).expect("it is read");
        assert_eq!(digest, bench.cache.digest(&file, None).expect("it is read"));
    }
}
