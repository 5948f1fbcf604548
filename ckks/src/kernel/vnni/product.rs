//! Integer-matrix products with AVX-512 VNNI: pieces of up to 16 bits of two columns at once, times
//! 16-bit weights, summed in 32-bit lanes.
//!
//! Exactness. The sum over pieces of s bits of (piece times weight, summed over the columns) times
//! a power of 2^s is the signed sum of residues of least absolute value times weights. Sums of one
//! piece stay below 2^31 as long as absolute weights sum up to less than 2^(32 - s)
//! ([`PairNorms::interval`]); then they are added up in 64 bits, where the whole sum stays below
//! 2^61 in absolute value ([`Panels::fits_64_bits`]).
#![expect(
    clippy::needless_range_loop,
    reason = "loops over constants are unrolled, and sums stay in registers, as with iterators they do not"
)]
#![expect(
    unsafe_code,
    reason = "pieces are read without bounds checks, of which one per pair would cost a few percent"
)]

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_add_epi64, _mm512_castsi512_si256, _mm512_cvtepi32_epi64,
    _mm512_dpwssd_epi32, _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_sllv_epi64,
};

use super::split::{HALVES, MOST_PIECES, PIECE_WORDS, Pieces, Splitter};
use crate::kernel::ifma::product::{load_tile, write_row};
use crate::kernel::ifma::reduce::{Reducer, load, store};
use crate::kernel::layout::{LANES, TILE};
use crate::kernel::packed_weights::RowBlock;
use crate::kernel::paired_rows::{PairedGroup, PairedPanel};
#[cfg(doc)]
use crate::kernel::{Panels, paired_rows::PairNorms};
use crate::kernel::{ProductInput, ProductWorkspace, TileProduct};
use crate::ring::modulus::Modulus;

/// Words of pieces that stay in the first-level cache while all panels of a group read them.
const BLOCK_WORDS: usize = 3072;
/// Pairs that are fetched ahead of being split.
const AHEAD: usize = 4;

/// One tile of the rows of a product that are paired.
#[target_feature(enable = "avx512f,avx512bw,avx512ifma,avx512vnni")]
pub(super) fn multiply(q: Modulus, product: &TileProduct<'_>, workspace: &mut ProductWorkspace, output: &mut [u64]) {
    let pieces = Pieces::cheapest(q.value(), product.panels.paired().norms());
    let pieces = pieces.unwrap_or_else(|| unreachable!("{} is wider than {MOST_PIECES} pieces", q.value()));
    // Two halves of a tile fill the registers with two pieces, one with more.
    match pieces.count {
        2 => multiply_pieces::<2, 2>(q, pieces, product, workspace, output),
        3 => multiply_pieces::<3, 1>(q, pieces, product, workspace, output),
        MOST_PIECES => multiply_pieces::<MOST_PIECES, 1>(q, pieces, product, workspace, output),
        count => unreachable!("{count} pieces"),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512ifma,avx512vnni")]
fn multiply_pieces<const P: usize, const H: usize>(
    q: Modulus,
    pieces: Pieces,
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
        let words = workspace.tiles.words_mut();
        split_pairs::<P>(&Splitter::new(q, pieces), product, &reducer, component, words);
        let rows = Rows { reducer: &reducer, product, component, pieces, words };
        let sums = Sums { rows: workspace.row_sums.words_mut(), pieces: workspace.piece_sums.words_mut() };
        rows.add_groups::<P, H>(paired.groups(), sums, output);
    }
}

/// Splits one component of all columns that are paired.
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
fn split_pairs<const P: usize>(
    splitter: &Splitter,
    product: &TileProduct<'_>,
    reducer: &Reducer,
    component: usize,
    out: &mut [u64],
) {
    let pairs = product.panels.paired().pairs();
    for ((number, pair), out) in (AHEAD..).zip(pairs).zip(out.chunks_exact_mut(P * PIECE_WORDS)) {
        let &[first, second] = pair;
        let (first, second) = match product.input {
            ProductInput::Plain(words) => {
                let start = |column: u32| (column as usize * product.input_components + component) * TILE;
                for &column in pairs.get(number).into_iter().flatten() {
                    prefetch(&words[start(column)..][..TILE]);
                }
                (load_tile(&words[start(first)..][..TILE]), load_tile(&words[start(second)..][..TILE]))
            }
            ProductInput::Square(words) => {
                let pairs = words.as_chunks::<{ 2 * TILE }>().0;
                let of = |column: u32| &pairs[column as usize];
                (reducer.square(component, of(first)), reducer.square(component, of(second)))
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
    pieces: Pieces,
    /// `[pair][half of the tile][piece]`, a vector each.
    words: &'a [u64],
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
        assert!(self.words.len() >= words, "{} words of pieces, not {words}", self.words.len());
        for group in groups {
            let interval = group.norms.interval(self.pieces.largest_norm());
            let interval = interval.unwrap_or_else(|| unreachable!("two weights of 16 bits"));
            for (first, pairs) in (0..).step_by(in_block).zip(group.pairs.chunks(in_block)) {
                let last = first + pairs.len() == group.pairs.len();
                let block = Block { pairs, first, last, interval };
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
        let rows = &mut sums.rows[panel.first_sum * TILE..(panel.first_sum + R) * TILE].as_chunks_mut::<TILE>().0[..R];
        let pieces = &mut sums.pieces[panel.first_sum * P * PIECE_WORDS..(panel.first_sum + R) * P * PIECE_WORDS];
        let weights = &panel.weights.as_chunks::<R>().0[block.first..block.first + block.pairs.len()];
        for (part, kept) in (0..HALVES / H).zip(pieces.chunks_exact_mut(H * P * R * LANES)) {
            // Loops over constants: the sums stay in registers.
            let kept = &mut kept.as_chunks_mut::<LANES>().0[..H * P * R];
            let mut local = [[[_mm512_setzero_si512(); P]; H]; R];
            if !block.first.is_multiple_of(block.interval) {
                for r in 0..R {
                    for h in 0..H {
                        for p in 0..P {
                            local[r][h][p] = load(&kept[(r * H + h) * P + p]);
                        }
                    }
                }
            }
            let mut next = block.first;
            for (pairs, weights) in block.pairs.chunks(block.interval).zip(weights.chunks(block.interval)) {
                // SAFETY: the caller vouches for the block's pairs.
                local = unsafe { self.dot::<P, H, R>(pairs, weights, part * H, local) };
                next += pairs.len();
                let ends = block.last && next == block.first + block.pairs.len();
                if ends || next.is_multiple_of(block.interval) {
                    let before = (next - 1) / block.interval > 0;
                    for r in 0..R {
                        for h in 0..H {
                            add_up(&local[r][h], self.pieces.bits, before, &mut rows[r], part * H + h);
                        }
                    }
                    local = [[[_mm512_setzero_si512(); P]; H]; R];
                }
            }
            if !block.last {
                for r in 0..R {
                    for h in 0..H {
                        for p in 0..P {
                            store(&mut kept[(r * H + h) * P + p], local[r][h][p]);
                        }
                    }
                }
            }
        }
        if block.last {
            for (&row, sum) in panel.rows.iter().zip(rows) {
                let block = RowBlock { row, accumulates: false };
                write_row(self.reducer, self.product, self.component, block, &load_tile(&*sum), output);
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
        mut sums: [[[__m512i; P]; H]; R],
    ) -> [[[__m512i; P]; H]; R] {
        for (&pair, weights) in pairs.iter().zip(weights) {
            let start = (pair as usize * HALVES + half) * P * LANES;
            let mut x = [[_mm512_setzero_si512(); P]; H];
            for h in 0..H {
                for p in 0..P {
                    // SAFETY: the caller vouches for the pair, of which these are vectors, and
                    // loads need no alignment.
                    x[h][p] =
                        unsafe { _mm512_loadu_si512(self.words.as_ptr().add(start + (h * P + p) * LANES).cast()) };
                }
            }
            for r in 0..R {
                let w = _mm512_set1_epi32(weights[r].cast_signed());
                for h in 0..H {
                    for p in 0..P {
                        sums[r][h][p] = _mm512_dpwssd_epi32(sums[r][h][p], x[h][p], w);
                    }
                }
            }
        }
        sums
    }
}

/// Adds up the sums of pieces of one half of a tile in 64 bits, to what is there already if there
/// is something.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_up<const P: usize>(pieces: &[__m512i; P], bits: u32, before: bool, out: &mut [u64; TILE], half: usize) {
    let vectors = &mut out.as_chunks_mut::<LANES>().0[2 * half..2 * half + 2];
    let start = if before { [load(&vectors[0]), load(&vectors[1])] } else { [_mm512_setzero_si512(); 2] };
    let [mut low, mut high] = start;
    for p in (0..P).rev() {
        let wide_low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(pieces[p]));
        let wide_high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64::<1>(pieces[p]));
        let shift = _mm512_set1_epi64(i64::from(bits) * p as i64);
        low = _mm512_add_epi64(low, _mm512_sllv_epi64(wide_low, shift));
        high = _mm512_add_epi64(high, _mm512_sllv_epi64(wide_high, shift));
    }
    store(&mut vectors[0], low);
    store(&mut vectors[1], high);
}
