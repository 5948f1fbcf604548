//! Conjugate-invariant RNS-CKKS for batches: N real slots at ring degree N, no rotations, integer-matrix products on
//! whole vectors of ciphertexts. Must never know what a neural network is.
//!
//! Scheme: Cheon, Kim, Kim, Song 2017; full-RNS form: Cheon et al. 2018; ring of conjugate-invariant elements: Kim and
//! Song 2018. A decrypted result is approximate: publishing it can leak the key (Li and Micciancio 2021).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batch;
mod compressed_batch;
mod encryptor;
mod error;
mod kernel;
mod key_switch;
mod keys;
pub mod noise;
mod params;
pub mod pointwise;
pub mod primes;
pub mod probe;
mod ring;
pub mod security;

pub use batch::{Batch, CHUNK};
pub use encryptor::{decrypt, encrypt, expand};
pub use error::{Error, Result};
pub use kernel::{Instruction, Kernel, Panels, TILE};
pub use keys::{EvaluationKey, SecretKey};

pub use compressed_batch::{
    CompressedBatch, compress_b, compress_batch, compressed_bytes, pack_residues, unpack_residues,
};
pub use key_switch::{Switch, Switched, relinearise, rescale, switch};
pub use params::{Parameters, ParametersLiteral};
pub use ring::encode::Encoder;
pub use ring::modulus::Modulus;
pub use ring::sample::{ERROR_VARIANCE, PublicSeed, SECRET_VARIANCE, SecretRng, SecretRngs};

const fn assert_shared<T: Send + Sync>() {}
const _: () = {
    assert_shared::<Parameters>();
    assert_shared::<Encoder>();
    assert_shared::<EvaluationKey>();
    assert_shared::<SecretKey>();
    assert_shared::<Batch>();
};
