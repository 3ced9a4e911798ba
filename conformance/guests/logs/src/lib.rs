//! What a real program does: text that nobody has typed for it, parsed, matched and counted.

pub mod access;
