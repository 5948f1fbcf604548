//! Integer-matrix products with AVX-512 VNNI: 16-bit pieces of two columns at once, times 16-bit
//! weights, summed in 32-bit lanes.
//!
//! Exactness. The sum over pieces of (piece times weight, summed over the columns) times a power of
//! 2^16 is the signed sum of residues of least absolute value times weights. Sums of one piece stay
//! below 2^31 over as many pairs as [`PairedGroup::interval`] says; then they are added up in 64
//! bits, where the whole sum stays below 2^61 in absolute value ([`Panels::fits_64_bits`]).
#![expect(
    unsafe_code,
    reason = "pieces are read without bounds checks, of which one per pair would cost a few percent"
)]

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_add_epi64, _mm512_castsi512_si256, _mm512_cvtepi32_epi64,
    _mm512_dpwssd_epi32, _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
    _mm512_slli_epi64,
};

use super::split::{HALVES, PIECE_WORDS, Splitter, pieces};
#[cfg(doc)]
use crate::kernel::Panels;
use crate::kernel::ifma::product::{load_tile, write_row};
use crate::kernel::ifma::reduce::{Reducer, load, store};
use crate::kernel::layout::{LANES, TILE};
use crate::kernel::packed_weights::RowBlock;
use crate::kernel::paired_rows::{PairedGroup, PairedPanel};
use crate::kernel::{ProductInput, ProductWorkspace, TileProduct};
use crate::ring::modulus::Modulus;

/// Words of pieces that stay in the first-level cache while all panels of a group read them.
const BLOCK_WORDS: usize = 2048;
/// Pairs that are fetched ahead of being split.
const AHEAD: usize = 4;

/// One tile of the rows of a product that are paired.
#[target_feature(enable = "avx512f,avx512bw,avx512ifma,avx512vnni")]
pub(super) fn multiply(q: Modulus, product: &TileProduct<'_>, workspace: &mut ProductWorkspace, output: &mut [u64]) {
    // Two halves of a tile fill the registers with two pieces, one with more.
    match pieces(q.value()) {
        2 => multiply_pieces::<2, 2>(q, product, workspace, output),
        3 => multiply_pieces::<3, 1>(q, product, workspace, output),
        _ => multiply_pieces::<4, 1>(q, product, workspace, output),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512ifma,avx512vnni")]
fn multiply_pieces<const P: usize, const H: usize>(
    q: Modulus,
    product: &TileProduct<'_>,
    workspace: &mut ProductWorkspace,
    output: &mut [u64],
) {
    let paired = product.panels.paired();
    workspace.tiles.reserve(paired.pairs().len() * P * PIECE_WORDS);
    workspace.row_sums.reserve(paired.rows() * TILE);
    workspace.piece_sums.reserve(paired.rows() * P * PIECE_WORDS);
    let reducer = Reducer::new(q);
    for component in 0..product.input_components {
        split_pairs::<P>(q, product, &reducer, component, workspace.tiles.words_mut());
        let rows = Rows { reducer: &reducer, product, component, pieces: workspace.tiles.words() };
        let sums = Sums { rows: workspace.row_sums.words_mut(), pieces: workspace.piece_sums.words_mut() };
        rows.add_groups::<P, H>(paired.groups(), sums, output);
    }
}

/// Splits one component of all columns that are paired.
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
fn split_pairs<const P: usize>(
    q: Modulus,
    product: &TileProduct<'_>,
    reducer: &Reducer,
    component: usize,
    out: &mut [u64],
) {
    let splitter = Splitter::new(q);
    let pairs = product.panels.paired().pairs();
    for (number, (pair, out)) in pairs.iter().zip(out.chunks_exact_mut(P * PIECE_WORDS)).enumerate() {
        let [first, second] = match product.input {
            ProductInput::Plain(words) => {
                let start = |column: u32| (column as usize * product.input_components + component) * TILE;
                for &column in pairs.get(number + AHEAD).into_iter().flatten() {
                    prefetch(&words[start(column)..][..TILE]);
                }
                pair.map(|column| load_tile(&words[start(column)..][..TILE]))
            }
            ProductInput::Square(words) => {
                let pairs = words.as_chunks::<{ 2 * TILE }>().0;
                pair.map(|column| reducer.square(component, &pairs[column as usize]))
            }
        };
        splitter.split::<P>(&first, &second, out);
    }
}

/// Brings what will be read to the cache.
#[inline]
#[target_feature(enable = "avx512f")]
fn prefetch(words: &[u64]) {
    for line in words.chunks(LANES) {
        _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
    }
}

/// What all rows share while one component is worked on.
struct Rows<'a> {
    reducer: &'a Reducer,
    product: &'a TileProduct<'a>,
    component: usize,
    /// `[pair][half of the tile][piece]`, a vector each.
    pieces: &'a [u64],
}

/// Sums of rows so far.
struct Sums<'a> {
    /// Of whole integers.
    rows: &'a mut [u64],
    /// Of pieces since these were last added to the former.
    pieces: &'a mut [u64],
}

/// Some of a group's pairs, one after the other.
struct Block<'a> {
    pairs: &'a [u32],
    /// Pairs of the group before these.
    first: usize,
    last: bool,
    interval: usize,
}

impl Rows<'_> {
    /// All panels of all groups, a block of pairs at a time.
    #[target_feature(enable = "avx512f,avx512bw,avx512ifma,avx512vnni")]
    fn add_groups<const P: usize, const H: usize>(
        &self,
        groups: &[PairedGroup],
        mut sums: Sums<'_>,
        output: &mut [u64],
    ) {
        // A power of two, as intervals are.
        let in_block = 1 << (BLOCK_WORDS / (P * PIECE_WORDS)).ilog2();
        let words = self.product.panels.paired().pairs().len() * P * PIECE_WORDS;
        assert!(self.pieces.len() >= words, "{} words of pieces, not {words}", self.pieces.len());
        for group in groups {
            for (number, pairs) in group.pairs.chunks(in_block).enumerate() {
                let first = number * in_block;
                let last = first + pairs.len() == group.pairs.len();
                let block = Block { pairs, first, last, interval: group.interval };
                for panel in &group.panels {
                    // SAFETY: pairs of a group are among those of the matrix, of all of which there
                    // are pieces.
                    unsafe {
                        match panel.rows.len() {
                            1 => self.add_panel::<P, H, 1>(panel, &block, &mut sums, output),
                            2 => self.add_panel::<P, H, 2>(panel, &block, &mut sums, output),
                            3 => self.add_panel::<P, H, 3>(panel, &block, &mut sums, output),
                            4 => self.add_panel::<P, H, 4>(panel, &block, &mut sums, output),
                            5 => self.add_panel::<P, H, 5>(panel, &block, &mut sums, output),
                            6 => self.add_panel::<P, H, 6>(panel, &block, &mut sums, output),
                            rows => unreachable!("a panel of {rows} rows"),
                        }
                    }
                }
            }
        }
    }

    /// One block of one panel; after the last one the rows are reduced and written.
    ///
    /// # Safety
    /// There are pieces of the block's pairs.
    #[target_feature(enable = "avx512f,avx512bw,avx512ifma,avx512vnni")]
    unsafe fn add_panel<const P: usize, const H: usize, const R: usize>(
        &self,
        panel: &PairedPanel,
        block: &Block<'_>,
        sums: &mut Sums<'_>,
        output: &mut [u64],
    ) {
        let rows = &mut sums.rows[panel.first_sum * TILE..(panel.first_sum + R) * TILE];
        let pieces = &mut sums.pieces[panel.first_sum * P * PIECE_WORDS..(panel.first_sum + R) * P * PIECE_WORDS];
        let weights = &panel.weights.as_chunks::<R>().0[block.first..block.first + block.pairs.len()];
        for (part, kept) in pieces.chunks_exact_mut(H * P * R * LANES).enumerate() {
            let mut local = [[[_mm512_setzero_si512(); P]; H]; R];
            if !block.first.is_multiple_of(block.interval) {
                for (l, kept) in local.as_flattened_mut().as_flattened_mut().iter_mut().zip(kept.as_chunks().0) {
                    *l = load(kept);
                }
            }
            let mut next = block.first;
            for (pairs, weights) in block.pairs.chunks(block.interval).zip(weights.chunks(block.interval)) {
                // SAFETY: the caller vouches for the block's pairs.
                unsafe { self.dot::<P, H, R>(pairs, weights, part * H, &mut local) };
                next += pairs.len();
                let ends = block.last && next == block.first + block.pairs.len();
                if ends || next.is_multiple_of(block.interval) {
                    let before = (next - 1) / block.interval > 0;
                    for (row, l) in rows.as_chunks_mut::<TILE>().0.iter_mut().zip(&mut local) {
                        add_up(l, before, &mut row[part * H * 2 * LANES..]);
                        *l = [[_mm512_setzero_si512(); P]; H];
                    }
                }
            }
            if !block.last {
                for (l, kept) in local.as_flattened().as_flattened().iter().zip(kept.as_chunks_mut().0) {
                    store(kept, *l);
                }
            }
        }
        if block.last {
            for (&row, sum) in panel.rows.iter().zip(rows.as_chunks::<TILE>().0) {
                let block = RowBlock { row, accumulates: false };
                write_row(self.reducer, self.product, self.component, block, &load_tile(sum), output);
            }
        }
    }

    /// # Safety
    /// There are pieces of the pairs.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn dot<const P: usize, const H: usize, const R: usize>(
        &self,
        pairs: &[u32],
        weights: &[[u32; R]],
        half: usize,
        sums: &mut [[[__m512i; P]; H]; R],
    ) {
        let mut local = *sums;
        for (&pair, weights) in pairs.iter().zip(weights) {
            let start = (pair as usize * HALVES + half) * P * LANES;
            let x: [[__m512i; P]; H] = std::array::from_fn(|h| {
                std::array::from_fn(|p| {
                    // SAFETY: the caller vouches for the pair, of which these are vectors, and loads
                    // need no alignment.
                    unsafe { _mm512_loadu_si512(self.pieces.as_ptr().add(start + (h * P + p) * LANES).cast()) }
                })
            });
            for (row, &w) in local.iter_mut().zip(weights) {
                let w = _mm512_set1_epi32(w.cast_signed());
                for (s, &x) in row.as_flattened_mut().iter_mut().zip(x.as_flattened()) {
                    *s = _mm512_dpwssd_epi32(*s, x, w);
                }
            }
        }
        *sums = local;
    }
}

/// Adds up the sums of pieces in 64 bits, to what is there already if there is something.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_up<const P: usize, const H: usize>(pieces: &[[__m512i; P]; H], before: bool, out: &mut [u64]) {
    for (pieces, out) in pieces.iter().zip(out.as_chunks_mut::<{ 2 * LANES }>().0) {
        let (low, high) = out.split_at_mut(LANES);
        for (part, out) in [low, high].into_iter().flat_map(|x| x.as_chunks_mut::<LANES>().0).enumerate() {
            let mut sum = if before { load(out) } else { _mm512_setzero_si512() };
            let mut shift = 0;
            for &piece in pieces {
                let half =
                    if part == 0 { _mm512_castsi512_si256(piece) } else { _mm512_extracti64x4_epi64::<1>(piece) };
                let wide = _mm512_cvtepi32_epi64(half);
                let wide = match shift {
                    0 => wide,
                    1 => _mm512_slli_epi64::<16>(wide),
                    2 => _mm512_slli_epi64::<32>(wide),
                    _ => _mm512_slli_epi64::<48>(wide),
                };
                sum = _mm512_add_epi64(sum, wide);
                shift += 1;
            }
            store(out, sum);
        }
    }
}
