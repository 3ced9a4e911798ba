//! The suite is tested too: shims that are broken on purpose must each be caught by the cases that are for it.
//!
//! This program is those shims as well. Called by the name of one, it spoils what the container is to be and becomes
//! the shim of runc.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use glob::Pattern;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use shimmer_conformance::report::{Outcome, Verdict};
use shimmer_conformance::{Level, Progress, Run, Target};

/// What can be wrong with a shim.
#[derive(Debug)]
struct Defect {
    name: &'static str,
    /// Changes the OCI runtime spec of a container to one of which runc makes what the broken shim would.
    spoil: fn(&mut Value),
    /// Exactly these cases fail.
    caught_by: &'static [&'static str],
    /// And these pass, as nothing else is wrong.
    missed_by: &'static [&'static str],
}

/// How long a step may take. A defect by which something never happens is seen when that is over.
const PATIENCE: Duration = Duration::from_secs(60);
/// Long for one step, and short enough to wait for two times.
const BRIEF: Duration = Duration::from_secs(20);

const DEFECTS: [Defect; 7] = [
    Defect {
        name: "none",
        spoil: |_| (),
        caught_by: &[],
        missed_by: &[
            "exit/proc-exit-42",
            "signal/term-in-a-tight-loop",
            "stdio/nothing-is-lost",
            "security/descriptors",
            "files/read-only-mount",
            "files/read-only-root",
            "lifecycle/delete-twice",
            "docker/exit-code",
        ],
    },
    Defect {
        name: "exit-code",
        spoil: |spec| wrap(spec, r#""$0" "$@"; status=$?; exit $((status ? status + 1 : 0))"#),
        caught_by: &["exit/proc-exit-42", "docker/exit-code"],
        missed_by: &["exit/return-is-0", "stdio/nothing-is-lost"],
    },
    Defect {
        name: "signal",
        // What is ignored when a program starts stays so.
        spoil: |spec| wrap(spec, r#"trap "" TERM; exec "$0" "$@""#),
        caught_by: &["signal/term-in-a-tight-loop"],
        missed_by: &["exit/proc-exit-42", "signal/int-in-a-tight-loop"],
    },
    Defect {
        name: "last-line",
        spoil: |spec| wrap(spec, r#""$0" "$@" >/all; status=$?; /busybox sed '$d' /all; exit $status"#),
        caught_by: &["stdio/nothing-is-lost"],
        missed_by: &["exit/proc-exit-42"],
    },
    Defect {
        name: "descriptor",
        // A file that no name leads to in the container, as is one of the host's.
        spoil: |spec| wrap(spec, r#": >/host; exec 7</host; /busybox rm /host; exec "$0" "$@""#),
        caught_by: &["security/descriptors"],
        missed_by: &["exit/proc-exit-42", "stdio/nothing-is-lost"],
    },
    Defect {
        name: "read-only",
        spoil: make_writable,
        caught_by: &["files/read-only-mount", "files/read-only-root"],
        missed_by: &["exit/proc-exit-42"],
    },
    Defect {
        name: "delete",
        spoil: |spec| {
            spec["hooks"]["poststop"] = json!([{ "path": "/bin/sleep", "args": ["sleep", "1000000"] }]);
        },
        caught_by: &["lifecycle/delete-twice"],
        missed_by: &[],
    },
];

/// Whatever is wrong with a shim, its node ends and leaves nothing.
const LEFT: &str = "resilience/nothing-is-left-on-the-machine";
const SHIM: &str = "containerd-shim-broken-";
const REFERENCE: &str = "containerd-shim-runc-v2";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let called = Path::new(&called).file_name().unwrap_or_default().to_string_lossy();
    if let Some(name) = called.strip_prefix(SHIM).and_then(|name| name.strip_suffix("-v2")) {
        return serve(name, &arguments.collect::<Vec<_>>());
    }
    let trials = DEFECTS.iter().map(|defect| Trial::test(defect.name, || defect.is_caught()));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Is the shim `name`, whose folder is the bundle.
fn serve(name: &str, arguments: &[OsString]) -> ExitCode {
    let defect = DEFECTS.iter().find(|defect| defect.name == name);
    let starts = arguments.iter().any(|argument| argument == "start");
    let spoilt = defect.filter(|_| starts).map_or(Ok(()), |defect| defect.apply(Path::new("config.json")));
    let error = match spoilt {
        Ok(()) => Command::new(REFERENCE).args(arguments).exec(),
        Err(error) => error,
    };
    // containerd tells what a shim says before it serves.
    let _unread = writeln!(io::stderr(), "cannot be {SHIM}{name}: {error}");
    ExitCode::FAILURE
}

impl Defect {
    fn apply(&self, config: &Path) -> io::Result<()> {
        let mut spec = serde_json::from_slice(&fs::read(config)?)?;
        (self.spoil)(&mut spec);
        fs::write(config, spec.to_string())
    }

    fn is_caught(&self) -> Result<(), Failed> {
        let folder = tempfile::tempdir()?;
        let shim = folder.path().join(format!("{SHIM}{}-v2", self.name));
        symlink(std::env::current_exe()?, &shim)?;
        let cases = self.caught_by.iter().chain(self.missed_by).chain([&LEFT]);
        let cases: BTreeSet<&str> = cases.copied().collect();
        let run = Run {
            shim: Some(Target::Binary(shim)),
            levels: vec![Level::Task, Level::Docker],
            filters: cases.iter().map(|id| Pattern::new(id)).collect::<Result<_, _>>()?,
            patience: Some(if self.name == "signal" || self.name == "delete" { BRIEF } else { PATIENCE }),
            ..Run::default()
        };
        let results = run.play(&Quiet)?.results;
        let played: BTreeSet<&str> = results.iter().map(|outcome| &*outcome.id).collect();
        if played != cases {
            return Err(format!("expected {cases:?} to be played, but only {played:?} were").into());
        }
        let failed = || results.iter().filter(|outcome| outcome.verdict == Verdict::Failed);
        let ids: BTreeSet<&str> = failed().map(|outcome| &*outcome.id).collect();
        if ids == self.caught_by.iter().copied().collect() {
            return Ok(());
        }
        let messages: Vec<_> = failed().filter_map(|outcome| outcome.message.as_deref()).collect();
        Err(format!("expected {:?} to fail, but {ids:?} did:\n{}", self.caught_by, messages.join("\n"))
            .into())
    }
}

/// Starts the program by a script of its container's shell, which finds it as `$0` with its arguments.
fn wrap(spec: &mut Value, script: &str) {
    let program = spec["process"]["args"].as_array().cloned().unwrap_or_default();
    let shell = ["/busybox", "sh", "-c", script].map(Value::from);
    spec["process"]["args"] = shell.into_iter().chain(program).collect();
}

fn make_writable(spec: &mut Value) {
    spec["root"]["readonly"] = false.into();
    for mount in spec["mounts"].as_array_mut().into_iter().flatten() {
        if let Some(options) = mount["options"].as_array_mut() {
            options.retain(|option| option != "ro");
        }
    }
}

/// Says nothing: the trials do.
#[derive(Debug)]
struct Quiet;

impl Progress for Quiet {
    fn announces(&self, _text: &str) {}

    fn begins(&self, _: &str, _: Level, _: usize, _: usize) {}

    fn ended(&self, _: &Outcome) {}
}
