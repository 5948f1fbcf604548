//! Answers that leave the client: noise that hides the encryption's own, so that whoever sees
//! ciphertexts and answers learns of the key what the exact outputs tell, which is nothing. After
//! Li, Micciancio, Schultz and Sorrell, "Securing Approximate Homomorphic Encryption Using
//! Differential Privacy", Crypto 2022. It holds against a server that runs the program.

use std::collections::BTreeSet;
use std::path::Path;

use beaa_base::folder::{FolderLock, lock};
use beaa_ckks::SecretRng;
use beaa_ir::ckks::SignatureFile;
use beaa_ir::images::ImageMajor;
use beaa_ir::promise::Promise;

use super::client::{decrypt_and_compare, promised_error};
use super::copies::Scatter;
use super::{ClientKey, EncryptedOutput};
use crate::answers::{Outside, Reason, outside};
use crate::error::damaged;
use crate::{Error, Receipt, Result};

/// The error of one output is taken to stay below so many of its promised deviations: eight, when
/// it is twice as large as promised.
const LARGEST_ERROR: f64 = 16.0;
/// Errors may be so many times what was promised, as in verification.
const TOLERANCE: f64 = 2.0;
/// Copies in each batch by which the promised error is checked, at least.
const FEWEST_COPIES: usize = 64;
/// Noise may take so much of an output's promised range.
const SHARE_OF_RANGE: f64 = 0.125;
/// An output is outside when it is so by so many deviations of the noise.
const SLACK: f64 = 8.0;
/// Outputs are rounded to a fraction of the noise: the last digits of a sum of floating-point
/// numbers tell more of its terms than the sum does (Mironov 2012).
const STEPS_PER_DEVIATION: f64 = 16.0;

/// Answers that may leave the client.
#[derive(Debug, Clone, PartialEq)]
pub struct Shared {
    /// Outputs with noise, one row per image.
    pub logits: ImageMajor<f64>,
    /// Deviation of the noise.
    pub noise: f64,
    /// Numbers that are covered: images times outputs.
    pub numbers: usize,
    /// Images whose answers are worth nothing, in order.
    pub outside: Vec<Outside>,
}

/// Decrypts the answers to the batches of `receipt` for others to see, with `bits` bits of
/// statistical security, and notes it in the receipt, which is to be saved before anything is
/// shown: once for each receipt.
///
/// # Errors
/// As [`decrypt`](super::decrypt); with other than 0 to 60 bits, when these answers were shared
/// before, when the program promises neither range nor error or copies of images show a larger one,
/// when there are too few copies to tell, when so much noise would hide the answers, or when the
/// system gives no randomness.
pub fn share(
    file: &SignatureFile,
    key: &ClientKey,
    output: &EncryptedOutput,
    receipt: &mut Receipt,
    bits: f64,
) -> Result<Shared> {
    if !(0.0..=60.0).contains(&bits) {
        return Err(Error::FloodingBits { found: bits });
    }
    if let Some(bits) = receipt.shared() {
        return Err(Error::SharedBefore { bits });
    }
    if file.output_error.is_none() {
        return Err(Error::NoPromise { missing: "no error of its outputs" });
    }
    let promise = file.signature.promise.as_ref().ok_or(Error::NoPromise { missing: "no range of its outputs" })?;
    let fewest = receipt.batches().iter().map(|b| b.copies().len()).fold(usize::MAX, usize::min);
    if fewest < FEWEST_COPIES {
        return Err(Error::TooFewCopies { found: fewest, expected: FEWEST_COPIES });
    }
    let promised = promised_error(file, &key.parameters);
    let numbers = receipt.images() * file.signature.classes.outputs();
    let noise = noise(promised, numbers, bits);
    let narrowest = promise.outputs.iter().map(|r| r.width()).fold(f64::INFINITY, f64::min);
    let allowed = SHARE_OF_RANGE * narrowest;
    if noise > allowed {
        return Err(Error::FloodingTooWide { bits, noise, allowed, error: promised * allowed / noise });
    }
    let (answers, scatter) = decrypt_and_compare(file, key, output, receipt)?;
    for seen in scatter {
        // Copies of images that are outside are not compared.
        let Some(Scatter { deviation, farthest }) = seen else {
            return Err(Error::TooFewCopies { found: 0, expected: FEWEST_COPIES });
        };
        // The error of answers at large, which copies tell, and that of each answer that is shown:
        // a server knows which slots are no copies, and may have added to these alone.
        let found = deviation.max(farthest * TOLERANCE / LARGEST_ERROR);
        if found > TOLERANCE * promised {
            return Err(Error::LargerError { found, expected: promised });
        }
    }
    let mut rng = SecretRng::from_os()?;
    let step = (noise / STEPS_PER_DEVIATION).log2().floor().exp2();
    let logits = answers.exact().map(|v| ((v + noise * rng.normal()) / step).round() * step);
    let outside = told(answers.outside(), &logits, SLACK * noise, promise);
    receipt.set_shared(bits);
    Ok(Shared { logits, noise, numbers, outside })
}

/// Decrypts answers as [`share`] does, by their receipt, which lies in all of `files`, one at
/// least: each of them notes it before this returns. Gives the receipt, too.
///
/// # Errors
/// As [`share`]; when a file cannot be read or written, is no receipt or that of another batch than
/// the first, or when somebody else writes into the folder of one of them.
///
/// # Panics
/// Without a file.
pub fn share_by_files(
    file: &SignatureFile,
    key: &ClientKey,
    output: &EncryptedOutput,
    files: &[&Path],
    bits: f64,
) -> Result<(Shared, Receipt)> {
    assert!(!files.is_empty(), "answers that are shared by no receipt");
    // Nobody shares by the same files in between.
    let _locks = lock_folders(files)?;
    let receipts = files.iter().map(|path| Receipt::load(path)).collect::<Result<Vec<_>>>()?;
    if let Some(other) = receipts.iter().find(|r| r.batch() != receipts[0].batch()) {
        let found = format!("the receipts of batch {} and of batch {}", receipts[0].batch(), other.batch());
        return Err(damaged("sharing answers", found, "the receipt of one batch in all files"));
    }
    if let Some(bits) = receipts.iter().find_map(Receipt::shared) {
        return Err(Error::SharedBefore { bits });
    }
    let mut receipt = receipts[0].clone();
    let shared = share(file, key, output, &mut receipt, bits)?;
    files.iter().try_for_each(|path| receipt.save(path))?;
    Ok((shared, receipt))
}

/// The right to write into the folder of each file.
fn lock_folders(files: &[&Path]) -> Result<Vec<FolderLock>> {
    let mut folders = BTreeSet::new();
    for path in files {
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let io = |source| beaa_ir::Error::Io { operation: "opening folder", path: folder.to_path_buf(), source };
        folders.insert(folder.canonicalize().map_err(io)?);
    }
    folders.iter().map(|folder| Ok(lock(folder).map_err(beaa_ir::Error::from)?)).collect()
}

/// The images whose answers are worth nothing. Whether one is outside is told of what is shown, and
/// of one whose copies differ only that they do, so that neither tells more than `logits`.
fn told(exact: &[Outside], logits: &ImageMajor<f64>, slack: f64, promise: &Promise) -> Vec<Outside> {
    let mut all = outside(logits, slack, Some(promise));
    let differing = exact.iter().filter(|o| matches!(o.reason, Reason::Copy));
    all.extend(differing.map(|o| Outside { found: logits.image(o.image)[o.output], ..*o }));
    all.sort_by_key(|o| o.image);
    all.dedup_by_key(|o| o.image);
    all
}

/// Deviation of the noise that hides errors of deviation `error` in so many numbers: `sqrt(12 t)
/// 2^(bits / 2)` times the largest error, where t numbers are shown. Errors of different numbers
/// add up as their squares do, since noise is normal and independent.
fn noise(error: f64, numbers: usize, bits: f64) -> f64 {
    (12.0 * numbers as f64).sqrt() * (bits / 2.0).exp2() * LARGEST_ERROR * error
}

#[cfg(test)]
mod tests {
    use beaa_ir::promise::Interval;

    use super::*;

    #[test]
    fn what_is_told_of_answers_outside_is_what_is_shown() {
        let promise = Promise { outputs: vec![Interval { min: -1.0, max: 1.0 }], images: None };
        let shown = ImageMajor::from_rows(1, [[0.5], [0.25], [7.0]]).unwrap();
        let exact = |image, reason| Outside { image, output: 0, found: 0.123_456_789, reason };
        let differing = [exact(1, Reason::Copy), exact(0, Reason::Range(promise.outputs[0]))];
        let found: Vec<(usize, f64)> =
            told(&differing, &shown, 0.1, &promise).iter().map(|o| (o.image, o.found)).collect();
        assert_eq!(found, [(1, 0.25), (2, 7.0)]);
    }

    #[test]
    fn the_noise_is_that_of_the_reference() {
        // One number, no bit: sqrt(12) times the largest error.
        assert!((noise(1.0, 1, 0.0) - 16.0 * 12.0_f64.sqrt()).abs() < 1e-12);
        assert!((noise(0.5, 300, 20.0) - 8.0 * 60.0 * 1024.0).abs() < 1e-6);
    }
}
