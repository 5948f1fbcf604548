//! The constants of a linear map by rotations, encoded once.

use std::ops::Range;

use beaa_memory::Words;
use rayon::prelude::*;

use super::periodic::{PeriodicEncoder, SHORTEST_PERIOD};
use crate::batch::CHUNK;
use crate::error::operand;
use crate::kernel::TILE;
use crate::workspaces::Workspaces;
use crate::{Parameters, Result};

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
    /// Slots after which constants repeat, in the order in which rotations move them: a power of
    /// two, at most N. As many words are kept of each constant for each prime, or 32 where it is
    /// less.
    pub period: usize,
}

/// A linear map by its diagonals (Halevi and Shoup 2014, "Algorithms in HElib"), in baby steps and
/// giant steps: output v is the sum over giants g of rotate_g(sum over babies b and inputs u of
/// `constants[v, g, u, b] * rotate_b(x_u)`).
pub struct DiagonalMatrix {
    parameters: Parameters,
    shape: DiagonalShape,
    /// Distinct input and baby other than 0, ascending.
    rotated: Vec<(u32, usize)>,
    /// Ascending by output and giant.
    sums: Vec<DiagonalSum>,
    /// For each diagonal the ciphertext that it multiplies as it is, or the number in `rotated`; in
    /// the order of the sums, ascending in both parts of each.
    columns: Vec<u32>,
    stored: StoredConstants,
    data: Words,
}

/// How constants are stored: `[prime][group][diagonal][width]`, the special primes last. The values
/// of a polynomial in powers of `X^run` are equal in runs of so many, in the order of the
/// transform: one word stands for each of them, or as many equal ones as a tile has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StoredConstants {
    /// Values that are stored, of N.
    period: usize,
    /// Stored values that a tile needs.
    width: usize,
    /// Tiles that need the same.
    tiles: usize,
}

/// What is added up before it is rotated.
#[derive(Debug, Clone)]
pub struct DiagonalSum {
    /// Ciphertext of the result.
    pub output: u32,
    /// Slots by which the sum is rotated to the left.
    pub giant: usize,
    /// Diagonals of inputs that are not rotated.
    pub direct: Range<usize>,
    /// Those of rotated ones, which come after them.
    pub rotated: Range<usize>,
}

impl std::fmt::Debug for DiagonalMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DiagonalMatrix({:?}, {} diagonals)", self.shape, self.columns.len())
    }
}

impl DiagonalMatrix {
    /// Encodes all constants, in parallel. `values` writes diagonal number `i` of the list: the
    /// slots of one period in rotation order, zero until then, in integer units. They are what the
    /// result's slots are multiplied with: output position p is the sum of `values[p] * input[p +
    /// baby + giant]`. They are rounded as polynomials, by 1/12 of variance in each coefficient.
    ///
    /// # Errors
    /// When the parameters have not as many limbs, the period is none of the ring, there is no
    /// diagonal, one names a ciphertext or rotation that there is not, a value is not finite or too
    /// large, or memory does not hold them.
    pub fn new(
        parameters: &Parameters,
        shape: DiagonalShape,
        diagonals: &[Diagonal],
        values: impl Fn(usize, &mut [f64]) + Sync,
    ) -> Result<Self> {
        parameters.check_limbs(OPERATION, shape.limbs)?;
        check_diagonals(parameters, shape, diagonals)?;
        let mut sorted: Vec<usize> = (0..diagonals.len()).collect();
        let order = |d: &Diagonal| (d.output, d.giant, d.baby > 0, d.input, d.baby);
        sorted.sort_by_key(|&d| order(&diagonals[d]));
        let mut rotated: Vec<_> = diagonals.iter().filter(|d| d.baby > 0).map(|d| (d.input, d.baby)).collect();
        rotated.sort_unstable();
        rotated.dedup();
        let column = |d: &Diagonal| {
            if d.baby == 0 { d.input } else { rotated.partition_point(|r| *r < (d.input, d.baby)) as u32 }
        };
        let columns = sorted.iter().map(|&d| column(&diagonals[d])).collect();
        let mut sums: Vec<DiagonalSum> = Vec::new();
        for (number, &Diagonal { output, giant, baby, .. }) in sorted.iter().map(|&d| &diagonals[d]).enumerate() {
            if sums.last().is_none_or(|sum| (sum.output, sum.giant) != (output, giant)) {
                sums.push(DiagonalSum { output, giant, direct: number..number, rotated: number..number });
            }
            if let Some(sum) = sums.last_mut() {
                sum.rotated.end = number + 1;
                if baby == 0 {
                    (sum.direct.end, sum.rotated.start) = (number + 1, number + 1);
                }
            }
        }
        let encoder = PeriodicEncoder::new(parameters, shape.limbs, shape.period);
        let stored = StoredConstants::new(parameters.degree(), encoder.period());
        let workspaces = Workspaces::new(|| encoder.workspace());
        let encode = |number: usize, out: &mut [u64]| {
            let giant = diagonals[sorted[number]].giant;
            workspaces.with(|w| encoder.encode(w, giant, |slots| values(sorted[number], slots), out))
        };
        let primes = parameters.switching_primes(shape.limbs).count();
        let data = encode_groups(stored, primes, diagonals.len(), encode)?;
        Ok(Self { parameters: parameters.clone(), shape, rotated, sums, columns, stored, data })
    }

    /// Returns how large it is.
    pub fn shape(&self) -> DiagonalShape {
        self.shape
    }

    /// Returns the bytes that it holds: [`Self::bytes_of`] its diagonals.
    pub fn bytes(&self) -> usize {
        self.data.len() * size_of::<u64>()
    }

    /// Returns the bytes that so many diagonals of a shape take.
    pub fn bytes_of(parameters: &Parameters, shape: DiagonalShape, diagonals: usize) -> usize {
        let period = shape.period.max(SHORTEST_PERIOD.min(parameters.degree()));
        parameters.switching_primes(shape.limbs).count() * period * diagonals * size_of::<u64>()
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

    /// Returns the parameters of what it multiplies.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Returns the rotated inputs: distinct ciphertext and baby other than 0, ascending.
    pub fn rotated(&self) -> &[(u32, usize)] {
        &self.rotated
    }

    /// Returns the sums, ascending by output and giant; each diagonal is in one of them.
    pub fn sums(&self) -> &[DiagonalSum] {
        &self.sums
    }

    /// Returns what each diagonal multiplies: a ciphertext, or a number in [`Self::rotated`],
    /// ascending within both parts of each sum.
    pub fn columns(&self) -> &[u32] {
        &self.columns
    }

    /// Returns how many values of each constant are stored for each prime: each stands for as many
    /// equal ones, one after the other in the order of the transform, as make N of them.
    pub fn stored_period(&self) -> usize {
        self.stored.period
    }

    /// Returns the stored values of one diagonal modulo one prime. Primes count through the limbs
    /// to the special ones.
    ///
    /// # Panics
    /// When there is no such prime or diagonal.
    pub fn values(&self, prime: usize, diagonal: usize) -> Vec<u64> {
        let StoredConstants { period, width, tiles } = self.stored;
        let of_group = |group: usize| self.tile(prime, group * tiles, &(diagonal..diagonal + 1)).0;
        (0..period / width).flat_map(of_group).copied().collect()
    }

    /// The constants of some diagonals for one tile, `[diagonal][width]`, and the width. Primes
    /// count through the limbs to the special ones.
    pub(crate) fn tile(&self, prime: usize, tile: usize, diagonals: &Range<usize>) -> (&[u64], usize) {
        let StoredConstants { period, width, tiles } = self.stored;
        let start = (prime * (period / width) + tile / tiles) * self.columns.len() * width;
        (&self.data[start + diagonals.start * width..start + diagonals.end * width], width)
    }
}

impl StoredConstants {
    fn new(degree: usize, period: usize) -> Self {
        let run = degree / period;
        Self { period, width: (TILE / run).max(1), tiles: (run / TILE).max(1) }
    }
}

fn check_diagonals(parameters: &Parameters, shape: DiagonalShape, diagonals: &[Diagonal]) -> Result<()> {
    let n = parameters.degree();
    if !shape.period.is_power_of_two() || shape.period > n {
        return Err(operand(OPERATION, format!("constants that repeat after {} slots", shape.period), period_of(n)));
    }
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

fn period_of(degree: usize) -> String {
    format!("a power of two, at most {degree}")
}

/// Polynomials of `[prime][period]` each, a few at a time, in the order in which they are stored.
fn encode_groups(
    StoredConstants { period, width, .. }: StoredConstants,
    primes: usize,
    count: usize,
    encode: impl Fn(usize, &mut [u64]) -> Result<()> + Sync,
) -> Result<Words> {
    let words = primes * period;
    let Some(total) = words.checked_mul(count).filter(|&n| n <= isize::MAX.unsigned_abs() / 8) else {
        return Err(operand(OPERATION, format!("{count} diagonals of {period} slots"), "what memory holds"));
    };
    let mut data = Words::unset(total);
    let mut flats = Words::unset(words * CHUNK.min(count));
    for first in (0..count).step_by(CHUNK) {
        let flats = &mut flats[..words * CHUNK.min(count - first)];
        flats.par_chunks_exact_mut(words).enumerate().try_for_each(|(i, flat)| encode(first + i, flat))?;
        data.par_chunks_exact_mut(count * width).enumerate().for_each(|(group, data)| {
            for (to, flat) in data.chunks_exact_mut(width).skip(first).zip(flats.chunks_exact(words)) {
                to.copy_from_slice(&flat[group * width..(group + 1) * width]);
            }
        });
    }
    Ok(data)
}
