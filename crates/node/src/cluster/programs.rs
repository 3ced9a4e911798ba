//! The programs of Kubernetes, built from the Go module beside this crate.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::go::{Module, Program, Progress};

/// The version of Kubernetes, as in `1.37.2`.
pub(crate) const VERSION: &str = "1.37.2";

/// Programs that can be executed: one file, under a name for each.
#[derive(Clone, Debug)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Finds them below `cache`, or builds them there once, which takes minutes.
    ///
    /// # Errors
    /// As [`Module::provide`].
    pub(crate) fn provide(cache: &Path, progress: Progress<'_>) -> Result<Self> {
        let folder = MODULE.provide(cache, progress)?;
        // Also into a folder that was built when there were fewer of them.
        for name in NAMES {
            let link = folder.join(name);
            if !link.exists() {
                symlink(MODULE.name, &link)
                    .map_err(|error| Error::io(format!("make {}", link.display()), error))?;
            }
        }
        Ok(Self(folder))
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

const MODULE: Module = Module {
    name: "kubernetes",
    title: "Kubernetes",
    files: &[
        ("main.go", include_str!("../../kubernetes/main.go")),
        ("go.mod", include_str!("../../kubernetes/go.mod")),
        ("go.sum", include_str!("../../kubernetes/go.sum")),
    ],
    programs: &[Program { name: "kubernetes", package: ".", flags }],
};
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

/// What Kubernetes says its version is, which nothing but the linker tells it.
fn flags() -> String {
    let mut parts = VERSION.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let base = "k8s.io/component-base/version";
    format!(
        "-X {base}.gitVersion=v{VERSION} -X {base}.gitMajor={major} -X {base}.gitMinor={minor} \
         -X k8s.io/client-go/pkg/version.gitVersion=v{VERSION}"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_version_is_the_modules() {
        let (_, module) = MODULE.files[1];
        assert!(
            module.contains(&format!("k8s.io/kubernetes v{VERSION}\n")),
            "go.mod requires another Kubernetes"
        );
        assert!(flags().contains("gitMajor=1 ") && flags().contains("gitMinor=37 "), "{}", flags());
    }

    #[test]
    fn every_program_of_the_module_has_a_name_and_no_other() {
        let (_, main) = MODULE.files[0];
        let (_, rest) = main.split_once("map[string]func(){\n").expect("main.go lists its programs");
        let lines = rest.lines().take_while(|line| *line != "}");
        let programs: Vec<&str> = lines.filter_map(|line| line.split('"').nth(1)).collect();
        assert_eq!(programs, NAMES);
    }

    #[test]
    fn a_folder_from_before_gets_the_names_that_it_lacks() {
        let cache = tempfile::tempdir().expect("a folder");
        let folder = MODULE.folder(cache.path());
        fs::create_dir_all(&folder).expect("it is ours");
        fs::write(folder.join(MODULE.name), "built").expect("it is ours");
        let programs = Programs::provide(cache.path(), &|_| ()).expect("nothing is to be built");
        for name in NAMES {
            let program = fs::read_to_string(programs.program(name)).expect("it is there");
            assert_eq!(program, "built", "{name}");
        }
    }
}
