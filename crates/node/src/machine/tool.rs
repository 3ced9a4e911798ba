//! Programs of this machine that help to make another one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::environment;
use crate::error::{Error, ErrorKind, Result};

/// A program that not every machine has.
#[derive(Debug)]
pub(crate) struct Tool {
    name: &'static str,
    /// Debian's package of it.
    package: &'static str,
}

impl Tool {
    pub(crate) const APT: Self = Self { name: "apt-get", package: "apt" };
    pub(crate) const APT_CACHE: Self = Self { name: "apt-cache", package: "apt" };
    pub(crate) const BUSYBOX: Self = Self { name: "busybox", package: "busybox-static" };
    pub(crate) const DEBOOTSTRAP: Self = Self { name: "debootstrap", package: "debootstrap" };
    pub(crate) const DEPMOD: Self = Self { name: "depmod", package: "kmod" };
    pub(crate) const DPKG: Self = Self { name: "dpkg-deb", package: "dpkg" };
    pub(crate) const LDD: Self = Self { name: "ldd", package: "libc-bin" };
    pub(crate) const MKE2FS: Self = Self { name: "mke2fs", package: "e2fsprogs" };
    pub(crate) const QEMU: Self = Self { name: "qemu-system-x86_64", package: "qemu-system-x86" };
    pub(crate) const XZ: Self = Self { name: "xz", package: "xz-utils" };

    /// Its file.
    ///
    /// # Errors
    /// [`Environment`](ErrorKind::Environment), which says how to install it.
    pub(crate) fn find(&self) -> Result<PathBuf> {
        environment::find(self.name).ok_or_else(|| {
            let Self { name, package } = self;
            let message = format!(
                "a virtual machine needs {name}, which is not there: run `cargo xtask setup`, or `apt-get install \
                 {package}`"
            );
            Error::new(ErrorKind::Environment, message)
        })
    }

    /// The program, to be given arguments: it speaks English, and has nothing to read.
    pub(crate) fn command(&self) -> Result<Command> {
        let mut command = Command::new(self.find()?);
        command.env("LC_ALL", "C").env("PATH", environment::system_path()).stdin(Stdio::null());
        Ok(command)
    }

    /// Runs it in a folder; what it has printed.
    ///
    /// # Errors
    /// [`Machine`](ErrorKind::Machine) with the end of what it has said, where it fails.
    pub(crate) fn run(&self, folder: &Path, arguments: &[OsString]) -> Result<Vec<u8>> {
        let mut command = self.command()?;
        let output = command.current_dir(folder).args(arguments).output();
        let output = output.map_err(|error| Error::io(format!("run {}", self.name), error))?;
        if output.status.success() { Ok(output.stdout) } else { Err(self.failed(arguments, &output)) }
    }

    /// The lines that it prints.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) fn lines(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        let printed = self.run(Path::new("/"), &arguments)?;
        Ok(String::from_utf8_lossy(&printed).lines().map(str::to_owned).collect())
    }

    fn failed(&self, arguments: &[OsString], output: &Output) -> Error {
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n    ");
        let (name, status) = (self.name, output.status);
        let message = format!("`{name} {}` failed: {status}\n    {tail}", arguments.join(" "));
        Error::new(ErrorKind::Machine, message)
    }
}

/// How many lines of what a program has said are shown.
const TAIL: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let tool = Tool { name: "no-such-program-anywhere", package: "nothing" };
        let error = tool.find().expect_err("it is absent");
        assert_eq!(*error.kind(), ErrorKind::Environment);
        let sentence = error.to_string();
        assert!(
            sentence.contains("no-such-program-anywhere") && sentence.contains("apt-get install nothing")
        );
    }

    #[test]
    fn a_failure_shows_what_the_program_has_said() {
        let tool = Tool { name: "sh", package: "dash" };
        let script = ["-c", "echo one; echo the cause >&2; exit 3"].map(OsString::from);
        let error = tool.run(Path::new("/"), &script).expect_err("it exits 3").to_string();
        assert!(error.contains("exit status: 3") && error.ends_with("one\n    the cause"), "{error}");
    }
}
