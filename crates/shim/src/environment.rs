//! The variables that the shim reads. containerd hands its own environment on to each shim; docs/configuration.md lists
//! them for operators.

use std::env;
use std::path::PathBuf;

/// Where and how much is kept on this node.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `SHIMMER_CACHE`: the folder of compiled code.
    pub(crate) cache: PathBuf,
    /// `SHIMMER_CACHE_SIZE`: how much it may take, in bytes.
    pub(crate) cache_size: u64,
    /// `SHIMMER_RUN`: the folder of the zygotes' sockets.
    pub(crate) run: PathBuf,
    /// `TTRPC_ADDRESS`: where containerd takes events.
    pub(crate) events: Option<PathBuf>,
}

/// 4 GiB: a hundred times the largest program known.
const CACHE_SIZE: u64 = 4 << 30;

impl Settings {
    pub(crate) fn read() -> Self {
        let path = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let size = env::var("SHIMMER_CACHE_SIZE").ok().and_then(|size| size.parse().ok());
        Self {
            cache: path("SHIMMER_CACHE").unwrap_or_else(|| PathBuf::from("/var/lib/shimmer/cache")),
            cache_size: size.unwrap_or(CACHE_SIZE),
            run: path("SHIMMER_RUN").unwrap_or_else(|| PathBuf::from("/run/shimmer")),
            events: path("TTRPC_ADDRESS"),
        }
    }
}
