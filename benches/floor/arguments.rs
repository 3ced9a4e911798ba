//! What containerd calls a shim with.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What is to be done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Action {
    Start,
    Delete,
    /// Without a word, as every shim calls its server.
    #[default]
    Serve,
}

/// The command line, in the form of Go's flags.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) action: Action,
    pub(crate) id: String,
    pub(crate) namespace: String,
    /// containerd's socket.
    pub(crate) address: String,
}

impl Arguments {
    /// Flags that mean nothing to a shim that does nothing are passed over.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Self {
        let mut parsed = Self::default();
        while let Some(word) = words.next() {
            match word.trim_start_matches('-') {
                "id" => parsed.id = words.next().unwrap_or_default(),
                "namespace" => parsed.namespace = words.next().unwrap_or_default(),
                "address" => parsed.address = words.next().unwrap_or_default(),
                "start" => parsed.action = Action::Start,
                "delete" => parsed.action = Action::Delete,
                _ => {}
            }
        }
        parsed
    }

    /// The words for a server of the same task.
    pub(crate) fn of_server(&self) -> [&str; 6] {
        ["-namespace", &self.namespace, "-address", &self.address, "-id", &self.id]
    }

    /// Where the server listens; containerd looks nowhere, but removes what is left there.
    pub(crate) fn socket(&self) -> PathBuf {
        let name = Path::new(&self.address).join(&self.namespace).join(&self.id);
        let digest = Sha256::digest(name.display().to_string());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Path::new("/run/containerd/s").join(hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_containerd_writes() {
        let words = "-namespace k8s.io -address /run/c.sock -publish-binary /usr/bin/containerd -id a start";
        let parsed = Arguments::parse(words.split(' ').map(str::to_owned));
        assert_eq!((parsed.action, parsed.id.as_str()), (Action::Start, "a"));
        let server = Arguments::parse(parsed.of_server().into_iter().map(str::to_owned));
        assert_eq!((server.action, server.socket()), (Action::Serve, parsed.socket()));
    }
}
