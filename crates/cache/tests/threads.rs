//! Threads that use one cache, each with its own descriptors, as processes do.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use shimmer_cache::{Cache, Digest, Entry, Key, MakeError, Origin};
use shimmer_engine::{Fingerprint, Needs};

#[test]
fn many_at_once_compile_one_program_once() {
    let folder = Folder::new();
    let (count, start) = (AtomicUsize::new(0), Barrier::new(8));
    let compile = |output: &Path| {
        count.fetch_add(1, Ordering::Relaxed);
        compile(output)
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                let entry = folder.cache().find_or_make(&key("a"), compile).expect("it compiles");
                assert_eq!(content(&entry), b"code");
            });
        }
    });
    assert_eq!(count.into_inner(), 1);
}

#[test]
fn two_programs_compile_at_the_same_time() {
    let folder = Folder::new();
    let both = Barrier::new(2);
    thread::scope(|scope| {
        for program in ["a", "b"] {
            let (folder, both) = (&folder, &both);
            scope.spawn(move || {
                let compile = |output: &Path| {
                    both.wait();
                    compile(output)
                };
                let entry = folder.cache().find_or_make(&key(program), compile).expect("it compiles");
                assert_eq!(entry.origin(), Origin::Made);
            });
        }
    });
}

#[test]
fn a_failure_is_its_makers_alone() {
    let folder = Folder::new();
    let (entered, has_entered) = channel();
    thread::scope(|scope| {
        let holder = scope.spawn(|| {
            folder.cache().find_or_make(&key("a"), move |_| {
                entered.send(()).expect("the test listens");
                Err("a bad day")
            })
        });
        has_entered.recv().expect("it compiles");
        let waiter = folder.cache().find_or_make(&key("a"), compile).expect("it compiles");
        assert_eq!(waiter.origin(), Origin::Made);
        let holder = holder.join().expect("it has not panicked");
        assert!(matches!(holder, Err(MakeError::Compile("a bad day"))), "{holder:?}");
    });
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn cache(&self) -> Cache {
        Cache::at(self.0.path().join("cache"), u64::MAX)
    }
}

fn key(program: &str) -> Key {
    Key::new(Digest::of(program.as_bytes()), "fake", Fingerprint::new(["1"]))
}

fn compile(output: &Path) -> io::Result<Needs> {
    fs::write(output, "code")?;
    Ok(Needs::of(b"\0asm\x01\0\0\0").expect("the smallest module"))
}

fn content(entry: &Entry) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    entry.code().read_exact_at(&mut bytes, 0).expect("it is read");
    bytes
}
