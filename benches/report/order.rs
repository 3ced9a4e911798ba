//! In which order targets and engines stand, on the whole page, and what is called how.

use std::collections::BTreeSet;

use shimmer_benches::results::Results;
use shimmer_benches::results::containers::{Containers, Heat, Role, Store};
use shimmer_benches::results::engines::{Engines, NATIVE};
use shimmer_benches::results::target::{FLOOR, RUNC, RUNWASI, is_old, is_ours};

/// All targets: the floor, ours, and what they are compared with.
pub(crate) fn targets(containers: &Containers) -> Vec<&str> {
    let rows = containers.starts.iter().map(|row| &row.target);
    let rows = rows.chain(containers.memory.iter().map(|row| &row.target));
    let rows = rows.chain(containers.throughput.iter().map(|row| &row.target));
    sorted(rows.chain(containers.shims.keys()).map(String::as_str))
}

/// Targets, each once and in order.
pub(crate) fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let unique: BTreeSet<&str> = names.collect();
    let mut names: Vec<&str> = unique.into_iter().collect();
    names.sort_by_key(|name| match *name {
        FLOOR => 0,
        RUNC | NATIVE => 2,
        RUNWASI => 3,
        name if is_old(name) => 4,
        _ => 1,
    });
    names
}

/// The engines that anything was asked of.
pub(crate) fn engines(engines: &Engines) -> Vec<&str> {
    let programs = engines.programs.iter().map(|row| &row.engine);
    let kernels = engines.kernels.iter().map(|row| &row.engine);
    let all = programs.chain(kernels).chain(engines.engines.keys()).map(String::as_str);
    sorted(all.filter(|name| *name != NATIVE))
}

/// Engines and shims that have the same names.
pub(crate) fn candidates(results: &Results) -> Vec<&str> {
    let shims = results.containers.iter().flat_map(targets).filter(|name| is_ours(name));
    sorted(results.engines.iter().flat_map(engines).chain(shims))
}

/// Values, each once, in the order in which they come first.
pub(crate) fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all = Vec::new();
    for value in values {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

pub(crate) fn heat(heat: Heat) -> &'static str {
    match heat {
        Heat::Warm => "warm",
        Heat::Cold => "cold",
    }
}

pub(crate) fn store(store: Store) -> &'static str {
    match store {
        Store::Memory => "memory",
        Store::Disk => "disk",
    }
}

pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Shim => "shim",
        Role::Helper => "helper",
        Role::Guest => "guest",
        Role::Pause => "pause",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_come_between_the_floor_and_what_they_are_compared_with() {
        let names = ["runwasi", "old-wasmer", "wasmtime", "runc", "wasmer", "floor", "wasmer"];
        assert_eq!(
            sorted(names.into_iter()),
            ["floor", "wasmer", "wasmtime", "runc", "runwasi", "old-wasmer"]
        );
        assert_eq!(distinct(["b", "a", "b"].into_iter()), ["b", "a"]);
    }
}
