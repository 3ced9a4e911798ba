//! All images that a cluster is asked for, to be pushed where its nodes find them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::path::Path;

use shimmer_oci::{Archive, NewImage};

use super::{HOST, build, reference};
use crate::error::{Error, ErrorKind, Result};
use crate::level::Level;
use crate::setup::{Setup, busybox};

/// The file that names the layouts, a line for each: the folder, and the name that the suite looks for.
const NAMES: &str = "names.txt";
/// The one archive, where that is what is asked for.
pub(crate) const ARCHIVE: &str = "images.tar";

/// Writes each image of the suite as an OCI image layout in a folder of its own, or all of them as one archive, to be
/// imported into a containerd. Says how many there are.
///
/// # Errors
///
/// [`ErrorKind::Io`] where something cannot be written, [`ErrorKind::Guest`] where an image cannot be made.
pub fn write_images(folder: &Path, as_archive: bool) -> Result<usize> {
    let images = all()?;
    let at = |what: &Path| format!("write {}", what.display());
    fs::create_dir_all(folder).map_err(|error| Error::io(at(folder), error))?;
    if as_archive {
        let file = folder.join(ARCHIVE);
        let output = File::create(&file).map_err(|error| Error::io(at(&file), error))?;
        let add = |archive: Archive, (name, image): (&String, &NewImage)| archive.image(name, image.clone());
        images.iter().fold(Archive::default(), add).write(output).map_err(unmade)?;
        return Ok(images.len());
    }
    let mut names = String::new();
    for (name, image) in &images {
        let short = name.strip_prefix(HOST).unwrap_or(name);
        let directory = short.replace(['/', ':'], "-");
        let mut layout = Vec::new();
        Archive::default().image(name, image.clone()).write(&mut layout).map_err(unmade)?;
        let target = folder.join(&directory);
        tar::Archive::new(layout.as_slice())
            .unpack(&target)
            .map_err(|error| Error::io(at(&target), error))?;
        names.push_str(&format!("{directory} {short}\n"));
    }
    let file = folder.join(NAMES);
    fs::write(&file, names).map_err(|error| Error::io(at(&file), error))?;
    Ok(images.len())
}

/// The images by name.
fn all() -> Result<BTreeMap<String, NewImage>> {
    let cases = crate::all().into_iter().filter(|case| case.levels.contains(&Level::Kube));
    let guests = cases.flat_map(|case| [case.setup.clone().native(), case.setup]);
    let others = [busybox([])].into_iter().chain(crate::cases::servers());
    let mut images = BTreeMap::new();
    for Setup { form, name, program, .. } in guests.chain(others) {
        if let Entry::Vacant(place) = images.entry(reference(form, &name, &program)) {
            let image = build(form, &name, &program);
            place.insert(
                image.map_err(|failure| Error::new(ErrorKind::Guest, format!("{name}: {}", failure.0)))?,
            );
        }
    }
    Ok(images)
}

fn unmade(error: shimmer_oci::Error) -> Error {
    Error::caused(ErrorKind::Io, error.to_string(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_stands_in_the_list_of_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let count = write_images(folder.path(), false).expect("written");
        let names = fs::read_to_string(folder.path().join(NAMES)).expect("the names");
        assert_eq!(names.lines().count(), count);
        for line in names.lines() {
            let (directory, name) = line.split_once(' ').expect("a folder and a name");
            assert!(folder.path().join(directory).join("oci-layout").is_file(), "{directory} is no layout");
            assert!(name.contains('/') && name.contains(':'), "{name} is no path with a tag");
        }
    }
}
