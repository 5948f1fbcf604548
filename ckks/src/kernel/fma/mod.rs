//! The path of fused multiply-and-add on doubles: AVX2 with FMA, or NEON.

pub(super) mod field;
pub(super) mod poly_ops;
pub(super) mod product;
