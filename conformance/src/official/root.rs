use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use shimmer_node::Image;
use shimmer_oci::{Platform, Rootfs};

use crate::failure::{Failure, Result};
use crate::setup::Setup;
use crate::shim::Shim;

/// An image whose root is a copy of `folder`, with the program in it.
///
/// A mount cannot be a container's root, and mounts of what is in the folder could be neither renamed nor removed.
pub(super) fn image(shim: &Shim, setup: &Setup, folder: &Path) -> Result<Image> {
    let program = format!("/{}", setup.name);
    let root = Rootfs::new(Platform::host()).file(&program, 0o755, &*setup.program);
    let image = with(root, folder, "")?.build()?;
    let reference = format!("shimmer.test/testsuite:{}", &image.digest().hex()[..12]);
    shim.imported(reference, || Ok(image))
}

/// Adds what is in `folder` below `path`.
fn with(mut root: Rootfs, folder: &Path, path: &str) -> Result<Rootfs> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (host, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name().into_string();
        let name = name.map_err(|name| Failure(format!("{name:?} is not UTF-8, as names in images are")))?;
        let path = format!("{path}/{name}");
        if kind.is_symlink() {
            let target = fs::read_link(&host)?;
            root =
                root.symlink(&path, target.to_str().ok_or_else(|| format!("{path} leads nowhere in UTF-8"))?);
            continue;
        }
        let mode = entry.metadata()?.permissions().mode() & 0o7777;
        root = if kind.is_dir() {
            with(root.directory(&path, mode), &host, &path)?
        } else {
            root.file(&path, mode, fs::read(&host)?)
        };
    }
    Ok(root)
}
