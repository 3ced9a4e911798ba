//! `checksum FILE...` prints SHA-256 sums; `checksum --check LIST` verifies the files that such a list names.
//!
//! `CHECKSUM_QUIET=1` leaves out the lines that say OK. Exit codes: 0 all good, 1 a file differs, 2 wrong
//! usage, 3 a file is missing or cannot be read.

use std::fs::File;
use std::io::{self, Read};
use std::process::ExitCode;
use std::{env, fs};

use compute::sha256::{Digest, Sha256};

const DIFFERS: u8 = 1;
const USAGE: u8 = 2;
const MISSING: u8 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let code = match arguments.as_slice() {
        ["--check", list] => check(list),
        [] | ["--check", ..] => usage("checksum FILE... | checksum --check LIST"),
        files => sum(files),
    };
    ExitCode::from(code)
}

fn sum(files: &[&str]) -> u8 {
    let mut code = 0;
    for path in files {
        match digest(path) {
            Ok(digest) => println!("{digest}  {path}"),
            Err(error) => {
                eprintln!("checksum: {path}: {error}");
                code = MISSING;
            }
        }
    }
    code
}

fn check(list: &str) -> u8 {
    let text = match fs::read_to_string(list) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("checksum: {list}: {error}");
            return MISSING;
        }
    };
    let Some(entries) = text.lines().map(|line| line.split_once("  ")).collect::<Option<Vec<_>>>() else {
        return usage(&format!("{list} must hold lines of the form \"DIGEST  PATH\""));
    };
    let quiet = env::var("CHECKSUM_QUIET").is_ok_and(|value| value == "1");
    entries.into_iter().map(|(expected, path)| verify(path, expected, quiet)).max().unwrap_or(0)
}

fn verify(path: &str, expected: &str, quiet: bool) -> u8 {
    let (verdict, code) = match digest(path) {
        Ok(digest) if digest.to_string() == expected => ("OK", 0),
        Ok(_) => ("FAILED", DIFFERS),
        Err(_) => ("MISSING", MISSING),
    };
    if code != 0 || !quiet {
        println!("{path}: {verdict}");
    }
    code
}

fn digest(path: &str) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut hash = Sha256::default();
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finish()),
            length => hash.update(&buffer[..length]),
        }
    }
}

fn usage(message: &str) -> u8 {
    eprintln!("checksum: {message}");
    USAGE
}
