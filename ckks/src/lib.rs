//! Internal crate of beaa: conjugate-invariant RNS-CKKS for batches. N real slots at ring degree N,
//! integer-matrix products on whole vectors of ciphertexts, and linear maps by rotations of slots.
//! It knows nothing of neural networks.
//!
//! Scheme: Cheon, Kim, Kim, Song 2017; full-RNS form: Cheon et al. 2018; ring of
//! conjugate-invariant elements: Kim and Song 2018. A decrypted result is approximate: publishing
//! it can leak the key (Li and Micciancio 2021).
//!
//! A bug stops, it never guesses: what comes from outside and what a caller gets wrong are errors,
//! and each kernel asserts at its entry that lengths fit, then indexes.

#![warn(clippy::missing_errors_doc)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod base_conversion;
mod batch;
#[doc(hidden)]
pub mod bench_support;
mod compress;
mod compressed_batch;
mod decryptor;
mod encryptor;
mod error;
mod kernel;
mod key_switch;
mod keys;
pub mod noise;
mod params;
pub mod pointwise;
pub mod primes;
mod rescale;
mod ring;
mod rns_ring;
mod rotation;
pub mod security;
mod switching_key;
mod switching_ring;
#[cfg(test)]
mod testing;
mod timing;
mod workspaces;

pub use batch::{Batch, CHUNK};
pub use compress::{compress_b, compress_b_in_pieces, compress_batch, compressed_len, compressing_bytes};
pub use compressed_batch::{CompressedBatch, CompressedShape, Release};
pub use decryptor::Decryptor;
pub use encryptor::{CiphertextId, Encoding, Encryptor};
pub use error::{Error, Result};
pub use kernel::{Fma, Kernel, Panels, TILE};
#[cfg(target_arch = "x86_64")]
pub use kernel::{Ifma, Vnni};
pub use key_switch::{KeySwitcher, Relinearised};
pub use keys::{EvaluationKey, SecretKey};
pub use params::{Parameters, ParametersLiteral};
pub use rescale::{Rescaled, rescale};
use ring::encode::Encoder;
pub use ring::modulus::Modulus;
pub use ring::ntt::TransformRoots;
pub use ring::sample::{PublicSeed, SecretRng, SecretRngs};
pub use rns_ring::RnsRing;
pub use rotation::{
    Diagonal, DiagonalMatrix, DiagonalShape, DiagonalSum, GaloisKeys, HELD_WORDS, KeyedRotation, RotationMemory,
    Rotator, SHORTEST_PERIOD, bias_values, rotation_order,
};

const fn assert_shared<T: Send + Sync>() {}
const _: () = {
    assert_shared::<Parameters>();
    assert_shared::<Encryptor>();
    assert_shared::<Decryptor<'_>>();
    assert_shared::<KeySwitcher<'_>>();
    assert_shared::<EvaluationKey>();
    assert_shared::<GaloisKeys>();
    assert_shared::<DiagonalMatrix>();
    assert_shared::<Rotator<'_>>();
    assert_shared::<SecretKey>();
    assert_shared::<Batch>();
};
