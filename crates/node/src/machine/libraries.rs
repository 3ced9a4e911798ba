//! The libraries that a program is linked with, as this machine's loader finds them.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::machine::tool::Tool;

/// Files that a program needs, and the places at which another machine's loader looks for them.
pub(crate) fn of(program: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut ldd = Tool::LDD.command()?;
    let output = ldd.arg(program).output();
    let output = output.map_err(|error| Error::io(format!("run ldd for {}", program.display()), error))?;
    // It fails for a program that is linked with nothing, and for a script.
    let linked =
        linked(&String::from_utf8_lossy(&output.stdout)).map_err(|missing| unlinkable(program, &missing))?;
    let libc = linked.iter().find(|file| file.ends_with(LIBC)).cloned();
    let Some(folder) = libc.as_deref().and_then(Path::parent) else { return Ok(Vec::new()) };
    let siblings = SIBLINGS.iter().map(|name| folder.join(name)).filter(|file| file.exists());
    let siblings: Vec<PathBuf> = siblings.filter(|file| !linked.contains(file)).collect();
    let placed = |file: PathBuf| {
        let place = place(&file, folder);
        (file, place)
    };
    Ok(linked.into_iter().chain(siblings).map(placed).collect())
}

/// The paths in ldd's lines, or the name of a library that is nowhere.
fn linked(text: &str) -> std::result::Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for line in text.lines() {
        let (name, file) = line.trim().split_once(" => ").unwrap_or_else(|| ("", line.trim()));
        if file == "not found" {
            return Err(name.to_owned());
        }
        // Others are the kernel's own, and sentences about programs that are linked with nothing.
        let path = file.split_whitespace().next().filter(|word| word.starts_with('/'));
        files.extend(path.map(PathBuf::from));
    }
    Ok(files)
}

/// A program names its loader by its path; all else is looked for in the folder of the C library.
fn place(file: &Path, folder: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default();
    if name.to_string_lossy().starts_with("ld-linux") { file.to_owned() } else { folder.join(name) }
}

fn unlinkable(program: &Path, library: &str) -> Error {
    let message = format!("{} is linked with {library}, which this machine does not have", program.display());
    Error::new(ErrorKind::Environment, message)
}

const LIBC: &str = "libc.so.6";

/// Parts of the C library that only fit each other: whatever another system has of them is replaced as a whole.
const SIBLINGS: [&str; 12] = [
    "libanl.so.1",
    "libdl.so.2",
    "libm.so.6",
    "libmvec.so.1",
    "libnss_compat.so.2",
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libthread_db.so.1",
    "libutil.so.1",
];

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\tlinux-vdso.so.1 (0x00007ff9555d6000)\n\
                        \tlibengine.so.0 => /opt/engine/libengine.so.0 (0x00007ff9555a4000)\n\
                        \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007ff9553ae000)\n\
                        \t/lib64/ld-linux-x86-64.so.2 (0x00007ff9555d8000)\n";

    #[test]
    fn reads_the_libraries_and_the_loader() {
        let files = linked(TEXT).expect("all are there");
        let expected =
            ["/opt/engine/libengine.so.0", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(files, expected.map(PathBuf::from));
        for text in ["\tnot a dynamic executable\n", "\tstatically linked\n"] {
            assert_eq!(linked(text), Ok(Vec::new()));
        }
    }

    #[test]
    fn names_a_library_that_is_nowhere() {
        assert_eq!(linked("\tlibnone.so.1 => not found\n"), Err("libnone.so.1".to_owned()));
    }

    #[test]
    fn puts_libraries_where_every_loader_looks() {
        let folder = Path::new("/lib/x86_64-linux-gnu");
        let library = place(Path::new("/opt/engine/libengine.so.0"), folder);
        assert_eq!(library, Path::new("/lib/x86_64-linux-gnu/libengine.so.0"));
        let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
        assert_eq!(place(loader, folder), loader);
    }

    #[test]
    fn finds_the_c_library_of_a_program_of_this_machine() {
        let program = std::env::current_exe().expect("this test");
        let found = of(&program).expect("libraries");
        assert!(found.iter().any(|(file, place)| file.ends_with(LIBC) && place.ends_with(LIBC)), "{found:?}");
    }
}
