//! Integer weights arranged for the kernels: rows that read the same columns are worked on
//! together, a few at a time, the others one by one, a window of columns at a time. The arrangement
//! changes the order of the work, never the matrix.

use super::Kernel;
use super::layout::WeightForm;
use super::paired_rows::PairedRows;
use super::row_grouping::group_rows;
use super::shared_columns::{SharedColumns, by_columns, joined};
use super::singleton_rows::SingletonRows;
use crate::error::operand;
use crate::ring::modulus::Modulus;
use crate::{Error, Result};

/// Columns summed before a reduction: products of 52 bits leave 12 bits of headroom in 64.
const MAX_COLUMNS: usize = 2048;
/// Windows whose norms are kept: of 1, 2, 4, ... up to [`MAX_COLUMNS`] columns.
const WINDOW_SIZES: usize = MAX_COLUMNS.ilog2() as usize + 1;
/// Fewest columns worth summing as doubles between two reductions.
const MIN_DOUBLE_INTERVAL: usize = 4;
/// A sum of doubles stays exact below this.
const EXACT: u128 = 1 << 53;
/// Panels in a group from which on an offset, which makes weights positive, costs less than sums
/// with signs.
const OFFSET_PANELS: usize = 3;
/// Fewer columns (log2) than this in a sum with signs cost more than an offset for a single panel.
const SHORT_SIGNED_INTERVAL: usize = 4;

/// Largest sums of absolute weights over aligned windows of 1, 2, 4, ... columns.
type WindowNorms = [u64; WINDOW_SIZES];

/// A sparse integer matrix in the order in which the kernels read it. All columns are below
/// [`Self::columns`], and all rows below [`Self::rows`].
#[derive(Debug, Clone)]
pub struct Panels {
    groups: Vec<Group>,
    singletons: SingletonRows,
    /// What would be groups on a path that multiplies column by column.
    paired: PairedRows,
    /// Rows that have no weight at all.
    empty_rows: Vec<u32>,
    rows: usize,
    columns: usize,
    /// Bits of the largest weight, its sign included.
    weight_bits: u32,
    /// Largest sum of a row's absolute weights.
    norm: u64,
    /// Over all sums with signs.
    window_norms: WindowNorms,
    form: WeightForm,
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
    /// Rows with sums before this panel's.
    pub(crate) first_sum: usize,
    /// Per row the sum of all its weights, in this panel and in those that continue it.
    pub(crate) totals: Vec<i64>,
    /// Column by column, one weight per row, in the kernel's form.
    pub(crate) weights: Vec<u64>,
}

/// Some of a row's products.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowBlock {
    pub(crate) row: u32,
    /// Whether an earlier block has begun the row.
    pub(crate) accumulates: bool,
}

impl Panels {
    /// Arranges a matrix for one arithmetic path. `row(r)` gives the columns (ascending, below
    /// `columns`) and weights of row `r`.
    ///
    /// # Errors
    /// When a row's columns do not ascend, lie outside the matrix, or are not as many as its
    /// weights.
    pub fn new<'a>(
        kernel: Kernel,
        rows: usize,
        columns: usize,
        row: impl Fn(usize) -> (&'a [u32], &'a [i32]),
    ) -> Result<Self> {
        Self::for_residues(kernel, 0, rows, columns, row)
    }

    /// Arranges a matrix as [`Self::new`] does, for residues of up to `bits` bits. Others are
    /// multiplied as exactly, but maybe slower.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_residues<'a>(
        kernel: Kernel,
        bits: u32,
        rows: usize,
        columns: usize,
        row: impl Fn(usize) -> (&'a [u32], &'a [i32]),
    ) -> Result<Self> {
        let RowSummary { empty_rows, norm, weight_bits } = check_rows(rows, columns, &row)?;
        let form = kernel.weight_form();
        let mut window_norms = [0; WINDOW_SIZES];
        let all = joined(kernel, by_columns(group_rows(kernel, rows, columns, &|r| row(r).0)));
        let (single, mut shared): (Vec<_>, Vec<_>) = all.into_iter().partition(|s| s.single_row().is_some());
        let singletons: Vec<u32> = single.iter().filter_map(SharedColumns::single_row).collect();
        let paired = PairedRows::if_faster(kernel, bits, weight_bits, &shared, columns, &row);
        if !paired.groups().is_empty() {
            shared.clear();
        }
        let (mut groups, mut sums) = (Vec::new(), 0);
        for shared in shared {
            let norms = shared.window_norms(&row);
            let offset = choose_offset(form, shared.panels.len(), &norms, bits, weight_bits);
            if offset == 0 {
                raise_to(&mut window_norms, &norms);
            }
            groups.extend(shared.pack(form, offset, sums, &row));
            sums += shared.panels.iter().map(Vec::len).sum::<usize>();
        }
        let singletons = SingletonRows::new(&singletons, sums, columns, form, &row);
        for segment in singletons.segments() {
            let weights: Vec<i32> = segment.weights.iter().map(|&w| form.load(w) as i32).collect();
            raise_to(&mut window_norms, &norms_of(&weights));
        }
        Ok(Self { groups, singletons, paired, empty_rows, rows, columns, weight_bits, norm, window_norms, form })
    }

    /// Returns the number of outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of inputs.
    pub fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub(crate) fn singletons(&self) -> &SingletonRows {
        &self.singletons
    }

    /// Rows that are multiplied two columns at a time; none where the path has no such products.
    pub(crate) fn paired(&self) -> &PairedRows {
        &self.paired
    }

    /// Rows that have no weight at all.
    pub(crate) fn empty_rows(&self) -> &[u32] {
        &self.empty_rows
    }

    /// The columns that any row reads, some of them more than once.
    pub(crate) fn columns_read(&self) -> impl Iterator<Item = u32> + '_ {
        let one_by_one = self.groups.iter().flat_map(|g| &g.columns).chain(self.singletons.columns());
        one_by_one.chain(self.paired.pairs().as_flattened()).copied()
    }

    /// A stored weight as an integer, the group's offset included.
    pub(crate) fn weight(&self, stored: u64) -> i64 {
        self.form.load(stored)
    }

    /// How many columns, counted from a group's first, can be summed as doubles before a reduction:
    /// all of them, or a power of two. `None` when the modulus and the weights are too large, or
    /// stored in the other form.
    pub(crate) fn double_reduction_interval(&self, q: Modulus) -> Option<usize> {
        // A product of residues, reduced with a rounded quotient, exceeds q / 2 by at most q^2 /
        // 2^53 (1.5 units in the last place of a quotient below q / 4, times q, and one more for
        // what it started from).
        let largest = u128::from(q.value() / 2) + (u128::from(q.value()).pow(2) >> 53) + 2;
        // Besides the products: what the sum starts from, the bias, half the weights' sum, and what
        // is added to.
        let fits = |norm: u64| (2 * u128::from(norm) + 4) * largest < 2 * EXACT;
        if self.form != WeightForm::Double {
            return None;
        }
        if fits(self.norm) {
            return Some(usize::MAX);
        }
        self.longest_window(fits).filter(|&n| n >= MIN_DOUBLE_INTERVAL)
    }

    /// How many columns, counted from a group's first, can be summed modulo 2^52 so that the low 52
    /// bits with their sign are the sum: all of them, or a power of two. `None` when not even one
    /// product is as small, or products with offsets do not fit 52 bits, or sums of rows not 62, or
    /// weights are stored in the other form.
    pub(crate) fn signed_reduction_interval(&self, q: Modulus) -> Option<usize> {
        let fits = |norm: u64| u128::from(norm) * u128::from(q.value()) < 1 << 51;
        if self.form != WeightForm::Integer || q.bits() + self.weight_bits > 52 || !self.fits_64_bits(q) {
            return None;
        }
        if fits(self.norm) { Some(usize::MAX) } else { self.longest_window(fits) }
    }

    fn longest_window(&self, fits: impl Fn(u64) -> bool) -> Option<usize> {
        self.window_norms.iter().rposition(|&n| fits(n)).map(|i| 1 << i)
    }

    /// Whether every signed sum of a row stays below 2^61.
    pub(crate) fn fits_64_bits(&self, q: Modulus) -> bool {
        self.norm.checked_mul(q.value()).is_some_and(|m| m < 1 << 61)
    }
}

struct RowSummary {
    empty_rows: Vec<u32>,
    norm: u64,
    weight_bits: u32,
}

/// Refuses rows that are none of a matrix of this size.
fn check_rows<'a>(rows: usize, columns: usize, row: &impl Fn(usize) -> (&'a [u32], &'a [i32])) -> Result<RowSummary> {
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
        largest = weights.iter().map(|w| w.unsigned_abs()).fold(largest, u32::max);
    }
    Ok(RowSummary { empty_rows, norm, weight_bits: 33 - largest.leading_zeros() })
}

impl SharedColumns {
    fn window_norms<'a>(&self, row: &impl Fn(usize) -> (&'a [u32], &'a [i32])) -> WindowNorms {
        let mut norms = [0; WINDOW_SIZES];
        for chunk in self.columns.chunks(MAX_COLUMNS) {
            for &r in self.panels.iter().flatten() {
                raise_to(&mut norms, &norms_of(&spread(row(r as usize), chunk)));
            }
        }
        norms
    }

    /// Weights in the order in which kernels read them, in groups of as many columns as are summed
    /// at once.
    fn pack<'a>(
        &self,
        form: WeightForm,
        offset: i64,
        first_sum: usize,
        row: &impl Fn(usize) -> (&'a [u32], &'a [i32]),
    ) -> Vec<Group> {
        let groups = self.columns.chunks(MAX_COLUMNS).enumerate().map(|(part, chunk)| {
            let mut sums = first_sum;
            let panels = self.panels.iter().map(|ids| {
                let rows: Vec<Vec<i32>> = ids.iter().map(|&r| spread(row(r as usize), chunk)).collect();
                let stored = |k: usize| rows.iter().map(move |weights| form.store(i64::from(weights[k]) + offset));
                let first_sum = sums;
                sums += ids.len();
                Panel {
                    rows: ids.clone(),
                    first_sum,
                    totals: ids.iter().map(|&r| row(r as usize).1.iter().map(|&w| i64::from(w)).sum()).collect(),
                    weights: (0..chunk.len()).flat_map(stored).collect(),
                }
            });
            Group {
                panels: panels.collect(),
                columns: chunk.to_vec(),
                accumulates: part > 0,
                offset: offset.cast_unsigned(),
            }
        });
        groups.collect()
    }
}

/// What to add to each weight of a group so that none is negative; 0 where sums with signs cost
/// less.
fn choose_offset(form: WeightForm, panels: usize, norms: &WindowNorms, bits: u32, weight_bits: u32) -> i64 {
    let short = u128::from(norms[SHORT_SIGNED_INTERVAL]) << bits >= 1 << 51;
    match form {
        WeightForm::Integer if panels >= OFFSET_PANELS || short => 1 << (weight_bits - 1),
        _ => 0,
    }
}

/// A row's weights at the given columns, both ascending: zero where it has none.
fn spread((columns, weights): (&[u32], &[i32]), at: &[u32]) -> Vec<i32> {
    let mut entries = columns.iter().zip(weights).peekable();
    let mut result = Vec::with_capacity(at.len());
    for &column in at {
        while entries.next_if(|(c, _)| **c < column).is_some() {}
        result.push(entries.next_if(|(c, _)| **c == column).map_or(0, |(_, &w)| w));
    }
    result
}

/// The norms of one row's weights.
fn norms_of(weights: &[i32]) -> WindowNorms {
    std::array::from_fn(|i| {
        let windows = weights.chunks(1 << i);
        windows.map(|w| w.iter().map(|w| u64::from(w.unsigned_abs())).sum::<u64>()).max().unwrap_or(0)
    })
}

fn raise_to(norms: &mut WindowNorms, others: &WindowNorms) {
    for (norm, &other) in norms.iter_mut().zip(others) {
        *norm = other.max(*norm);
    }
}
