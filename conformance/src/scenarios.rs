//! The scenarios, one file for each topic of `docs/behaviour.md`.

mod cache;
mod http;
mod images;

use crate::Scenario;

/// All scenarios.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [http::scenarios(), images::scenarios(), cache::scenarios()].into_iter().flatten().collect()
}
