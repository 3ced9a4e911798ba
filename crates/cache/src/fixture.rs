//! What the tests share: a cache in a folder of its own, and a compiler that counts.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, SystemTime};

use shimmer_engine::{Fingerprint, Needs};
use tempfile::TempDir;

use crate::{Cache, Digest, Entry, Key, MakeError};

pub(crate) const MANY: u64 = 1 << 40;

/// A cache, and a folder to compile in when it fails.
pub(crate) struct Bench {
    pub(crate) root: TempDir,
    pub(crate) cache: Cache,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::limited(MANY)
    }

    pub(crate) fn limited(limit: u64) -> Self {
        listen();
        let root = tempfile::tempdir().expect("a folder");
        let cache = Cache::at(root.path().join("cache"), limit).falling_back(root.path().join("fallback"));
        Self { cache, root }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("cache").join(name)
    }

    /// A file of an entry.
    pub(crate) fn file(&self, key: &Key, name: &str) -> PathBuf {
        self.path("entries").join(key.name()).join(name)
    }

    pub(crate) fn make(&self, key: &Key, code: &[u8]) -> Entry {
        self.cache.find_or_make(key, compile_to(code)).expect("it compiles")
    }

    pub(crate) fn finds(&self, key: &Key) -> bool {
        self.cache.find(key).expect("the folder is trusted").is_some()
    }

    /// Makes an entry look as if it was last used some time ago.
    pub(crate) fn age(&self, key: &Key, age: Duration) {
        let record = fs::File::open(self.file(key, "record")).expect("it is there");
        record.set_modified(SystemTime::now() - age).expect("it is this user's");
    }
}

pub(crate) fn key(program: &str) -> Key {
    Key::new(Digest::of(program.as_bytes()), "fake", Fingerprint::new(["fake", "1"]))
}

pub(crate) fn needs() -> Needs {
    Needs::of(b"\0asm\x01\0\0\0").expect("the smallest module")
}

/// A compiler that writes these bytes.
pub(crate) fn compile_to(code: &[u8]) -> impl FnMut(&Path) -> io::Result<Needs> {
    move |output| {
        fs::write(output, code)?;
        Ok(needs())
    }
}

/// A compiler that must not be called.
pub(crate) fn nothing(_: &Path) -> Result<Needs, Infallible> {
    panic!("it is compiled though it is there")
}

/// A compiler that fails, and counts.
pub(crate) fn failing(count: &Cell<usize>) -> impl FnMut(&Path) -> Result<Needs, &'static str> {
    move |_| {
        count.set(count.get() + 1);
        Err("a bad program")
    }
}

pub(crate) fn is_compile_error<E>(result: &Result<Entry, MakeError<E>>) -> bool {
    matches!(result, Err(MakeError::Compile(_)))
}

pub(crate) fn content(entry: &Entry) -> Vec<u8> {
    let length = entry.code().metadata().expect("it is open").len();
    let mut bytes = vec![0; length as usize];
    entry.code().read_exact_at(&mut bytes, 0).expect("it is read");
    bytes
}

pub(crate) fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut items| items.next().is_none())
}

/// The warnings that something gives on this thread.
pub(crate) fn warnings(action: impl FnOnce()) -> Vec<String> {
    WARNINGS.with_borrow_mut(Vec::clear);
    action();
    WARNINGS.take()
}

thread_local! {
    static WARNINGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// One listener for all threads, which is there before anything is told: tracing remembers for each place in the code whether
/// anybody listens, and of one that comes while another test tells the first thing there it would not know.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Warnings).expect("nobody else does it"));
}

struct Warnings;

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{field}: {value:?} "));
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        WARNINGS.with_borrow_mut(|warnings| warnings.push(text.0));
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
