//! The versions of containerd, and of what its configuration looks like.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The schema of a configuration, which its `version` names.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) enum Schema {
    /// containerd 1.3 to 1.7; 2.x translates it when it starts.
    V2,
    /// containerd 2.0 and later.
    V3,
    /// containerd 2.3 and later: what we write has the same names as in 3.
    V4,
}

impl Schema {
    /// The schema that `version = number` means; `file` is for the sentence.
    pub(crate) fn numbered(number: i64, file: &str) -> Result<Self> {
        match number {
            2 => Ok(Self::V2),
            3 => Ok(Self::V3),
            4 => Ok(Self::V4),
            1 => Err(Error::refused(format!(
                "{file} has the schema of version 1, which containerd 2 reads no more: `containerd config migrate` writes \
                 it anew"
            ))),
            other => Err(Error::refused(format!(
                "{file} has `version = {other}`, and this installer knows 2, 3 and 4: look for a newer installer"
            ))),
        }
    }

    /// What stands behind `version =`.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }

    /// The plugin that has the runtimes.
    pub(crate) fn runtimes(self) -> &'static str {
        match self {
            Self::V2 => "io.containerd.grpc.v1.cri",
            Self::V3 | Self::V4 => "io.containerd.cri.v1.runtime",
        }
    }
}

/// The plugin that pulls images in containerd 2.x. In a file of schema 2 too it is called by this name: containerd 2.1.9
/// does not carry `use_local_image_pull` over from `io.containerd.grpc.v1.cri`.
pub(crate) const IMAGES: &str = "io.containerd.cri.v1.images";

/// A version of containerd.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    pub(crate) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// What `containerd --version` says: `containerd <module> v1.7.24-k3s1 <revision>`.
    pub(crate) fn told(output: &str) -> Result<Self> {
        let found = output.split_whitespace().skip(1).find_map(Self::parsed);
        let line = || output.lines().next().unwrap_or_default().chars().take(100).collect::<String>();
        found.ok_or_else(|| {
            Error::refused(format!("`containerd --version` says {:?}, in which there is no version", line()))
        })
    }

    /// The schema that this version's own defaults are in, and which a file has that is made new for it.
    pub(crate) fn schema(self) -> Schema {
        if self.major < 2 { Schema::V2 } else { Schema::V3 }
    }

    /// The newest schema that this version reads.
    pub(crate) fn reads(self) -> Schema {
        if self >= Self::new(2, 3, 0) { Schema::V4 } else { self.schema() }
    }

    /// Whether a drop-in adds to a plugin's configuration. Before 2.0 it takes the place of the whole plugin's: runc's
    /// options in the root are then lost. Seen with 1.7.24; changed by containerd's pull request 9982.
    pub(crate) fn merges(self) -> bool {
        self >= Self::new(2, 0, 0)
    }

    /// Whether images are pulled by the transfer service unless that is turned off.
    pub(crate) fn transfers(self) -> bool {
        self >= Self::new(2, 1, 0)
    }

    fn parsed(word: &str) -> Option<Self> {
        let word = word.strip_prefix('v').unwrap_or(word);
        let digits =
            |part: &str| part.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok());
        let mut parts = word.splitn(3, '.');
        let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?);
        Some(Self { major, minor: digits(minor)?, patch: parts.next().and_then(digits).unwrap_or(0) })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version_of_every_kind_of_build() {
        let told = |text| Version::told(text).unwrap();
        let of = Version::new;
        assert_eq!(told("containerd github.com/containerd/containerd/v2 2.1.9+unknown \n"), of(2, 1, 9));
        assert_eq!(
            told("containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6+deb13u1"),
            of(1, 7, 24)
        );
        assert_eq!(told("containerd github.com/k3s-io/containerd v2.0.5-k3s1"), of(2, 0, 5));
        assert_eq!(told("containerd containerd.io 1.7.27 05044ec0a9a7"), of(1, 7, 27));
        assert_eq!(told("containerd github.com/containerd/containerd v2.2.0-rc.1 abc"), of(2, 2, 0));
        assert!(Version::told("").is_err());
        assert!(Version::told("containerd unknown 12").is_err());
    }

    #[test]
    fn refuses_schemas_that_it_does_not_know() {
        assert!(Schema::numbered(1, "f").unwrap_err().to_string().contains("migrate"));
        assert!(Schema::numbered(5, "f").unwrap_err().to_string().contains("newer installer"));
        assert_eq!(Schema::numbered(4, "f").unwrap(), Schema::V4);
    }
}
