//! The constants of a linear map by rotations, encoded once.

use std::ops::Range;

use beaa_memory::Words;
use rayon::prelude::*;

use super::order::rotation_order;
use crate::batch::CHUNK;
use crate::error::operand;
use crate::kernel::TILE;
use crate::workspaces::Workspaces;
use crate::{Encoder, Parameters, Result};

const OPERATION: &str = "preparing a matrix of diagonals";

/// Which ciphertext's rotation one vector of constants multiplies, and which sum it belongs to. The
/// order is that in which they are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagonal {
    /// Ciphertext of the result.
    pub output: u32,
    /// Slots by which the sum is rotated to the left, below N.
    pub giant: usize,
    /// Ciphertext of what is multiplied.
    pub input: u32,
    /// Slots by which the input is rotated to the left, below N.
    pub baby: usize,
}

/// How large a matrix of diagonals is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiagonalShape {
    /// Limbs of what it multiplies.
    pub limbs: usize,
    /// Ciphertexts of what it multiplies.
    pub inputs: usize,
    /// Ciphertexts of the result.
    pub outputs: usize,
}

/// A linear map by its diagonals (Halevi and Shoup 2014, "Algorithms in HElib"), in baby steps and
/// giant steps: output v is the sum over giants g of rotate_g(sum over babies b and inputs u of
/// `constants[v, g, u, b] * rotate_b(x_u)`).
pub struct DiagonalMatrix {
    parameters: Parameters,
    shape: DiagonalShape,
    /// Distinct input and baby, ascending.
    rotated: Vec<(u32, usize)>,
    /// Ascending by output and giant.
    sums: Vec<DiagonalSum>,
    /// For each diagonal its number in `rotated`; in the order of the sums.
    columns: Vec<u32>,
    /// `[prime][tile][diagonal][TILE]`, the special prime last.
    data: Words,
}

/// What is added up before it is rotated.
#[derive(Debug, Clone)]
pub(crate) struct DiagonalSum {
    pub(crate) output: u32,
    pub(crate) giant: usize,
    /// Which diagonals.
    pub(crate) diagonals: Range<usize>,
}

impl std::fmt::Debug for DiagonalMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DiagonalMatrix({:?}, {} diagonals)", self.shape, self.columns.len())
    }
}

impl DiagonalMatrix {
    /// Encodes all constants, in parallel. `values` writes diagonal number `i` of the list: N slots
    /// in rotation order, zero until then, in integer units. They are what the result's slots are
    /// multiplied with: output position p is the sum of `values[p] * input[p + baby + giant]`. They
    /// are rounded as polynomials, by 1/12 of variance in each coefficient.
    ///
    /// # Errors
    /// When the parameters have not as many limbs, there is no diagonal, one names a
    /// ciphertext or rotation that there is not, a value is not finite or too large, or memory does
    /// not hold them.
    pub fn new(
        parameters: &Parameters,
        shape: DiagonalShape,
        diagonals: &[Diagonal],
        values: impl Fn(usize, &mut [f64]) + Sync,
    ) -> Result<Self> {
        parameters.check_limbs(OPERATION, shape.limbs)?;
        check_diagonals(parameters, shape, diagonals)?;
        let mut sorted: Vec<usize> = (0..diagonals.len()).collect();
        sorted.sort_by_key(|&d| diagonals[d]);
        let mut rotated: Vec<_> = diagonals.iter().map(|d| (d.input, d.baby)).collect();
        rotated.sort_unstable();
        rotated.dedup();
        let column = |d: &Diagonal| rotated.partition_point(|r| *r < (d.input, d.baby)) as u32;
        let columns = sorted.iter().map(|&d| column(&diagonals[d])).collect();
        let mut sums: Vec<DiagonalSum> = Vec::new();
        for (number, &Diagonal { output, giant, .. }) in sorted.iter().map(|&d| &diagonals[d]).enumerate() {
            match sums.last_mut() {
                Some(sum) if (sum.output, sum.giant) == (output, giant) => sum.diagonals.end = number + 1,
                _ => sums.push(DiagonalSum { output, giant, diagonals: number..number + 1 }),
            }
        }
        let n = parameters.degree();
        let (encoder, order) = (Encoder::new(n), rotation_order(n));
        let workspaces = Workspaces::new(|| Workspace::new(&encoder, n));
        let encode_in = |workspace: &mut Workspace, number: usize, out: &mut [u64]| {
            let Workspace { by_position, slots, scratch } = workspace;
            by_position.fill(0.0);
            values(sorted[number], by_position);
            // The sum is rotated by the giant step, and its constants with it.
            let (first, rest) = order.split_at(diagonals[sorted[number]].giant);
            for (&slot, &value) in rest.iter().chain(first).zip(&*by_position) {
                slots[slot as usize] = value;
            }
            encoder.encode_in_place(slots, 1.0, scratch)?;
            let largest = slots.iter().map(|c| c.abs()).fold(0.0, f64::max);
            for (prime, out) in primes(parameters, shape.limbs).zip(out.chunks_exact_mut(n)) {
                let t = &parameters.all_transforms()[prime];
                let q = t.modulus();
                // Nearly always: constants have far fewer bits than primes.
                if largest < q.value() as f64 {
                    out.iter_mut().zip(&*slots).for_each(|(v, &c)| *v = q.lift(c as i64));
                } else {
                    out.iter_mut().zip(&*slots).for_each(|(v, &c)| *v = q.reduce_i64(c as i64));
                }
                t.forward(out);
            }
            Ok(())
        };
        let encode = |number: usize, out: &mut [u64]| workspaces.with(|w| encode_in(w, number, out));
        let words = primes(parameters, shape.limbs).count() * n;
        let data = encode_tiles(n, words, diagonals.len(), encode)?;
        Ok(Self { parameters: parameters.clone(), shape, rotated, sums, columns, data })
    }

    /// Returns how large it is.
    pub fn shape(&self) -> DiagonalShape {
        self.shape
    }

    /// Returns the bytes that it holds: [`Self::bytes_of`] its diagonals.
    pub fn bytes(&self) -> usize {
        self.data.len() * size_of::<u64>()
    }

    /// Returns the bytes that so many diagonals for so many limbs take.
    pub fn bytes_of(parameters: &Parameters, limbs: usize, diagonals: usize) -> usize {
        primes(parameters, limbs).count() * parameters.degree() * diagonals * size_of::<u64>()
    }

    /// Returns the rotations of inputs and of sums, in slots, ascending: those whose Galois keys
    /// multiplying needs.
    pub fn rotations(&self) -> Vec<usize> {
        let babies = self.rotated.iter().map(|(_, baby)| *baby);
        let mut all: Vec<usize> = babies.chain(self.sums.iter().map(|s| s.giant)).filter(|r| *r > 0).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Distinct input and baby, ascending.
    pub(crate) fn rotated(&self) -> &[(u32, usize)] {
        &self.rotated
    }

    /// Ascending by output and giant.
    pub(crate) fn sums(&self) -> &[DiagonalSum] {
        &self.sums
    }

    /// The number in [`Self::rotated`] of what each diagonal multiplies.
    pub(crate) fn columns(&self) -> &[u32] {
        &self.columns
    }

    /// The constants of all diagonals, a tile of each: `[diagonal][TILE]`. Primes count through the
    /// limbs to the special one.
    pub(crate) fn tile(&self, prime: usize, tile: usize) -> &[u64] {
        let block = self.columns.len() * TILE;
        let start = (prime * self.parameters.degree() / TILE + tile) * block;
        &self.data[start..start + block]
    }
}

/// What one thread needs to encode a diagonal.
struct Workspace {
    by_position: Vec<f64>,
    /// First the slots, then the coefficients.
    slots: Vec<f64>,
    scratch: Vec<f64>,
}

impl Workspace {
    fn new(encoder: &Encoder, degree: usize) -> Self {
        Self { by_position: vec![0.0; degree], slots: vec![0.0; degree], scratch: encoder.scratch() }
    }
}

/// The numbers of the primes that take part in switching keys of so many limbs.
pub(crate) fn primes(parameters: &Parameters, limbs: usize) -> impl Iterator<Item = usize> + Clone {
    (0..limbs).chain(parameters.special())
}

fn check_diagonals(parameters: &Parameters, shape: DiagonalShape, diagonals: &[Diagonal]) -> Result<()> {
    let n = parameters.degree();
    if diagonals.is_empty() {
        return Err(operand(OPERATION, "no diagonal", "at least one"));
    }
    for d in diagonals {
        let ciphertexts = (d.input as usize) < shape.inputs && (d.output as usize) < shape.outputs;
        if !ciphertexts || d.baby >= n || d.giant >= n {
            return Err(operand(OPERATION, format!("{d:?}"), format!("ciphertexts of {shape:?}, rotations below {n}")));
        }
    }
    Ok(())
}

/// Polynomials of `words` words each, a few at a time, as `[prime][tile][polynomial][TILE]`.
fn encode_tiles(
    degree: usize,
    words: usize,
    count: usize,
    encode: impl Fn(usize, &mut [u64]) -> Result<()> + Sync,
) -> Result<Words> {
    let Some(total) = words.checked_mul(count).filter(|&n| n <= isize::MAX.unsigned_abs() / 8) else {
        return Err(operand(OPERATION, format!("{count} diagonals of degree {degree}"), "what memory holds"));
    };
    let mut data = Words::unset(total);
    let mut flats = Words::unset(words * CHUNK.min(count));
    for first in (0..count).step_by(CHUNK) {
        let flats = &mut flats[..words * CHUNK.min(count - first)];
        flats.par_chunks_exact_mut(words).enumerate().try_for_each(|(i, flat)| encode(first + i, flat))?;
        data.par_chunks_exact_mut(count * TILE).enumerate().for_each(|(tile, data)| {
            for (to, flat) in data.chunks_exact_mut(TILE).skip(first).zip(flats.chunks_exact(words)) {
                to.copy_from_slice(&flat[tile * TILE..(tile + 1) * TILE]);
            }
        });
    }
    Ok(data)
}
