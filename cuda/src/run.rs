//! A whole program on a device.

use beaa_ir::ckks::Program;
use beaa_runtime::ckks::{ArrangedWeights, EncryptedInput, EncryptedOutput, PreparedProgram, RunReport, ServerKey};
use beaa_runtime::{Progress, Result};

use crate::{Device, DeviceBackend};

/// Runs `program` on encrypted images as [`beaa_runtime::ckks::run`] does, to the same bits. Bits
/// and seeds of ciphertexts are unpacked on the processor, and answers packed there.
///
/// # Errors
/// As [`beaa_runtime::ckks::run`], when there are no kernels for its ring degree, and when the
/// device fails.
pub fn run<'k, D: Device>(
    device: &D,
    program: &Program,
    key: impl Into<Option<&'k ServerKey>>,
    input: &EncryptedInput,
    progress: &dyn Progress,
) -> Result<(EncryptedOutput, RunReport)> {
    let prepared = PreparedProgram::new(program, ArrangedWeights::PerPart)?;
    let bind = |parameters: &_, key: Option<&_>| DeviceBackend::new(device, parameters, program, key);
    let (output, report) = prepared.run_on(key, input, progress, bind)?;
    Ok((output, RunReport { seconds: prepared.seconds() + report.seconds, ..report }))
}
