//! What the benches share: processes that host an engine, the results, and where they were measured.
//!
//! `shimmer-engines` measures the engines, `shimmer-containers` measures shims, and `shimmer-report` draws a page of what
//! they found. No two engines are ever in one process: each backend has a bench target that is such a host.

pub mod host;
pub mod machine;
pub mod progress;
pub mod python;
pub mod results;
pub mod summary;
pub mod turn;
