//! What the guest is told about itself and the world: arguments, environment, time, randomness.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One line `argv[i]=...` for each argument, the name of the program included.
pub fn args() -> u8 {
    for (i, argument) in std::env::args().enumerate() {
        println!("argv[{i}]={argument}");
    }
    0
}

/// One line `KEY=VALUE` for each variable, sorted.
pub fn env() -> u8 {
    for (key, value) in std::env::vars().collect::<BTreeMap<_, _>>() {
        println!("{key}={value}");
    }
    0
}

/// The wall clock in seconds since 1970, and whether the monotonic clock moves.
pub fn clock() -> u8 {
    let started = Instant::now();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    println!("realtime={seconds}");
    while started.elapsed().is_zero() {}
    println!("monotonic=moves");
    0
}

/// 16 hexadecimal digits that differ from run to run: the key of a hash map comes from `random_get`.
pub fn random() -> u8 {
    println!("{:016x}", RandomState::new().hash_one("shimmer"));
    0
}
