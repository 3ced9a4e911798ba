//! Programs that a task runs, and what is said when they fail.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use crate::Result;

/// Runs a program whose output is for the person in front of it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed: {status}", describe(command)).into()) }
}

/// Like [`run`], for a program whose exit status is an answer.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    Ok(command.status().map_err(|error| cannot_run(command, &error))?)
}

/// Like [`run`], for a program whose exit code is to be ours.
pub(crate) fn exit_code(command: &mut Command) -> Result<ExitCode> {
    let status = status(command)?;
    // A program that a signal ended has no exit code, and its end is no success.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Runs a program and keeps what it says, on stdout and stderr, to itself: a terminal shows the line it is at, and an
/// error holds the last lines.
pub(crate) fn run_quietly(mut command: Command) -> Result<()> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().map_err(|error| cannot_run(&command, &error))?;
    let title = describe(&command);
    // The command holds the writing end of the pipe: the reader would never see its end.
    drop(command);
    let progress = Progress::new();
    let mut tail = VecDeque::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        progress.show(&line);
        tail.push_back(line);
        if tail.len() > TAIL {
            tail.pop_front();
        }
    }
    progress.clear();
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(failure(&title, status, tail.make_contiguous()).into()) }
}

/// What a program prints on stdout.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| cannot_run(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<String> = said.lines().map(str::to_owned).collect();
    let tail = &lines[lines.len().saturating_sub(TAIL)..];
    Err(failure(&describe(command), output.status, tail).into())
}

/// The command as somebody would type it who has its program in PATH.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    for argument in command.get_args() {
        let _ = write!(words, " {}", argument.to_string_lossy());
    }
    words
}

/// How many lines of a failed program are shown.
const TAIL: usize = 20;

fn failure(title: &str, status: ExitStatus, tail: &[String]) -> String {
    let mut message = format!("`{title}` failed: {status}");
    for line in tail {
        let _ = write!(message, "\n    {line}");
    }
    message
}

fn cannot_run(command: &Command, error: &io::Error) -> String {
    format!("cannot run `{}`: {error}", command.get_program().to_string_lossy())
}

/// One line on a terminal that is overwritten by the next; nothing anywhere else.
struct Progress {
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self { shown: io::stdout().is_terminal() }
    }

    fn show(&self, line: &str) {
        if self.shown {
            let line: String = line.chars().take(76).collect();
            print!("\r\x1b[K  {line}");
            let _ = io::stdout().flush();
        }
    }

    fn clear(&self) {
        if self.shown {
            print!("\r\x1b[K");
            let _ = io::stdout().flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_last_lines_of_both_streams() {
        let mut command = Command::new("sh");
        command.args(["-c", "seq 1 100; echo the cause >&2; exit 3"]);
        let message = run_quietly(command).expect_err("it exits 3").to_string();
        assert!(message.contains("exit status: 3"), "{message}");
        assert!(message.ends_with("\n    100\n    the cause"), "{message}");
        assert!(!message.contains("\n    10\n"), "only the tail: {message}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let message = run_quietly(Command::new("no-such-program")).expect_err("it is absent").to_string();
        assert!(message.starts_with("cannot run `no-such-program`: "), "{message}");
    }
}
