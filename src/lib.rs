//! Encrypted inference of neural networks in batches: train, compile, encrypt, run, decrypt.
//!
//! A hospital has images, a company has a network, and neither shows them to the other. The company
//! compiles its network into a [`Program`] of homomorphic operations and publishes the program's
//! [`Signature`]. The hospital, the [`Client`], encrypts thousands of images in one batch; the
//! company, the [`Server`], runs the program on the ciphertexts; the hospital decrypts the answers.
//!
//! ```
//! use beaa::{Client, CompileOptions, ImageMajor, Model, Server, compile};
//!
//! # fn main() -> beaa::Result<()> {
//! // The company.
//! let model = Model::load("tests/data/v2/model.safetensors")?;
//! let options = CompileOptions { batch: 16, logit_error: 0.01, ..Default::default() };
//! let program = compile(&model, &options)?;
//! // The hospital: two images of 1 x 2 x 2 pixels.
//! let (client, evaluation_key) = Client::new(program.signature())?;
//! let pixels = ImageMajor::new(2, 4, vec![0, 0, 0, 0, 250, 250, 250, 250])?;
//! let images = client.signature().normalise(&pixels)?;
//! let (encrypted, receipt) = client.encrypt(&images)?;
//! // The company sees the evaluation key and the ciphertexts.
//! let answer = Server::new(program)?.run(&evaluation_key, &encrypted)?;
//! // The hospital.
//! let answers = client.decrypt(&answer, &receipt)?;
//! assert_eq!(answers.classes(model.classes()), model.classes().of(&model.evaluate(&images)?));
//! # Ok(())
//! # }
//! ```
//!
//! Everything that travels has `save` and `load`; `examples/client_server.rs` runs both sides in
//! processes of their own. Only this library makes promises about its interface; the crates named
//! `beaa-*` are internal.
//!
//! # Features
//!
//! * `train` (default): training, which needs Burn.
//! * `cards` (default): programs on graphics cards, [`Server::on`] and [`verify_on`].
//! * `wgpu`, `cuda`: training on GPUs.
//! * `tfhe` (default): the command's second backend, for single images.
//! * `command` (default): the command `beaa`. A program that only uses the library turns the
//!   default features off.

#![forbid(unsafe_code)]

mod client;
mod data;
mod error;
mod explanation;
mod model;
mod program;
mod server;
mod shards;
#[cfg(feature = "train")]
mod training;
mod verify;

/// What is done to pictures before a network sees them, in [`ImportOptions`].
pub use beaa_base::preprocessing::{Border, Preprocessing, PreprocessingStep, Size, Window};
#[cfg(feature = "cards")]
pub use beaa_cuda::{RunDevice, UnknownDevice};
/// What is wrong with the numbers given to [`ImageMajor`]; becomes an [`Error`] by `?`.
pub use beaa_ir::Error as ImageMajorError;
pub use beaa_ir::images::ImageMajor;
pub use beaa_ir::promise::{Deviating, Interval, Statistic};
pub use beaa_ir::{ClassMap, Classes};
/// Sets the bytes of memory that one piece of work of this process may take, in place of what the
/// machine has available; what would take more is refused with [`Error::Memory`].
pub use beaa_memory::limit as limit_memory;
pub use beaa_runtime::Passphrase;
pub use beaa_runtime::ckks::Shared;
pub use beaa_runtime::{Answers, BatchId, Outside, Reason, Receipt, ReceiptFolder, SentBatch};
pub use beaa_runtime::{LayerTime, OperationTime, Progress, Silent};
/// Forbids core dumps of this process, which would hold the keys of its [`Client`]s, and on Linux
/// also that other processes of the same user read its memory. A program with a [`Client`] calls it
/// first; the command `beaa` does.
///
/// # Errors
/// If the system does not allow it.
pub use beaa_secrets::forbid_core_dumps;
pub use client::{Client, ImageSource};
pub use data::{
    DataWarning, Dataset, LabelledImages, Pictures, PixelScale, RowFormat, Split, classify, labels_for, open_dataset,
    open_described_dataset, pixels, read_image_files, read_numbers, read_pictures, reals,
};
pub use error::{Cause, Error, Result, UnsupportedPart};
pub use explanation::Explanation;
pub use model::{ImportOptions, ImportedModel, Model};
pub use program::{
    CompileOptions, Compiled, Packing, Program, Report, Samples, Signature, compile, compile_watched,
    compile_with_report, compile_with_samples, explain,
};
pub use server::{EncryptedImages, EncryptedResults, EvaluationKey, RunReport, Server};
pub use shards::{Shard, ShardAnswer};
#[cfg(feature = "train")]
pub use training::{EpochMetrics, Event, Experiment, Observer, Phase, Trained, Training, train};
#[cfg(feature = "cards")]
pub use verify::verify_on;
pub use verify::{LayerError, Verdict, Verification, verify, verify_watched};
