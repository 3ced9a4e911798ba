//! The programs of Kubernetes, built from the Go module beside this crate.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::cluster::go;
use crate::error::{Error, ErrorKind, Result};

/// The version of Kubernetes, as in `1.37.2`.
pub(crate) const VERSION: &str = "1.37.2";

/// Told how far a long step has come, in a few words that may be overwritten by the next ones.
pub(crate) type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// Programs that can be executed: one file, under a name for each.
#[derive(Clone, Debug)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Finds them below `cache`, or builds them there once, which takes minutes.
    ///
    /// # Errors
    /// [`Environment`](ErrorKind::Environment) where Go is missing or too old, or the module cannot be built.
    pub(crate) fn provide(cache: &Path, progress: Progress<'_>) -> Result<Self> {
        let home = cache.join("kubernetes");
        let folder = home.join(key());
        let made = fs::create_dir_all(&home).and_then(|()| File::create(home.join("lock")));
        let lock = made.map_err(|error| Error::io(format!("make {}", home.display()), error))?;
        // Two builds at once would take twice as long; the second finds its work done.
        lock.lock().map_err(|error| Error::io("wait for another build of Kubernetes", error))?;
        if !folder.join(PROGRAM).exists() {
            build(&home, &folder, progress)?;
        }
        // Also into a folder that was built when there were fewer of them.
        for name in NAMES {
            let link = folder.join(name);
            if !link.exists() {
                symlink(PROGRAM, &link)
                    .map_err(|error| Error::io(format!("make {}", link.display()), error))?;
            }
        }
        Ok(Self(folder))
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

const MODULE: [(&str, &str); 3] = [
    ("main.go", include_str!("../../kubernetes/main.go")),
    ("go.mod", include_str!("../../kubernetes/go.mod")),
    ("go.sum", include_str!("../../kubernetes/go.sum")),
];
const PROGRAM: &str = "kubernetes";
/// The names under which the one program is called.
const NAMES: [&str; 8] = [
    "coredns",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
];

/// A name that changes when anything changes that the programs are made of.
fn key() -> String {
    let mut hash = Sha256::new();
    for (_, text) in MODULE {
        hash.update(text);
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Builds in a folder of its own, which becomes `folder` when all is there.
fn build(home: &Path, folder: &Path, progress: Progress<'_>) -> Result<()> {
    let go = go::find()?;
    let work = home.join("build");
    let describe = |error| Error::io(format!("build Kubernetes in {}", work.display()), error);
    let (source, output) = (work.join("source"), work.join("output"));
    fs::create_dir_all(&source).and_then(|()| fs::create_dir_all(&output)).map_err(describe)?;
    for (name, text) in MODULE {
        fs::write(source.join(name), text).map_err(describe)?;
    }
    compile(&go, &work, progress)?;
    fs::rename(&output, folder).map_err(describe)?;
    // Gigabytes that only another version would look at, and little of.
    fs::remove_dir_all(&work).map_err(describe)
}

/// Runs the compiler, which names each package that it has done.
fn compile(go: &Path, work: &Path, progress: Progress<'_>) -> Result<()> {
    progress(&format!("Kubernetes {VERSION}: fetching its sources"));
    let total = packages(go, work)?;
    let mut build = command(go, work);
    build
        .args(["build", "-v", "-trimpath", "-ldflags", &flags(), "-o"])
        .arg(work.join("output").join(PROGRAM));
    let mut child =
        build.arg(".").stderr(Stdio::piped()).spawn().map_err(|error| Error::io("run go build", error))?;
    let (mut done, mut said) = (0, Vec::new());
    for line in BufReader::new(child.stderr.take().into_iter().next().ok_or_else(unseen)?).lines() {
        let line = line.map_err(|error| Error::io("read what go build says", error))?;
        done += 1;
        progress(&format!(
            "Kubernetes {VERSION}: {done} of about {total} packages compiled, once for all clusters"
        ));
        said.push(line);
    }
    let status = child.wait().map_err(|error| Error::io("wait for go build", error))?;
    if status.success() { Ok(()) } else { Err(failed(&said.join("\n"))) }
}

/// How many packages there are to be compiled.
fn packages(go: &Path, work: &Path) -> Result<usize> {
    let listed = command(go, work).args(["list", "-deps", "."]).output();
    let listed = listed.map_err(|error| Error::io("run go list", error))?;
    if !listed.status.success() {
        return Err(failed(&String::from_utf8_lossy(&listed.stderr)));
    }
    Ok(listed.stdout.iter().filter(|byte| **byte == b'\n').count())
}

fn command(go: &Path, work: &Path) -> Command {
    let mut command = Command::new(go);
    command.current_dir(work.join("source")).stdin(Stdio::null());
    // Everything that is fetched and compiled goes with the build; where from is the user's own affair.
    command.env("GOCACHE", work.join("compiled")).env("GOMODCACHE", work.join("modules"));
    command.env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly -modcacherw -buildvcs=false");
    command
}

/// What Kubernetes says its version is, which nothing but the linker tells it.
fn flags() -> String {
    let mut parts = VERSION.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let base = "k8s.io/component-base/version";
    format!(
        "-s -w -X {base}.gitVersion=v{VERSION} -X {base}.gitMajor={major} -X {base}.gitMinor={minor} \
         -X k8s.io/client-go/pkg/version.gitVersion=v{VERSION}"
    )
}

fn failed(said: &str) -> Error {
    let tail: Vec<&str> = said.lines().rev().take(20).collect();
    let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
    Error::new(
        ErrorKind::Environment,
        format!("Kubernetes cannot be built from its Go module; go says:\n{tail}"),
    )
}

fn unseen() -> Error {
    Error::io("read what go build says", std::io::ErrorKind::BrokenPipe.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_modules() {
        let (_, module) = MODULE[1];
        assert!(
            module.contains(&format!("k8s.io/kubernetes v{VERSION}\n")),
            "go.mod requires another Kubernetes"
        );
        assert!(flags().contains("gitMajor=1 ") && flags().contains("gitMinor=37 "), "{}", flags());
    }

    #[test]
    fn every_program_of_the_module_has_a_name_and_no_other() {
        let (_, main) = MODULE[0];
        let (_, rest) = main.split_once("map[string]func(){\n").expect("main.go lists its programs");
        let lines = rest.lines().take_while(|line| *line != "}");
        let programs: Vec<&str> = lines.filter_map(|line| line.split('"').nth(1)).collect();
        assert_eq!(programs, NAMES);
    }

    #[test]
    fn a_folder_from_before_gets_the_names_that_it_lacks() {
        let cache = tempfile::tempdir().expect("a folder");
        let folder = cache.path().join("kubernetes").join(key());
        fs::create_dir_all(&folder).expect("it is ours");
        fs::write(folder.join(PROGRAM), "built").expect("it is ours");
        let programs = Programs::provide(cache.path(), &|_| ()).expect("nothing is to be built");
        for name in NAMES {
            let program = fs::read_to_string(programs.program(name)).expect("it is there");
            assert_eq!(program, "built", "{name}");
        }
    }
}
