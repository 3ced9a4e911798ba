//! What a Cargo.toml of the workspace says, as far as a rule asks.

use toml::{Table, Value};

use crate::Result;
use crate::tidy::tree::Tree;

/// A package of the workspace.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// From the root of the tree: `crates/engine`.
    pub(crate) folder: String,
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) has_workspace_lints: bool,
}

#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Only for tests, examples and benches.
    pub(crate) dev: bool,
}

impl Manifest {
    /// Reads all packages. The guests are a workspace of their own.
    pub(crate) fn all(tree: &Tree) -> Result<Vec<Self>> {
        let root = tree.text("Cargo.toml").ok_or("the tree has no Cargo.toml")?;
        let shared = root.parse::<Table>().map_err(|error| format!("Cargo.toml: {error}"))?;
        let shared = table(&shared, "workspace").and_then(|workspace| table(workspace, "dependencies"));
        let mut manifests = Vec::new();
        for (path, text) in tree.files().filter(|(path, _)| !path.starts_with("conformance/guests/")) {
            if let Some(folder) = path.strip_suffix("/Cargo.toml") {
                let package = text.parse::<Table>().map_err(|error| format!("{path}: {error}"))?;
                manifests.push(Self::of(folder, &package, shared));
            }
        }
        Ok(manifests)
    }

    fn of(folder: &str, package: &Table, shared: Option<&Table>) -> Self {
        let name = table(package, "package").and_then(|package| package.get("name")?.as_str());
        let targets =
            table(package, "target").into_iter().flat_map(Table::values).filter_map(Value::as_table);
        let mut dependencies = Vec::new();
        for section in targets.chain([package]) {
            for (kind, dev) in
                [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
            {
                for (key, value) in table(section, kind).into_iter().flatten() {
                    dependencies.push(Dependency { name: real_name(key, value, shared), dev });
                }
            }
        }
        let lints = table(package, "lints").and_then(|lints| lints.get("workspace")?.as_bool());
        Self {
            folder: folder.to_owned(),
            name: name.unwrap_or_default().to_owned(),
            dependencies,
            has_workspace_lints: lints == Some(true),
        }
    }
}

/// A dependency may be renamed, in the package or in the workspace.
fn real_name(key: &str, value: &Value, shared: Option<&Table>) -> String {
    let renamed = |value: &Value| Some(value.get("package")?.as_str()?.to_owned());
    let shared = shared.and_then(|shared| shared.get(key));
    renamed(value).or_else(|| shared.and_then(renamed)).unwrap_or_else(|| key.to_owned())
}

fn table<'a>(table: &'a Table, key: &str) -> Option<&'a Table> {
    table.get(key)?.as_table()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_through_new_names_and_targets() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace.dependencies]\nfast = { package = \"wasmtime\", version = \"1\" }"),
            (
                "crates/x/Cargo.toml",
                "[package]\nname = \"x\"\n[dependencies]\nfast.workspace = true\n\
                 [target.'cfg(unix)'.dev-dependencies]\nslow = { package = \"wasmer\", version = \"1\" }\n\
                 [lints]\nworkspace = true",
            ),
            ("conformance/guests/Cargo.toml", "not even toml"),
        ]);
        let manifests = Manifest::all(&tree).expect("they parse");
        assert_eq!(manifests.len(), 1, "{manifests:?}");
        let mut names: Vec<(&str, bool)> = manifests[0]
            .dependencies
            .iter()
            .map(|dependency| (dependency.name.as_str(), dependency.dev))
            .collect();
        names.sort_unstable();
        assert_eq!(names, [("wasmer", true), ("wasmtime", false)]);
        assert_eq!((manifests[0].folder.as_str(), manifests[0].has_workspace_lints), ("crates/x", true));
    }

    #[test]
    fn names_the_file_that_does_not_parse() {
        let tree = Tree::of(&[("Cargo.toml", ""), ("xtask/Cargo.toml", "[package")]);
        let error = Manifest::all(&tree).expect_err("it has no end").to_string();
        assert!(error.starts_with("xtask/Cargo.toml: "), "{error}");
    }
}
