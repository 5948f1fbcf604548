//! Integer-matrix products with AVX-512 IFMA: 52-bit products summed lazily in 64-bit lanes,
//! reduced once.
//!
//! Exactness. Residues have k bits, weights b with their sign, k + b <= 52. With an offset of
//! 2^(b-1) weights are never negative, the low product is the whole product, and up to 4096 of them
//! fit 64 bits; the offset's share, 2^(b-1) times the sum of the inputs, is subtracted before
//! reducing. Without one, low products are right modulo 2^52, and so is their sum, which over so
//! many columns that it stays below 2^51 in absolute value ([`Panels::signed_reduction_interval`])
//! is its low 52 bits with their sign. Either way what remains is the signed sum, below 2^61 in
//! absolute value.
#![expect(
    unsafe_code,
    reason = "inputs are read without bounds checks, of which one per column would cost a few percent"
)]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_loadu_si512, _mm512_madd52lo_epu64, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_slli_epi64, _mm512_sllv_epi64, _mm512_srai_epi64, _mm512_sub_epi64,
};

use super::reduce::{Reducer, load, store};
#[cfg(doc)]
use crate::kernel::Panels;
use crate::kernel::layout::{LANES, TILE};
use crate::kernel::packed_weights::{Group, Panel, RowBlock};
use crate::kernel::{ProductInput, ProductWorkspace, TileProduct};
use crate::ring::modulus::Modulus;

const VECTORS: usize = TILE / LANES;
pub(in crate::kernel) type TileVectors = [__m512i; VECTORS];
/// Columns whose slots stay in the first-level cache while all panels of a group read them.
const BLOCK: usize = 64;

/// One tile of a product; `interval` is what [`Panels::signed_reduction_interval`] says.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(in crate::kernel) fn multiply(
    q: Modulus,
    product: &TileProduct<'_>,
    interval: usize,
    workspace: &mut ProductWorkspace,
    output: &mut [u64],
) {
    let panels = product.panels;
    product.write_rows_without_product(output);
    workspace.row_sums.reserve(panels.rows() * TILE);
    let sums = workspace.row_sums.words_mut();
    for component in 0..product.input_components {
        let reducer = Reducer::new(q);
        let inputs = match product.input {
            ProductInput::Plain(words) => {
                Inputs::new(&words[component * TILE..], product.input_components * TILE, panels.columns())
            }
            ProductInput::Square(words) => {
                workspace.tiles.reserve(panels.columns() * TILE);
                reducer.squares(component, words, workspace.tiles.words_mut());
                Inputs::new(workspace.tiles.words(), TILE, panels.columns())
            }
        };
        let rows = Rows { reducer, product, component, inputs, interval };
        for group in panels.groups() {
            // SAFETY: columns of `panels` are below `panels.columns()`, the number of `inputs`.
            unsafe { rows.add_group(group, sums, output) };
        }
        for segment in panels.singletons().segments() {
            let sums = tile_mut(sums, segment.sum_index);
            let before = if segment.accumulates { load_tile(sums) } else { [_mm512_setzero_si512(); VECTORS] };
            // SAFETY: columns of `panels` are below `panels.columns()`, the number of `inputs`.
            let sum = unsafe { rows.dot_row(segment.columns, segment.weights, before) };
            store_tile(sums, &sum);
        }
        for row in panels.singletons().rows() {
            let sum = load_tile(tile_mut(sums, row.sum_index));
            rows.write(RowBlock { row: row.row, accumulates: false }, &sum, output);
        }
    }
}

/// The tiles of one component of the inputs.
struct Inputs<'a> {
    words: &'a [u64],
    /// From one input to the next.
    stride: usize,
}

impl<'a> Inputs<'a> {
    /// The first `count` inputs, so that [`Self::tile`] may read any of them.
    fn new(words: &'a [u64], stride: usize, count: usize) -> Self {
        assert!(count == 0 || words.len() >= (count - 1) * stride + TILE, "{} words for {count} inputs", words.len());
        Self { words, stride }
    }

    /// # Safety
    /// `column` is below the number of inputs.
    #[target_feature(enable = "avx512f")]
    unsafe fn tile(&self, column: u32) -> TileVectors {
        let start = column as usize * self.stride;
        // SAFETY: the tile of any input ends within `words`, as `new` has asserted, and loads need
        // no alignment.
        std::array::from_fn(|v| unsafe { _mm512_loadu_si512(self.words.as_ptr().add(start + LANES * v).cast()) })
    }
}

/// What all rows share while one component is worked on.
struct Rows<'a> {
    reducer: Reducer,
    product: &'a TileProduct<'a>,
    component: usize,
    inputs: Inputs<'a>,
    /// Columns that may be summed before the sign is extended.
    interval: usize,
}

/// Some of a group's columns, one after the other.
struct Block<'a> {
    columns: &'a [u32],
    /// Columns of the group before these.
    first: usize,
    last: bool,
    /// The group's offset times the inputs so far; only that of the last block is used.
    correction: TileVectors,
}

impl Rows<'_> {
    /// All panels of a group, a block of columns at a time.
    ///
    /// # Safety
    /// The group's columns are below the number of inputs.
    #[target_feature(enable = "avx512f,avx512ifma")]
    unsafe fn add_group(&self, group: &Group, sums: &mut [u64], output: &mut [u64]) {
        let mut correction = [_mm512_setzero_si512(); VECTORS];
        let blocks = group.columns.len().div_ceil(BLOCK);
        for (number, columns) in group.columns.chunks(BLOCK).enumerate() {
            let last = number + 1 == blocks;
            if group.offset > 0 {
                // SAFETY: these are some of the group's columns, for which the caller vouches.
                unsafe { self.add_inputs(columns, &mut correction) };
            }
            let correction = if last { scale(&correction, group.offset) } else { correction };
            let block = Block { columns, first: number * BLOCK, last, correction };
            for panel in &group.panels {
                // SAFETY: these are some of the group's columns, for which the caller vouches.
                unsafe {
                    match panel.rows.len() {
                        1 => self.add_panel::<1>(group, panel, &block, sums, output),
                        2 => self.add_panel::<2>(group, panel, &block, sums, output),
                        3 => self.add_panel::<3>(group, panel, &block, sums, output),
                        4 => self.add_panel::<4>(group, panel, &block, sums, output),
                        5 => self.add_panel::<5>(group, panel, &block, sums, output),
                        6 => self.add_panel::<6>(group, panel, &block, sums, output),
                        rows => unreachable!("a panel of {rows} rows"),
                    }
                }
            }
        }
    }

    /// One block of one panel; after the last one the rows are reduced and written.
    ///
    /// # Safety
    /// The block's columns are below the number of inputs.
    #[target_feature(enable = "avx512f,avx512ifma")]
    unsafe fn add_panel<const R: usize>(
        &self,
        group: &Group,
        panel: &Panel,
        block: &Block<'_>,
        sums: &mut [u64],
        output: &mut [u64],
    ) {
        let sums = &mut sums[panel.first_sum * TILE..(panel.first_sum + R) * TILE];
        let mut local = [[_mm512_setzero_si512(); VECTORS]; R];
        if block.first > 0 {
            for (l, s) in local.iter_mut().zip(sums.chunks_exact(TILE)) {
                *l = load_tile(s);
            }
        }
        let weights = &panel.weights.as_chunks::<R>().0[block.first..block.first + block.columns.len()];
        if group.offset > 0 {
            // SAFETY: the caller vouches for the block's columns.
            unsafe { self.dot(block.columns, weights, &mut local) };
        } else if block.first == 0 && block.columns.len() <= self.interval {
            // The usual case, without a second set of sums that would not fit the registers.
            // SAFETY: the caller vouches for the block's columns.
            unsafe { self.dot(block.columns, weights, &mut local) };
            for l in local.as_flattened_mut() {
                *l = sign_extended(*l);
            }
        } else {
            for (columns, weights) in block.columns.chunks(self.interval).zip(weights.chunks(self.interval)) {
                let mut part = [[_mm512_setzero_si512(); VECTORS]; R];
                // SAFETY: these are some of the block's columns, for which the caller vouches.
                unsafe { self.dot(columns, weights, &mut part) };
                for (l, &p) in local.as_flattened_mut().iter_mut().zip(part.as_flattened()) {
                    *l = _mm512_add_epi64(*l, sign_extended(p));
                }
            }
        }
        if block.last {
            for (&row, mut sum) in panel.rows.iter().zip(local) {
                if group.offset > 0 {
                    for (s, &c) in sum.iter_mut().zip(&block.correction) {
                        *s = _mm512_sub_epi64(*s, c);
                    }
                }
                self.write(RowBlock { row, accumulates: group.accumulates }, &sum, output);
            }
        } else {
            for (l, s) in local.iter().zip(sums.chunks_exact_mut(TILE)) {
                store_tile(s, l);
            }
        }
    }

    /// # Safety
    /// Every column is below the number of inputs.
    #[target_feature(enable = "avx512f,avx512ifma")]
    unsafe fn dot<const R: usize>(&self, columns: &[u32], weights: &[[u64; R]], sums: &mut [TileVectors; R]) {
        let mut local = *sums;
        for (&column, weights) in columns.iter().zip(weights) {
            // SAFETY: the caller vouches for the columns.
            let x = unsafe { self.inputs.tile(column) };
            for (row, &w) in local.iter_mut().zip(weights) {
                let w = _mm512_set1_epi64(w.cast_signed());
                for (s, &x) in row.iter_mut().zip(&x) {
                    *s = _mm512_madd52lo_epu64(*s, x, w);
                }
            }
        }
        *sums = local;
    }

    /// A single row, added to `before`: two sums by turns, as each waits four cycles for itself.
    ///
    /// # Safety
    /// Every column is below the number of inputs.
    #[target_feature(enable = "avx512f,avx512ifma")]
    unsafe fn dot_row(&self, columns: &[u32], weights: &[u64], before: TileVectors) -> TileVectors {
        let mut result = before;
        for (columns, weights) in columns.chunks(self.interval).zip(weights.chunks(self.interval)) {
            let mut sums = [[_mm512_setzero_si512(); VECTORS]; 2];
            let (pairs, last) = columns.as_chunks::<2>();
            let (weight_pairs, last_weight) = weights.as_chunks::<2>();
            for (columns, weights) in pairs.iter().zip(weight_pairs) {
                for ((&column, &w), sums) in columns.iter().zip(weights).zip(&mut sums) {
                    // SAFETY: the caller vouches for the columns.
                    unsafe { self.add_product(column, w, sums) };
                }
            }
            if let ([column], [w], [sums, _]) = (last, last_weight, &mut sums) {
                // SAFETY: the caller vouches for the columns.
                unsafe { self.add_product(*column, *w, sums) };
            }
            let [even, odd] = sums;
            for ((r, e), o) in result.iter_mut().zip(even).zip(odd) {
                *r = _mm512_add_epi64(*r, sign_extended(_mm512_add_epi64(e, o)));
            }
        }
        result
    }

    /// # Safety
    /// `column` is below the number of inputs.
    #[target_feature(enable = "avx512f,avx512ifma")]
    unsafe fn add_product(&self, column: u32, weight: u64, sums: &mut TileVectors) {
        // SAFETY: the caller vouches for the column.
        let x = unsafe { self.inputs.tile(column) };
        let w = _mm512_set1_epi64(weight.cast_signed());
        for (s, x) in sums.iter_mut().zip(x) {
            *s = _mm512_madd52lo_epu64(*s, x, w);
        }
    }

    /// Adds the inputs themselves.
    ///
    /// # Safety
    /// Every column is below the number of inputs.
    #[target_feature(enable = "avx512f,avx512ifma")]
    unsafe fn add_inputs(&self, columns: &[u32], sums: &mut TileVectors) {
        for &column in columns {
            // SAFETY: the caller vouches for the columns.
            let x = unsafe { self.inputs.tile(column) };
            for (s, x) in sums.iter_mut().zip(x) {
                *s = _mm512_add_epi64(*s, x);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn write(&self, block: RowBlock, sum: &TileVectors, output: &mut [u64]) {
        write_row(&self.reducer, self.product, self.component, block, sum, output);
    }
}

/// Reduces a row's signed sum; with the bias, and what is there already, if this adds to it.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(in crate::kernel) fn write_row(
    r: &Reducer,
    product: &TileProduct<'_>,
    component: usize,
    block: RowBlock,
    sum: &TileVectors,
    output: &mut [u64],
) {
    let out = &mut output[product.output_range(block.row, component)];
    let bias = if component == 0 && !block.accumulates { product.bias_of(block.row) } else { 0 };
    let keep = product.accumulates || block.accumulates;
    // A multiple of q above 2^61 makes the signed sum positive; with it all stays below 2^63.
    let constant = _mm512_add_epi64(r.offset, _mm512_set1_epi64(bias.cast_signed()));
    for (out, &sum) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(sum) {
        let mut x = _mm512_add_epi64(sum, constant);
        if keep {
            x = _mm512_add_epi64(x, load(out));
        }
        store(out, r.reduce(x));
    }
}

/// Times a power of two.
#[target_feature(enable = "avx512f")]
fn scale(x: &TileVectors, power: u64) -> TileVectors {
    let shift = _mm512_set1_epi64(i64::from(power.trailing_zeros()));
    x.map(|x| _mm512_sllv_epi64(x, shift))
}

/// The low 52 bits with their sign.
#[target_feature(enable = "avx512f")]
fn sign_extended(x: __m512i) -> __m512i {
    _mm512_srai_epi64::<12>(_mm512_slli_epi64::<12>(x))
}

fn tile_mut(words: &mut [u64], number: usize) -> &mut [u64] {
    &mut words[number * TILE..(number + 1) * TILE]
}

#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn load_tile(words: &[u64]) -> TileVectors {
    let chunks = words.as_chunks::<LANES>().0;
    std::array::from_fn(|v| load(&chunks[v]))
}

#[target_feature(enable = "avx512f")]
fn store_tile(words: &mut [u64], x: &TileVectors) {
    for (to, &x) in words.as_chunks_mut::<LANES>().0.iter_mut().zip(x) {
        store(to, x);
    }
}
