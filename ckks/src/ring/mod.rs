//! The ring: residues modulo one prime, the transform between coefficients and values, random
//! elements, the encoding of slots, and the reconstruction of integers.

pub(crate) mod crt;
pub(crate) mod encode;
pub(crate) mod modulus;
pub(crate) mod ntt;
pub(crate) mod sample;
