//! Helm, of both generations that are in use, built from the Go module beside this crate.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::go::{Module, Program};

/// A generation of Helm. Both are built from one module, since most of what they are made of is the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Helm {
    /// Helm 3.
    V3,
    /// Helm 4.
    V4,
}

impl Helm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V3, Self::V4];

    /// Its version, as in `4.3.1`.
    pub fn version(self) -> &'static str {
        match self {
            Self::V3 => "3.22.0",
            Self::V4 => "4.3.1",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V3 => "helm-3",
            Self::V4 => "helm-4",
        }
    }
}

/// Finds a Helm below `cache`, or builds both there once, which takes minutes. `progress` is told how far that has come, in
/// words that may be overwritten by the next ones.
///
/// ```no_run
/// let helm = shimmer_node::helm(shimmer_node::Helm::V4, &shimmer_node::cache()?, &|_| ())?;
/// # Ok::<(), shimmer_node::Error>(())
/// ```
///
/// # Errors
/// [`Toolchain`](crate::ErrorKind::Toolchain) where there is no Go to build it by;
/// [`Environment`](crate::ErrorKind::Environment) where it cannot be built.
pub fn helm(version: Helm, cache: &Path, progress: &(dyn Fn(&str) + Sync)) -> Result<PathBuf> {
    Ok(MODULE.provide(cache, progress)?.join(version.name()))
}

const MODULE: Module = Module {
    name: "helm",
    title: "Helm",
    files: &[("go.mod", include_str!("../helm/go.mod")), ("go.sum", include_str!("../helm/go.sum"))],
    programs: &[
        Program { name: "helm-4", package: "helm.sh/helm/v4/cmd/helm", flags: flags_of_4 },
        Program { name: "helm-3", package: "helm.sh/helm/v3/cmd/helm", flags: flags_of_3 },
    ],
};

/// The Kubernetes that Helm 3 takes for the cluster's where there is none, as its own release does: that of its client.
const KUBERNETES: (&str, &str) = ("1", "37");

/// It finds the version of Kubernetes by itself.
fn flags_of_4() -> String {
    format!("-X helm.sh/helm/v4/internal/version.version=v{}", Helm::V4.version())
}

fn flags_of_3() -> String {
    let (base, (major, minor)) = ("helm.sh/helm/v3", KUBERNETES);
    let of_kubernetes = ["pkg/lint/rules", "pkg/chartutil"].map(|package| {
        format!(" -X {base}/{package}.k8sVersionMajor={major} -X {base}/{package}.k8sVersionMinor={minor}")
    });
    format!("-X {base}/internal/version.version=v{}{}", Helm::V3.version(), of_kubernetes.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_the_modules() {
        let (_, module) = MODULE.files[0];
        for helm in Helm::ALL {
            let major = &helm.version()[..1];
            let required = format!("helm.sh/helm/v{major} v{} ", helm.version());
            assert!(module.contains(&required), "go.mod does not require {required}");
            assert!(MODULE.programs.iter().any(|program| program.name == helm.name()), "{helm:?}");
        }
        let (_, minor) = KUBERNETES;
        assert!(module.contains(&format!("k8s.io/client-go v0.{minor}.")), "go.mod has another Kubernetes");
    }
}
