//! Standard streams: nothing that was written may be lost, and stdin must end.

use std::io::{self, BufWriter, Write};

/// Copies stdin to stdout until it ends, then says on stderr how many bytes it was.
pub fn copy_stdin() -> u8 {
    match io::copy(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(bytes) => {
            eprintln!("{bytes} bytes");
            0
        }
        Err(error) => {
            eprintln!("probe: stdin: {error}");
            1
        }
    }
}

/// Writes numbered lines as fast as it can, and `end`.
pub fn flood(lines: u32) -> u8 {
    let mut output = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let written = (1..=lines)
        .try_for_each(|line| writeln!(output, "{line}"))
        .and_then(|()| writeln!(output, "end"))
        .and_then(|()| output.flush());
    u8::from(written.is_err())
}

/// Writes one line to stderr and nothing to stdout.
pub fn stderr(text: &str) -> u8 {
    eprintln!("{text}");
    0
}
