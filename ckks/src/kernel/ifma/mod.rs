//! The path of 52-bit integer multiply-and-add: AVX-512 IFMA.

pub(super) mod poly_ops;
pub(super) mod product;
pub(super) mod unpack;
