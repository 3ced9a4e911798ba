//! The engines under test, each by the program that hosts it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shimmer_benches::host::{Answer, Request, Result};
use shimmer_benches::results::engines::NATIVE;

/// An engine, or native code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Engine {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) has_components: bool,
    host: PathBuf,
}

impl Engine {
    /// Asks a host which engine it has.
    pub(crate) fn ask(host: &Path) -> Result<Self> {
        let (answer, _) = call(host, &Request::Info.arguments())?;
        Ok(Self {
            name: answer.name,
            version: answer.version,
            has_components: answer.components,
            host: host.to_owned(),
        })
    }

    /// Native code, which this program hosts itself.
    pub(crate) fn native() -> Result<Self> {
        Ok(Self::at(&std::env::current_exe()?))
    }

    /// A program that answers as a host does.
    pub(crate) fn at(host: &Path) -> Self {
        Self { name: NATIVE.into(), version: String::new(), has_components: false, host: host.to_owned() }
    }

    /// Lets a process of it do something; gives its answer, and what the guest wrote to stdout.
    pub(crate) fn call(&self, arguments: &[String]) -> Result<(Answer, String)> {
        call(&self.host, arguments)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

fn call(host: &Path, arguments: &[String]) -> Result<(Answer, String)> {
    // A guest sees nothing of the host's environment, and an engine must not be told by it either.
    let output = Command::new(host)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", host.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    if !output.status.success() {
        return Err(format!("{} said: {last}", output.status).into());
    }
    let answer = serde_json::from_str(last).map_err(|error| format!("{last}: {error}"))?;
    Ok((answer, String::from_utf8_lossy(&output.stdout).into_owned()))
}
