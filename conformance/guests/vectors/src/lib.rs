//! Work for SIMD, apart from the kernels that run on any engine.

pub mod blend;
