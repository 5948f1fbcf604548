//! Matrices of diagonals on a device: linear maps of ciphertexts that hold several elements.

use std::ops::Range;

use beaa_ckks::{DiagonalMatrix, DiagonalSum};

use crate::words::pairs;
use crate::{Argument, Device, Memory, Result, Ring};

/// The constants of a linear map by rotations, in memory of a device, and what they multiply.
#[derive(Debug)]
pub struct DeviceDiagonals<M> {
    pub(crate) limbs: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Distinct input and baby other than 0, ascending.
    pub(crate) rotated: Vec<(u32, usize)>,
    /// Ascending by output and giant.
    pub(crate) sums: Vec<DiagonalSum>,
    /// Of each diagonal: a ciphertext, or a number in `rotated`, ascending in both parts of a sum.
    columns: Vec<u32>,
    period: usize,
    /// `[limb][diagonal][period]`, the special primes last.
    constants: M,
    /// Those of `columns`.
    column_words: M,
}

/// Some diagonals of one sum.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The item that they are added to.
    pub(crate) sum: usize,
    pub(crate) diagonals: Range<usize>,
}

impl<M: Memory> DeviceDiagonals<M> {
    /// Copies a matrix to the device of its ring.
    ///
    /// # Errors
    /// When it belongs to other parameters, or the device fails.
    pub fn new<D: Device<Memory = M>>(ring: &Ring<'_, D>, matrix: &DiagonalMatrix) -> beaa_runtime::Result<Self> {
        let (found, expected) = (matrix.parameters().ring(), ring.parameters.ring());
        if found != expected {
            let operation = "copying constants to a device";
            let (found, expected) = (found.to_string(), expected.to_string());
            return Err(beaa_ckks::Error::Operand { operation, found, expected }.into());
        }
        let (shape, period, columns) = (matrix.shape(), matrix.stored_period(), matrix.columns().to_vec());
        let mut words = Vec::with_capacity(ring.switching(shape.limbs).count() * columns.len() * period);
        for prime in 0..ring.switching(shape.limbs).count() {
            for diagonal in 0..columns.len() {
                words.extend(matrix.values(prime, diagonal));
            }
        }
        Ok(Self {
            limbs: shape.limbs,
            inputs: shape.inputs,
            outputs: shape.outputs,
            rotated: matrix.rotated().to_vec(),
            sums: matrix.sums().to_vec(),
            period,
            constants: ring.device.upload(&words)?,
            column_words: ring.device.upload(&pairs(columns.iter().copied()))?,
            columns,
        })
    }

    /// Those of some diagonals whose columns are within a range; diagonals of one part of a sum.
    pub(crate) fn within(&self, diagonals: &Range<usize>, columns: &Range<usize>) -> Range<usize> {
        let all = &self.columns[diagonals.clone()];
        let before = |end: usize| diagonals.start + all.partition_point(|&column| (column as usize) < end);
        before(columns.start)..before(columns.end)
    }

    /// `Diagonals` of `kernels/diagonals.cu`: column `first` is item 0. Stops if a part reads an
    /// item that is not among `items`, or adds to a sum that is not among `sums`.
    pub(crate) fn argument(&self, first: usize, items: usize, sums: usize, parts: &PartTable<M>) -> Argument {
        for Part { sum, diagonals } in &parts.parts {
            let columns = &self.columns[diagonals.clone()];
            let within = columns.iter().all(|&c| (first..first + items).contains(&(c as usize)));
            assert!(within && *sum < sums, "{columns:?} from {first} on of {items} items, sum {sum} of {sums}");
        }
        let count = self.columns.len() as u64;
        let first = (first as u64).wrapping_neg();
        let [constants, columns, table] = [&self.constants, &self.column_words, &parts.words].map(Memory::address);
        Argument::new([constants, columns, first, table, count, self.period as u64])
    }
}

/// Parts in memory of a device.
#[derive(Debug)]
pub(crate) struct PartTable<M> {
    pub(crate) parts: Vec<Part>,
    words: M,
}

impl<M: Memory> PartTable<M> {
    /// Copies parts to the device; none if there are none.
    pub(crate) fn new(device: &impl Device<Memory = M>, parts: Vec<Part>) -> Result<Option<Self>> {
        if parts.is_empty() {
            return Ok(None);
        }
        let words = parts.iter().flat_map(|p| [p.sum, p.diagonals.start, p.diagonals.len()].map(|n| n as u64));
        let words = device.upload(&words.collect::<Vec<u64>>())?;
        Ok(Some(Self { parts, words }))
    }
}
