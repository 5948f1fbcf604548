//! Integer weights arranged for the kernels: rows that read the same columns are worked on together, a few at a time, the
//! others one by one, a window of columns at a time. Must never change what the matrix says.

use std::collections::HashMap;

use super::Kernel;
use super::row_grouping::{RowGroup, group_rows};
use super::singleton_rows::SingletonRows;
use crate::error::operand;
use crate::ring::modulus::Modulus;
use crate::{Error, Result};

/// Rows in a panel: with four vectors a tile, as many accumulators as 32 registers hold.
pub(crate) const PANEL_ROWS: usize = 6;
/// Columns summed before a reduction: products of 52 bits leave 12 bits of headroom in 64.
const MAX_COLUMNS: usize = 2048;
/// Fewest columns worth summing as doubles between two reductions.
const SHORTEST_RUN: usize = 4;
/// A sum of doubles stays exact below this.
const EXACT: u128 = 1 << 53;
/// Panels in a group from which on an offset, which makes weights positive, costs less than sums with signs.
const OFFSET_PANELS: usize = 3;
/// Fewer columns (log2) than this in a sum with signs cost more than an offset for a single panel.
const SHORT_SIGNED_RUN: usize = 4;

/// A sparse integer matrix in the order in which the kernels read it.
#[derive(Debug, Clone)]
pub struct Panels {
    pub(crate) groups: Vec<Group>,
    pub(crate) singletons: SingletonRows,
    /// Rows that have no weight at all.
    pub(crate) empty_rows: Vec<u32>,
    rows: usize,
    columns: usize,
    weight_bits: u32,
    norm: u64,
    /// Largest sum of absolute weights over aligned windows of 1, 2, 4, ... columns of a group.
    norms: Vec<u64>,
    form: WeightForm,
}

/// How a weight is stored in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WeightForm {
    /// An integer, to which a group may have added its offset.
    Integer,
    /// The bits of a double.
    Double,
}

impl WeightForm {
    pub(super) fn store(self, w: i64) -> u64 {
        match self {
            Self::Integer => w.cast_unsigned(),
            Self::Double => (w as f64).to_bits(),
        }
    }
}

/// Rows with the same columns.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) columns: Vec<u32>,
    pub(crate) panels: Vec<Panel>,
    /// Whether an earlier group has already written these rows.
    pub(crate) accumulates: bool,
    /// Added to each weight so that none is negative, or 0.
    pub(crate) offset: u64,
}

/// A few rows of a group.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    pub(crate) rows: Vec<u32>,
    /// Rows in panels before this one.
    pub(crate) start: usize,
    /// Per row the sum of all its weights, in this panel and in those that continue it.
    pub(crate) totals: Vec<i64>,
    /// Column by column, one weight per row, in the kernel's own form.
    pub(crate) weights: Vec<u64>,
}

impl Panels {
    /// For one arithmetic path. `row(r)` gives the columns (ascending, below `columns`) and weights of row `r`.
    pub fn new<'a>(
        kernel: Kernel,
        rows: usize,
        columns: usize,
        row: impl Fn(usize) -> (&'a [u32], &'a [i32]),
    ) -> Result<Self> {
        Self::for_residues(kernel, 0, rows, columns, row)
    }

    /// The same, arranged for residues of up to `bits` bits. Others are multiplied as exactly, but maybe slower.
    pub fn for_residues<'a>(
        kernel: Kernel,
        bits: u32,
        rows: usize,
        columns: usize,
        row: impl Fn(usize) -> (&'a [u32], &'a [i32]),
    ) -> Result<Self> {
        let wrong = |found: String| -> Error {
            operand("preparing weights", found, "ascending columns within the matrix, one weight each")
        };
        let (mut empty_rows, mut norm, mut largest) = (Vec::new(), 0_u64, 0_u32);
        for r in 0..rows {
            let (indices, weights) = row(r);
            let ascending = indices.is_sorted_by(|a, b| a < b);
            if indices.len() != weights.len() || !ascending || indices.last().is_some_and(|&c| c as usize >= columns) {
                return Err(wrong(format!("row {r} of {rows}")));
            }
            let id = u32::try_from(r).map_err(|_| wrong(format!("{rows} rows")))?;
            if indices.is_empty() {
                empty_rows.push(id);
                continue;
            }
            norm = norm.max(weights.iter().map(|w| u64::from(w.unsigned_abs())).sum());
            largest = largest.max(weights.iter().map(|w| w.unsigned_abs()).max().unwrap_or(0));
        }
        let weight_bits = 33 - largest.leading_zeros();
        let form = if kernel == Kernel::Fma { WeightForm::Double } else { WeightForm::Integer };
        let mut norms = vec![0; MAX_COLUMNS.ilog2() as usize + 1];
        // Panels with the same columns make one group.
        let mut order: Vec<Vec<u32>> = Vec::new();
        let mut members: HashMap<Vec<u32>, Vec<Vec<u32>>> = HashMap::new();
        for RowGroup { rows, columns } in group_rows(kernel, rows, columns, &|r| row(r).0) {
            if !members.contains_key(&columns) {
                order.push(columns.clone());
            }
            members.entry(columns).or_default().push(rows);
        }
        let (mut groups, mut singletons) = (Vec::new(), Vec::new());
        let mut done = 0;
        for columns in order {
            let ids = members.remove(&columns).unwrap_or_default();
            if let [single] = ids.as_slice()
                && let [single] = single.as_slice()
            {
                singletons.push(*single);
                continue;
            }
            let mut own = vec![0; norms.len()];
            for chunk in columns.chunks(MAX_COLUMNS) {
                ids.iter().flatten().for_each(|&r| raise(&mut own, &spread(row(r as usize), chunk)));
            }
            let shortest = own.get(SHORT_SIGNED_RUN).copied().unwrap_or(u64::MAX);
            let short = u128::from(shortest) << bits >= 1 << 51;
            let offset = match form {
                WeightForm::Integer if ids.len() >= OFFSET_PANELS || short => 1 << (weight_bits - 1),
                _ => 0,
            };
            if offset == 0 {
                norms.iter_mut().zip(own).for_each(|(norm, own)| *norm = own.max(*norm));
            }
            let mut starts = Vec::with_capacity(ids.len());
            for rows in &ids {
                starts.push(done);
                done += rows.len();
            }
            for (part, chunk) in columns.chunks(MAX_COLUMNS).enumerate() {
                let panels = ids.iter().zip(&starts).map(|(ids, &start)| {
                    let rows: Vec<Vec<i32>> = ids.iter().map(|&r| spread(row(r as usize), chunk)).collect();
                    let stored = |w: i32| form.store(i64::from(w) + offset);
                    let weights = (0..chunk.len())
                        .flat_map(|k| rows.iter().map(move |s| stored(s.get(k).copied().unwrap_or(0))))
                        .collect();
                    Panel {
                        rows: ids.clone(),
                        start,
                        totals: ids.iter().map(|&r| total(row(r as usize).1)).collect(),
                        weights,
                    }
                });
                groups.push(Group {
                    panels: panels.collect(),
                    columns: chunk.to_vec(),
                    accumulates: part > 0,
                    offset: offset.cast_unsigned(),
                });
            }
        }
        let singletons = SingletonRows::new(&singletons, done, columns, form, &row);
        for (_, weights) in singletons.segments() {
            let weights: Vec<i32> = weights.iter().map(|&w| weight(form, w) as i32).collect();
            raise(&mut norms, &weights);
        }
        Ok(Self { groups, singletons, empty_rows, rows, columns, weight_bits, norm, norms, form })
    }

    /// Number of outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The columns that any row reads, some of them more than once.
    pub(crate) fn read(&self) -> impl Iterator<Item = u32> + '_ {
        self.groups.iter().flat_map(|g| &g.columns).chain(&self.singletons.columns).copied()
    }

    /// A stored weight as an integer, the group's offset included.
    pub(crate) fn weight(&self, stored: u64) -> i64 {
        weight(self.form, stored)
    }

    /// How many columns, counted from a group's first, can be summed as doubles before a reduction: all of them, or a
    /// power of two. `None` when the modulus and the weights are too large, or stored in the other form.
    pub(crate) fn run(&self, q: Modulus) -> Option<usize> {
        // A product of residues, reduced with a rounded quotient, exceeds q / 2 by at most q^2 / 2^53 (1.5 units in the
        // last place of a quotient below q / 4, times q, and one more for what it started from).
        let largest = u128::from(q.value() / 2) + (u128::from(q.value()).pow(2) >> 53) + 2;
        // Besides the products: what the sum starts from, the bias, half the weights' sum, and what is added to.
        let fits = |norm: u64| (2 * u128::from(norm) + 4) * largest < 2 * EXACT;
        if self.form != WeightForm::Double {
            return None;
        }
        if fits(self.norm) {
            return Some(usize::MAX);
        }
        self.longest(fits).filter(|&n| n >= SHORTEST_RUN)
    }

    /// How many columns, counted from a group's first, can be summed modulo 2^52 so that the low 52 bits with their sign
    /// are the sum: all of them, or a power of two. `None` when not even one product is as small, or products with
    /// offsets do not fit 52 bits, or sums of rows not 62, or weights are stored in the other form.
    pub(crate) fn signed_run(&self, q: Modulus) -> Option<usize> {
        let fits = |norm: u64| u128::from(norm) * u128::from(q.value()) < 1 << 51;
        if self.form != WeightForm::Integer || q.bits() + self.weight_bits > 52 || !self.fits_64_bits(q) {
            return None;
        }
        if fits(self.norm) { Some(usize::MAX) } else { self.longest(fits) }
    }

    fn longest(&self, fits: impl Fn(u64) -> bool) -> Option<usize> {
        self.norms.iter().rposition(|&n| fits(n)).map(|i| 1 << i)
    }

    /// Whether every signed sum of a row stays below 2^61.
    pub(crate) fn fits_64_bits(&self, q: Modulus) -> bool {
        self.norm.checked_mul(q.value()).is_some_and(|m| m < 1 << 61)
    }
}

fn weight(form: WeightForm, stored: u64) -> i64 {
    match form {
        WeightForm::Integer => stored.cast_signed(),
        WeightForm::Double => f64::from_bits(stored) as i64,
    }
}

fn total(weights: &[i32]) -> i64 {
    weights.iter().map(|&w| i64::from(w)).sum()
}

/// A row's weights at the given columns, both ascending: zero where it has none.
fn spread((columns, weights): (&[u32], &[i32]), at: &[u32]) -> Vec<i32> {
    let mut own = columns.iter().zip(weights).peekable();
    let mut result = Vec::with_capacity(at.len());
    for &column in at {
        while own.next_if(|(c, _)| **c < column).is_some() {}
        result.push(own.next_if(|(c, _)| **c == column).map_or(0, |(_, &w)| w));
    }
    result
}

/// Raises the norms of windows to those of one row's weights.
fn raise(norms: &mut [u64], weights: &[i32]) {
    for (i, norm) in norms.iter_mut().enumerate() {
        let windows = weights.chunks(1 << i);
        let sums = windows.map(|w| w.iter().map(|w| u64::from(w.unsigned_abs())).sum::<u64>());
        *norm = sums.fold(*norm, u64::max);
    }
}
