//! The rules of this repository that neither the compiler nor clippy knows. Each is a function from the tree to what
//! breaks it, in sentences that name the place and what to do.

mod dependencies;
mod engines;
mod excerpts;
mod files;
mod manifest;
mod tree;

use std::path::Path;

use crate::Result;
use crate::tidy::manifest::Manifest;
use crate::tidy::tree::Tree;

/// Checks every rule, and fails with all that is wrong.
pub(crate) fn check(root: &Path) -> Result<()> {
    let breaches = breaches(&Tree::read(root)?)?;
    if breaches.is_empty() {
        return Ok(());
    }
    Err(format!("the tree breaks its rules:\n  {}", breaches.join("\n  ")).into())
}

fn breaches(tree: &Tree) -> Result<Vec<String>> {
    let manifests = Manifest::all(tree)?;
    Ok([
        dependencies::edges(&manifests),
        dependencies::wrappers(&manifests),
        dependencies::lints(&manifests),
        dependencies::lock(tree),
        engines::parts(tree),
        engines::likeness(tree),
        engines::examples(tree),
        engines::mains(tree),
        excerpts::stale(tree),
        files::lengths(tree),
        files::names(tree),
        files::machine_paths(tree),
        files::environment(tree),
    ]
    .concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine;

    #[test]
    fn this_tree_keeps_its_rules() {
        if let Err(error) = check(machine::workspace()) {
            panic!("{error}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let tree = Tree::of(&[("Cargo.toml", ""), ("crates/x/src/util.rs", "let _ = env::var(\"A\");")]);
        let breaches = breaches(&tree).expect("manifests that parse");
        let places = ["Cargo.lock:", "shims/x:", "crates/x/src/util.rs:", "crates/x/src/util.rs:1:"];
        for place in places {
            assert!(breaches.iter().any(|breach| breach.starts_with(place)), "{place} in {breaches:#?}");
        }
    }
}
