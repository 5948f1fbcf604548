//! Steps of key switching and of encryption, one at a time, for measuring them; of no use alone.
//! Limbs are numbers of moduli.

use crate::Parameters;
use crate::kernel::BaseChange;

/// Transforms N coefficients of one limb to values, in place.
pub fn forward(parameters: &Parameters, limb: usize, values: &mut [u64]) {
    parameters.all_transforms()[limb].forward(values);
}

/// Transforms N values of one limb to coefficients, in place.
pub fn inverse(parameters: &Parameters, limb: usize, values: &mut [u64]) {
    parameters.all_transforms()[limb].inverse(values);
}

/// Extends N coefficients of limb `from` to residues of limb `to`.
pub fn base_extend(parameters: &Parameters, from: usize, to: usize, coefficients: &[u64], out: &mut [u64]) {
    let modulus = |limb: usize| parameters.all_transforms()[limb].modulus();
    parameters.kernel().base_extend(BaseChange { from: modulus(from), to: modulus(to) }, coefficients, out);
}

/// Adds products of residues of one limb to `accumulator`.
pub fn multiply_add(parameters: &Parameters, limb: usize, accumulator: &mut [u64], a: &[u64], b: &[u64]) {
    parameters.kernel().multiply_add(parameters.all_transforms()[limb].modulus(), accumulator, a, b);
}
