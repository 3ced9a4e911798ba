//! What holds for a file by itself: its length, its name, and what its text must not say.

use std::path::Path;

use crate::tidy::tree::Tree;

/// A file that is read at one sitting.
pub(crate) fn lengths(tree: &Tree) -> Vec<String> {
    let long = tree.files().filter(|(path, _)| path.ends_with(".rs")).filter_map(|(path, text)| {
        let lines = text.lines().count();
        (lines > LONGEST)
            .then(|| format!("{path}: {lines} lines, of {LONGEST} at most: split it by what it is about"))
    });
    long.collect()
}

/// A name that says what is inside, once.
pub(crate) fn names(tree: &Tree) -> Vec<String> {
    tree.files().filter(|(path, _)| path.ends_with(".rs")).flat_map(|(path, _)| misnomers(path)).collect()
}

/// A path that exists on one person's machine tells nobody else anything.
pub(crate) fn machine_paths(tree: &Tree) -> Vec<String> {
    let mut breaches = Vec::new();
    for (path, text) in tree.files() {
        for (number, line) in text.lines().enumerate() {
            for folder in ["home", "root", "work"].map(|name| format!("/{name}/")) {
                if starts_a_path(line, &folder) {
                    breaches.push(format!("{path}:{}: {folder} is a path of one machine", number + 1));
                }
            }
        }
    }
    breaches
}

/// The environment is part of the interface: it is read where everybody looks for it.
pub(crate) fn environment(tree: &Tree) -> Vec<String> {
    let mut breaches = Vec::new();
    let elsewhere = |path: &str| !path.starts_with("xtask/") && stem(path) != "environment";
    for (path, text) in tree.sources().filter(|(path, _)| elsewhere(path)) {
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            if READINGS.iter().any(|reading| line.contains(reading)) {
                breaches.push(format!(
                    "{path}:{}: the environment is read in files called environment.rs only",
                    number + 1
                ));
            }
        }
    }
    breaches
}

const LONGEST: usize = 400;
const EMPTY_NAMES: [&str; 7] = ["common", "helper", "helpers", "misc", "shared", "util", "utils"];
const READINGS: [&str; 4] = ["env::var(", "env::var_os(", "env::vars(", "env::vars_os("];

fn misnomers(path: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let modules: Vec<&str> =
        path.trim_end_matches(".rs").split('/').filter(|name| !["mod", "src"].contains(name)).collect();
    for (index, name) in modules.iter().enumerate() {
        if EMPTY_NAMES.contains(name) {
            breaches.push(format!("{path}: {name} says nothing: name it after what is inside"));
        }
        if index > 0 && modules[index - 1] == *name {
            breaches.push(format!("{path}: {name} in {name}: name it after what makes it different"));
        }
    }
    breaches
}

/// Whether a path begins with `folder` here and goes on: the name of the folder alone is true of every machine.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + folder.len()..].chars().next();
        before.is_none_or(|before| !before.is_alphanumeric() && !"._-~/$*})>".contains(before))
            && after.is_some_and(|after| after.is_alphanumeric() || "._-".contains(after))
    })
}

fn stem(path: &str) -> &str {
    Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_400_lines_at_most() {
        for (lines, breaches) in [(400, 0), (401, 1)] {
            let text = "\n".repeat(lines);
            assert_eq!(
                lengths(&Tree::of(&[("a.rs", &text), ("a.md", &text)])).len(),
                breaches,
                "{lines} lines"
            );
        }
    }

    #[test]
    fn refuses_names_that_say_nothing_or_say_it_twice() {
        for path in ["a/src/util.rs", "a/src/common/b.rs", "engine/src/engine.rs", "a/src/b/b.rs"] {
            assert_eq!(names(&Tree::of(&[(path, "")])).len(), 1, "{path}");
        }
        assert!(names(&Tree::of(&[("a/src/b.rs", ""), ("a/src/b/mod.rs", "")])).is_empty());
    }

    #[test]
    fn refuses_paths_of_a_machine_in_any_text() {
        for text in ["cd \"/ro~ot/x\"", "/ho~me/me", "# see /wo~rk/shared"] {
            let text = text.replace('~', "");
            assert_eq!(machine_paths(&Tree::of(&[("README.md", &text)])).len(), 1, "{text}");
        }
        for text in ["target/root/x", "{folder}/home/x", "~/work/x", "/rootfs/x", "$HOME/work/", "\"/home/\""]
        {
            assert!(machine_paths(&Tree::of(&[("README.md", text)])).is_empty(), "{text}");
        }
    }

    #[test]
    fn the_environment_is_read_in_its_place_only() {
        let read = "let path = env::var_os(\"PATH\");";
        for (path, breaches) in [
            ("crates/a/src/b.rs", 1),
            ("crates/a/tests/b.rs", 1),
            ("crates/a/src/environment.rs", 0),
            ("conformance/guests/src/main.rs", 0),
            ("xtask/src/main.rs", 0),
        ] {
            assert_eq!(environment(&Tree::of(&[(path, read)])).len(), breaches, "{path}");
        }
        assert!(environment(&Tree::of(&[("crates/a/src/b.rs", "// never env::var(\"A\")")])).is_empty());
    }
}
