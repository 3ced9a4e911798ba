//! What is in a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

use crate::outcome::{report, wrong};

const BLOCK: usize = 64 * 1024;
const BLOCKS_PER_MIB: u32 = 16;

pub fn run(words: &[&str]) -> Option<u8> {
    let code = match words {
        ["cwd-read", path] => report(path, fs::read(path).and_then(|content| print(&content))),
        ["environ-file"] => environ(),
        ["write", path, text] => report(path, fs::write(path, text)),
        ["append", path, text] => report(path, append(path, text)),
        ["create-new", path] => report(path, File::create_new(path).map(drop)),
        ["truncate", path, length] => report(path, truncate(path, length.parse().ok()?)),
        ["seek", path, offset, length] => {
            report(path, print_part(path, offset.parse().ok()?, length.parse().ok()?))
        }
        ["big", path, mebibytes] => big(path, mebibytes.parse().ok()?),
        ["fsync", path] => report(path, open(path).and_then(|file| file.sync_all())),
        ["fail-write"] => fail_write(),
        _ => return None,
    };
    Some(code)
}

/// Prints the environment of the process that the guest runs in, one variable a line.
fn environ() -> u8 {
    let path = "/proc/self/environ";
    let print_lines = |mut content: Vec<u8>| {
        content.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b'\n');
        print(&content)
    };
    report(path, fs::read(path).and_then(print_lines))
}

fn append(path: &str, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

fn truncate(path: &str, length: u64) -> io::Result<()> {
    open(path)?.set_len(length)
}

fn print_part(path: &str, offset: u64, length: usize) -> io::Result<()> {
    let mut part = vec![0; length];
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut part)?;
    print(&part)
}

/// Writes a file of this size, reads it back and compares; every block has another content.
fn big(path: &str, mebibytes: u32) -> u8 {
    let blocks = mebibytes * BLOCKS_PER_MIB;
    let written = File::create(path)
        .and_then(|mut file| (0..blocks).try_for_each(|number| file.write_all(&block(number))));
    if let Err(error) = written {
        return report(path, Err(error));
    }
    match first_difference(path, blocks) {
        Ok(None) => {
            println!("ok");
            0
        }
        Ok(Some(number)) => wrong(&format!("{path}: block {number} is not what was written")),
        Err(error) => report(path, Err(error)),
    }
}

fn first_difference(path: &str, blocks: u32) -> io::Result<Option<u32>> {
    let mut file = File::open(path)?;
    let mut content = vec![0; BLOCK];
    for number in 0..blocks {
        file.read_exact(&mut content)?;
        if content != block(number) {
            return Ok(Some(number));
        }
    }
    Ok((file.read(&mut content)? > 0).then_some(blocks))
}

fn block(number: u32) -> Vec<u8> {
    number.to_le_bytes().repeat(BLOCK / 4)
}

/// Writes to a device that is always full, where there is one.
fn fail_write() -> u8 {
    let path = "/dev/full";
    let accepted = || Err(io::Error::new(ErrorKind::Other, "a full device took what was written"));
    report(path, open(path).and_then(|mut file| file.write_all(b"text")).and_then(|()| accepted()))
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

fn print(content: &[u8]) -> io::Result<()> {
    io::stdout().write_all(content)
}
