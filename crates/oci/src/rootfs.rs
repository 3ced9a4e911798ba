use std::collections::BTreeMap;

use serde::Serialize;
use tar::{EntryType, Header};

use crate::descriptor::media;
use crate::{Error, ErrorKind, Layer, NewImage, Platform, Result};

/// The files of an image to be written, and how a container of it starts.
///
/// They make one uncompressed layer, below those that are given as such. All belong to root and are as old as the epoch, so the same files always
/// make the same bytes. Directories that are not given are made, with mode 755.
#[derive(Clone, Debug, Default)]
pub struct Rootfs {
    platform: Platform,
    files: Vec<(String, File)>,
    layers: Vec<Layer>,
    start: Start,
}

/// One thing that a path can lead to.
#[derive(Clone, Debug)]
enum File {
    Regular { mode: u32, bytes: Vec<u8> },
    Directory { mode: u32 },
    Symlink { target: String },
}

/// The execution parameters in the configuration of an image.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Start {
    #[serde(skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entrypoint: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cmd: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    working_dir: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

impl Rootfs {
    /// No files, for a platform.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self { platform, ..Self::default() }
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Self {
        self.with(path, File::Regular { mode, bytes: bytes.into() })
    }

    /// Adds a directory.
    #[must_use]
    pub fn directory(self, path: &str, mode: u32) -> Self {
        self.with(path, File::Directory { mode })
    }

    /// Adds a symbolic link, whose target need not exist.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.with(path, File::Symlink { target: target.to_owned() })
    }

    /// Sets the first arguments of a container, which a container's own arguments do not replace.
    #[must_use]
    pub fn entrypoint<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.start.entrypoint = arguments.map(str::to_owned).into();
        self
    }

    /// Sets the arguments that a container's own replace.
    #[must_use]
    pub fn cmd<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.start.cmd = arguments.map(str::to_owned).into();
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.start.env.push(format!("{name}={value}"));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn working_dir(mut self, path: &str) -> Self {
        path.clone_into(&mut self.start.working_dir);
        self
    }

    /// Sets the user, as `USER[:GROUP]` by names or numbers.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.start.user);
        self
    }

    /// Sets a remark in the configuration.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.start.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds a layer that was made elsewhere, upon everything before it.
    #[must_use]
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Makes the image. Without files of its own, it has only the layers that were given.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] where a path is empty, leads out of the root, is given twice, or leads through
    /// a file.
    pub fn build(self) -> Result<NewImage> {
        let mut own = Vec::new();
        if !self.files.is_empty() || self.layers.is_empty() {
            own.push((media::TAR.to_owned(), archive(&arrange(self.files)?)?));
        }
        Ok(NewImage::with_config(&self.platform, Some(self.start), own, self.layers))
    }

    fn with(mut self, path: &str, file: File) -> Self {
        self.files.push((path.to_owned(), file));
        self
    }
}

/// Sorts files by path, and adds the directories that they are in.
fn arrange(files: Vec<(String, File)>) -> Result<BTreeMap<String, File>> {
    let refuse = |message, path: &str| {
        Err(Error::new(ErrorKind::Invalid, message)
            .with("path", format!("{path:?}"))
            .advise("give another path"))
    };
    let mut arranged = BTreeMap::new();
    for (path, file) in files {
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.is_empty() || parts.contains(&"..") || path.contains('\0') {
            return refuse("the path of a file in an image is empty or leads out of its root", &path);
        }
        if arranged.insert(parts.join("/"), file).is_some() {
            return refuse("a path is given twice", &path);
        }
    }
    let paths: Vec<String> = arranged.keys().cloned().collect();
    for path in paths {
        for (end, _) in path.match_indices('/') {
            let parent = arranged.entry(path[..end].to_owned()).or_insert(File::Directory { mode: 0o755 });
            if !matches!(parent, File::Directory { .. }) {
                return refuse("a path leads through something that is no directory", &path);
            }
        }
    }
    Ok(arranged)
}

fn archive(files: &BTreeMap<String, File>) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, file) in files {
        match file {
            File::Regular { mode, bytes } => {
                let mut header = header(EntryType::Regular, *mode, bytes.len() as u64);
                archive.append_data(&mut header, path, bytes.as_slice())?;
            }
            File::Directory { mode } => {
                archive.append_data(&mut header(EntryType::Directory, *mode, 0), path, std::io::empty())?;
            }
            File::Symlink { target } => {
                archive.append_link(&mut header(EntryType::Symlink, 0o777, 0), path, target)?;
            }
        }
    }
    Ok(archive.into_inner()?)
}

/// The header of a tar entry that depends on nothing but its arguments: root's, and as old as the epoch. So the same
/// files make the same bytes, and nothing of this machine shows in them.
pub fn header(entry_type: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(entry_type);
    header.set_mode(mode & 0o7777);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(rootfs: Rootfs) -> Vec<String> {
        let layer =
            archive(&arrange(rootfs.files).expect("the paths are valid")).expect("memory can be written");
        let mut layer = tar::Archive::new(layer.as_slice());
        let line = |entry: tar::Entry<'_, &[u8]>| {
            let header = entry.header();
            assert_eq!(
                (header.mtime().ok(), header.uid().ok(), header.gid().ok()),
                (Some(0), Some(0), Some(0))
            );
            let link = entry.link_name().expect("readable").map(|target| format!(" -> {}", target.display()));
            let path = entry.path().expect("readable").display().to_string();
            let mode = header.mode().expect("set");
            format!("{:?} {mode:o} {path}{}", header.entry_type(), link.unwrap_or_default())
        };
        layer.entries().expect("a tar").map(|entry| line(entry.expect("an entry"))).collect()
    }

    fn refusal(rootfs: Rootfs) -> String {
        let error = rootfs.build().expect_err("its paths make no sense");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.to_string()
    }

    #[test]
    fn sorts_files_and_makes_the_directories_they_are_in() {
        let rootfs = Rootfs::new(Platform::wasi())
            .file("/usr/bin/app", 0o755, "app")
            .symlink("bin", "usr/bin")
            .directory("/tmp/", 0o1777)
            .file("./etc/motd", 0o100_644, "hi");
        assert_eq!(
            listing(rootfs),
            [
                "Symlink 777 bin -> usr/bin",
                "Directory 755 etc",
                "Regular 644 etc/motd",
                "Directory 1777 tmp",
                "Directory 755 usr",
                "Directory 755 usr/bin",
                "Regular 755 usr/bin/app",
            ]
        );
    }

    #[test]
    fn takes_paths_longer_than_a_tar_header() {
        let path = "long/".repeat(60) + "name";
        let listing = listing(Rootfs::new(Platform::wasi()).file(&path, 0o644, ""));
        assert_eq!(listing.last(), Some(&format!("Regular 644 {path}")));
    }

    #[test]
    fn refuses_paths_that_make_no_sense() {
        let new = || Rootfs::new(Platform::wasi());
        for path in ["", "/", "a/../../b", "a\0"] {
            assert!(refusal(new().file(path, 0o644, "")).contains("leads out of its root"), "{path:?}");
        }
        assert!(refusal(new().file("/a", 0o644, "").directory("a/", 0o755)).contains("given twice"));
        assert!(
            refusal(new().file("a/b", 0o644, "").symlink("a", "c")).contains("no directory (path: \"a/b\")")
        );
    }

    #[test]
    fn the_order_of_calls_does_not_show_in_the_bytes() {
        let one = Rootfs::new(Platform::host()).file("a", 0o644, "1").file("b", 0o644, "2").cmd(["a"]);
        let two = Rootfs::new(Platform::host()).cmd(["a"]).file("b", 0o644, "2").file("a", 0o644, "1");
        assert_eq!(one.build().expect("valid").digest(), two.build().expect("valid").digest());
    }
}
