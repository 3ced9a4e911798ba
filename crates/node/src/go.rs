//! Go, and the programs that are built by it from modules beside this crate.

mod module;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub(crate) use self::module::{Module, Program, Progress};

use crate::environment;
use crate::error::{Error, ErrorKind, Result};

/// For a test: what was to be built by Go, or nothing where this machine cannot build it; stderr is told so then.
///
/// # Errors
/// Those of `built` other than [`Toolchain`](ErrorKind::Toolchain).
pub fn if_buildable<T>(built: Result<T>) -> Result<Option<T>> {
    match built {
        Ok(built) => Ok(Some(built)),
        Err(error) if *error.kind() == ErrorKind::Toolchain => {
            // Not by `eprintln!`, which a test that passes keeps to itself.
            writeln!(io::stderr(), "left out: {error}")
                .map_err(|error| Error::io("write to stderr", error))?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Go, in a version that can build `what`.
fn find(what: &str) -> Result<PathBuf> {
    let go = environment::program_or_in("go", FOLDERS);
    let absent = format!("{what} is built from its Go module once, which takes Go 1.26 or newer");
    let install = "install it from Go's own site, or a package of that version, and put it into PATH";
    let Some(go) = go else {
        return Err(Error::new(ErrorKind::Toolchain, format!("{absent}, and there is none: {install}")));
    };
    let output = Command::new(&go).args(["env", "GOVERSION"]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| Error::io(format!("run {} env", go.display()), error))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if is_new_enough(&version) {
        return Ok(go);
    }
    let message = format!("{absent}, and {} is {version:?}: {install}", go.display());
    Err(Error::new(ErrorKind::Toolchain, message))
}

/// Whether `go1.26.8` or the like can build what the modules ask for.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches("go").split(['.', 'r', '-']);
    let mut number = || numbers.next()?.parse::<u32>().ok();
    number().zip(number()).is_some_and(|version| version >= (1, 26))
}

/// Where Go is often put without a word to PATH.
const FOLDERS: &str = "/usr/local/go/bin:/usr/lib/go/bin:/usr/lib/go-1.26/bin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_only_what_lacks_a_toolchain() {
        let failed =
            |kind| if_buildable::<()>(Err(Error::new(kind, "no Go"))).map_err(|error| error.kind().clone());
        assert_eq!(if_buildable(Ok(1)).expect("it was built"), Some(1));
        assert_eq!(failed(ErrorKind::Toolchain), Ok(None));
        assert_eq!(failed(ErrorKind::Timeout), Err(ErrorKind::Timeout));
    }

    #[test]
    fn knows_the_versions_of_go_that_build_the_modules() {
        for version in ["go1.26.0", "go1.26.8", "go1.27rc1", "go1.30", "go2.0"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["go1.19.8", "go1.25.9", "devel", ""] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
