//! Processes that use one cache: each is this binary again, told on its standard input when to go on, and telling on
//! its standard error what it does.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};

use shimmer_cache::{Cache, Digest, Entry, Key, Origin};
use shimmer_engine::{Fingerprint, Needs};

#[test]
fn two_processes_compile_one_program_once() {
    let root = tempfile::tempdir().expect("a folder");
    let mut processes = [Process::start(root.path()), Process::start(root.path())];
    for process in &mut processes {
        // Both go at once, and what the compiler will wait for is said already: in one piece, since who finds what the other has
        // made ends before it is told more.
        process.say("go\ngo on");
    }
    let stories = processes.map(Process::ends);
    let compiled = stories.iter().flatten().filter(|line| *line == "compiling").count();
    assert_eq!(compiled, 1, "{stories:?}");
    assert!(stories.iter().any(|lines| lines.contains(&"Made".to_owned())), "{stories:?}");
    assert!(stories.iter().any(|lines| lines.contains(&"Found".to_owned())), "{stories:?}");
}

#[test]
fn a_killed_compiler_hinders_nobody_and_leaves_nothing() {
    let root = tempfile::tempdir().expect("a folder");
    let mut process = Process::start(root.path());
    process.say("go");
    assert_eq!(process.hears(), "compiling");
    process.child.kill().expect("it runs");
    process.child.wait().expect("it is a child");
    let temporary = root.path().join("cache/temporary");
    assert_eq!(fs::read_dir(&temporary).expect("a folder").count(), 1, "it has left its work");
    assert_eq!(make(root.path(), || {}).origin(), Origin::Made);
    assert_eq!(fs::read_dir(&temporary).expect("a folder").count(), 0, "its work is swept");
}

/// What the tests above start. Its working folder says where the cache is.
#[test]
#[ignore = "the other tests run it, in processes of its own"]
fn a_process() {
    let hear = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).expect("it is text");
        line
    };
    if hear() != "go\n" {
        return;
    }
    let entry = make(Path::new("."), || {
        say("compiling");
        hear();
    });
    say(&format!("{:?}", entry.origin()));
}

fn make(root: &Path, compiling: impl Fn()) -> Entry {
    let key = Key::new(Digest::of(b"program"), "fake", Fingerprint::new(["1"]));
    let cache = Cache::at(root.join("cache"), u64::MAX);
    let compile = |output: &Path| {
        fs::write(output, "half")?;
        compiling();
        fs::write(output, "whole")?;
        Ok::<_, std::io::Error>(Needs::of(b"\0asm\x01\0\0\0").expect("the smallest module"))
    };
    cache.find_or_make(&key, compile).expect("it compiles")
}

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("the test listens");
}

struct Process {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Process {
    fn start(root: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--ignored", "--exact", "a_process", "--nocapture"])
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let input = child.stdin.take().expect("it is a pipe");
        let lines = BufReader::new(child.stderr.take().expect("it is a pipe")).lines();
        Self { child, input, lines }
    }

    fn say(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).expect("it listens");
    }

    fn hears(&mut self) -> String {
        self.lines.next().expect("it says something").expect("it is text")
    }

    fn ends(self) -> Vec<String> {
        drop(self.input);
        let lines = self.lines.map(|line| line.expect("it is text")).collect();
        let mut child = self.child;
        assert!(child.wait().expect("it is a child").success(), "{lines:?}");
        lines
    }
}
