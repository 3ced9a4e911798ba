use std::collections::BTreeSet;

use shimmer_engine::Capabilities;

use crate::failure::{Failure, Result};

/// The capabilities that an engine or a shim claims, by the names of [`Capabilities`]. What it does not claim it must
/// refuse.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Claims(BTreeSet<String>);

impl Claims {
    /// The claims by these names.
    ///
    /// # Errors
    ///
    /// Where a name is no capability's.
    pub(crate) fn parse(names: &[String]) -> Result<Self> {
        let known = Capabilities::default().list().map(|(name, _, _)| name);
        match names.iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Failure(format!("`{name}` is no capability; there are {}", known.join(", ")))),
            None => Ok(Self::of(names)),
        }
    }

    pub(crate) fn of(names: &[String]) -> Self {
        Self(names.iter().cloned().collect())
    }

    /// Whether all of `needs` are claimed.
    pub(crate) fn cover(&self, needs: &[&str]) -> bool {
        needs.iter().all(|need| self.0.contains(*need))
    }

    /// The names, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}
