//! What a client does with answers: decrypt them and judge what they are. It needs the program's
//! signature file, not the model.

use beaa_ckks::{Decryptor, Parameters, noise};
use beaa_ir::ckks::{Signature, SignatureFile, ValueInfo};
use beaa_ir::images::ImageMajor;
use rayon::prelude::*;

use super::copies::{self, Compared, Scatter};
use super::slots::PackedSlots;
use super::{ClientKey, EncryptedOutput};
use crate::answers::{Outside, SLACK_IN_ERRORS, outside};
use crate::files::{expect_key, expect_program};
use crate::{Answers, Error, Receipt, Result};

const DECRYPTING: &str = "decrypting results";

/// Decrypts the answers to the batches that `receipt` is of, image by image in the order in which
/// they were sent, and marks those that are none: outside of what the program promises, or another
/// one for the same image in another slot.
///
/// # Errors
/// When the answers are to another batch, of another program or under another key, when there are
/// more or fewer than images were sent, when they are not of the program's shape, were not computed
/// by a program, or their file is damaged.
pub fn decrypt(file: &SignatureFile, key: &ClientKey, output: &EncryptedOutput, receipt: &Receipt) -> Result<Answers> {
    Ok(decrypt_and_compare(file, key, output, receipt)?.0)
}

/// Decrypts as [`decrypt`] does, and says of each batch how answers of the same image lie about
/// each other.
pub(super) fn decrypt_and_compare(
    file: &SignatureFile,
    key: &ClientKey,
    output: &EncryptedOutput,
    receipt: &Receipt,
) -> Result<(Answers, Vec<Option<Scatter>>)> {
    receipt.expect(DECRYPTING, &output.header().belonging())?;
    let (signature, capacity) = (&file.signature, file.signature.capacity());
    let promised = promised_error(file, &key.parameters);
    let (mut exact, mut disagreeing, mut error) = (Vec::new(), Vec::new(), promised);
    let (mut first, mut scatter) = (0, Vec::new());
    for (number, sent) in receipt.batches().iter().enumerate() {
        let columns = open(file, key, output, number)?;
        let slots = sent.images() + sent.copies().len();
        if slots > capacity {
            return Err(Error::BatchSize { operation: DECRYPTING, images: slots, slots: capacity });
        }
        // Copies are judged by what was promised; what they show may only coarsen the answers.
        let all = rows(&columns, slots)?;
        let slack = SLACK_IN_ERRORS * promised;
        let excluded: Vec<usize> = outside(&all, slack, signature.promise.as_ref()).iter().map(|o| o.image).collect();
        let here = first..first + sent.images();
        let deviating = receipt.deviating().iter().map(|d| d.image).filter(|i| here.contains(i)).map(|i| i - first);
        let compared = Compared { slots: &all, sent, deviating: deviating.collect(), excluded: &excluded };
        let found = copies::compare(&compared, promised)?;
        error = error.max(found.error.unwrap_or(0.0));
        scatter.push(found.scatter);
        disagreeing.extend(found.disagreeing.into_iter().map(|o| Outside { image: first + o.image, ..o }));
        exact.extend_from_slice(&all.data()[..sent.images() * all.elements()]);
        first = here.end;
    }
    let exact = ImageMajor::new(first, signature.classes.outputs(), exact)?;
    let mut answers = Answers::new(exact, error, signature.promise.as_ref());
    answers.mark(disagreeing);
    Ok((answers, scatter))
}

/// Decrypts answers of which nothing is known but what they say themselves: a server may have made
/// them of anything, those to another batch included. Prefer [`decrypt`].
///
/// # Errors
/// As [`decrypt`], but for batch and number.
pub fn decrypt_without_receipt(file: &SignatureFile, key: &ClientKey, output: &EncryptedOutput) -> Result<Answers> {
    let slots = file.signature.capacity();
    let mut exact = Vec::new();
    for (number, batch) in output.header().batches().iter().enumerate() {
        let columns = open(file, key, output, number)?;
        if !(1..=slots).contains(&batch.images) {
            return Err(Error::BatchSize { operation: DECRYPTING, images: batch.images, slots });
        }
        exact.extend_from_slice(rows(&columns, batch.images)?.data());
    }
    let error = promised_error(file, &key.parameters);
    let exact = ImageMajor::new(output.images(), file.signature.classes.outputs(), exact)?;
    Ok(Answers::new(exact, error, file.signature.promise.as_ref()))
}

/// The deviation of an output's error, as the program promises and at least that of the scheme's
/// last operation, which the parameters alone tell: a signature comes from the server.
pub(super) fn promised_error(file: &SignatureFile, parameters: &Parameters) -> f64 {
    file.output_error.unwrap_or(0.0).max(least_error(&file.signature, parameters))
}

/// Deviation of the noise that the last rescaling leaves in every output, or a fresh encryption
/// where nothing was rescaled.
fn least_error(signature: &Signature, parameters: &Parameters) -> f64 {
    let integers = if signature.output_limbs < signature.input_limbs {
        noise::rescale(parameters.degree(), signature.output_components)
    } else {
        noise::fresh(parameters.degree())
    };
    integers / signature.output_scale
}

/// Every output of one batch, for as many images as a batch can hold.
fn open(file: &SignatureFile, key: &ClientKey, output: &EncryptedOutput, number: usize) -> Result<Vec<Vec<f64>>> {
    let SignatureFile { signature, program, .. } = file;
    key.expect_parameters(DECRYPTING, &signature.parameters)?;
    expect_program(DECRYPTING, &output.header().program, program)?;
    expect_key(DECRYPTING, &output.header().key, key.id())?;
    let p = &key.parameters;
    let batch = output.packed(p, number)?.expand()?;
    let (len, limbs, components) = (batch.len(), batch.limbs(), batch.components());
    let ciphertexts = signature.output_ciphertexts();
    if (len, limbs, components) != (ciphertexts, signature.output_limbs, signature.output_components) {
        let scale = signature.output_scale;
        let found = ValueInfo { len, limbs, components, scale };
        let expected = ValueInfo {
            len: ciphertexts,
            limbs: signature.output_limbs,
            components: signature.output_components,
            scale,
        };
        return Err(Error::WrongShape { operation: DECRYPTING, found, expected });
    }
    if batch.is_transparent() {
        return Err(Error::Transparent);
    }
    let decryptor = Decryptor::new(p, &key.secret)?;
    let column = |i| Ok(decryptor.decrypt(&batch, i, signature.output_scale)?);
    let columns = (0..batch.len()).into_par_iter().map(column).collect::<Result<Vec<_>>>()?;
    // Other positions than those of outputs hold partial sums, which tell of the weights.
    Ok(match &signature.packing {
        Some(packing) => PackedSlots::new(&packing.output, p.degree()).unpack(&columns),
        None => columns,
    })
}

/// The outputs in the first `count` slots, slot by slot.
fn rows(columns: &[Vec<f64>], count: usize) -> Result<ImageMajor<f64>> {
    let slots = (0..count).flat_map(|slot| columns.iter().map(move |column| column[slot]));
    Ok(ImageMajor::new(count, columns.len(), slots.collect())?)
}
