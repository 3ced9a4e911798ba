use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use shimmer_engine::Needs;

use crate::entry::Origin;
use crate::folder::Folder;
use crate::workspace::{self, Workspace};
use crate::{Entry, Error, ErrorKind, MakeError, Result};

/// Where compiled code can be in memory under a name. The name is needed only while it is compiled.
///
/// `/tmp` is not among them: other users can put folders there, and it may be on the disk that is full.
pub(crate) const PLACES: [&str; 2] = ["/run/shimmer/compile", "/dev/shm/shimmer-compile"];

/// Compiles for one start.
pub(crate) fn make<E>(
    places: &[PathBuf],
    mut compile: impl FnMut(&Path) -> Result<Needs, E>,
) -> Result<Entry, MakeError<E>> {
    let workspace = first(places)?;
    let needs = compile(&workspace.output()).map_err(MakeError::Compile)?;
    let code = in_memory(&workspace::compiled(workspace.folder())?)
        .map_err(|error| Error::os("compiled code cannot be kept in memory", &workspace.output(), error))?;
    Ok(Entry::new(code, needs, Origin::Private))
}

fn first(places: &[PathBuf]) -> Result<Workspace> {
    let mut refusal = Error::new(ErrorKind::Missing, "there is no place to compile in");
    for place in places {
        let opened = Folder::open_or_create(place).and_then(|folder| {
            workspace::sweep(&folder)?;
            Workspace::new(folder)
        });
        match opened {
            Ok(workspace) => return Ok(workspace),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// Copies a file into memory that nobody can change any more and that goes with its last user.
///
/// The compiled file itself would not do: many distributions mount `/run` with `noexec`, and code from there cannot be
/// mapped.
fn in_memory(file: &File) -> std::io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Nodes can be set to refuse memory that could be executed as a program. Older kernels do not know the flag.
    let memory = match rustix::fs::memfd_create("shimmer", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => rustix::fs::memfd_create("shimmer", flags),
        result => result,
    }?;
    let mut memory = File::from(memory);
    std::io::copy(&mut &*file, &mut memory)?;
    rustix::fs::fcntl_add_seals(
        &memory,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&memory));
    Ok(File::from(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs::{self, Permissions};
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change, mount_remount};
    use rustix::thread::{UnshareFlags, unshare_unsafe};

    use super::*;
    use crate::fixture::{
        Bench, compile_to, content, failing, is_compile_error, is_empty, key, needs, warnings,
    };

    /// The start goes on, and one warning names the folder.
    fn degrades(bench: &Bench, code: &[u8]) {
        let mut compiled = Vec::new();
        let warnings = warnings(|| {
            let entry = bench.make(&key("a"), code);
            assert_eq!((entry.origin(), entry.needs()), (Origin::Private, &needs()));
            compiled = content(&entry);
        });
        assert_eq!(compiled, code);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(bench.path("").to_string_lossy().trim_end_matches('/')), "{warnings:?}");
        assert!(warnings[0].contains("repair the folder"), "{warnings:?}");
        assert!(is_empty(&bench.root.path().join("fallback")));
    }

    /// Does something while a small file system is at the cache's folder, which no other thread sees.
    fn on_a_small_disk(bench: &Bench, action: impl FnOnce() + Send) {
        let mounted = || {
            mount_small_disk(bench);
            action();
        };
        std::thread::scope(|scope| scope.spawn(mounted).join()).expect("it has not panicked");
    }

    fn mount_small_disk(bench: &Bench) {
        // SAFETY: this thread ends after the action and shares no state with others that depends on the mounts.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("the test runs as root");
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).expect("as root");
        fs::create_dir(bench.path("")).expect("a folder");
        mount("none", bench.path(""), "tmpfs", MountFlags::empty(), c"size=1m,mode=0700").expect("as root");
    }

    #[test]
    fn a_folder_that_others_can_write_is_not_used() {
        let bench = Bench::new();
        fs::create_dir(bench.path("")).expect("a folder");
        fs::set_permissions(bench.path(""), Permissions::from_mode(0o777)).expect("this user's");
        degrades(&bench, b"code");
        assert!(is_empty(&bench.path("")));
    }

    #[test]
    fn a_folder_that_is_a_link_is_not_used() {
        let bench = Bench::new();
        fs::create_dir(bench.root.path().join("elsewhere")).expect("a folder");
        symlink("elsewhere", bench.root.path().join("cache")).expect("a link");
        degrades(&bench, b"code");
        assert!(is_empty(&bench.root.path().join("elsewhere")));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_not_needed() {
        let bench = Bench::new();
        fs::write(bench.root.path().join("cache"), "no folder").expect("it is written");
        degrades(&bench, b"code");
    }

    #[test]
    fn a_full_disk_fails_no_start() {
        let bench = Bench::new();
        on_a_small_disk(&bench, || {
            degrades(&bench, &vec![1; 2 << 20]);
            assert!(is_empty(&bench.path("temporary")));
        });
    }

    #[test]
    fn a_read_only_disk_fails_no_start() {
        let bench = Bench::new();
        on_a_small_disk(&bench, || {
            bench.make(&key("there"), b"code");
            mount_remount(bench.path(""), MountFlags::RDONLY, "").expect("as root");
            degrades(&bench, b"code");
            assert!(bench.finds(&key("there")), "what is there is used");
        });
    }

    #[test]
    fn a_bad_program_stays_bad_where_the_cache_cannot_be_used() {
        let (bench, count) = (Bench::new(), Cell::new(0));
        fs::write(bench.root.path().join("cache"), "no folder").expect("it is written");
        assert!(is_compile_error(&bench.cache.find_or_make(&key("a"), failing(&count))));
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn private_code_is_in_memory_that_nobody_can_change() {
        let root = tempfile::tempdir().expect("a folder");
        fs::write(root.path().join("file"), "").expect("no folder");
        let places = [root.path().join("file/below"), root.path().join("place")];
        let entry = make(&places, compile_to(b"code")).expect("the second place does");
        assert!(is_empty(&places[1]));
        assert_eq!(content(&entry), b"code");
        let mut code = entry.code();
        code.write_all(b"x").expect_err("it is open for reading only");
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(code));
        let writer = File::options().write(true).open(path);
        assert!(writer.is_err() || writer.is_ok_and(|mut file| file.write_all(b"x").is_err()));
    }

    #[test]
    fn that_there_is_no_place_at_all_is_an_error_of_the_cache() {
        let root = tempfile::tempdir().expect("a folder");
        fs::write(root.path().join("file"), "").expect("no folder");
        let error = make(&[root.path().join("file/below")], compile_to(b"code")).expect_err("no place");
        assert!(matches!(&error, MakeError::Cache(cause) if cause.kind() == ErrorKind::Untrusted), "{error}");
    }
}
