//! What a client needs of a program to encrypt images and to understand the answer, without any
//! weight.

use serde::{Deserialize, Serialize};

use super::packing::ClientPacking;
use super::reads::ReadElements;
use super::value::{ValueInfo, valid_scale};
use crate::images::ImageMajor;
use crate::model::MAX_ELEMENTS;
use crate::promise::{Deviating, Promise};
use crate::{Classes, Error, InputSpec, Result};

const CHECKING: &str = "checking a program's signature";

/// All that a client needs to encrypt images and to understand the answer; holds nothing of the
/// model's weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SignatureLiteral", into = "SignatureLiteral")]
pub struct Signature {
    /// Name of the model.
    pub model: String,
    /// Image shape and normalisation.
    pub input: InputSpec,
    /// Which elements (in the order channel, row, column) are read. Ciphertext `i` of the input
    /// holds the `i`-th of these of all images, unless there is a packing.
    pub reads: ReadElements,
    /// What the outputs say; each of them is one ciphertext, unless there is a packing.
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
    /// Whether the program switches keys, so that a server needs the evaluation key; older
    /// compilers do not say, and it counts as needed.
    pub switches_keys: bool,
    /// Which images and answers it was compiled for; older compilers do not say.
    pub promise: Option<Promise>,
    /// Where inputs and outputs are when ciphertexts hold several of them.
    pub packing: Option<ClientPacking>,
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
    /// modulus. As many limbs make one digit.
    pub special: Vec<u64>,
    /// Promised security in bits: 128, 192 or 256.
    pub security: u32,
}

/// Returns the digits that switching keys of so many limbs takes: one for as many limbs as there
/// are special primes, or for each limb without any.
pub fn switching_digits(limbs: usize, special: usize) -> usize {
    limbs.div_ceil(special.max(1))
}

/// Returns the polynomials modulo one prime that a switching key for so many limbs consists of:
/// two halves of each digit modulo each limb's and special prime.
pub fn switching_key_polynomials(limbs: usize, special: usize) -> usize {
    2 * switching_digits(limbs, special) * (limbs + special)
}

/// A signature as it lies in a file. Its bytes are part of a program's fingerprint: what older
/// releases did not write is left out where it has no effect.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureLiteral {
    model: String,
    input: InputSpec,
    /// Ranges of elements, none where all are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reads: Option<Vec<[usize; 2]>>,
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
    /// None where the evaluation key is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    switches_keys: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    promise: Option<Promise>,
    /// None where each ciphertext holds one element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    packing: Option<ClientPacking>,
}

impl TryFrom<SignatureLiteral> for Signature {
    type Error = Error;

    fn try_from(literal: SignatureLiteral) -> Result<Self> {
        let elements = elements(&literal.input)?;
        let reads = literal
            .reads
            .map_or_else(|| Some(ReadElements::all(elements)), |ranges| ReadElements::of_ranges(&ranges, elements));
        let reads = reads.ok_or_else(|| {
            let expected = format!("ascending ranges of {elements} elements, apart from each other");
            Error::malformed(CHECKING, "other ranges of elements that are read", expected)
        })?;
        Ok(Self {
            model: literal.model,
            input: literal.input,
            reads,
            classes: Classes::new(literal.classes, literal.outputs, literal.threshold)?,
            parameters: literal.parameters,
            input_limbs: literal.input_limbs,
            input_scale: literal.input_scale,
            output_limbs: literal.output_limbs,
            output_scale: literal.output_scale,
            output_components: literal.output_components,
            switches_keys: literal.switches_keys != Some(false),
            promise: literal.promise,
            packing: literal.packing,
        })
    }
}

impl From<Signature> for SignatureLiteral {
    fn from(signature: Signature) -> Self {
        let classes = signature.classes;
        Self {
            model: signature.model,
            input: signature.input,
            reads: signature.reads.to_ranges(),
            classes: classes.names().to_vec(),
            outputs: classes.outputs(),
            threshold: classes.moved_threshold(),
            parameters: signature.parameters,
            input_limbs: signature.input_limbs,
            input_scale: signature.input_scale,
            output_limbs: signature.output_limbs,
            output_scale: signature.output_scale,
            output_components: signature.output_components,
            switches_keys: (!signature.switches_keys).then_some(false),
            promise: signature.promise,
            packing: signature.packing,
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

    /// Images of one batch, at most.
    pub fn capacity(&self) -> usize {
        self.packing.as_ref().map_or(self.parameters.degree, |p| self.parameters.degree / p.block())
    }

    /// Ciphertexts of the encrypted input.
    pub fn input_ciphertexts(&self) -> usize {
        self.packing.as_ref().map_or(self.reads.count(), |p| p.input.ciphertexts())
    }

    /// Ciphertexts of the result.
    pub fn output_ciphertexts(&self) -> usize {
        self.packing.as_ref().map_or(self.classes.outputs(), |p| p.output.ciphertexts())
    }

    /// The encrypted input as a value of the program.
    pub fn input_value(&self) -> ValueInfo {
        ValueInfo { len: self.reads.count(), limbs: self.input_limbs, scale: self.input_scale, components: 2 }
    }
}

/// The elements of an image.
fn elements(input: &InputSpec) -> Result<usize> {
    let elements = input.shape.iter().fold(1_usize, |product, &d| product.saturating_mul(d));
    if elements == 0 || elements > MAX_ELEMENTS {
        let found = format!("input shape {:?}", input.shape);
        return Err(Error::malformed(CHECKING, found, "between 1 and 2^24 elements"));
    }
    Ok(elements)
}

/// Refuses a signature that contradicts itself.
pub(super) fn check_signature(signature: &Signature) -> Result<()> {
    let moduli = &signature.parameters.moduli;
    let start = |found: String, expected: &str| Err(Error::malformed(CHECKING, found, expected));
    let degree = signature.parameters.degree;
    if !degree.is_power_of_two() || !(2..=1 << 20).contains(&degree) {
        return start(format!("ring degree {degree}"), "a power of two, at most 2^20");
    }
    if signature.input_limbs == 0 || signature.input_limbs > moduli.len() {
        return start(format!("{} input limbs", signature.input_limbs), "between 1 and the number of moduli");
    }
    let special = &signature.parameters.special;
    if special.len() > moduli.len() {
        return start(format!("{} special primes", special.len()), "no more than there are moduli");
    }
    if moduli.iter().chain(special).any(|q| *q < 3) {
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
    let (elements, read) = (elements(input)?, signature.reads.elements());
    if read != elements {
        return start(format!("marks for {read} elements"), &format!("one for each of {elements}"));
    }
    if let Some(packing) = &signature.packing {
        packing.check((degree, moduli.len()), signature.reads.count(), signature.classes.outputs())?;
        if !packing.rotations.is_empty() && !signature.switches_keys {
            return start("rotations without switching keys".into(), "a program that switches keys");
        }
    }
    signature.promise.iter().try_for_each(|p| p.check(input, signature.classes.outputs()))
}
