//! What the names of targets say.

/// The shim with native programs, the reference.
pub const RUNC: &str = "runc";
/// The shim that does nothing: what it takes, no shim can save.
pub const FLOOR: &str = "floor";
/// The old host, with Wasmtime.
pub const RUNWASI: &str = "runwasi";

/// The names of the old host with the same engine: `runwasi` is that with Wasmtime.
#[must_use]
pub fn old_names(name: &str) -> Vec<String> {
    let mut names = vec![format!("old-{name}")];
    names.extend((name == "wasmtime").then(|| RUNWASI.to_owned()));
    names
}

/// Whether a target is there to be compared with.
#[must_use]
pub fn is_old(name: &str) -> bool {
    name == RUNWASI || name.starts_with("old-")
}

/// Whether a target is under test: it is no old host, and neither the reference nor the floor.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    !is_old(name) && ![RUNC, FLOOR].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared_with_is_not_under_test() {
        assert!(is_ours("wasmtime") && is_ours("wasmer"));
        assert!(![RUNC, FLOOR, RUNWASI, "old-wasmer"].into_iter().any(is_ours));
        assert_eq!(old_names("wasmtime"), ["old-wasmtime", RUNWASI]);
        assert_eq!(old_names("wasmer"), ["old-wasmer"]);
    }
}
