//! Kernels that use nothing but the processor and memory, so that one engine can be compared with another and
//! with native code.

pub mod kernel;
pub mod sha256;
