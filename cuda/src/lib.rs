//! Internal crate of beaa: runs ckks programs on graphics cards by CUDA, to the same bits as the
//! processor. Nothing of CUDA is needed to build it; a card's driver and NVRTC are loaded when it
//! is used.
//!
//! `kernels/` has the arithmetic; a [`Device`] runs it: [`CudaDevice`], or in tests the processor
//! itself. It sees ciphertexts and the evaluation key, never a secret one.

#![warn(clippy::missing_errors_doc)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod aes_table;
mod backend;
mod compile;
mod cuda_device;
mod device;
mod diagonals;
mod error;
mod kernel;
pub mod operations;
mod panels;
mod plan;
mod prime;
mod ring;
mod run;
mod run_device;
mod switching_key;
mod value;
mod view;
mod words;

pub use backend::{DeviceBackend, DeviceWeights, ScaledValue};
pub use compile::{Architecture, compile};
pub use cuda_device::{CudaDevice, CudaMemory};
pub use device::{Argument, Device, Grid, Memory};
pub use diagonals::DeviceDiagonals;
pub use error::{Error, Result};
pub use kernel::Kernel;
pub use panels::DevicePanels;
pub use plan::{host_bytes, planned_bytes};
pub use ring::{Limbs, Ring};
pub use run::{expect_memory, expect_memory_to_verify, run, run_to_file, verify};
pub use run_device::{RunDevice, UnknownDevice};
pub use switching_key::{DeviceGaloisKeys, DeviceKey};
pub use value::DeviceValue;
pub use view::View;
