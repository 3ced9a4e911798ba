mod files;
mod time;

use super::row;
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::guests::CHECKSUM;
use crate::profile::Profile;
use crate::setup::{Setup, probe};
use crate::stage::Stage;

/// The published description of WASI preview 1, at the last revision that has it.
const WITX: &str = "https://github.com/WebAssembly/WASI/blob/d6962d161b928ddff126ac3cb1464860cf0732e6/legacy/preview1/docs.md";
/// What the probe ends with where a descriptor or a file could not be used.
const UNUSABLE: u32 = 5;

pub(super) fn cases() -> Vec<Case> {
    [time::cases(), random(), process(), descriptors(), files::cases()].concat()
}

/// A case whose promise is made by the description of a function of WASI.
fn as_in(function: &str, case: Case) -> Case {
    case.spec(&format!("{WITX}#{function}"))
}

fn random() -> Vec<Case> {
    row(
        "wasi-random",
        Profile::WasiP1,
        [
            as_in(
                "random_get",
                Case::container("wasi/random-differs-from-run-to-run", probe(["random", "16"]), differs),
            ),
            as_in(
                "random_get",
                Case::container("wasi/random-of-any-length", probe(["random", "70000"]), any_length),
            ),
        ],
    )
}

fn process() -> Vec<Case> {
    let many = |count: usize, make: fn(usize) -> String| -> Vec<String> { (0..count).map(make).collect() };
    let args = many(1000, |i| format!("argument {i}"));
    let seen: String = args.iter().enumerate().map(|(i, arg)| format!("argv[{}]={arg}\n", i + 2)).collect();
    let env: Vec<_> = (0..1000).map(|i| (format!("NAME_{i:04}"), format!("value {i}"))).collect();
    let pairs: String = env.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let broken_sum = format!("{:064}  /data/note\n", 0);
    row(
        "wasi-process",
        Profile::WasiP1,
        [
            as_in(
                "args_get",
                Case::new(
                    "wasi/a-thousand-arguments",
                    Setup { args: [vec!["args".to_owned()], args].concat(), ..probe([]) },
                )
                .twin()
                .prints(format!("argv[0]=/probe.wasm\nargv[1]=args\n{seen}")),
            ),
            as_in(
                "environ_get",
                Case::new("wasi/a-thousand-variables", Setup { env, ..probe(["env"]) })
                    .twin()
                    .prints_among_others(&pairs),
            ),
            as_in("sched_yield", Case::new("wasi/yield-returns", probe(["yield"])).prints("yielded\n")),
            as_in(
                "proc_exit",
                Case::new(
                    "wasi/exit-keeps-what-was-written",
                    Setup::of(CHECKSUM)
                        .file("note", "hello\n")
                        .file("SUMS", broken_sum)
                        .args(["--check", "/data/SUMS"]),
                )
                .ends_with(1)
                .prints("/data/note: FAILED\n"),
            ),
        ],
    )
}

fn descriptors() -> Vec<Case> {
    row(
        "wasi-descriptors",
        Profile::WasiP1,
        [
            as_in(
                "fd_prestat_get",
                Case::new("wasi/streams-and-the-root-are-open", probe(["fds"]))
                    .prints_among_others("fd 0 ")
                    .prints_among_others("fd 1 ")
                    .prints_among_others("fd 2 ")
                    .prints_among_others("fd 3 directory /\n")
                    .never_prints("fd 4"),
            ),
            as_in(
                "fd_fdstat_get",
                Case::new("wasi/pipes-are-no-terminals", probe(["isatty"]).stdin(b"text"))
                    .twin()
                    .prints("stdin: not a tty\nstdout: not a tty\nstderr: not a tty\n"),
            ),
            as_in(
                "fd_write",
                Case::new("wasi/writes-to-an-open-descriptor", probe(["write-fd", "2", "to stderr"]))
                    .prints("")
                    .complains("to stderr"),
            ),
            as_in(
                "fd_write",
                Case::new("wasi/a-closed-descriptor-is-badf", probe(["write-fd", "63", "text"]))
                    .ends_with(UNUSABLE)
                    .complains("probe: fd 63: badf\n"),
            ),
        ],
    )
}

fn differs(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    let [one, other] = [digits(stage, &setup)?, digits(stage, &setup)?];
    ensure(one.len() == 2 * 16 && one != other, || {
        format!("expected 16 other bytes, but saw {one} and {other}")
    })
}

/// More bytes than the kernel gives to one call.
fn any_length(stage: &Stage<'_>) -> Result {
    let digits = digits(stage, &stage.setup())?;
    let counted = |digit: char| digits.chars().filter(|found| *found == digit).count();
    ensure(digits.len() == 2 * 70_000, || format!("expected 70000 bytes, but saw {} digits", digits.len()))?;
    // Of 140000 digits 8750 are alike on average; half of that is 48 standard deviations away.
    for digit in "0123456789abcdef".chars() {
        ensure(counted(digit) > 4375, || format!("the digit {digit} came {} times only", counted(digit)))?;
    }
    Ok(())
}

fn digits(stage: &Stage<'_>, setup: &Setup) -> Result<String> {
    let ended = stage.start(setup)?.end_unnoted()?;
    ensure(ended.code == 0, || format!("expected status 0, but saw {}", ended.describe()))?;
    Ok(ended.stdout().trim_end().to_owned())
}
