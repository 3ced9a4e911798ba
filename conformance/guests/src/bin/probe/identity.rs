//! What the guest is told about itself and the world: arguments, environment, time, randomness.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::outcome::report_errno;

pub fn run(words: &[&str]) -> Option<u8> {
    let code = match words {
        ["args", ..] => args(),
        ["env"] => env(),
        ["clock"] => clock(),
        ["now"] => now(),
        ["random"] => random(),
        ["random", bytes] => random_bytes(bytes.parse().ok()?),
        _ => return None,
    };
    Some(code)
}

/// One line `argv[i]=...` for each argument, the name of the program included.
fn args() -> u8 {
    for (i, argument) in std::env::args().enumerate() {
        println!("argv[{i}]={argument}");
    }
    0
}

/// One line `KEY=VALUE` for each variable, sorted.
fn env() -> u8 {
    for (key, value) in std::env::vars().collect::<BTreeMap<_, _>>() {
        println!("{key}={value}");
    }
    0
}

/// The wall clock in seconds since 1970, and whether the monotonic clock moves.
fn clock() -> u8 {
    let started = Instant::now();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    println!("realtime={seconds}");
    while started.elapsed().is_zero() {}
    println!("monotonic=moves");
    0
}

/// The wall clock in nanoseconds since 1970, as early as a program can tell.
fn now() -> u8 {
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    println!("{nanoseconds}");
    0
}

/// 16 hexadecimal digits that differ from run to run: the key of a hash map comes from `random_get`.
fn random() -> u8 {
    println!("{:016x}", RandomState::new().hash_one("shimmer"));
    0
}

/// Bytes of `random_get` itself, two hexadecimal digits each.
fn random_bytes(length: usize) -> u8 {
    let mut bytes = vec![0; length];
    // SAFETY: the buffer has the length that goes with it.
    let filled = unsafe { wasip1::random_get(bytes.as_mut_ptr(), length) };
    if filled.is_ok() {
        let digits = bytes.iter().fold(String::new(), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        println!("{digits}");
    }
    report_errno("random_get", filled)
}
