//! The language of the `tfhe` backend: small integers, linear maps, one look-up table per element.
//! [`ProgramLiteral`] is what is read or built, [`Program`] is what has been checked.

use serde::{Deserialize, Serialize};

use crate::images::ImageMajor;
use crate::promise::{Deviating, Promise};
use crate::{Classes, Error, InputSpec, Result, SparseMatrix};

/// A look-up program as read or built, not yet checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgramLiteral {
    /// What a client needs.
    pub signature: Signature,
    /// Linear map and tables, one after the other.
    pub stages: Vec<Stage>,
    /// Integer weights of the outputs, read from the last stage.
    pub last: SparseMatrix,
    /// Added to the outputs, modulo `2^output_bits`.
    pub last_bias: Vec<i64>,
}

/// A look-up program that has been checked. Immutable.
#[derive(Debug, Clone, PartialEq)]
pub struct Program(ProgramLiteral);

impl Program {
    /// For the checker.
    pub(super) fn checked(literal: ProgramLiteral) -> Self {
        Self(literal)
    }

    /// What a client needs.
    pub fn signature(&self) -> &Signature {
        &self.0.signature
    }

    /// Linear maps and tables, in order.
    pub fn stages(&self) -> &[Stage] {
        &self.0.stages
    }

    /// Weights of the outputs.
    pub fn last(&self) -> &SparseMatrix {
        &self.0.last
    }

    /// Added to the outputs.
    pub fn last_bias(&self) -> &[i64] {
        &self.0.last_bias
    }

    /// Numbers that a sum of what stage `k` hands on may take: a sum of the next stage, or of the
    /// outputs.
    pub fn slots_after(&self, k: usize) -> u64 {
        self.stages().get(k + 1).map_or(self.signature().output_slots(), Stage::slots)
    }

    /// Programmable bootstrappings that one image takes.
    pub fn bootstrappings(&self) -> usize {
        self.stages().iter().map(|s| s.bias.len() * s.bootstrappings()).sum()
    }

    /// Products of a ciphertext and an integer that one image takes.
    pub fn products(&self) -> usize {
        self.stages().iter().map(|s| s.weights.entries()).sum::<usize>() + self.last().entries()
    }

    /// The unchecked form.
    pub fn as_literal(&self) -> &ProgramLiteral {
        &self.0
    }
}

/// All that a client needs to encrypt an image and to understand the answer; holds nothing of the
/// model's weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SignatureLiteral", into = "SignatureLiteral")]
pub struct Signature {
    /// Name of the model.
    pub model: String,
    /// Image shape and normalisation.
    pub input: InputSpec,
    /// What the outputs say.
    pub classes: Classes,
    /// A pixel is rounded to `0..=pixel_steps`.
    pub pixel_steps: u32,
    /// Numbers that an accumulator of the first stage can take: a pixel of 1 is encrypted as
    /// `1 / (2 input_slots)` of the torus.
    pub input_slots: u64,
    /// Whether pixels are encrypted under the large key: taking off bits in the first stage asks
    /// for that.
    pub input_large_key: bool,
    /// Outputs are integers modulo `2^output_bits`, centred around zero.
    pub output_bits: u32,
    /// Output `k` means `output_scale[k] * integer + output_offset[k]`.
    pub output_scale: Vec<f64>,
    /// What the integer 0 of each output means; see `output_scale`.
    pub output_offset: Vec<f64>,
    /// The scheme's parameters.
    pub parameters: Parameters,
    /// log2 of the predicted probability that any integer of one image comes out wrong.
    pub log2_failure: f64,
    /// Which images and answers it was compiled for; older compilers do not say.
    pub promise: Option<Promise>,
}

/// A signature as it lies in a file. Its bytes are part of a program's fingerprint: what older
/// releases did not write is left out where it has no effect.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureLiteral {
    model: String,
    input: InputSpec,
    classes: Vec<String>,
    /// None for a score's threshold of 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    pixel_steps: u32,
    input_slots: u64,
    input_large_key: bool,
    output_bits: u32,
    output_scale: Vec<f64>,
    output_offset: Vec<f64>,
    parameters: Parameters,
    log2_failure: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promise: Option<Promise>,
}

impl TryFrom<SignatureLiteral> for Signature {
    type Error = Error;

    fn try_from(literal: SignatureLiteral) -> Result<Self> {
        Ok(Self {
            model: literal.model,
            input: literal.input,
            classes: Classes::new(literal.classes, literal.output_scale.len(), literal.threshold)?,
            pixel_steps: literal.pixel_steps,
            input_slots: literal.input_slots,
            input_large_key: literal.input_large_key,
            output_bits: literal.output_bits,
            output_scale: literal.output_scale,
            output_offset: literal.output_offset,
            parameters: literal.parameters,
            log2_failure: literal.log2_failure,
            promise: literal.promise,
        })
    }
}

impl From<Signature> for SignatureLiteral {
    fn from(signature: Signature) -> Self {
        Self {
            model: signature.model,
            input: signature.input,
            classes: signature.classes.names().to_vec(),
            threshold: signature.classes.moved_threshold(),
            pixel_steps: signature.pixel_steps,
            input_slots: signature.input_slots,
            input_large_key: signature.input_large_key,
            output_bits: signature.output_bits,
            output_scale: signature.output_scale,
            output_offset: signature.output_offset,
            parameters: signature.parameters,
            log2_failure: signature.log2_failure,
            promise: signature.promise,
        }
    }
}

impl Signature {
    /// The normalised images that are outside of what the program was compiled for, in order; none
    /// where that is not known.
    ///
    /// # Errors
    /// [`Error::ImageSize`] if the images are of another size.
    pub fn deviating(&self, images: &ImageMajor<f32>) -> Result<Vec<Deviating>> {
        let ranges = self.promise.as_ref().and_then(|p| p.images.as_ref());
        ranges.map_or_else(|| Ok(Vec::new()), |ranges| ranges.deviating(&self.input, images))
    }

    /// An integer of the outputs is encrypted as `1 / (2 output_slots)` of the torus.
    pub fn output_slots(&self) -> u64 {
        1 << (self.output_bits - 1)
    }
}

/// Parameters of the scheme, as in a file: one of the sets that the `tfhe` crate publishes for 128
/// bits, by its name there, and the decomposition in bootstrapping, which decides precision and
/// time but not security.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The crate's name of the set.
    pub set: String,
    /// log2 of the base of bootstrapping's decomposition.
    pub base_log: usize,
    /// Its digits.
    pub levels: usize,
}

/// A linear map of integers, then one table per element.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The model's layer that the linear map stands for.
    pub layer: String,
    /// Outputs x inputs.
    pub weights: SparseMatrix,
    /// Added to the sums, so that they start at zero.
    pub bias: Vec<i64>,
    /// So many low bits of a sum are taken off, exactly, before the look-up.
    pub dropped_bits: u32,
    /// Entries of a table.
    pub levels: u32,
    /// One table per element, one after the other: what goes into the next linear map. Sums are
    /// taken modulo `2 * levels * 2^dropped_bits`; in the upper half, the entry is negated (the
    /// ring is negacyclic).
    pub tables: Vec<i16>,
    /// Whether no input at all can take a sum out of the lower half.
    pub proven: bool,
}

impl Stage {
    /// Numbers that a sum may take: `levels * 2^dropped_bits`.
    pub fn slots(&self) -> u64 {
        u64::from(self.levels) << self.dropped_bits
    }

    /// How low bits are taken off, from the lowest: one at a time takes one bootstrapping, three or
    /// four together take two, one for the bit above them and one for the digit (Liu, Micciancio
    /// and Polyakov, "Large-precision homomorphic sign evaluation using FHEW/TFHE bootstrapping",
    /// Asiacrypt 2022).
    pub fn digit_widths(&self) -> Vec<u32> {
        let (mut left, mut out) = (self.dropped_bits, Vec::new());
        while left > 0 {
            let digit = if left >= 3 { left.min(4) } else { 1 };
            out.push(digit);
            left -= digit;
        }
        out
    }

    /// Bootstrappings of one element.
    pub fn bootstrappings(&self) -> usize {
        1 + self.digit_widths().iter().map(|&d| if d == 1 { 1 } else { 2 }).sum::<usize>()
    }

    /// The table of element `j`, `levels` entries; `j` must be below the number of biases.
    pub fn table(&self, j: usize) -> &[i16] {
        let n = self.levels as usize;
        &self.tables[j * n..(j + 1) * n]
    }
}
