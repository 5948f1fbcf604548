//! What a client needs of a program to encrypt images and to understand the answer, without any
//! weight.

use serde::{Deserialize, Serialize};

use super::value::{ValueInfo, valid_scale};
use crate::images::ImageMajor;
use crate::model::MAX_ELEMENTS;
use crate::promise::{Deviating, Promise};
use crate::{Classes, Error, InputSpec, Result};

/// All that a client needs to encrypt images and to understand the answer; holds nothing of the
/// model's weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SignatureLiteral", into = "SignatureLiteral")]
pub struct Signature {
    /// Name of the model.
    pub model: String,
    /// Image shape and normalisation. Ciphertext `i` of the input holds element `i` (channel, row,
    /// column order) of all images.
    pub input: InputSpec,
    /// What the outputs say; each of them is one ciphertext.
    pub classes: Classes,
    /// The scheme's parameters.
    pub parameters: ParameterSet,
    /// Limbs of a fresh ciphertext: the first so many of the moduli.
    pub input_limbs: usize,
    /// What a value of 1.0 is encoded as.
    pub input_scale: f64,
    /// Limbs of a result.
    pub output_limbs: usize,
    /// What an output of 1.0 is encoded as.
    pub output_scale: f64,
    /// 2, or 3 when the client decrypts with the square of the key as well.
    pub output_components: usize,
    /// Which images and answers it was compiled for; older compilers do not say.
    pub promise: Option<Promise>,
}

/// Parameters of the conjugate-invariant scheme, as in a file. The scheme's own checked type
/// refuses insecure ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterSet {
    /// Ring degree N = number of real slots = largest batch; a power of two.
    pub degree: usize,
    /// Primes of the ciphertext modulus; rescaling drops the last one present.
    pub moduli: Vec<u64>,
    /// Primes used only inside key switching; empty for gadget decomposition without a special
    /// modulus.
    pub special: Vec<u64>,
    /// Promised security in bits: 128, 192 or 256.
    pub security: u32,
}

/// A signature as it lies in a file. Its bytes are part of a program's fingerprint: what older
/// releases did not write is left out where it has no effect.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureLiteral {
    model: String,
    input: InputSpec,
    classes: Vec<String>,
    outputs: usize,
    /// None for a score's threshold of 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    parameters: ParameterSet,
    input_limbs: usize,
    input_scale: f64,
    output_limbs: usize,
    output_scale: f64,
    output_components: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promise: Option<Promise>,
}

impl TryFrom<SignatureLiteral> for Signature {
    type Error = Error;

    fn try_from(literal: SignatureLiteral) -> Result<Self> {
        Ok(Self {
            model: literal.model,
            input: literal.input,
            classes: Classes::new(literal.classes, literal.outputs, literal.threshold)?,
            parameters: literal.parameters,
            input_limbs: literal.input_limbs,
            input_scale: literal.input_scale,
            output_limbs: literal.output_limbs,
            output_scale: literal.output_scale,
            output_components: literal.output_components,
            promise: literal.promise,
        })
    }
}

impl From<Signature> for SignatureLiteral {
    fn from(signature: Signature) -> Self {
        let classes = signature.classes;
        Self {
            model: signature.model,
            input: signature.input,
            classes: classes.names().to_vec(),
            outputs: classes.outputs(),
            threshold: classes.moved_threshold(),
            parameters: signature.parameters,
            input_limbs: signature.input_limbs,
            input_scale: signature.input_scale,
            output_limbs: signature.output_limbs,
            output_scale: signature.output_scale,
            output_components: signature.output_components,
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

    /// The encrypted input as a value of the program.
    pub fn input_value(&self) -> ValueInfo {
        ValueInfo { len: self.input.shape().len(), limbs: self.input_limbs, scale: self.input_scale, components: 2 }
    }
}

/// Refuses a signature that contradicts itself.
pub(super) fn check_signature(signature: &Signature) -> Result<()> {
    let moduli = &signature.parameters.moduli;
    let start =
        |found: String, expected: &str| Err(Error::malformed("checking a program's signature", found, expected));
    let degree = signature.parameters.degree;
    if !degree.is_power_of_two() || !(2..=1 << 20).contains(&degree) {
        return start(format!("ring degree {degree}"), "a power of two, at most 2^20");
    }
    if signature.input_limbs == 0 || signature.input_limbs > moduli.len() {
        return start(format!("{} input limbs", signature.input_limbs), "between 1 and the number of moduli");
    }
    if moduli.iter().any(|q| *q < 3) {
        return start("a modulus below 3".into(), "primes");
    }
    if !valid_scale(signature.input_scale) {
        return start(format!("input scale {}", signature.input_scale), "a finite number above 1");
    }
    if signature.output_limbs == 0 || signature.output_limbs > signature.input_limbs {
        return start(format!("{} output limbs", signature.output_limbs), "between 1 and those of the input");
    }
    if !valid_scale(signature.output_scale) {
        return start(format!("output scale {}", signature.output_scale), "a finite number above 1");
    }
    if !(2..=3).contains(&signature.output_components) {
        return start(format!("outputs of {} components", signature.output_components), "2 or 3");
    }
    let input = &signature.input;
    if let Some((found, expected)) = input.fault() {
        return start(found, &expected);
    }
    let mut elements = 1_usize;
    for d in input.shape {
        elements = elements.saturating_mul(d);
    }
    if elements == 0 || elements > MAX_ELEMENTS {
        return start(format!("input shape {:?}", input.shape), "between 1 and 2^24 elements");
    }
    signature.promise.iter().try_for_each(|p| p.check(input, signature.classes.outputs()))
}
