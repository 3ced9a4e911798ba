//! The names in a file system, and what stands behind them.

use std::ffi::{CString, c_char, c_int};
use std::fs::{self, FileType, OpenOptions};
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::outcome::{report, wrong};

pub fn run(words: &[&str]) -> Option<u8> {
    let code = match words {
        ["list", folder] => list(folder),
        ["mkdir", path] => report(path, fs::create_dir(path)),
        ["rmdir", path] => report(path, fs::remove_dir(path)),
        ["remove", path] => report(path, fs::remove_file(path)),
        ["rename", from, to] => report(from, fs::rename(from, to)),
        ["symlink", target, link] => report(target, symlink(target, link)),
        ["readlink", path] => report(path, fs::read_link(path).and_then(|target| say(target.display()))),
        ["stat", path] => report(path, fs::symlink_metadata(path).and_then(|found| say(describe(&found)))),
        ["times", path] => times(path),
        _ => return None,
    };
    Some(code)
}

/// Prints the sorted names in a folder, folders with a slash at the end.
fn list(folder: &str) -> u8 {
    let names = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| name(&entry?)).collect::<Result<Vec<_>, _>>());
    let print = |mut names: Vec<String>| {
        names.sort();
        names.iter().try_for_each(say)
    };
    report(folder, names.and_then(print))
}

fn name(entry: &fs::DirEntry) -> io::Result<String> {
    let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
    Ok(format!("{}{slash}", entry.file_name().display()))
}

/// Goes through the C library, since the standard library has no stable way to make a link here.
fn symlink(target: &str, link: &str) -> io::Result<()> {
    let (target, link) = (CString::new(target)?, CString::new(link)?);
    // SAFETY: the signature is that of POSIX, which wasi-libc provides; both strings end with a zero and
    // outlive the call.
    match unsafe { c::symlink(target.as_ptr(), link.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn describe(found: &fs::Metadata) -> String {
    let kinds: [(fn(&FileType) -> bool, &str); 2] =
        [(FileType::is_dir, "dir"), (FileType::is_symlink, "symlink")];
    let kind = kinds.iter().find(|(is, _)| is(&found.file_type())).map(|(_, kind)| (*kind).to_owned());
    kind.unwrap_or_else(|| if found.is_file() { format!("file {}", found.len()) } else { "other".to_owned() })
}

/// Sets the time of the last change to a round number and compares what a new look at the file says.
fn times(path: &str) -> u8 {
    let wanted = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    match change_time(path, wanted) {
        Ok(found) if found == wanted => report(path, say("ok")),
        Ok(found) => wrong(&format!("{path}: the time is {found:?} and not {wanted:?}")),
        Err(error) => report(path, Err(error)),
    }
}

fn change_time(path: &str, wanted: SystemTime) -> io::Result<SystemTime> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_modified(wanted)?;
    drop(file);
    fs::metadata(path)?.modified()
}

fn say(line: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

mod c {
    use super::{c_char, c_int};

    unsafe extern "C" {
        pub fn symlink(target: *const c_char, link: *const c_char) -> c_int;
    }
}
