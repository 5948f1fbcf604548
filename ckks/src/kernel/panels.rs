//! Integer weights arranged for the kernels: rows that read the same columns are worked on together, a few at a time.
//! Must never change what the matrix says.

use std::collections::HashMap;

use crate::error::operand;
use crate::modulus::Modulus;
use crate::{Error, Result};

/// Rows in a panel: with four vectors a tile, as many accumulators as 32 registers hold.
pub(crate) const PANEL_ROWS: usize = 6;
/// Columns summed before a reduction: products of 52 bits leave 12 bits of headroom in 64.
const MAX_COLUMNS: usize = 2048;

/// A sparse integer matrix in the order in which the kernels read it.
#[derive(Debug, Clone)]
pub struct Panels {
    pub(crate) groups: Vec<Group>,
    /// Rows that have no weight at all.
    pub(crate) empty_rows: Vec<u32>,
    rows: usize,
    columns: usize,
    weight_bits: u32,
    norm: u64,
}

/// Rows with the same columns.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) columns: Vec<u32>,
    pub(crate) panels: Vec<Panel>,
    /// Whether an earlier group has already written these rows.
    pub(crate) continues: bool,
}

/// A few rows of a group.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    pub(crate) rows: Vec<u32>,
    /// Column by column, one weight per row, each plus [`Panels::offset`] and so never negative.
    pub(crate) weights: Vec<u64>,
}

impl Panels {
    /// `row(r)` gives the columns (ascending, below `columns`) and weights of row `r`.
    pub fn new<'a>(rows: usize, columns: usize, row: impl Fn(usize) -> (&'a [u32], &'a [i32])) -> Result<Self> {
        let wrong = |found: String| -> Error {
            operand("preparing weights", found, "columns within the matrix, one weight each")
        };
        let mut by_columns: HashMap<&[u32], Vec<u32>> = HashMap::new();
        let mut order: Vec<&[u32]> = Vec::new();
        let (mut empty_rows, mut norm, mut largest) = (Vec::new(), 0_u64, 0_u32);
        for r in 0..rows {
            let (indices, weights) = row(r);
            if indices.len() != weights.len() || indices.iter().any(|&c| c as usize >= columns) {
                return Err(wrong(format!("row {r} of {rows}")));
            }
            let id = u32::try_from(r).map_err(|_| wrong(format!("{rows} rows")))?;
            if indices.is_empty() {
                empty_rows.push(id);
                continue;
            }
            norm = norm.max(weights.iter().map(|w| u64::from(w.unsigned_abs())).sum());
            largest = largest.max(weights.iter().map(|w| w.unsigned_abs()).max().unwrap_or(0));
            by_columns
                .entry(indices)
                .or_insert_with(|| {
                    order.push(indices);
                    Vec::new()
                })
                .push(id);
        }
        let weight_bits = 33 - largest.leading_zeros();
        let offset = 1_i64 << (weight_bits - 1);
        let mut groups = Vec::new();
        for indices in order {
            let members = by_columns.get(indices).map_or(&[][..], Vec::as_slice);
            for (part, chunk) in indices.chunks(MAX_COLUMNS).enumerate() {
                let first = part * MAX_COLUMNS;
                let panels = members.chunks(PANEL_ROWS).map(|ids| {
                    let slices: Vec<&[i32]> = ids
                        .iter()
                        .map(|&r| row(r as usize).1.get(first..first + chunk.len()).unwrap_or_default())
                        .collect();
                    let weights = (0..chunk.len())
                        .flat_map(|k| {
                            slices.iter().map(move |s| s.get(k).map_or(0, |&w| (i64::from(w) + offset).cast_unsigned()))
                        })
                        .collect();
                    Panel { rows: ids.to_vec(), weights }
                });
                groups.push(Group { columns: chunk.to_vec(), panels: panels.collect(), continues: part > 0 });
            }
        }
        Ok(Self { groups, empty_rows, rows, columns, weight_bits, norm })
    }

    /// Number of outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// What is added to each stored weight.
    pub(crate) fn offset(&self) -> u64 {
        1 << (self.weight_bits - 1)
    }

    /// Whether products of stored weights and residues stay below 2^52 and sums below 2^61.
    pub(crate) fn fits_52_bits(&self, q: Modulus) -> bool {
        q.bits() + self.weight_bits <= 52 && self.fits_64_bits(q)
    }

    /// Whether every signed sum of a row stays below 2^61.
    pub(crate) fn fits_64_bits(&self, q: Modulus) -> bool {
        self.norm.checked_mul(q.value()).is_some_and(|m| m < 1 << 61)
    }
}
