//! The list of what is inside a release, in SPDX 2.3.

use serde_json::{Map, Value, json};
use shimmer_oci::Digest;

use crate::binaries::{INSTALLER, LIBRARIES};
use crate::contents::Contents;
use crate::packages::{Package, Packages};
use crate::{Architecture, Result};

/// The document for one architecture. Its `created` and `version` are the release's.
pub(crate) fn document(
    contents: &Contents,
    packages: &Packages,
    version: &str,
    created: &str,
) -> Result<Vec<u8>> {
    let name = format!("shimmer-{version}-{}", contents.architecture);
    let mut list = vec![release(version, contents.architecture)];
    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", RELEASE)];
    let mut files = contents.digests.clone();
    files.insert(INSTALLER.to_owned(), contents.installer.digest()?);
    for (path, digest) in &files {
        list.push(file(path, *digest));
        relations.push(relation(RELEASE, "CONTAINS", &of_file(path)));
    }
    for (program, package) in &packages.programs {
        let package = &packages.packages[package];
        relations.push(relation(&of_file(program), "GENERATED_FROM", &of_crate(package)));
    }
    for (name, version) in &contents.linked {
        let id = identifier("linked", &format!("{name}-{version}"));
        let facts = [("versionInfo", json!(version)), ("primaryPackagePurpose", json!("LIBRARY"))];
        list.push(package(&id, name, &facts).into());
        relations.push(relation(RELEASE, "STATIC_LINK", &id));
    }
    list.extend(packages.packages.values().map(described));
    for (from, to) in &packages.edges {
        let [from, to] = [from, to].map(|id| of_crate(&packages.packages[id]));
        relations.push(relation(&from, "DEPENDS_ON", &to));
    }
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        // Its own for each list of files: the namespace is the document's identity.
        "documentNamespace": format!("https://shimmer.dev/spdx/{name}-{}", Digest::of(&contents.list).hex()),
        "creationInfo": {"created": created, "creators": [concat!("Tool: shimmer-image-", env!("CARGO_PKG_VERSION"))]},
        "packages": list,
        "relationships": relations,
    });
    let mut bytes = serde_json::to_vec_pretty(&document).expect("texts by name become JSON");
    bytes.push(b'\n');
    Ok(bytes)
}

const RELEASE: &str = "SPDXRef-release";

fn release(version: &str, architecture: Architecture) -> Value {
    let mut package = package(RELEASE, "shimmer", &[("versionInfo", json!(version))]);
    package.insert("primaryPackagePurpose".to_owned(), json!("APPLICATION"));
    package.insert("licenseDeclared".to_owned(), json!(env!("CARGO_PKG_LICENSE")));
    package.insert("comment".to_owned(), json!(format!("for Linux on {architecture}")));
    package.into()
}

/// A program or a shared library.
fn file(path: &str, digest: Digest) -> Value {
    let is_library = path.starts_with(LIBRARIES);
    let name = path.rsplit('/').next().unwrap_or(path);
    let facts = [
        ("packageFileName", json!(path)),
        ("primaryPackagePurpose", json!(if is_library { "LIBRARY" } else { "APPLICATION" })),
        ("checksums", json!([{"algorithm": "SHA256", "checksumValue": digest.hex()}])),
    ];
    package(&of_file(path), name, &facts).into()
}

/// A Rust package.
fn described(package_: &Package) -> Value {
    let mut package =
        package(&of_crate(package_), &package_.name, &[("versionInfo", json!(package_.version))]);
    package.insert("primaryPackagePurpose".to_owned(), json!("LIBRARY"));
    if let Some(license) = &package_.license {
        // Older packages separate alternatives by a slash, which is no expression of SPDX.
        package.insert("licenseDeclared".to_owned(), json!(license.replace(" / ", "/").replace('/', " OR ")));
    }
    if let Some(sum) = &package_.checksum {
        package.insert("checksums".to_owned(), json!([{"algorithm": "SHA256", "checksumValue": sum}]));
    }
    if package_.source.is_some() {
        let locator = format!("pkg:cargo/{}@{}", package_.name, package_.version.replace('+', "%2B"));
        let reference = json!([{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}]);
        package.insert("externalRefs".to_owned(), reference);
    }
    package.into()
}

/// What every package must say, in words that say nothing where we know nothing.
fn package(id: &str, name: &str, facts: &[(&str, Value)]) -> Map<String, Value> {
    let unknown = ["downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText"];
    let mut package: Map<_, _> =
        unknown.map(|field| (field.to_owned(), json!("NOASSERTION"))).into_iter().collect();
    package.insert("SPDXID".to_owned(), json!(id));
    package.insert("name".to_owned(), json!(name));
    package.insert("filesAnalyzed".to_owned(), json!(false));
    package.extend(facts.iter().map(|(field, value)| ((*field).to_owned(), value.clone())));
    package
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to})
}

fn of_file(path: &str) -> String {
    identifier("file", path)
}

fn of_crate(package: &Package) -> String {
    identifier("crate", &format!("{}-{}", package.name, package.version))
}

/// An identifier may have letters, digits, dots and hyphens. Anything else is written by its number, so that different
/// names stay different.
fn identifier(kind: &str, name: &str) -> String {
    let mut identifier = format!("SPDXRef-{kind}-");
    for character in name.chars() {
        match character {
            '_' => identifier.push('-'),
            '.' | '-' | '0'..='9' | 'a'..='z' | 'A'..='Z' => identifier.push(character),
            other => identifier += &format!(".{:x}.", u32::from(other)),
        }
    }
    identifier
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::binaries::Binaries;
    use crate::sample::{Folder, Sample, Workspace};

    fn sample() -> Value {
        let program = Sample::program().needs("libx_y.so.1").search("$ORIGIN/lib");
        let folder = Folder::release()
            .elf("shimmer-fast", &program)
            .elf("lib/libx_y.so.1", &Sample::library())
            .file("LINKED", b"libseccomp 2.5.4\n");
        let binaries = Binaries::read(folder.path(), Architecture::Amd64, &[]).expect("it is complete");
        let contents = Contents::new(&binaries, "1.2.3", "abc", &[]).expect("files can be read");
        let workspace = Workspace::written();
        let at = |name| workspace.path().join(name);
        let programs = ["shimmer-fast", "shimmer-installer", "containerd-shim-fast-v1"];
        let packages =
            Packages::read(&at("metadata.json"), &at("Cargo.lock"), programs.into_iter()).expect("read");
        let bytes =
            document(&contents, &packages, "1.2.3", "2026-01-02T03:04:05Z").expect("it can be written");
        serde_json::from_slice(&bytes).expect("it is JSON")
    }

    fn texts<'a>(document: &'a Value, list: &str, field: &str) -> Vec<&'a str> {
        let list = document[list].as_array().expect("a list");
        list.iter().map(|item| item[field].as_str().expect("a text")).collect()
    }

    #[test]
    fn has_what_spdx_demands() {
        let document = sample();
        for (field, expected) in [
            ("spdxVersion", "SPDX-2.3"),
            ("dataLicense", "CC0-1.0"),
            ("SPDXID", "SPDXRef-DOCUMENT"),
            ("name", "shimmer-1.2.3-amd64"),
        ] {
            assert_eq!(document[field], expected, "{field}");
        }
        assert_eq!(document["creationInfo"]["created"], "2026-01-02T03:04:05Z");
        let ids = texts(&document, "packages", "SPDXID");
        let known: BTreeSet<_> = ids.iter().copied().chain(["SPDXRef-DOCUMENT"]).collect();
        assert_eq!(known.len(), ids.len() + 1, "each has its own: {ids:?}");
        for id in &known {
            let rest = id.strip_prefix("SPDXRef-").expect("the prefix of all");
            assert!(rest.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)), "{id}");
        }
        for field in ["spdxElementId", "relatedSpdxElement"] {
            assert!(texts(&document, "relationships", field).iter().all(|id| known.contains(id)), "{field}");
        }
        for field in ["name", "downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText"] {
            assert_eq!(texts(&document, "packages", field).len(), ids.len());
        }
    }

    #[test]
    fn names_files_libraries_and_crates() {
        let document = sample();
        let find = |name: &str| {
            let packages = document["packages"].as_array().expect("a list");
            packages
                .iter()
                .find(|package| package["name"] == name)
                .unwrap_or_else(|| panic!("{name} is not there"))
        };
        let library = Digest::of(&Sample::library().bytes()).hex();
        assert_eq!(find("libx_y.so.1")["checksums"][0]["checksumValue"], library);
        assert_eq!(find("libx_y.so.1")["packageFileName"], "lib/libx_y.so.1");
        let serde = find("serde");
        assert_eq!(serde["licenseDeclared"], "MIT OR Apache-2.0");
        assert_eq!(serde["externalRefs"][0]["referenceLocator"], "pkg:cargo/serde@1.0.0");
        assert_eq!(serde["checksums"][0]["checksumValue"], "ab".repeat(32));
        assert!(find("engine")["externalRefs"].is_null(), "our own crates are nowhere else");
        find("clap");
        assert_eq!(find("libseccomp")["versionInfo"], "2.5.4");
        let made = json!({"spdxElementId": "SPDXRef-file-shimmer-fast", "relationshipType": "GENERATED_FROM",
            "relatedSpdxElement": "SPDXRef-crate-containerd-shim-fast-v1-1.0.0"});
        assert!(document["relationships"].as_array().expect("a list").contains(&made));
    }

    #[test]
    fn different_names_have_different_identifiers() {
        assert_eq!(identifier("crate", "a_b-0.1.0+x"), "SPDXRef-crate-a-b-0.1.0.2b.x");
        assert_ne!(identifier("file", "lib/a"), identifier("file", "lib+a"));
    }
}
