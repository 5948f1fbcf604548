//! Clear and encrypted side by side, for the owner of the program and of the images.

use beaa_ir::images::ImageMajor;
use beaa_runtime::{Silent, ckks};

use crate::{Program, Progress, Result};

pub use beaa_runtime::ckks::{LayerError, Verdict, Verification};

/// Runs a program on normalised images in clear and encrypted, under keys that are thrown away, and
/// compares after every layer: is the error what the compiler predicted?
///
/// ```
/// # fn main() -> beaa::Result<()> {
/// let program = beaa::Program::load("tests/data/v2/program.beaa")?;
/// let pixels = beaa::ImageMajor::new(3, 4, vec![0, 0, 0, 0, 50, 50, 50, 50, 100, 100, 100, 100])?;
/// let found = beaa::verify(&program, &program.signature().normalise(&pixels)?)?;
/// assert!(found.holds && found.images == 3);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the images are not of the network's size, or more than the program's slots.
pub fn verify(program: &Program, images: &ImageMajor<f32>) -> Result<Verification> {
    verify_watched(program, images, &Silent)
}

/// Verifies a program as [`verify`] does, and tells `progress` of each part that has run.
///
/// # Errors
/// As [`verify`]; [`Error::Stopped`](crate::Error::Stopped) if `progress` says so.
pub fn verify_watched(program: &Program, images: &ImageMajor<f32>, progress: &dyn Progress) -> Result<Verification> {
    ckks::expect_memory_to_verify(&program.0, images.images())?;
    let keys = ckks::keygen(program.0.signature(), None)?;
    Ok(ckks::verify(&program.0, &keys, images, None, progress)?)
}

/// Verifies a program as [`verify_watched`] does, on a device.
///
/// # Errors
/// As [`verify_watched`]; [`Error::Device`](crate::Error::Device) if there is no such card, nothing
/// by which to use it, too little of its memory, or if it fails.
#[cfg(feature = "cards")]
pub fn verify_on(
    device: crate::RunDevice,
    program: &Program,
    images: &ImageMajor<f32>,
    progress: &dyn Progress,
) -> Result<Verification> {
    match device.open().map_err(beaa_runtime::Error::from)? {
        Some(card) => {
            beaa_cuda::expect_memory_to_verify(&card, &program.0)?;
            let keys = ckks::keygen(program.0.signature(), None)?;
            Ok(beaa_cuda::verify(&card, &program.0, (&keys, images), None, progress)?)
        }
        None => verify_watched(program, images, progress),
    }
}
