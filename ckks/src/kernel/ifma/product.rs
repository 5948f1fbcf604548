//! Integer-matrix products with AVX-512 IFMA: 52-bit products summed lazily in 64-bit lanes, reduced once. Must never run
//! on a processor without the instructions, which [`crate::kernel::Kernel::available`] guarantees.
//!
//! Exactness. Residues have k bits, weights b with their sign, k + b <= 52. With an offset of 2^(b-1) weights are never
//! negative, the low product is the whole product, and up to 4096 of them fit 64 bits; the offset's share, 2^(b-1) times
//! the sum of the inputs, is subtracted before reducing. Without one, low products are right modulo 2^52, and so is their
//! sum, which over so many columns that it stays below 2^51 in absolute value ([`Panels::signed_run`]) is its low 52 bits
//! with their sign. Either way what remains is the signed sum, below 2^61 in absolute value.
#![allow(unsafe_code, reason = "intrinsics; every pointer is covered by a length check in the same module")]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_loadu_si512, _mm512_madd52lo_epu64, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_slli_epi64, _mm512_sllv_epi64, _mm512_srai_epi64, _mm512_sub_epi64,
};

use super::poly_ops::{Reducer, load, store};
use crate::kernel::packed_weights::{Group, Panel};
use crate::kernel::portable::{bias, write_empty_rows};
use crate::kernel::{Input, Panels, ProductWorkspace, Rows, TILE};
use crate::ring::modulus::Modulus;

const VECTORS: usize = TILE / 8;
type TileVectors = [__m512i; VECTORS];
/// Columns whose slots stay in the first-level cache while all panels of a group read them.
const BLOCK: usize = 64;

/// One tile of a product; `run` is what [`Panels::signed_run`] says.
pub(crate) fn multiply(
    q: Modulus,
    panels: &Panels,
    input: Input<'_>,
    rows: &Rows<'_>,
    (scratch, run): (&mut ProductWorkspace, usize),
    output: &mut [u64],
) {
    let (words, components) = match input {
        Input::Plain(words) => (words, rows.input_components),
        Input::Square(words) => (words, 2),
    };
    assert!(words.len() >= panels.columns() * components * TILE, "input tile too short");
    write_empty_rows(panels, rows, output);
    scratch.tiles.reserve(panels.columns() * TILE);
    scratch.row_sums.reserve(panels.rows() * TILE);
    // SAFETY: the instructions are available (module invariant); columns of `panels` are below its number of columns, for
    // which the input is long enough.
    unsafe { multiply_checked(q, panels, input, rows, (scratch, run), output) }
}

/// What all panels share while one component is worked on.
struct Component<'a> {
    reducer: Reducer,
    rows: &'a Rows<'a>,
    number: usize,
    /// Column `c` is at `c * stride`.
    x: *const u64,
    stride: usize,
    run: usize,
}

#[target_feature(enable = "avx512f,avx512ifma")]
unsafe fn multiply_checked(
    q: Modulus,
    panels: &Panels,
    input: Input<'_>,
    rows: &Rows<'_>,
    (scratch, run): (&mut ProductWorkspace, usize),
    output: &mut [u64],
) {
    let sums = scratch.row_sums.words_mut();
    for number in 0..rows.input_components {
        let reducer = Reducer::new(q);
        let (x, stride) = match input {
            Input::Plain(words) => (words.get(number * TILE..).unwrap_or_default(), rows.input_components * TILE),
            Input::Square(words) => {
                reducer.squares(number, words, scratch.tiles.words_mut());
                (scratch.tiles.words(), TILE)
            }
        };
        let component = Component { reducer, rows, number, x: x.as_ptr(), stride, run };
        for group in &panels.groups {
            // SAFETY: the caller vouches for the columns.
            unsafe { component.group(group, sums, output) };
        }
        for (segment, weights) in panels.singletons.segments() {
            let Some(sums) = tile_mut(sums, segment.place) else { continue };
            let before = if segment.accumulates { load_tile(sums) } else { [_mm512_setzero_si512(); VECTORS] };
            // SAFETY: as above.
            let sum = unsafe { component.dot_row(panels.singletons.columns_of(segment), weights, before) };
            store_tile(sums, &sum);
        }
        for row in &panels.singletons.rows {
            let Some(sums) = tile_mut(sums, row.place) else { continue };
            let sum = load_tile(sums);
            component.write_row((row.row, false), &sum, output);
        }
    }
}

impl Component<'_> {
    /// All panels of a group, a block of columns at a time.
    #[target_feature(enable = "avx512f,avx512ifma")]
    unsafe fn group(&self, group: &Group, sums: &mut [u64], output: &mut [u64]) {
        let mut correction = [_mm512_setzero_si512(); VECTORS];
        let blocks = group.columns.len().div_ceil(BLOCK);
        for (number, columns) in group.columns.chunks(BLOCK).enumerate() {
            let block = Block { columns, first: number * BLOCK, last: number + 1 == blocks };
            if group.offset > 0 {
                // SAFETY: handed on, here and below.
                unsafe { self.add_columns(columns, &mut correction) };
            }
            let last_correction = if block.last { scale(&correction, group.offset) } else { correction };
            for panel in &group.panels {
                let work = (group, panel, &block, &last_correction);
                unsafe {
                    match panel.rows.len() {
                        1 => self.panel::<1>(work, sums, output),
                        2 => self.panel::<2>(work, sums, output),
                        3 => self.panel::<3>(work, sums, output),
                        4 => self.panel::<4>(work, sums, output),
                        5 => self.panel::<5>(work, sums, output),
                        _ => self.panel::<6>(work, sums, output),
                    }
                }
            }
        }
    }

    /// One block of one panel; after the last one the rows are reduced and written.
    #[target_feature(enable = "avx512f,avx512ifma")]
    unsafe fn panel<const R: usize>(
        &self,
        (group, panel, block, correction): (&Group, &Panel, &Block<'_>, &TileVectors),
        sums: &mut [u64],
        output: &mut [u64],
    ) {
        let Some(sums) = sums.get_mut(panel.start * TILE..(panel.start + R) * TILE) else { return };
        let mut local = [[_mm512_setzero_si512(); VECTORS]; R];
        if block.first > 0 {
            for (l, s) in local.iter_mut().zip(sums.chunks_exact(TILE)) {
                *l = load_tile(s);
            }
        }
        let weights = panel.weights.as_chunks::<R>().0.get(block.first..).unwrap_or_default();
        if group.offset > 0 {
            // SAFETY: handed on, here and below.
            unsafe { self.dot(block.columns, weights, &mut local) };
        } else if block.first == 0 && block.columns.len() <= self.run {
            // The usual case, without a second set of sums that would not fit the registers.
            unsafe { self.dot(block.columns, weights, &mut local) };
            for l in local.as_flattened_mut() {
                *l = sign_extended(*l);
            }
        } else {
            for (columns, weights) in block.columns.chunks(self.run).zip(weights.chunks(self.run)) {
                let mut part = [[_mm512_setzero_si512(); VECTORS]; R];
                unsafe { self.dot(columns, weights, &mut part) };
                for (l, &p) in local.as_flattened_mut().iter_mut().zip(part.as_flattened()) {
                    *l = _mm512_add_epi64(*l, sign_extended(p));
                }
            }
        }
        if block.last {
            for (&row, mut sum) in panel.rows.iter().zip(local) {
                if group.offset > 0 {
                    for (s, &c) in sum.iter_mut().zip(correction) {
                        *s = _mm512_sub_epi64(*s, c);
                    }
                }
                self.write_row((row, group.accumulates), &sum, output);
            }
        } else {
            for (l, s) in local.iter().zip(sums.chunks_exact_mut(TILE)) {
                store_tile(s, l);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    unsafe fn dot<const R: usize>(&self, columns: &[u32], weights: &[[u64; R]], sums: &mut [TileVectors; R]) {
        let mut local = *sums;
        for (&column, weights) in columns.iter().zip(weights) {
            // SAFETY: handed on.
            let x = unsafe { self.column(column) };
            for (row, &w) in local.iter_mut().zip(weights) {
                let w = _mm512_set1_epi64(w.cast_signed());
                for (s, &x) in row.iter_mut().zip(&x) {
                    *s = _mm512_madd52lo_epu64(*s, x, w);
                }
            }
        }
        *sums = local;
    }

    /// One row alone, added to `before`: two sums by turns, as each waits four cycles for itself.
    #[target_feature(enable = "avx512f,avx512ifma")]
    unsafe fn dot_row(&self, columns: &[u32], weights: &[u64], before: TileVectors) -> TileVectors {
        let mut result = before;
        for (columns, weights) in columns.chunks(self.run).zip(weights.chunks(self.run)) {
            let mut sums = [[_mm512_setzero_si512(); VECTORS]; 2];
            let (pairs, last) = columns.as_chunks::<2>();
            let (weight_pairs, last_weight) = weights.as_chunks::<2>();
            for (columns, weights) in pairs.iter().zip(weight_pairs) {
                for ((&column, &w), sums) in columns.iter().zip(weights).zip(&mut sums) {
                    // SAFETY: handed on, here and below.
                    unsafe { self.add_product(column, w, sums) };
                }
            }
            if let ([column], [w], [sums, _]) = (last, last_weight, &mut sums) {
                unsafe { self.add_product(*column, *w, sums) };
            }
            let [even, odd] = sums;
            for ((r, e), o) in result.iter_mut().zip(even).zip(odd) {
                *r = _mm512_add_epi64(*r, sign_extended(_mm512_add_epi64(e, o)));
            }
        }
        result
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    unsafe fn add_product(&self, column: u32, weight: u64, sums: &mut TileVectors) {
        // SAFETY: handed on.
        let x = unsafe { self.column(column) };
        let w = _mm512_set1_epi64(weight.cast_signed());
        for (s, x) in sums.iter_mut().zip(x) {
            *s = _mm512_madd52lo_epu64(*s, x, w);
        }
    }

    /// Adds the inputs of these columns.
    #[target_feature(enable = "avx512f,avx512ifma")]
    unsafe fn add_columns(&self, columns: &[u32], sums: &mut TileVectors) {
        for &column in columns {
            // SAFETY: handed on.
            let x = unsafe { self.column(column) };
            for (s, x) in sums.iter_mut().zip(x) {
                *s = _mm512_add_epi64(*s, x);
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn column(&self, column: u32) -> TileVectors {
        // SAFETY: the caller vouches for `column * stride + TILE` readable words.
        std::array::from_fn(|v| unsafe { _mm512_loadu_si512(self.x.add(column as usize * self.stride + 8 * v).cast()) })
    }

    /// Reduces a row's signed sum; with the bias, and what is there already, if this adds to it.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn write_row(&self, (row, accumulates): (u32, bool), sum: &TileVectors, output: &mut [u64]) {
        let start = (row as usize * self.rows.output_components + self.number) * TILE;
        let Some(out) = output.get_mut(start..start + TILE) else { return };
        let constant = if self.number == 0 && !accumulates { bias(self.rows, row) } else { 0 };
        let keep = self.rows.accumulate || accumulates;
        let r = &self.reducer;
        // A multiple of q above 2^61 makes the signed sum positive; with it all stays below 2^63.
        let constant = _mm512_add_epi64(r.lift, _mm512_set1_epi64(constant.cast_signed()));
        for (out, &sum) in out.as_chunks_mut::<8>().0.iter_mut().zip(sum) {
            let mut x = _mm512_add_epi64(sum, constant);
            if keep {
                x = _mm512_add_epi64(x, load(out));
            }
            store(out, r.reduce(x));
        }
    }
}

/// Some of a group's columns, one after the other.
struct Block<'a> {
    columns: &'a [u32],
    first: usize,
    last: bool,
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

fn tile_mut(words: &mut [u64], place: usize) -> Option<&mut [u64]> {
    words.get_mut(place * TILE..(place + 1) * TILE)
}

#[target_feature(enable = "avx512f")]
fn load_tile(words: &[u64]) -> TileVectors {
    let chunks = words.as_chunks::<8>().0;
    std::array::from_fn(|v| chunks.get(v).map_or(_mm512_setzero_si512(), |c| load(c)))
}

#[target_feature(enable = "avx512f")]
fn store_tile(words: &mut [u64], x: &TileVectors) {
    for (to, &x) in words.as_chunks_mut::<8>().0.iter_mut().zip(x) {
        store(to, x);
    }
}
