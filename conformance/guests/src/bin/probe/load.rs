//! Use of resources that a container may be limited in.

use std::hint::black_box;

use crate::waits::{ready, rest};

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;
const OUT_OF_MEMORY: u8 = 6;

pub fn run(words: &[&str]) -> Option<u8> {
    let code = match words {
        ["alloc", mebibytes] => allocate(mebibytes.parse().ok()?),
        ["hold", mebibytes] => hold(mebibytes.parse().ok()?),
        ["eat"] => eat(),
        _ => return None,
    };
    Some(code)
}

/// Takes memory, then prints `ok`.
fn allocate(mebibytes: usize) -> u8 {
    let taken = take(mebibytes);
    if taken.is_some() {
        println!("ok");
    }
    taken.map_or(OUT_OF_MEMORY, |_| 0)
}

/// Takes memory and keeps it.
fn hold(mebibytes: usize) -> u8 {
    let Some(_taken) = take(mebibytes) else { return OUT_OF_MEMORY };
    ready();
    rest()
}

/// Takes memory until there is none left.
fn eat() -> u8 {
    ready();
    let _taken = take(usize::MAX);
    OUT_OF_MEMORY
}

/// Takes memory MiB by MiB and touches every page of it.
fn take(mebibytes: usize) -> Option<Vec<Vec<u8>>> {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    for done in 0..mebibytes {
        let mut chunk = Vec::new();
        if taken.try_reserve(1).is_err() || chunk.try_reserve_exact(MIB).is_err() {
            eprintln!("probe: memory ran out after {done} MiB");
            return None;
        }
        chunk.resize(MIB, 0);
        chunk.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
        taken.push(chunk);
    }
    black_box(&taken);
    Some(taken)
}
