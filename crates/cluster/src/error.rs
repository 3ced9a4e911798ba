use std::io;
use std::path::PathBuf;

use shimmer_node::ErrorKind;

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Node(#[from] shimmer_node::Error),
    #[error("the cluster's images cannot be written: {0}")]
    Image(#[from] shimmer_oci::Error),
    #[error("cannot {doing}: {source}")]
    Io { doing: String, source: io::Error },
    #[error("no cluster runs: start one with `cargo xtask cluster up`")]
    None,
    #[error(
        "a cluster runs already: `cargo xtask cluster status` shows it, and `cargo xtask cluster down` ends it"
    )]
    Running,
    #[error("the cluster did not start: {0}")]
    Start(String),
    #[error("{0} is not what a keeper writes: remove it, and start the cluster again")]
    State(PathBuf),
}

impl Error {
    /// `doing` completes "cannot …".
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        |source| Self::Io { doing, source }
    }

    /// The exit status that tells it.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::None => 3,
            Self::Node(error) if *error.kind() == ErrorKind::Toolchain => 4,
            _ => 1,
        }
    }
}
