//! Log files of containers in CRI's format: `<time> <stdout|stderr> <P|F> <text>` in each line.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::SystemTime;

use prost_types::Timestamp;

use crate::error::{Error, Result};

/// All that a container has written, by stream.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Log {
    /// What it wrote to stdout; with a terminal, everything. containerd drops a carriage return at a line's end.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
    /// When containerd read the first of it.
    pub first: Option<SystemTime>,
}

impl Log {
    /// Reads a log file. There is none before the container was started.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        };
        let log = text.and_then(|text| Self::parse(&text));
        log.map_err(|error| Error::io(format!("read the log {}", path.display()), error))
    }

    /// Whether nobody writes to a log file any more. containerd says that a container has ended when what that wrote has
    /// been read, and closes the file when that has been written; nothing orders the two.
    pub(super) fn is_whole(path: &Path) -> Result<bool> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            file => file.map_err(|error| Error::io(format!("open the log {}", path.display()), error))?,
        };
        // SAFETY: plain system calls on a descriptor that outlives them; they take integers. The lease ends with the
        // descriptor. Should somebody open the file to write until then, the kernel sends SIGURG, which nobody notices.
        let lease = unsafe {
            libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG);
            libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK)
        };
        // Only a writer is a reason to wait: where there are no leases, nobody knows.
        Ok(lease == 0 || io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock)
    }

    /// Whether `text` is in either stream.
    pub fn contains(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let is_in = |stream: &[u8]| text.is_empty() || stream.windows(text.len()).any(|part| part == text);
        is_in(&self.stdout) || is_in(&self.stderr)
    }

    /// A last line without its end is still being written, and not yet there.
    fn parse(text: &[u8]) -> io::Result<Self> {
        let mut log = Self::default();
        let lines = text.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
        for (number, line) in lines.enumerate() {
            let line = Line::parse(line).ok_or_else(|| {
                let line = String::from_utf8_lossy(line);
                let message = format!("line {} is not in CRI's format: {line:?}", number + 1);
                io::Error::new(io::ErrorKind::InvalidData, message)
            })?;
            log.first.get_or_insert(line.time);
            let stream = if line.is_stderr { &mut log.stderr } else { &mut log.stdout };
            stream.extend(line.text);
            if !line.is_partial {
                stream.push(b'\n');
            }
        }
        Ok(log)
    }
}

/// Of Linux' `asm-generic/fcntl.h`; the crate `libc` has it for other systems only.
const F_SETSIG: libc::c_int = 10;

impl fmt::Display for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stdout, stderr) = (String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr));
        write!(formatter, "stdout: {stdout:?}, stderr: {stderr:?}")
    }
}

struct Line<'a> {
    time: SystemTime,
    is_stderr: bool,
    /// The program has not ended its line here.
    is_partial: bool,
    text: &'a [u8],
}

impl<'a> Line<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(4, |byte| *byte == b' ');
        let (time, stream, tags) = (fields.next()?, fields.next()?, fields.next()?);
        let text = fields.next()?;
        let is_stderr = match stream {
            b"stdout" => false,
            b"stderr" => true,
            _ => return None,
        };
        // More tags may follow in future versions of the format.
        let is_partial = match tags.split(|byte| *byte == b':').next()? {
            b"F" => false,
            b"P" => true,
            _ => return None,
        };
        Some(Self { time: parse_time(time)?, is_stderr, is_partial, text })
    }
}

/// RFC 3339 with a time zone, as in `2026-01-02T03:04:05.678Z`.
fn parse_time(field: &[u8]) -> Option<SystemTime> {
    // The parser also takes a date alone, or another letter between date and time.
    let time: Timestamp = std::str::from_utf8(field).ok().filter(|_| has_a_time(field))?.parse().ok()?;
    time.try_into().ok()
}

fn has_a_time(field: &[u8]) -> bool {
    const PATTERN: &[u8] = b"0000-00-00T00:00:00";
    let fits = |(byte, pattern): (&u8, &u8)| {
        if *pattern == b'0' { byte.is_ascii_digit() } else { byte == pattern }
    };
    field.len() > PATTERN.len() && field.iter().zip(PATTERN).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-01-02T03:04:05.678901234Z";

    #[test]
    fn is_whole_when_nobody_writes_to_it_any_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("0.log");
        assert!(Log::is_whole(&path).expect("a look"), "nobody has begun");
        let writer = File::create(&path).expect("a file");
        assert!(!Log::is_whole(&path).expect("a look"));
        drop(writer);
        assert!(Log::is_whole(&path).expect("a look"));
    }

    fn parse(lines: &[&str]) -> io::Result<Log> {
        Log::parse(lines.iter().map(|line| format!("{TIME} {line}")).collect::<String>().as_bytes())
    }

    #[test]
    fn knows_when_the_first_line_was_read() {
        let log = Log::parse(b"2026-01-02T03:04:05.5Z stdout F a\n2026-01-02T04:04:07+01:00 stdout F b\n");
        let first =
            log.expect("a log").first.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        assert_eq!(first.map(|time| time.as_millis()), Some(1_767_323_045_500));
        assert_eq!(Log::parse(b"").expect("an empty log").first, None);
    }

    #[test]
    fn a_date_is_no_time() {
        for time in ["2026-01-02", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05"] {
            let line = format!("{time} stdout F a\n");
            Log::parse(line.as_bytes()).expect_err(time);
        }
    }

    #[test]
    fn splits_the_streams() {
        let log = parse(&["stdout F out\n", "stderr F err\n", "stdout F \n", "stdout F  more \n"]);
        let log = log.expect("a log");
        assert_eq!((log.stdout.as_slice(), log.stderr.as_slice()), (&b"out\n\n more \n"[..], &b"err\n"[..]));
    }

    #[test]
    fn joins_the_parts_of_a_line_across_the_other_stream() {
        let log = parse(&["stdout P one \n", "stderr F x\n", "stdout P two\n", "stdout F  three\n"]);
        assert_eq!(log.expect("a log").stdout, b"one two three\n");
    }

    #[test]
    fn adds_no_end_to_a_last_line_without_one() {
        assert_eq!(parse(&["stdout P no end\n"]).expect("a log").stdout, b"no end");
    }

    #[test]
    fn leaves_out_what_is_still_being_written() {
        let log = parse(&["stdout F whole\n", "stdout F ha"]).expect("a log");
        assert_eq!(log.stdout, b"whole\n");
        assert_eq!(parse(&["std"]).expect("a log"), Log::default());
    }

    #[test]
    fn keeps_bytes_that_are_no_text() {
        let line = [TIME.as_bytes(), b" stderr F:new \xff\x00 \r\n"].concat();
        assert_eq!(Log::parse(&line).expect("a log").stderr, b"\xff\x00 \r\n");
    }

    #[test]
    fn refuses_another_format_and_says_where() {
        for line in ["stdin F x\n", "stdout X x\n", "stdout F\n", "stdout\n", "\n"] {
            let error = parse(&["stdout F good\n", line]).expect_err(line);
            assert!(error.to_string().starts_with("line 2 "), "{line:?}: {error}");
        }
        Log::parse(b"yesterday stdout F x\n").expect_err("that is no time");
    }

    #[test]
    fn finds_text_in_either_stream() {
        let log = Log { stdout: b"out".into(), stderr: b"err".into(), first: None };
        let found = ["ut", "er", "", "outerr"].map(|text| log.contains(text));
        assert_eq!(found, [true, true, true, false]);
    }
}
