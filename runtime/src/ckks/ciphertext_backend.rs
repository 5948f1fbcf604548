//! What a backend is that runs programs on encrypted images: the processor, or another device.

use std::borrow::Cow;

use beaa_ckks::{Batch, CompressedBatch};
use beaa_ir::ckks::Program;

use super::{CkksBackend, CkksValue};
use crate::backend::Backend;
use crate::{Error, Result};

/// A backend whose values are ciphertexts, with a way in and a way out.
pub trait CiphertextBackend<'v>: Backend {
    /// The value of compressed ciphertexts, the input of `program`; `scale` is what 1.0 is encoded
    /// as.
    ///
    /// # Errors
    /// When they are not as many as the program takes, or the backend reads them at once and a
    /// residue is not below its prime.
    fn input(&self, program: &Program, ciphertexts: CompressedBatch<'v>, scale: f64) -> Result<Self::Value>;

    /// The ciphertexts of a value, where they lie in memory of the processor.
    fn stored<'b>(&self, _value: &'b Self::Value) -> Option<&'b Batch> {
        None
    }

    /// The ciphertexts of a value.
    ///
    /// # Errors
    /// When a residue is not below its prime, or the backend fails.
    fn output<'b>(&self, value: &'b Self::Value) -> Result<Cow<'b, Batch>>;
}

impl<'k> CiphertextBackend<'k> for CkksBackend<'k> {
    fn input(&self, program: &Program, ciphertexts: CompressedBatch<'k>, scale: f64) -> Result<CkksValue<'k>> {
        packed_input(program, CkksValue::compressed(ciphertexts, scale))
    }

    fn stored<'b>(&self, value: &'b CkksValue<'k>) -> Option<&'b Batch> {
        value.stored()
    }

    fn output<'b>(&self, value: &'b CkksValue<'k>) -> Result<Cow<'b, Batch>> {
        value.batch()
    }
}

/// The input of a program, with its elements where it is packed.
///
/// # Errors
/// [`Error::WrongCiphertexts`] when a packed program takes another number of ciphertexts.
pub(super) fn packed_input<'a>(program: &Program, input: CkksValue<'a>) -> Result<CkksValue<'a>> {
    let elements = packed_elements(program, input.ciphertexts())?;
    Ok(input.with_elements(elements))
}

/// The elements that the input of a program holds in so many ciphertexts; none where each is one.
///
/// # Errors
/// [`Error::WrongCiphertexts`] when a packed program takes another number of ciphertexts.
pub fn packed_elements(program: &Program, ciphertexts: usize) -> Result<Option<usize>> {
    let Some(layout) = program.layout(0) else { return Ok(None) };
    let (found, expected) = (ciphertexts, layout.ciphertexts());
    if found != expected {
        return Err(Error::WrongCiphertexts { operation: "running a program", found, expected });
    }
    Ok(Some(layout.elements()))
}
