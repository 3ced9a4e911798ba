//! Puts the shims on a node, tells containerd of them, and takes both away again.

mod containerd;
mod cri;
mod disk;
mod error;
#[cfg(test)]
mod fault;
mod host;
mod journal;
mod machine;
mod program;
mod release;
mod store;
mod usage;

fn main() {}
