//! The ring: residues modulo one prime, the transform between coefficients and values, random elements, and the encoding
//! of slots.

pub(crate) mod encode;
pub(crate) mod modulus;
pub(crate) mod ntt;
pub(crate) mod sample;
