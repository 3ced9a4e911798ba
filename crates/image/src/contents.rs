//! What a release consists of: the files and their list, `release.json`.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;
use shimmer_oci::Digest;

use crate::binaries::{Binaries, File, INSTALLER, LIBRARIES};
use crate::packing::{Entries, Entry, Source};
use crate::{Architecture, Error, Result};

/// The files that the installer puts on a node, and itself.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) architecture: Architecture,
    pub(crate) installer: Source,
    /// By their paths below the release's folder.
    pub(crate) files: BTreeMap<String, Source>,
    pub(crate) digests: BTreeMap<String, Digest>,
    /// Names and versions of what is inside of programs that no package of Rust is.
    pub(crate) linked: Vec<(String, String)>,
    /// `release.json`.
    pub(crate) list: Vec<u8>,
}

/// `release.json`: what is there, so that the installer can tell whether it is whole.
#[derive(Debug, Serialize)]
struct List<'a> {
    version: &'a str,
    architecture: &'a str,
    revision: &'a str,
    files: &'a BTreeMap<String, Digest>,
    notes: &'a [String],
}

impl Contents {
    /// Takes the programs and the libraries.
    pub(crate) fn new(binaries: &Binaries, version: &str, revision: &str, notes: &[String]) -> Result<Self> {
        let mut files = BTreeMap::new();
        for (name, program) in &binaries.programs {
            files.insert(name.clone(), finished(program, binaries)?);
        }
        for (name, library) in &binaries.libraries {
            files.insert(format!("{LIBRARIES}/{name}"), Source::File(library.path.clone()));
        }
        let digest = |(name, source): (&String, &Source)| Ok((name.clone(), source.digest()?));
        let digests = files.iter().map(digest).collect::<Result<BTreeMap<_, _>>>()?;
        let architecture = binaries.architecture;
        let list = List { version, architecture: architecture.name(), revision, files: &digests, notes };
        let mut list = serde_json::to_vec_pretty(&list).expect("texts by name become JSON");
        list.push(b'\n');
        let installer = Source::File(binaries.installer.path.clone());
        Ok(Self { architecture, installer, files, digests, linked: binaries.linked.clone(), list })
    }

    /// Them all as an archive's entries below `prefix`, which ends in a slash or is empty.
    pub(crate) fn entries(&self, prefix: &str) -> Entries {
        let release = format!("{prefix}release");
        let mut entries = Entries::new();
        for end in prefix.match_indices('/').map(|(end, _)| end) {
            entries.insert(prefix[..end].to_owned(), FOLDER);
        }
        entries.insert(format!("{prefix}{INSTALLER}"), Entry::Program(self.installer.clone()));
        entries.insert(release.clone(), FOLDER);
        entries.insert(format!("{release}/release.json"), Entry::Data(Source::Bytes(self.list.clone())));
        for (name, source) in &self.files {
            let is_library = name.starts_with(LIBRARIES);
            if is_library {
                entries.insert(format!("{release}/{LIBRARIES}"), FOLDER);
            }
            let entry = if is_library { Entry::Data } else { Entry::Program };
            entries.insert(format!("{release}/{name}"), entry(source.clone()));
        }
        entries
    }
}

const FOLDER: Entry = Entry::Folder { mode: 0o755 };

/// A program as it is shipped. One with libraries beside it shares its search with them, since they are whatever some
/// system has, and would look for each other in that system's folders.
fn finished(program: &File, binaries: &Binaries) -> Result<Source> {
    if binaries.libraries_of(program).is_empty() {
        return Ok(Source::File(program.path.clone()));
    }
    let mut bytes = fs::read(&program.path).map_err(Error::io("read", &program.path))?;
    program.elf.share_search(&mut bytes);
    Ok(Source::Bytes(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::elf::Elf;
    use crate::sample::{Folder, Sample};

    fn contents(folder: &Folder) -> Contents {
        let binaries = Binaries::read(folder.path(), Architecture::Amd64, &[]).expect("it is complete");
        Contents::new(&binaries, "1.2.3", "abc", &["a note".to_owned()]).expect("files can be read")
    }

    #[test]
    fn lists_what_is_there_with_digests() {
        let program = Sample::program().needs("libx.so.1").search("$ORIGIN/lib");
        let folder = Folder::release()
            .elf("shimmer-fast", &program)
            .elf("lib/libx.so.1", &Sample::library())
            .elf("lib/liby.so.1", &Sample::library());
        let contents = contents(&folder);
        let list: Value = serde_json::from_slice(&contents.list).expect("it is JSON");
        let digest = |name: &str| contents.digests[name].to_string();
        let expected = json!({
            "version": "1.2.3", "architecture": "amd64", "revision": "abc", "notes": ["a note"],
            "files": {
                "containerd-shim-fast-v1": digest("containerd-shim-fast-v1"),
                "shimmer-fast": digest("shimmer-fast"),
                "lib/libx.so.1": Digest::of(&Sample::library().bytes()).to_string(),
            },
        });
        assert_eq!(list, expected, "libraries that nobody needs stay out");
        let Source::Bytes(shipped) = &contents.files["shimmer-fast"] else { panic!("it was changed") };
        assert_eq!(contents.digests["shimmer-fast"], Digest::of(shipped), "what is shipped counts");
        assert_ne!(*shipped, program.bytes());
        assert_eq!(Elf::parse(shipped).expect("still a program").search, ["$ORIGIN/lib"]);
    }

    #[test]
    fn lies_below_a_prefix_in_an_archive() {
        let names = |prefix| contents(&Folder::release()).entries(prefix).into_keys().collect::<Vec<_>>();
        let image = [
            "release",
            "release/containerd-shim-fast-v1",
            "release/release.json",
            "release/shimmer-fast",
            "shimmer-installer",
        ];
        assert_eq!(names(""), image);
        assert_eq!(names("x-1/").len(), image.len() + 1);
        assert!(names("x-1/").contains(&"x-1/release/release.json".to_owned()));
    }
}
