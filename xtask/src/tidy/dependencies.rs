//! Who may depend on whom: the arrows of docs/architecture.md, and the one place of each foreign crate that matters.

use crate::tidy::engines::is_core;
use crate::tidy::manifest::Manifest;
use crate::tidy::tree::Tree;

/// Between our own packages there is no arrow that the architecture does not draw.
pub(crate) fn edges(manifests: &[Manifest]) -> Vec<String> {
    let mut breaches = Vec::new();
    for manifest in manifests {
        let (always, tests) = allowed(&manifest.folder);
        for dependency in &manifest.dependencies {
            let Some(target) = manifests.iter().find(|target| target.name == dependency.name) else {
                continue;
            };
            let is_in = |folders: &[String]| folders.contains(&target.folder);
            let for_tests = dependency.dev && (is_in(&tests) || target.folder == manifest.folder);
            if !is_in(&always) && !for_tests {
                let folders = if always.is_empty() { "none of ours".to_owned() } else { always.join(", ") };
                breaches.push(format!(
                    "{}/Cargo.toml: {} is not among what it may depend on ({folders}): see docs/architecture.md",
                    manifest.folder, dependency.name
                ));
            }
        }
    }
    breaches
}

/// Engines, containerd's protocol and client, the shim library and what makes containers are known to few packages.
pub(crate) fn wrappers(manifests: &[Manifest]) -> Vec<String> {
    let mut breaches = Vec::new();
    for manifest in manifests {
        for dependency in &manifest.dependencies {
            let foreign = !manifests.iter().any(|target| target.name == dependency.name);
            let wrappers = wrappers_of(manifests, &dependency.name);
            if foreign && !wrappers.is_empty() && !wrappers.contains(&&*manifest.folder) {
                breaches.push(format!(
                    "{}/Cargo.toml: only {} may depend on {}",
                    manifest.folder,
                    wrappers.join(" and "),
                    dependency.name
                ));
            }
        }
    }
    breaches
}

/// A package that does not say so has none of the workspace's lints.
pub(crate) fn lints(manifests: &[Manifest]) -> Vec<String> {
    let without = manifests.iter().filter(|manifest| !manifest.has_workspace_lints);
    without
        .map(|manifest| format!("{}/Cargo.toml: add `[lints]` with `workspace = true`", manifest.folder))
        .collect()
}

/// Everybody builds the same versions.
pub(crate) fn lock(tree: &Tree) -> Vec<String> {
    let missing = tree.text("Cargo.lock").is_none();
    missing.then(|| "Cargo.lock: it is missing, and belongs into the commit".to_owned()).into_iter().collect()
}

/// By what a foreign crate's name begins, and who may depend on it; the first of them counts.
const WRAPPERS: [(&str, &[&str]); 11] = [
    ("bollard", &["crates/node"]),
    ("containerd-client", &["crates/node", "crates/shim"]),
    ("containerd-shim-protos", &["benches", "crates/shim"]),
    ("containerd-shim", &["crates/runwasi"]),
    ("k8s-openapi", &["conformance", "crates/installer", "crates/node"]),
    ("kube", &["conformance", "crates/installer", "crates/node"]),
    ("libcgroups", &["crates/container"]),
    ("libcontainer", &["crates/container"]),
    ("wasmedge", &["crates/wasmedge"]),
    ("wasmer", &["crates/wasmer"]),
    ("wasmtime", &["crates/wasmtime"]),
];

/// The folders that may depend on a foreign crate, if not all may: listed ones, or the example that is called like it.
fn wrappers_of<'a>(manifests: &'a [Manifest], name: &str) -> Vec<&'a str> {
    if let Some((_, folders)) = WRAPPERS.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return folders.to_vec();
    }
    let examples = manifests.iter().map(|manifest| manifest.folder.as_str());
    let mut examples = examples.filter_map(|folder| Some((folder, folder.strip_prefix("examples/")?)));
    let is_of = |engine: &str| {
        name.strip_prefix(engine).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
    };
    examples.find(|(_, engine)| is_of(engine)).map(|(folder, _)| folder).into_iter().collect()
}

/// The folders that a package may depend on, always and in its tests.
fn allowed(folder: &str) -> (Vec<String>, Vec<String>) {
    let crates = |names: &[&str]| names.iter().map(|name| format!("crates/{name}")).collect::<Vec<_>>();
    let engine = || crates(&["engine"]);
    match folder.split_once('/') {
        Some(("crates", "cache" | "oci")) => (engine(), Vec::new()),
        Some(("crates", "container")) => (crates(&["cgroup", "engine", "oci"]), Vec::new()),
        Some(("crates", "runwasi")) => (crates(&["engine", "oci"]), Vec::new()),
        Some(("crates", "shim")) => {
            (crates(&["cache", "cgroup", "container", "engine", "oci", "telemetry"]), Vec::new())
        }
        Some(("crates", "image")) => (crates(&["oci"]), crates(&["node"])),
        Some(("crates", "node")) => (crates(&["oci"]), Vec::new()),
        Some(("crates", "installer")) => (Vec::new(), crates(&["node", "oci"])),
        Some(("crates", "cluster" | "demo")) => (crates(&["engine", "node", "oci"]), Vec::new()),
        Some(("crates", backend)) if !is_core(backend) => {
            (engine(), vec!["benches".into(), "conformance".into()])
        }
        Some(("examples", "runwasi")) => (crates(&["runwasi", "wasmtime"]), vec!["conformance".into()]),
        // Backend and shim in one package.
        Some(("examples", _)) => {
            (crates(&["container", "engine", "shim"]), vec!["benches".into(), "conformance".into()])
        }
        Some(("shims", engine)) => {
            (crates(&[engine, "container", "shim"]), vec!["conformance".into(), "crates/engine".into()])
        }
        None if ["benches", "conformance"].contains(&folder) => {
            (crates(&["engine", "node", "oci"]), Vec::new())
        }
        _ => (Vec::new(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::manifest::Dependency;

    fn package(folder: &str, name: &str, dependencies: &[(&str, bool)]) -> Manifest {
        let dependency = |(name, dev): &(&str, bool)| Dependency { name: (*name).to_owned(), dev: *dev };
        Manifest {
            folder: folder.to_owned(),
            name: name.to_owned(),
            dependencies: dependencies.iter().map(dependency).collect(),
            has_workspace_lints: true,
        }
    }

    fn workspace(with: Manifest) -> Vec<Manifest> {
        vec![
            package("crates/engine", "shimmer-engine", &[("shimmer-engine", true)]),
            package("crates/cgroup", "shimmer-cgroup", &[]),
            package(
                "crates/container",
                "shimmer-container",
                &[("shimmer-cgroup", false), ("shimmer-engine", false), ("libcontainer", false)],
            ),
            package(
                "crates/shim",
                "shimmer-shim",
                &[("shimmer-container", false), ("shimmer-engine", false), ("containerd-shim-protos", false)],
            ),
            package(
                "crates/runwasi",
                "shimmer-runwasi",
                &[("shimmer-engine", false), ("containerd-shim-wasm", false)],
            ),
            package("crates/fast", "shimmer-fast", &[("shimmer-engine", false), ("conformance", true)]),
            package("crates/slow", "shimmer-slow", &[("shimmer-engine", false)]),
            package("conformance", "conformance", &[("shimmer-engine", false)]),
            with,
        ]
    }

    #[test]
    fn a_new_engine_needs_no_new_rule() {
        let shim = package(
            "shims/fast",
            "containerd-shim-fast-v1",
            &[
                ("shimmer-container", false),
                ("shimmer-fast", false),
                ("shimmer-shim", false),
                ("conformance", true),
            ],
        );
        let manifests = workspace(shim);
        assert_eq!([edges(&manifests), wrappers(&manifests)].concat(), Vec::<String>::new());
    }

    #[test]
    fn an_example_is_a_backend_and_a_shim_in_one() {
        let needs = [
            ("shimmer-container", false),
            ("shimmer-engine", false),
            ("shimmer-shim", false),
            ("conformance", true),
            ("small", false),
            ("small_wasi", false),
        ];
        let manifests = workspace(package("examples/small", "shimmer-small", &needs));
        assert_eq!([edges(&manifests), wrappers(&manifests)].concat(), Vec::<String>::new());
    }

    #[test]
    fn the_engine_of_an_example_is_known_to_it_only() {
        let example = package("examples/small", "shimmer-small", &[("wasmer", false)]);
        let other = package("crates/fast", "shimmer-fast", &[("small", true), ("small-wasi", false)]);
        let unrelated = package("crates/shim", "shimmer-shim", &[("smallvec", false)]);
        let breaches = wrappers(&[example, other, unrelated]);
        assert_eq!(breaches.len(), 3, "{breaches:?}");
        assert!(breaches[0].starts_with("examples/small/Cargo.toml: only crates/wasmer"), "{breaches:?}");
        assert!(breaches[1..].iter().all(|breach| breach.contains("only examples/small")), "{breaches:?}");
    }

    #[test]
    fn refuses_what_the_architecture_does_not_draw() {
        let wrong = [
            package("shims/fast", "containerd-shim-fast-v1", &[("shimmer-slow", false)]),
            package("shims/fast", "containerd-shim-fast-v1", &[("conformance", false)]),
            package("crates/oci", "shimmer-oci", &[("shimmer-shim", false)]),
            package("crates/node", "shimmer-node", &[("conformance", true)]),
            package("xtask", "xtask", &[("shimmer-engine", false)]),
            package("crates/new", "shimmer-new", &[("shimmer-shim", true)]),
            package("examples/new", "shimmer-new", &[("shimmer-fast", false)]),
            package("examples/new", "shimmer-new", &[("conformance", false)]),
            package("examples/new", "shimmer-new", &[("shimmer-runwasi", false)]),
            package("examples/runwasi", "example-runwasi", &[("shimmer-shim", false)]),
            package("crates/telemetry", "shimmer-telemetry", &[("shimmer-engine", false)]),
            package("crates/runwasi", "shimmer-runwasi", &[("shimmer-container", false)]),
            package("crates/container", "shimmer-container", &[("shimmer-shim", false)]),
        ];
        for package in wrong {
            let start = format!("{}/Cargo.toml: {} is not", package.folder, package.dependencies[0].name);
            let breaches = edges(&workspace(package));
            assert_eq!(breaches.len(), 1, "{start}: {breaches:?}");
            assert!(breaches[0].starts_with(&start), "{start}: {breaches:?}");
        }
    }

    #[test]
    fn a_foreign_crate_is_known_to_its_wrapper_only() {
        for (folder, dependency) in [
            ("crates/shim", "wasmtime-wasi"),
            ("crates/shim", "containerd-shim-wasm"),
            ("crates/shim", "libcgroups"),
            ("crates/runwasi", "containerd-shim-protos"),
            ("crates/runwasi", "libcontainer"),
            ("crates/wasmtime", "wasmer"),
            ("conformance", "containerd-client"),
        ] {
            let manifests = [package(folder, "ours", &[(dependency, true)])];
            assert_eq!(wrappers(&manifests).len(), 1, "{dependency} in {folder}");
        }
        assert!(wrappers(&[package("crates/wasmtime", "ours", &[("wasmtime-wasi", false)])]).is_empty());
    }
}
