//! An engine is one crate, one shim and one entry in the chart, and all engines are built alike.

use std::collections::BTreeSet;

use crate::tidy::tree::Tree;

/// Whether a folder of crates/ is a part of Shimmer itself; any other is an engine.
pub(crate) fn is_core(name: &str) -> bool {
    [
        "cache",
        "cgroup",
        "cluster",
        "container",
        "demo",
        "engine",
        "image",
        "installer",
        "node",
        "oci",
        "runwasi",
        "shim",
        "telemetry",
    ]
    .contains(&name)
}

/// Every engine has all its parts.
pub(crate) fn parts(tree: &Tree) -> Vec<String> {
    let mut breaches = Vec::new();
    for engine in engines(tree) {
        if tree.text(&format!("crates/{engine}/Cargo.toml")).is_none() {
            breaches.push(format!("crates/{engine}: the engine {engine} has no backend"));
        }
        if tree.text(&format!("shims/{engine}/Cargo.toml")).is_none() {
            breaches.push(format!("shims/{engine}: the engine {engine} has no shim"));
        }
        let names = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == engine);
        if tree.text(VALUES).is_some_and(|values| !values.lines().any(|line| names(without_comment(line)))) {
            breaches.push(format!("{VALUES}: the engine {engine} has no entry"));
        }
        // Which engines there are is said by the values alone, so that a new one changes no template.
        let templates = tree.files().filter(|(path, text)| path.starts_with(TEMPLATES) && names(text));
        breaches.extend(templates.map(|(path, _)| format!("{path}: it names the engine {engine}")));
    }
    breaches
}

/// Who knows one backend knows all: the same files, apart from what only one engine can do, and the same exports.
pub(crate) fn likeness(tree: &Tree) -> Vec<String> {
    let mut engines = engines(tree);
    engines.retain(|engine| tree.text(&format!("crates/{engine}/src/lib.rs")).is_some());
    [odd_files(tree, &engines), stale_extras(tree, &engines), odd_exports(tree, &engines)].concat()
}

/// An example is read to learn what a backend consists of, so it has every file that all of them have.
pub(crate) fn examples(tree: &Tree) -> Vec<String> {
    let backends: Vec<BTreeSet<&str>> = tree
        .folders("crates")
        .into_iter()
        .filter(|name| !is_core(name))
        .map(|engine| tree.below(&format!("crates/{engine}/src")))
        .collect();
    let Some(first) = backends.first() else { return Vec::new() };
    let shared = first.iter().filter(|file| backends.iter().all(|files| files.contains(*file)));
    let mut breaches = Vec::new();
    for file in shared {
        for example in programs(tree).filter(|example| is_engine(example)) {
            let path = format!("examples/{example}/src/{file}");
            if tree.text(&path).is_none() {
                breaches.push(format!("{path}: it is missing, and every backend has it"));
            }
        }
    }
    breaches
}

/// A shim is two programs: the one that containerd executes, which no engine is linked into, and the engine's own. What
/// they do is in crates/shim and crates/container.
pub(crate) fn mains(tree: &Tree) -> Vec<String> {
    let shims = tree.folders("shims").into_iter().map(|engine| (format!("shims/{engine}"), engine));
    let examples = programs(tree).map(|engine| (format!("examples/{engine}"), engine));
    let mut breaches = Vec::new();
    for (folder, engine) in shims.chain(examples) {
        let main = format!("{folder}/src/main.rs");
        breaches.extend(long(tree, &main, "crates/shim"));
        if !is_engine(engine) {
            continue;
        }
        let linked = [format!("shimmer_{engine}"), "shimmer_container".to_owned()];
        let program = format!("{folder}/src/bin/shimmer-{engine}.rs");
        if let Some(linked) =
            linked.iter().find(|name| tree.text(&main).is_some_and(|text| text.contains(*name)))
        {
            breaches.push(format!("{main}: {linked} belongs into {program}, which alone may link an engine"));
        }
        breaches.extend(long(tree, &program, "crates/container"));
    }
    breaches
}

const VALUES: &str = "charts/shimmer/values.yaml";
const TEMPLATES: &str = "charts/shimmer/templates/";
const LONGEST: usize = 15;
const HERE: &str = "xtask/src/tidy/engines.rs";

/// The folders of examples/ that are programs; `kubernetes` has manifests.
fn programs(tree: &Tree) -> impl Iterator<Item = &str> {
    tree.folders("examples").into_iter().filter(|example| *example != "kubernetes")
}

/// Whether a folder of examples/ or shims/ is an engine's; `runwasi` is another host.
fn is_engine(name: &str) -> bool {
    name != "runwasi"
}

fn long(tree: &Tree, main: &str, home: &str) -> Option<String> {
    let Some(text) = tree.text(main) else {
        return Some(format!("{main}: it is missing, and every shim has it"));
    };
    let lines = text.lines().count();
    (lines > LONGEST)
        .then(|| format!("{main}: {lines} lines, of {LONGEST} at most: the rest belongs into {home}"))
}

/// The files that only one engine needs.
fn extras(engine: &str) -> &'static [&'static str] {
    match engine {
        "wasmedge" => &["jit.rs", "wait.rs"],
        "wasmer" => &["files.rs"],
        "wasmtime" => &["component.rs", "http.rs"],
        _ => &[],
    }
}

fn engines(tree: &Tree) -> BTreeSet<&str> {
    let crates = tree.folders("crates").into_iter().filter(|name| !is_core(name));
    crates.chain(tree.folders("shims")).collect()
}

/// The majority is right about what a backend consists of.
fn odd_files(tree: &Tree, engines: &BTreeSet<&str>) -> Vec<String> {
    let files = |engine: &str| {
        let mut files = tree.below(&format!("crates/{engine}/src"));
        files.retain(|file| !extras(engine).contains(file));
        files
    };
    let all: BTreeSet<&str> = engines.iter().flat_map(|engine| files(engine)).collect();
    let mut breaches = Vec::new();
    for file in all {
        let (with, without): (Vec<&str>, Vec<&str>) =
            engines.iter().partition(|engine| files(engine).contains(file));
        let (odd, why) = if with.len() > without.len() {
            (without, "it is missing, and most backends have it".to_owned())
        } else {
            (with, format!("most backends do not have it; if this one must, say so in {HERE}"))
        };
        breaches.extend(odd.iter().map(|engine| format!("crates/{engine}/src/{file}: {why}")));
    }
    breaches
}

fn stale_extras(tree: &Tree, engines: &BTreeSet<&str>) -> Vec<String> {
    let extras = engines
        .iter()
        .flat_map(|engine| extras(engine).iter().map(move |file| format!("crates/{engine}/src/{file}")));
    let gone = extras.filter(|path| tree.text(path).is_none());
    gone.map(|path| format!("{path}: it is gone, and still declared in {HERE}")).collect()
}

fn odd_exports(tree: &Tree, engines: &BTreeSet<&str>) -> Vec<String> {
    let Some(first) = engines.first() else { return Vec::new() };
    let expected = exports(tree, first);
    let odd = engines.iter().filter(|engine| exports(tree, engine) != expected);
    odd.map(|engine| {
        let own = exports(tree, engine);
        format!("crates/{engine}/src/lib.rs: it exports {own:?}, where {first} exports {expected:?}")
    })
    .collect()
}

/// The public lines of a backend's lib.rs, in which each engine's own name stands for any.
fn exports(tree: &Tree, engine: &str) -> Vec<String> {
    let library = tree.text(&format!("crates/{engine}/src/lib.rs")).unwrap_or_default();
    let public = library.lines().filter(|line| line.starts_with("pub "));
    public.map(|line| replace_ignoring_case(line, engine, "<engine>")).collect()
}

fn replace_ignoring_case(line: &str, name: &str, other: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let mut replaced = String::new();
    let mut rest = 0;
    for (at, found) in lower.match_indices(name) {
        replaced.push_str(&line[rest..at]);
        replaced.push_str(other);
        rest = at + found.len();
    }
    replaced + &line[rest..]
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(files: &[(&str, &str)]) -> Vec<String> {
        let fast = [
            ("crates/fast/Cargo.toml", ""),
            ("crates/fast/src/engine.rs", ""),
            ("crates/fast/src/lib.rs", "mod engine;\npub use engine::FaSt;\n"),
            ("shims/fast/Cargo.toml", ""),
        ];
        let tree = Tree::of(&[&fast, files].concat());
        [parts(&tree), likeness(&tree)].concat()
    }

    fn slow(library: &'static str, file: &'static str) -> Vec<(&'static str, &'static str)> {
        vec![
            ("crates/slow/Cargo.toml", ""),
            ("shims/slow/Cargo.toml", ""),
            ("crates/slow/src/lib.rs", library),
            (file, ""),
        ]
    }

    #[test]
    fn engines_that_are_alike_pass() {
        assert_eq!(with(&slow("//! Slow.\npub use engine::Slow;", "crates/slow/src/engine.rs")), [""; 0]);
    }

    #[test]
    fn names_the_missing_part_of_an_engine() {
        let values = "# fast and slow\nshims:\n  - name: fast\n  - name: slower\n";
        let breaches = with(&[("shims/slow/src/main.rs", ""), (VALUES, values)]);
        assert_eq!(breaches.len(), 3, "{breaches:?}");
        for (breach, place) in breaches.iter().zip(["crates/slow:", "shims/slow:", VALUES]) {
            assert!(breach.starts_with(place), "{breach}");
        }
    }

    #[test]
    fn no_template_of_the_chart_names_an_engine() {
        let values = (VALUES, "shims:\n  - name: fast\n");
        for (text, breaches) in [("{{ range .Values.shims }} faster", 0), ("{{/* fast */}}", 1)] {
            let found = with(&[values, ("charts/shimmer/templates/a/b.yaml", text)]);
            assert_eq!(found.len(), breaches, "{found:?}");
        }
    }

    #[test]
    fn names_the_file_and_the_export_by_which_backends_differ() {
        let breaches = with(&slow("pub use engine::Other;", "crates/slow/src/other.rs"));
        assert_eq!(breaches.len(), 3, "{breaches:?}");
        let places = ["crates/fast/src/engine.rs:", "crates/slow/src/other.rs:", "crates/slow/src/lib.rs:"];
        for (breach, place) in breaches.iter().zip(places) {
            assert!(breach.starts_with(place), "{breach}");
        }
    }

    #[test]
    fn an_example_has_the_files_of_every_backend_and_may_have_more() {
        let tree = Tree::of(&[
            ("crates/engine/src/fake.rs", ""),
            ("crates/fast/src/exit.rs", ""),
            ("crates/fast/src/http.rs", ""),
            ("crates/fast/src/wasi.rs", ""),
            ("crates/slow/src/exit.rs", ""),
            ("crates/slow/src/wasi.rs", ""),
            ("examples/kubernetes/hello.yaml", ""),
            ("examples/runwasi/src/main.rs", ""),
            ("examples/small/src/main.rs", ""),
            ("examples/small/src/wasi.rs", ""),
        ]);
        let breaches = examples(&tree);
        assert_eq!(breaches.len(), 1, "{breaches:?}");
        assert!(breaches[0].starts_with("examples/small/src/exit.rs: "), "{breaches:?}");
    }

    #[test]
    fn a_shim_is_two_programs() {
        for folder in ["shims/x", "examples/x"] {
            let [main, program] = ["main.rs", "bin/shimmer-x.rs"].map(|file| format!("{folder}/src/{file}"));
            assert_eq!(mains(&Tree::of(&[(&main, ""), (&program, "")])), [""; 0]);
            for (present, missing) in [(&main, &program), (&program, &main)] {
                let breaches = mains(&Tree::of(&[(present, "")]));
                assert_eq!(breaches, [format!("{missing}: it is missing, and every shim has it")]);
            }
        }
        let others =
            [("examples/runwasi/src/main.rs", "shimmer_wasmtime"), ("examples/kubernetes/hello.yaml", "")];
        assert_eq!(mains(&Tree::of(&others)), [""; 0]);
    }

    #[test]
    fn no_engine_is_linked_into_what_containerd_executes() {
        let program = ("shims/x/src/bin/shimmer-x.rs", "shimmer_container::main::<shimmer_x::X>()");
        for (text, breaches) in [("shimmer_shim::main(\"x\")", 0), (program.1, 1)] {
            let tree = Tree::of(&[("shims/x/src/main.rs", text), program]);
            assert_eq!(mains(&tree).len(), breaches, "{text}");
        }
    }

    #[test]
    fn a_main_is_15_lines_at_most() {
        let text = |lines| "\n".repeat(lines);
        for (main, program, breaches) in [(15, 15, 0), (16, 15, 1), (15, 16, 1), (16, 16, 2)] {
            for folder in ["shims/x", "examples/x"] {
                let files = [("main.rs", text(main)), ("bin/shimmer-x.rs", text(program))];
                let files = files.map(|(file, text)| (format!("{folder}/src/{file}"), text));
                let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
                assert_eq!(
                    mains(&Tree::of(&files)).len(),
                    breaches,
                    "{main} and {program} lines in {folder}"
                );
            }
        }
    }
}
