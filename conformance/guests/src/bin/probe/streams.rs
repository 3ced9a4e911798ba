//! Standard streams: nothing that was written may be lost, and stdin must end.

use std::io::{self, BufRead, BufWriter, Write};

use crate::outcome::report;

pub fn run(words: &[&str]) -> Option<u8> {
    let code = match words {
        ["stdin"] => copy_stdin(),
        ["echo"] => report("stdin", echo()),
        ["flood", lines] => report("stdout", flood(lines.parse().ok()?)),
        ["stderr", text] => stderr(text),
        _ => return None,
    };
    Some(code)
}

/// Copies stdin to stdout until it ends, then says on stderr how many bytes it was.
fn copy_stdin() -> u8 {
    let copied = io::copy(&mut io::stdin().lock(), &mut io::stdout().lock());
    report("stdin", copied.map(|bytes| eprintln!("{bytes} bytes")))
}

/// Answers each line before it waits for the next one.
fn echo() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        output.write_all(&line)?;
        output.flush()?;
        line.clear();
    }
    Ok(())
}

/// Writes numbered lines as fast as it can, and `end`.
fn flood(lines: u32) -> io::Result<()> {
    let mut output = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    (1..=lines).try_for_each(|line| writeln!(output, "{line}"))?;
    writeln!(output, "end")?;
    output.flush()
}

/// Writes one line to stderr and nothing to stdout.
fn stderr(text: &str) -> u8 {
    eprintln!("{text}");
    0
}
