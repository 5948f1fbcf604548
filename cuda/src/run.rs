//! A whole program on a device.

use std::path::Path;

use beaa_ckks::Parameters;
use beaa_ir::ckks::Program;
use beaa_ir::images::ImageMajor;
use beaa_runtime::ckks::{
    ArrangedWeights, ComposedCiphertexts, EncryptedInput, EncryptedOutput, KeyPair, OtherBackend, PreparedProgram,
    RunReport, ServerKey, Verification, verify_on,
};
use beaa_runtime::{Progress, Result};

use crate::plan::{host_bytes, planned_bytes};
use crate::{Device, DeviceBackend, Error};

/// Refuses a program that takes more than the device's free memory, before anything is read or
/// made for it.
///
/// # Errors
/// When the device has too little memory, or fails.
pub fn expect_memory<D: Device>(device: &D, program: &Program) -> Result<()> {
    Room::of(device, program, 1, 0)?;
    Ok(())
}

/// Refuses a program as [`expect_memory`] does that takes more with what [`verify`] compares.
///
/// # Errors
/// As [`expect_memory`].
pub fn expect_memory_to_verify<D: Device>(device: &D, program: &Program) -> Result<()> {
    Room::of(device, program, 1, COMPARING)?;
    Ok(())
}

/// Runs a prepared program on encrypted images as [`PreparedProgram::run`] does, to the same bits.
/// Answers are packed on the processor. Weights are copied to the device once for all batches where
/// it has room for them.
///
/// # Errors
/// As [`PreparedProgram::run`], when there are no kernels for the program's ring degree, when it
/// takes more than the device's free memory, and when the device fails.
pub fn run<'k, D: Device>(
    device: &D,
    program: &PreparedProgram<impl std::borrow::Borrow<Program>>,
    key: impl Into<Option<&'k ServerKey>>,
    input: &EncryptedInput,
    progress: &dyn Progress,
) -> Result<(EncryptedOutput, RunReport)> {
    let Room { weights, bytes } = Room::of(device, program.program(), input.batches(), 0)?;
    let bind = |parameters: &Parameters, key: Option<&ServerKey>| {
        DeviceBackend::new(device, parameters, program.program(), key)
    };
    let (output, report) = program.run_on(OtherBackend { bind, weights }, key, input, progress)?;
    Ok((output, RunReport { peak_bytes_planned: bytes, ..report }))
}

/// Runs a program as [`run`] does and writes the answers of each batch as soon as they are there.
///
/// # Errors
/// As [`run`], and when the file cannot be written.
pub fn run_to_file<'k, D: Device>(
    device: &D,
    program: &PreparedProgram<impl std::borrow::Borrow<Program>>,
    path: &Path,
    key: impl Into<Option<&'k ServerKey>>,
    input: &EncryptedInput,
    progress: &dyn Progress,
) -> Result<(ComposedCiphertexts, RunReport)> {
    let Room { weights, bytes } = Room::of(device, program.program(), input.batches(), 0)?;
    let bind = |parameters: &Parameters, key: Option<&ServerKey>| {
        DeviceBackend::new(device, parameters, program.program(), key)
    };
    let (file, report) = program.run_on_to_file(OtherBackend { bind, weights }, path, key, input, progress)?;
    Ok((file, RunReport { peak_bytes_planned: bytes, ..report }))
}

/// Bytes of a device that comparing takes beside a run, about: chosen elements of a value, twice.
const COMPARING: u64 = 256 << 20;

/// Runs a program in clear and on a device as [`beaa_runtime::ckks::verify`] does, and compares.
///
/// # Errors
/// As [`beaa_runtime::ckks::verify`], and as [`run`] but for its files.
pub fn verify<D: Device>(
    device: &D,
    program: &Program,
    keys: (&KeyPair, &ImageMajor<f32>),
    seed: Option<u64>,
    progress: &dyn Progress,
) -> Result<Verification> {
    expect_memory_to_verify(device, program)?;
    let bind = |parameters: &Parameters, key: Option<&ServerKey>| DeviceBackend::new(device, parameters, program, key);
    verify_on(bind, (program, host_bytes(program)), keys, seed, progress)
}

/// What a run takes of a device.
struct Room {
    weights: ArrangedWeights,
    /// As planned.
    bytes: u64,
}

impl Room {
    /// What a run takes, and so many bytes more.
    ///
    /// # Errors
    /// When the device has too little free memory.
    fn of<D: Device>(device: &D, program: &Program, batches: usize, more: u64) -> crate::Result<Self> {
        let free = device.free_bytes()?;
        let (least, kept) = (ArrangedWeights::PerPart, ArrangedWeights::Kept);
        let [bytes, with_kept] = [least, kept].map(|weights| planned_bytes(program, weights) + more);
        if batches > 1 && free.is_none_or(|free| with_kept <= free) {
            return Ok(Self { weights: kept, bytes: with_kept });
        }
        match free.filter(|free| bytes > *free) {
            None => Ok(Self { weights: least, bytes }),
            Some(found) => Err(Error::Memory {
                operation: "running the program on a graphics card",
                found,
                expected: bytes,
                remedy: "compile the model with a smaller --memory, or run on the processor",
            }),
        }
    }
}
