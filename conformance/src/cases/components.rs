use std::time::{SystemTime, UNIX_EPOCH};

use super::row;
use crate::case::Case;
use crate::expected::Entry;
use crate::failure::{Result, ensure};
use crate::guests::{CHECKSUM_COMPONENT, COMPUTE, HELLO, HELLO_COMPONENT};
use crate::profile::Profile;
use crate::setup::{Setup, probe_component};
use crate::stage::Stage;

const SIGTERM: u32 = 15;
const TRAP: u32 = 134;
const SUMS: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  /data/note\n";

pub(super) fn cases() -> Vec<Case> {
    let modules = row(
        "modules",
        Profile::WasiP1,
        [
            Case::new("program/module", Setup::of(HELLO)).prints("hello from wasm: world\n"),
            Case::new("program/computes", Setup::of(COMPUTE).args(["fib", "10"])).prints("fib 10 = 55\n"),
        ],
    );
    let components = row(
        "components",
        Profile::WasiP2,
        [
            Case::new("program/component", Setup::of(HELLO_COMPONENT).env([("GREETING_NAME", "component")]))
                .needs(&["components"])
                .prints("hello from wasm: component\n"),
            Case::new("program/component-argv", probe_component(["args"]))
                .needs(&["components"])
                .prints("argv[0]=/probe.component.wasm\nargv[1]=args\n"),
            Case::new(
                "program/component-files",
                probe_component(["cwd-read", "/data/note"]).file("note", "content\n"),
            )
            .needs(&["components"])
            .prints("content\n"),
            Case::new(
                "program/component-real-program",
                Setup::of(CHECKSUM_COMPONENT)
                    .file("note", "hello\n")
                    .file("SUMS", SUMS)
                    .args(["--check", "/data/SUMS"]),
            )
            .needs(&["components"])
            .prints("/data/note: OK\n"),
            Case::new("program/component-stdin", probe_component(["stdin"]).stdin(b"from stdin\n"))
                .needs(&["components"])
                .prints("from stdin\n"),
        ],
    );
    [modules, components, wasi()].concat()
}

/// What WASI 0.2 gives a component, by the same probes as a module's.
fn wasi() -> Vec<Case> {
    let shows = |id, setup: Setup| Case::new(id, setup).needs(&["components"]);
    let flood: String = (1..=5000).map(|line| format!("{line}\n")).chain(["end\n".to_owned()]).collect();
    row(
        "wasi-0-2",
        Profile::WasiP2,
        [
            shows("component/env", probe_component(["env"]).env([("A", "1"), ("UMLAUT", "ö ü")]))
                .prints_among_others("A=1\n")
                .prints_among_others("UMLAUT=ö ü\n"),
            shows("component/write", probe_component(["write", "/data/note", "new"]).file("note", "older"))
                .leaves("note", Entry::File(b"new".to_vec())),
            shows("component/list", probe_component(["list", "/data"]).file("note", "").file("folder/", ""))
                .prints("folder/\nnote\n"),
            shows("component/missing-file", probe_component(["cwd-read", "/data/none"]))
                .ends_with(1)
                .complains("NotFound"),
            shows("component/stderr", probe_component(["stderr", "to stderr"]))
                .prints("")
                .complains("to stderr\n"),
            shows("component/nothing-is-lost", probe_component(["flood", "5000"])).prints(flood),
            shows("component/empty-stdin", probe_component(["block-stdin"])).prints("ready\neof\n"),
            shows("component/sleep", probe_component(["sleep-ms", "20"])).prints("slept\n"),
            shows("component/exit-0", probe_component(["exit", "0"])),
            // `wasi:cli/exit` knows ok and err alone.
            shows("component/exit-other-is-1", probe_component(["exit", "42"])).ends_with(1),
            shows("component/panic-keeps-its-message", probe_component(["panic"]))
                .ends_with(TRAP)
                .complains("the probe panics as it was told to"),
            Case::container("component/clocks", probe_component(["clock"]), clocks).needs(&["components"]),
            Case::container("component/random", probe_component(["random", "16"]), random)
                .needs(&["components"]),
            Case::container("component/writes-as-it-goes", probe_component(["tick"]), writes_as_it_goes)
                .needs(&["components"]),
        ],
    )
}

fn clocks(stage: &Stage<'_>) -> Result {
    let ended = stage.start(&stage.setup())?.end_unnoted()?;
    let printed = ended.stdout();
    let seconds = printed.lines().find_map(|line| line.strip_prefix("realtime=")?.parse::<u64>().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let is_today = seconds.is_some_and(|seconds| now.abs_diff(seconds) < 24 * 60 * 60);
    ensure(is_today && printed.contains("monotonic=moves\n"), || {
        format!("expected a time near {now} and a clock that moves, but saw {}", ended.describe())
    })
}

fn random(stage: &Stage<'_>) -> Result {
    let setup = stage.setup();
    let one = stage.start(&setup)?.end_unnoted()?;
    let other = stage.start(&setup)?.end_unnoted()?;
    ensure(one.code == 0 && one.stdout.len() == 33 && one.stdout != other.stdout, || {
        format!("expected 16 other bytes each time, but saw {}\nand {}", one.describe(), other.describe())
    })
}

/// What is flushed arrives while the guest runs.
fn writes_as_it_goes(stage: &Stage<'_>) -> Result {
    let running = stage.start(&stage.setup())?;
    running.wait_for("1\n2\n3\n")?;
    running.kill(SIGTERM)?;
    let ended = running.end_unnoted()?;
    ensure(ended.code == 128 + SIGTERM, || format!("expected status 143, but saw {}", ended.describe()))
}
