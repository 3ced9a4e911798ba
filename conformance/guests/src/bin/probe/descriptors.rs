//! Which descriptors a guest has, and whether they are what they seem.

use std::io::{self, IsTerminal};
use std::{fs, iter};

use crate::outcome::report_errno;

const HIGHEST: u32 = 63;

pub fn run(words: &[&str]) -> Option<u8> {
    let code = match words {
        ["fds"] => print_lines((0..=HIGHEST).filter_map(describe)),
        ["proc-fds"] => proc_fds(),
        ["isatty"] => is_a_terminal(),
        ["write-fd", fd, text] => write(fd.parse().ok()?, text),
        _ => return None,
    };
    Some(code)
}

/// A line about one of WASI's descriptors, if it is open.
fn describe(fd: u32) -> Option<String> {
    // SAFETY: asks for no memory but what the binding owns; any number may be asked about.
    let stat = unsafe { wasip1::fd_fdstat_get(fd) }.ok()?;
    let kind = match stat.fs_filetype {
        wasip1::FILETYPE_BLOCK_DEVICE => "block-device",
        wasip1::FILETYPE_CHARACTER_DEVICE => "character-device",
        wasip1::FILETYPE_DIRECTORY => "directory",
        wasip1::FILETYPE_REGULAR_FILE => "regular-file",
        wasip1::FILETYPE_SOCKET_DGRAM | wasip1::FILETYPE_SOCKET_STREAM => "socket",
        _ => "unknown",
    };
    let name = preopened(fd).map(|name| format!(" {name}")).unwrap_or_default();
    Some(format!("fd {fd} {kind}{name}"))
}

/// The name under which the host opened this folder for the guest.
fn preopened(fd: u32) -> Option<String> {
    // SAFETY: as in `describe`.
    let prestat = unsafe { wasip1::fd_prestat_get(fd) }.ok()?;
    if prestat.tag != wasip1::PREOPENTYPE_DIR.raw() {
        return None;
    }
    // SAFETY: the tag says which field of the union is filled.
    let mut name = vec![0; unsafe { prestat.u.dir.pr_name_len }];
    // SAFETY: the buffer has the length that goes with it.
    unsafe { wasip1::fd_prestat_dir_name(fd, name.as_mut_ptr(), name.len()) }.ok()?;
    Some(String::from_utf8_lossy(&name).into_owned())
}

/// What the kernel says about the process that the guest runs in.
fn proc_fds() -> u8 {
    let folder = "/proc/self/fd";
    let Ok(entries) = fs::read_dir(folder) else { return print_lines(iter::once("none".to_owned())) };
    let mut numbers: Vec<u32> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    let line = |number: u32| match fs::read_link(format!("{folder}/{number}")) {
        Ok(target) => Some(format!("{number} -> {}", target.display())),
        // The one that listed the folder is closed by now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("{number} -> {:?}", error.kind())),
    };
    print_lines(numbers.into_iter().filter_map(line))
}

fn is_a_terminal() -> u8 {
    let streams = [
        ("stdin", io::stdin().is_terminal()),
        ("stdout", io::stdout().is_terminal()),
        ("stderr", io::stderr().is_terminal()),
    ];
    let answer = |is: bool| if is { "tty" } else { "not a tty" };
    print_lines(streams.into_iter().map(|(name, is)| format!("{name}: {}", answer(is))))
}

/// Writes without the standard library, which hides that a stream is closed.
fn write(fd: u32, text: &str) -> u8 {
    let vector = [wasip1::Ciovec { buf: text.as_ptr(), buf_len: text.len() }];
    // SAFETY: the vector points to the text, and both outlive the call; any number may be written to.
    let written = unsafe { wasip1::fd_write(fd, &vector) };
    report_errno(&format!("fd {fd}"), written.map(drop))
}

fn print_lines(lines: impl Iterator<Item = String>) -> u8 {
    lines.for_each(|line| println!("{line}"));
    0
}
