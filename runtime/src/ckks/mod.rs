//! The ckks backend: batches of images, approximate numbers. Keys and ciphertexts on disk, what a
//! client does, what a server does, and both side by side for verification.

mod backend;
mod batches;
mod ciphertext_backend;
mod ciphertexts;
mod client;
mod copies;
mod encryption;
mod header;
mod keys;
mod layer_error;
mod packed_linear;
mod prepared;
mod server;
mod shard;
mod share;
mod slots;
mod verify;

pub use crate::execute::step_by_step;
pub use backend::{CkksBackend, CkksValue, CkksWeights};
pub use batches::ImageSource;
pub use beaa_ckks::security::{Standing, Table as SecurityTable};
pub use ciphertext_backend::{CiphertextBackend, packed_elements};
pub use ciphertexts::{Ciphertexts, ComposedCiphertexts, EncryptedInput, EncryptedOutput, Images, Results, Role};
pub use client::{decrypt, decrypt_without_receipt};
pub use encryption::{encrypt, encrypt_to_file, encryption_bytes};
pub use keys::{ClientKey, KeyPair, ServerKey, keygen, resists_quantum_attacks, standing};
pub use layer_error::{LayerError, Verdict};
pub use packed_linear::{PackedSums, packed_constants};
pub use prepared::{ArrangedWeights, OtherBackend, PreparedProgram, RunReport, planned_bytes, schedule};
pub use server::run;
pub use shard::{Shard, ShardAnswer};
pub use share::{Shared, share, share_by_files};
pub use verify::{Verification, expect_memory_to_verify, verify, verify_on};
