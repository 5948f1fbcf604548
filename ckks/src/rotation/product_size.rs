//! What memory multiplying by diagonals takes, known before there are matrices.

use super::diagonal_matrix::primes;
use super::diagonal_product::HELD;
use crate::Parameters;
use crate::batch::BatchShape;
use crate::kernel::TILE;

/// How large a product of all terms with their matrices is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProductSize {
    /// Limbs of the inputs.
    pub limbs: usize,
    /// Ciphertexts of all terms.
    pub inputs: usize,
    /// Distinct rotations of inputs, those by 0 among them.
    pub rotated: usize,
    /// The most of them that one input has.
    pub babies: usize,
    /// Distinct outputs and giant steps.
    pub sums: usize,
    /// Ciphertexts of the result.
    pub outputs: usize,
    /// Threads that work on it.
    pub threads: usize,
}

impl ProductSize {
    /// Returns the bytes that [`Rotator::multiply`](crate::Rotator::multiply) takes beside its
    /// operands, its constants, its keys and its result, and keeps for the next product.
    pub fn bytes(&self, parameters: &Parameters) -> usize {
        let Self { limbs, inputs, rotated, babies, sums, outputs, threads } = *self;
        let (n, primes) = (parameters.degree(), primes(parameters, limbs).count());
        let held = rotated.min(HELD / (2 * n) + babies);
        let at_once = inputs.min(held);
        let products = n * (inputs * limbs + at_once * (limbs + 2) + 2 * held + 2 * primes * sums);
        let result = BatchShape { limbs, components: 2, len: outputs }.flat_words(parameters);
        // A pair and its rotation, digits, the same extended, sums; a pair modulo one prime; tiles.
        let thread = n * (4 * primes + limbs + primes * limbs + 2 * primes) + 2 * n + held * 2 * TILE;
        (products + result + threads * thread) * size_of::<u64>()
    }
}
