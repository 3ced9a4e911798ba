use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// What programs leave behind by the convention of the suite.
const LEFTOVER: &str = "cleanup";

/// A directory that a program gets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Dir {
    /// Where it lies.
    pub(crate) host: PathBuf,
    /// The name under which it is opened: relative, as it stands in the test's arguments, or `/`.
    pub(crate) guest: String,
}

impl Dir {
    /// The directories of a test in `suite`; `root` becomes the program's `/`.
    pub(super) fn all(suite: &Path, dirs: &[String], root: Option<&str>) -> Result<Vec<Self>> {
        let dirs = dirs.iter().map(|dir| ("dirs", dir.as_str(), dir.as_str()));
        let mut all: Vec<Self> = Vec::new();
        for (field, dir, guest) in root.map(|root| ("root", root, "/")).into_iter().chain(dirs) {
            let host = inside(suite, dir).map_err(|error| error.at(format_args!("`{field}`: {dir:?}")))?;
            if all.iter().any(|other| other.guest == guest) {
                return Err(refused(format!("`{field}` names {dir:?} twice")));
            }
            all.push(Self { host, guest: guest.to_owned() });
        }
        Ok(all)
    }

    /// The same directory, copied to `to`, which must not exist yet.
    pub(super) fn copy(&self, to: &Path) -> Result<Self> {
        copy(&self.host, to, 0)?;
        Ok(Self { host: to.to_owned(), guest: self.guest.clone() })
    }
}

/// The directory `dir` of a suite, or why it is none.
fn inside(suite: &Path, dir: &str) -> Result<PathBuf> {
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if dir.is_empty() || dir.contains('\0') || !Path::new(dir).components().all(plain) {
        return Err(refused("it must be a path below the test's folder"));
    }
    let host = suite.join(dir);
    let real = host.canonicalize().map_err(|cause| Error::io("find it", cause))?;
    if !real.starts_with(suite) {
        return Err(refused(format!("it leads to {}, out of the test's folder", real.display())));
    }
    if !real.is_dir() {
        return Err(refused("it is no directory"));
    }
    Ok(real)
}

/// Copies a directory that lies `depth` directories below the one to be opened.
fn copy(from: &Path, to: &Path, depth: usize) -> Result<()> {
    let failed = |cause| Error::io(format!("copy {} to {}", from.display(), to.display()), cause);
    DirBuilder::new().create(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.extension().is_some_and(|extension| extension == LEFTOVER) {
            continue;
        }
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            copy(&source, &target, depth + 1)?;
        } else if kind.is_symlink() {
            copy_link(&source, &target, depth)?;
        } else if kind.is_file() {
            fs::copy(&source, &target).map_err(failed)?;
        } else {
            return Err(refused("it is neither file nor directory nor link").at(source.display()));
        }
    }
    // Last, as a directory may be read-only.
    fs::metadata(from).and_then(|known| fs::set_permissions(to, known.permissions())).map_err(failed)
}

fn copy_link(source: &Path, target: &Path, depth: usize) -> Result<()> {
    let failed = |cause: io::Error| Error::io(format!("copy the link {}", source.display()), cause);
    let leads_to = fs::read_link(source).map_err(failed)?;
    if !stays(&leads_to, depth) {
        let reason =
            format!("it leads to {}, out of the directory that the program gets", leads_to.display());
        return Err(refused(reason).at(source.display()));
    }
    symlink(leads_to, target).map_err(failed)
}

/// Whether a link that lies `depth` directories deep cannot leave.
///
/// It may go up only at its beginning: after a name, `..` is the parent of wherever another link leads.
fn stays(leads_to: &Path, depth: usize) -> bool {
    let mut parts = leads_to.components().skip_while(|part| *part == Component::CurDir).peekable();
    let mut ups = 0;
    while parts.next_if_eq(&Component::ParentDir).is_some() {
        ups += 1;
    }
    ups <= depth && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn refused(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::Guest, reason)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    /// A directory with a file in a directory, and a place to copy it to.
    fn fixture() -> (TempDir, Dir, PathBuf) {
        let folder = TempDir::new().expect("a folder");
        let host = folder.path().join("fixture");
        fs::create_dir_all(host.join("sub")).expect("a folder");
        fs::write(host.join("sub/file"), "text").expect("a file");
        let copy = folder.path().join("copy");
        (folder, Dir { host, guest: "fixture".to_owned() }, copy)
    }

    #[test]
    fn copies_files_links_and_permissions_but_no_leftovers() {
        let (_folder, dir, copy) = fixture();
        symlink("sub/file", dir.host.join("link")).expect("a link");
        symlink("../nowhere", dir.host.join("sub/dangling")).expect("a link");
        fs::write(dir.host.join("old.cleanup"), "").expect("a file");
        fs::set_permissions(dir.host.join("sub"), fs::Permissions::from_mode(0o500)).expect("permissions");
        let staged = dir.copy(&copy).expect("a copy");
        assert_eq!(staged, Dir { host: copy.clone(), guest: "fixture".to_owned() });
        assert_eq!(fs::read_to_string(copy.join("link")).expect("what it leads to"), "text");
        assert_eq!(fs::read_link(copy.join("link")).expect("a link"), Path::new("sub/file"));
        assert_eq!(fs::read_link(copy.join("sub/dangling")).expect("a link"), Path::new("../nowhere"));
        assert!(!copy.join("old.cleanup").exists(), "a leftover is copied");
        let mode = fs::metadata(copy.join("sub")).expect("the copy").permissions().mode();
        assert_eq!(mode & 0o777, 0o500);
    }

    #[test]
    fn what_is_written_to_the_copy_does_not_reach_the_fixture() {
        let (_folder, dir, copy) = fixture();
        dir.copy(&copy).expect("a copy");
        fs::write(copy.join("sub/file"), "changed").expect("a file");
        assert_eq!(fs::read_to_string(dir.host.join("sub/file")).expect("the fixture"), "text");
    }

    #[test]
    fn refuses_links_that_leave_the_directory() {
        for (link, leads_to) in [
            ("link", "/etc/passwd"),
            ("link", ".."),
            ("link", "../fixture"),
            ("sub/link", "../../secret"),
            // What `sub` is says only the disk: it could be a link to the top.
            ("link", "sub/../.."),
            ("link", "sub/.."),
        ] {
            let (_folder, dir, copy) = fixture();
            symlink(leads_to, dir.host.join(link)).expect("a link");
            let refusal = dir.copy(&copy).expect_err(leads_to).to_string();
            assert!(refusal.contains(leads_to) && refusal.contains(link), "{refusal}");
        }
    }

    #[test]
    fn refuses_what_is_no_file() {
        let (_folder, dir, copy) = fixture();
        let socket = dir.host.join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        let refusal = dir.copy(&copy).expect_err("a socket").to_string();
        assert!(refusal.contains("socket: it is neither"), "{refusal}");
    }

    #[test]
    fn refuses_to_copy_over_something() {
        let (_folder, dir, copy) = fixture();
        fs::create_dir(&copy).expect("a folder");
        assert!(dir.copy(&copy).is_err(), "it is copied into a folder that there was");
    }
}
