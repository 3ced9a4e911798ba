use super::row;
use crate::case::Case;
use crate::failure::{Result, ensure};
use crate::patience::patience;
use crate::profile::Profile;
use crate::setup::probe;
use crate::stage::Stage;

const LINES: u32 = 20_000;

pub(super) fn cases() -> Vec<Case> {
    let flood: String = (1..=LINES).map(|line| format!("{line}\n")).chain(["end\n".to_owned()]).collect();
    // Longer than what fits into a pipe, or into a line of CRI's log.
    let long_line = format!("{}\n", "x".repeat(200_000));
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let much: String = (0..2000).map(|line| format!("line {line} of the input\n")).collect();
    row(
        "stdio",
        Profile::Core,
        [
            Case::new("stdio/separate-streams", probe(["stderr", "to stderr"]))
                .twin()
                .prints("")
                .complains("to stderr\n"),
            Case::new("stdio/nothing-is-lost", probe(["flood", "20000"])).twin().prints(flood),
            Case::new("stdio/a-long-line", probe(["cwd-read", "/data/line"]).file("line", long_line.clone()))
                .twin()
                .prints(long_line),
            Case::new(
                "stdio/a-line-without-its-end",
                probe(["cwd-read", "/data/note"]).file("note", "no end"),
            )
            .twin()
            .prints("no end"),
            Case::container(
                "stdio/any-byte",
                probe(["cwd-read", "/data/bytes"]).file("bytes", every_byte),
                any_byte,
            )
            .twin(),
            Case::new("stdio/stdin-and-its-end", probe(["stdin"]).stdin(b"from stdin\n"))
                .twin()
                .prints("from stdin\n")
                .complains("11 bytes"),
            Case::new("stdio/a-long-stdin", probe(["stdin"]).stdin(much.as_bytes()))
                .twin()
                .prints(much.clone())
                .complains(&format!("{} bytes", much.len())),
            Case::task("stdio/a-dialogue", probe(["echo"]), dialogue).twin(),
            Case::new("stdio/empty-stdin", probe(["block-stdin"])).twin().prints("ready\neof\n"),
        ],
    )
}

fn any_byte(stage: &Stage<'_>) -> Result {
    let ended = stage.run(&stage.setup())?;
    let expected: Vec<u8> = (0..=u8::MAX).collect();
    ensure(ended.code == 0 && ended.stdout == expected, || {
        format!("expected status 0 and every byte once, but saw status {} and {:?}", ended.code, ended.stdout)
    })
}

/// Each line is answered before the next one is sent.
fn dialogue(stage: &Stage<'_>) -> Result {
    let mut running = stage.create_task(&stage.spec(&stage.setup())?.stdin_open())?;
    running.start()?;
    let task = running.task()?;
    for line in ["one\n", "two\n", "three\n"] {
        task.write(line)?;
        task.wait_for(line, patience())?;
    }
    // A shim that does not know the call leaves the pipe to its end, which is closed all the same.
    let _unknown = task.close_stdin();
    let ended = running.end_unnoted()?;
    ensure((ended.code, &*ended.stdout) == (0, b"one\ntwo\nthree\n".as_slice()), || {
        format!("expected three lines back, but saw {}", ended.describe())
    })
}
