//! The files that a configuration imports.
//!
//! As seen with containerd 1.7.24 and 2.1.9: a path with a `*` in it is a pattern, whose files are read in the order of their
//! names, and may be none; any other must be there. A relative one begins at the folder of the file that names it. What is
//! imported wins over what imports it, and a later one over an earlier one. Imports of imported files come last.
//!
//! A drop-in must have the schema of the root. 2.1.9 reads a root's tables in the schema of what was read last: a drop-in of
//! version 2 under a root of version 3 is passed over in silence, and one of version 3 under a root of version 2 makes
//! containerd forget the root's own tables, runc's options among them. 1.7.24 ends with an error for version 3, in a root or
//! in a drop-in. A drop-in without a version is taken for one of the root's.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Node;
use crate::error::{Error, Result};
use crate::tree;

/// The name of a drop-in of ours.
pub(super) const NAME: &str = "50-shimmer.toml";

/// What `config` says that it imports, with `file`'s folder before what is relative.
pub(crate) fn named(config: &Value, file: &Path) -> Result<Vec<PathBuf>> {
    let Some(imports) = config.get("imports") else { return Ok(Vec::new()) };
    let unclear = || Error::refused(format!("imports in {} is no list of paths", file.display()));
    let folder = file.parent().unwrap_or_else(|| Path::new("/"));
    let path = |import: &Value| import.as_str().map(|import| folder.join(import));
    imports.as_array().and_then(|all| all.iter().map(path).collect()).ok_or_else(unclear)
}

/// Where a drop-in of ours would be imported: in the first folder that is there, else the first that is named.
pub(super) fn drop_in(node: &Node<'_>, imports: &[PathBuf]) -> Result<Option<PathBuf>> {
    let fits = |import: &&PathBuf| pattern(import).is_some_and(|(_, names)| matches(names, NAME));
    let places: Vec<PathBuf> =
        imports.iter().filter(fits).map(|import| import.with_file_name(NAME)).collect();
    for place in &places {
        if place.parent().is_some_and(|folder| node.has(folder).unwrap_or(false)) {
            return Ok(Some(place.clone()));
        }
    }
    Ok(places.into_iter().next())
}

/// The files that an import means now, in order, with `also` where it belongs. A pattern that only containerd can follow
/// stays a pattern.
pub(crate) fn files(node: &Node<'_>, import: &Path, also: Option<&Path>) -> Result<Vec<PathBuf>> {
    let Some((folder, names)) = pattern(import) else { return Ok(vec![import.to_owned()]) };
    let mut found = BTreeSet::new();
    for name in node.names(folder)? {
        if name.to_str().is_some_and(|name| matches(names, name)) {
            found.insert(folder.join(name));
        }
    }
    let here = |file: &&Path| {
        file.parent() == Some(folder) && file.file_name().is_some_and(|name| named_so(names, name))
    };
    found.extend(also.filter(here).map(Path::to_owned));
    Ok(found.into_iter().collect())
}

/// The file whose table for `plugin` containerd 1 uses: of all that have one, it is the one that is read last.
pub(super) fn effective(node: &Node<'_>, root: &Path, plugin: &str) -> Result<PathBuf> {
    let mut waiting = VecDeque::from([root.to_owned()]);
    let (mut seen, mut found) = (BTreeSet::new(), root.to_owned());
    while let Some(file) = waiting.pop_front() {
        if seen.len() > MOST || !seen.insert(file.clone()) {
            continue;
        }
        let Some(config) = super::config(node, &file)? else { continue };
        if tree::at(&config, &["plugins", plugin]).is_some() {
            found.clone_from(&file);
        }
        for import in named(&config, &file)? {
            waiting.extend(files(node, &import, None)?);
        }
    }
    Ok(found)
}

/// More files than any node has.
const MOST: usize = 200;

/// The folder and the pattern of names, where only names are open and this can tell which fit.
fn pattern(import: &Path) -> Option<(&Path, &str)> {
    let (folder, names) = (import.parent()?, import.file_name()?.to_str()?);
    let open = |text: &str| text.contains(['*', '?', '[', '\\']);
    (names.contains('*') && !names.contains(['[', '\\']) && !open(folder.to_str()?))
        .then_some((folder, names))
}

fn named_so(names: &str, name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| matches(names, name))
}

/// Whether a name fits: `*` is anything, `?` is one character.
fn matches(names: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (names.chars().collect(), name.chars().collect());
    let (mut at, mut here, mut star) = (0, 0, None);
    while here < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(one) if *one == '?' || *one == name[here] => (at, here) = (at + 1, here + 1),
            _ => {
                let Some((wild, from)) = star else { return false };
                star = Some((wild, from + 1));
                (at, here) = (wild + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_as_a_shell_would_say() {
        for (names, name, fits) in [
            ("*.toml", "50-shimmer.toml", true),
            ("*", "x", true),
            ("5?-*.toml", "50-shimmer.toml", true),
            ("90-*.toml", "50-shimmer.toml", false),
            ("*.conf", "50-shimmer.toml", false),
            ("*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(names, name), fits, "{names} {name}");
        }
    }

    #[test]
    fn only_a_pattern_of_names_is_a_place() {
        assert!(pattern(Path::new("/etc/containerd/conf.d/*.toml")).is_some());
        for other in ["/etc/containerd/extra.toml", "/etc/*/conf.d/*.toml", "/etc/[ab]*.toml", "/"] {
            assert!(pattern(Path::new(other)).is_none(), "{other}");
        }
    }
}
