//! Use of resources that a container may be limited in.

use std::hint::black_box;

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;
const OUT_OF_MEMORY: u8 = 6;

/// Takes memory MiB by MiB and touches every page of it, then prints `ok`.
pub fn allocate(mebibytes: usize) -> u8 {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    for done in 0..mebibytes {
        let mut chunk = Vec::new();
        if taken.try_reserve(1).is_err() || chunk.try_reserve_exact(MIB).is_err() {
            eprintln!("probe: memory ran out after {done} MiB");
            return OUT_OF_MEMORY;
        }
        chunk.resize(MIB, 0);
        chunk.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
        taken.push(chunk);
    }
    black_box(&taken);
    println!("ok");
    0
}
