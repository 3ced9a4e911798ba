//! Puts the shims on a node, tells containerd of them, and takes both away again.

mod advice;
mod check;
mod config;
mod distribution;
mod error;
mod host;
#[cfg(test)]
mod nodes;
mod schema;
mod tree;

fn main() {}
