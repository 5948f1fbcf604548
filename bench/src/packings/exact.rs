//! The `tfhe` backend with so many images: it takes them one by one, so that many take as many
//! times as long as one.

use beaa_compiler::Machine;
use beaa_ir::images::ImageMajor;
use beaa_ir::tfhe::SignatureFile;
use beaa_runtime::Silent;
use beaa_runtime::tfhe::{KeyPair, encrypt, keygen, run};

use super::figures::{PackingMethod, PackingPoint};
use crate::timing::{on_threads, processor};
use crate::{BreakEvenCase, Result};

/// Measures one image on one thread, in processor seconds; gives a point for each number of images.
///
/// # Errors
///
/// If the network does not compile for the backend.
pub fn measure_exact(
    case: &BreakEvenCase<'_>,
    images: &[usize],
    machine: &Machine,
    seed: u64,
) -> Result<Vec<PackingPoint>> {
    let program = beaa_compiler::tfhe::compile(case.model, &case.options, machine, case.images)?.program;
    let signature = program.signature();
    let KeyPair { client, server } = keygen(&signature.parameters, Some(seed))?;
    let one = ImageMajor::from_rows(case.images.elements(), case.images.rows().take(1))?;
    let (input, _) = encrypt(&SignatureFile::from(&program), &client, &one, Some(seed), &Silent)?;
    let (seconds, output_bytes) = on_threads(1, || {
        let started = processor();
        let (output, _) = run(&program, &server, &input, &Silent)?;
        Ok((processor() - started, output.bytes()))
    })?;
    let degree = signature.parameters.known()?.polynomial_size;
    let point = |&images: &usize| PackingPoint {
        method: PackingMethod::Tfhe,
        images,
        degree,
        positions: 1,
        batches: images,
        rotations: 0,
        seconds: seconds * images as f64,
        milliseconds_per_image: 1e3 * seconds,
        prepare_seconds: 0.0,
        key_bytes: server.bytes(),
        input_bytes: input.bytes() * images as u64,
        output_bytes: output_bytes * images as u64,
    };
    Ok(images.iter().map(point).collect())
}
