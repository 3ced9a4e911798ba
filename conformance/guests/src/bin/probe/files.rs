//! What the guest sees of the file system.

use std::fs;
use std::io::{self, Write};

const FAILED: u8 = 5;

/// Prints the content of a file; a relative path is resolved by the runtime.
pub fn read(path: &str) -> u8 {
    report(path, fs::read(path).and_then(|content| io::stdout().write_all(&content)))
}

/// Prints the environment of the process that the guest runs in, one variable a line.
pub fn environ() -> u8 {
    let path = "/proc/self/environ";
    let print = |content: Vec<u8>| {
        let lines: Vec<u8> = content.into_iter().map(|byte| if byte == 0 { b'\n' } else { byte }).collect();
        io::stdout().write_all(&lines)
    };
    report(path, fs::read(path).and_then(print))
}

/// Creates or replaces a file.
pub fn write(path: &str, text: &str) -> u8 {
    report(path, fs::write(path, text))
}

/// Prints the sorted names in a folder, folders with a slash at the end.
pub fn list(folder: &str) -> u8 {
    let names = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| name(&entry?)).collect::<Result<Vec<_>, _>>());
    let print = |mut names: Vec<String>| {
        names.sort();
        names.iter().try_for_each(|name| writeln!(io::stdout(), "{name}"))
    };
    report(folder, names.and_then(print))
}

fn name(entry: &fs::DirEntry) -> io::Result<String> {
    let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
    Ok(format!("{}{slash}", entry.file_name().display()))
}

fn report(path: &str, outcome: io::Result<()>) -> u8 {
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("probe: {path}: {:?}: {error}", error.kind());
            FAILED
        }
    }
}
