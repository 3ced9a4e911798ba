//! The shared libraries that a release brings along, because no node has them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::binaries::{Architecture, File};
use crate::{Error, Result};

/// The folders in which libraries are found; the first that has one counts, as for the loader.
#[derive(Debug)]
pub(crate) struct Libraries<'a> {
    places: &'a [PathBuf],
    architecture: Architecture,
}

impl<'a> Libraries<'a> {
    pub(crate) fn new(places: &'a [PathBuf], architecture: Architecture) -> Self {
        Self { places, architecture }
    }

    /// Everything that the programs need besides the C library, and that those libraries need in turn.
    ///
    /// Programs that do not look beside themselves get none: they would not find them there.
    pub(crate) fn for_programs(&self, programs: &BTreeMap<String, File>) -> Result<BTreeMap<String, File>> {
        let looking = programs.iter().filter(|(_, file)| file.looks_beside_itself());
        let mut open: Vec<(String, String)> = looking.flat_map(|(name, file)| wishes(name, file)).collect();
        let mut found = BTreeMap::new();
        while let Some((name, wanted_by)) = open.pop() {
            if found.contains_key(&name) {
                continue;
            }
            let library = self.find(&name, &wanted_by)?;
            open.extend(wishes(&name, &library));
            found.insert(name, library);
        }
        Ok(found)
    }

    fn find(&self, name: &str, wanted_by: &str) -> Result<File> {
        if name.contains('/') {
            return Err(Error::incompatible(format!(
                "{wanted_by} needs {name}, by a path that no node has: link it by its name"
            )));
        }
        let candidates = self.places.iter().map(|place| place.join(name)).filter(|path| path.is_file());
        let mut refusals = Vec::new();
        for path in candidates {
            match File::read(path, self.architecture) {
                Ok(library) => return Ok(library),
                // Another architecture's, as the loader would find it, too.
                Err(error) => refusals.push(format!("; {error}")),
            }
        }
        let places: Vec<_> = self.places.iter().map(|place| place.display().to_string()).collect();
        Err(Error::input(format!(
            "{wanted_by} needs {name}, which is in none of {}{}: put it into the first",
            places.join(", "),
            refusals.concat()
        )))
    }
}

fn wishes(name: &str, file: &File) -> Vec<(String, String)> {
    file.needed().map(|library| (library.to_owned(), name.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binaries::Binaries;
    use crate::sample::{Folder, Sample};

    fn engine() -> Sample {
        Sample::program().needs("libc.so.6").needs("libengine.so.0").search("$ORIGIN/lib")
    }

    #[test]
    fn brings_what_libraries_need_of_each_other_and_not_the_c_library() {
        let folder = Folder::release()
            .elf("shimmer-fast", &engine())
            .elf("lib/libengine.so.0", &Sample::library().needs("libcompiler.so.2").needs("libm.so.6"))
            .elf("lib/libunused.so.1", &Sample::library());
        let system = Folder::default()
            .elf("libcompiler.so.2", &Sample::library().needs("libengine.so.0").needs("ld-linux-x86-64.so.2"))
            .elf("libengine.so.0", &Sample::library().needs("libabsent.so"));
        let places = [system.path().to_owned()];
        let binaries = Binaries::read(folder.path(), Architecture::Amd64, &places).expect("all is there");
        let paths: Vec<_> = binaries.libraries.values().map(|library| library.path.clone()).collect();
        let expected = [system.path().join("libcompiler.so.2"), folder.path().join("lib/libengine.so.0")];
        assert_eq!(paths, expected, "its own folder counts first");
        let of_engine = binaries.libraries_of(&binaries.programs["shimmer-fast"]);
        assert_eq!(of_engine.into_keys().collect::<Vec<_>>(), ["libcompiler.so.2", "libengine.so.0"]);
        assert!(binaries.libraries_of(&binaries.programs["containerd-shim-fast-v1"]).is_empty());
    }

    #[test]
    fn says_who_needs_what_is_not_there() {
        let folder = Folder::release().elf("shimmer-fast", &engine());
        let system = Folder::default().elf("libengine.so.0", &Sample::library().arm64());
        let places = [system.path().to_owned()];
        let error = Binaries::read(folder.path(), Architecture::Amd64, &places).expect_err("it is another's");
        let text = error.to_string();
        assert!(text.starts_with("shimmer-fast needs libengine.so.0, which is in none of "), "{text}");
        assert!(text.contains("libengine.so.0 is for arm64"), "{text}");
        let sly = Folder::release()
            .elf("shimmer-fast", &Sample::program().needs("../../etc/lib.so").search("$ORIGIN/lib"));
        let error = Binaries::read(sly.path(), Architecture::Amd64, &[]).expect_err("it is a path");
        assert!(error.to_string().contains("by a path that no node has"), "{error}");
    }

    #[test]
    fn a_program_that_does_not_look_there_gets_none() {
        let folder = Folder::release().elf("shimmer-fast", &Sample::program().needs("libseccomp.so.2"));
        let binaries = Binaries::read(folder.path(), Architecture::Amd64, &[]).expect("the check refuses it");
        assert!(binaries.libraries.is_empty());
    }
}
