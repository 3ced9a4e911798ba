//! Debian's package manager, asked and ordered without questions.

use std::process::Command;

use crate::setup::sources;
use crate::{Result, machine, process};

/// What this run has learnt from apt and asks of it.
#[derive(Debug, Default)]
pub(crate) struct Apt {
    /// How the refresh of the package lists went, once it was tried.
    refreshed: Option<std::result::Result<(), String>>,
    stable: Vec<String>,
    unstable: Vec<Wanted>,
}

/// A package that does not do in any version.
#[derive(Debug)]
struct Wanted {
    package: &'static str,
    fits: fn(&str) -> bool,
}

impl Apt {
    pub(crate) fn is_here() -> bool {
        machine::program("apt-get").is_some()
    }

    /// Adds packages to what will be installed.
    pub(crate) fn request<S: AsRef<str>>(&mut self, packages: &[S]) {
        self.stable.extend(packages.iter().map(|package| package.as_ref().to_owned()));
    }

    /// Adds a package in a version that fits: the one of the machine's release, or else of Debian's unstable suite.
    pub(crate) fn request_version(&mut self, package: &'static str, fits: fn(&str) -> bool) -> Result<()> {
        self.refresh();
        let candidate = Policy::of(package)?.candidate;
        if candidate.is_some_and(|version| version.priority >= DEFAULT_PRIORITY && fits(&version.name)) {
            self.request(&[package]);
        } else {
            self.unstable.push(Wanted { package, fits });
        }
        Ok(())
    }

    /// Adds libclang and the headers it needs, in the version that is this release's default: 30 MB, where
    /// `libclang-dev` would bring 300.
    pub(crate) fn request_clang(&mut self) {
        self.refresh();
        let depends = process::read(apt_cache().args(["depends", "libclang-dev"])).unwrap_or_default();
        match default_clang(&depends) {
            Some(version) => {
                self.request(&[format!("libclang1-{version}"), format!("libclang-common-{version}-dev")])
            }
            None => self.request(&["libclang-dev"]),
        }
    }

    /// Installs what was requested. What comes from stable goes first: unstable brings a newer C library, which a
    /// compiler that is installed later would not fit.
    pub(crate) fn install(&mut self) -> Result<()> {
        if !self.stable.is_empty() {
            self.refresh();
            for package in &self.stable {
                if Policy::of(package)?.versions.is_empty() {
                    return Err(self.explain(&format!("no package source of this machine offers {package}")));
                }
            }
            self.order(&self.stable, &[])?;
        }
        if !self.unstable.is_empty() {
            self.add_unstable()?;
            let packages: Vec<&str> = self.unstable.iter().map(|wanted| wanted.package).collect();
            self.order(&packages, &["--target-release=sid"])?;
        }
        Ok(())
    }

    fn add_unstable(&mut self) -> Result<()> {
        if let Some(written) = sources::add_unstable()? {
            println!(
                "  {} adds Debian's unstable suite at priority 100: by itself it replaces nothing",
                written.display()
            );
            self.refreshed = None;
            self.refresh();
        }
        for Wanted { package, fits } in &self.unstable {
            let versions = Policy::of(package)?.versions;
            if !versions.iter().any(|version| fits(&version.name)) {
                let names: Vec<&str> = versions.iter().map(|version| version.name.as_str()).collect();
                let names = if names.is_empty() { "no version".to_owned() } else { names.join(" and ") };
                return Err(self.explain(&format!(
                    "of {package} the package sources of this machine offer {names}, which does not do: install a \
                     fitting one from its official release"
                )));
            }
        }
        Ok(())
    }

    fn order<S: AsRef<str>>(&self, packages: &[S], options: &[&str]) -> Result<()> {
        let mut install = apt_get();
        install.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(options);
        install.args(packages.iter().map(AsRef::as_ref));
        println!("  {}", process::describe(&install));
        // A configuration file that somebody changed stays as it is.
        install.args(["--option=Dpkg::Options::=--force-confold", "--option=DPkg::Lock::Timeout=300"]);
        process::run_quietly(install).map_err(|error| self.explain(&error.to_string()))
    }

    /// One source that is out of reach need not be the one that counts, so a failure is only remembered.
    fn refresh(&mut self) {
        if self.refreshed.is_none() {
            let mut update = apt_get();
            update.args(["update", "--quiet"]);
            println!("  {}", process::describe(&update));
            update.arg("--option=APT::Update::Error-Mode=any");
            self.refreshed = Some(process::run_quietly(update).map_err(|error| error.to_string()));
        }
    }

    fn explain(&self, problem: &str) -> Box<dyn std::error::Error> {
        match &self.refreshed {
            Some(Err(refresh)) => format!(
                "{problem}\nThe package lists could not be refreshed either, so that a source may be out of reach; \
                 {refresh}"
            )
            .into(),
            _ => problem.into(),
        }
    }
}

/// The priority of a source that nothing was said about.
const DEFAULT_PRIORITY: i32 = 500;

fn default_clang(depends: &str) -> Option<&str> {
    let name = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: libclang-"))?;
    name.strip_suffix("-dev").filter(|version| version.bytes().all(|byte| byte.is_ascii_digit()))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("PATH", machine::path()).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8");
    command
}

fn apt_cache() -> Command {
    let mut command = Command::new("apt-cache");
    command.env("PATH", machine::path()).env("LC_ALL", "C.UTF-8");
    command
}

/// What apt knows of a package.
#[derive(Debug, Eq, PartialEq)]
struct Policy {
    candidate: Option<Version>,
    versions: Vec<Version>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Version {
    name: String,
    priority: i32,
}

impl Policy {
    fn of(package: &str) -> Result<Self> {
        Ok(Self::parse(&process::read(apt_cache().args(["policy", package]))?))
    }

    fn parse(text: &str) -> Self {
        let candidate =
            text.lines().find_map(|line| line.trim().strip_prefix("Candidate: ")).unwrap_or_default();
        let table = text.lines().skip_while(|line| line.trim() != "Version table:").skip(1);
        let versions: Vec<Version> = table.filter_map(Version::parse).collect();
        Self { candidate: versions.iter().find(|version| version.name == candidate).cloned(), versions }
    }
}

impl Version {
    /// Reads ` *** 1.6.20~ds1-1 500`; the lines of the sources, which are indented deeper, are none.
    fn parse(line: &str) -> Option<Self> {
        let line = line.strip_prefix(" *** ").or_else(|| line.strip_prefix("     "))?;
        let (name, priority) = line.split_once(' ').filter(|(name, _)| !name.is_empty())?;
        Some(Self { name: name.to_owned(), priority: priority.trim().parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "containerd:
  Installed: 1.6.20~ds1-1+deb12u3
  Candidate: 1.6.20~ds1-1+deb12u3
  Version table:
     2.1.9+ds1-5 100
        100 mirror sid/main amd64 Packages
 *** 1.6.20~ds1-1+deb12u3 500
        500 mirror bookworm/main amd64 Packages
        100 /var/lib/dpkg/status
";

    #[test]
    fn reads_the_candidate_and_its_priority() {
        let version = |name: &str, priority| Version { name: name.to_owned(), priority };
        let stable = version("1.6.20~ds1-1+deb12u3", 500);
        let expected =
            Policy { candidate: Some(stable.clone()), versions: vec![version("2.1.9+ds1-5", 100), stable] };
        assert_eq!(Policy::parse(POLICY), expected);
    }

    #[test]
    fn a_package_that_no_source_has_has_no_candidate() {
        assert_eq!(Policy::parse(""), Policy { candidate: None, versions: Vec::new() });
        let virtual_only = "x:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n";
        assert_eq!(Policy::parse(virtual_only).candidate, None);
    }

    #[test]
    fn finds_the_clang_that_is_the_default() {
        assert_eq!(default_clang("libclang-dev\n  Depends: libclang-14-dev\n"), Some("14"));
        assert_eq!(default_clang("libclang-dev\n  Depends: libc6\n"), None);
        assert_eq!(default_clang(""), None);
    }
}
