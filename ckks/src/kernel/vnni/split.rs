//! Residues split into signed pieces of 16 bits, those of two columns side by side: what products
//! of pairs read.
//!
//! A residue x, of least absolute value, is the sum of P pieces of s bits times powers of 2^s. A
//! piece is the low s bits with their sign; what is left, plus half of 2^s for that sign, is
//! shifted down. The last piece is at most 2^(s - 1) in absolute value as the others are, where q
//! has at most P s bits; for it to fit 16 bits with s = 16, q is a little smaller yet.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_cvtsi64_si128, _mm512_add_epi32, _mm512_add_epi64, _mm512_castsi256_si512,
    _mm512_cmpgt_epu64_mask, _mm512_cvtepi64_epi32, _mm512_inserti64x4, _mm512_mask_blend_epi16, _mm512_mask_sub_epi64,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_sll_epi16, _mm512_slli_epi32, _mm512_sra_epi16, _mm512_sra_epi32,
    _mm512_sra_epi64,
};

use crate::kernel::ifma::product::TileVectors;
use crate::kernel::ifma::reduce::store;
use crate::kernel::layout::{LANES, TILE};
use crate::kernel::paired_rows::PairNorms;
use crate::ring::modulus::Modulus;

/// Words of one piece of a pair: two columns of 16 bits for every slot of a tile.
pub(super) const PIECE_WORDS: usize = TILE / 2;
/// Vectors of one piece of a pair.
pub(super) const HALVES: usize = PIECE_WORDS / LANES;

/// How residues are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pieces {
    /// 2 to [`MOST_PIECES`].
    pub(super) count: usize,
    /// Of each.
    pub(super) bits: u32,
}

/// Enough for any prime.
pub(super) const MOST_PIECES: usize = 4;

impl Pieces {
    /// So many pieces for residues modulo q; `None` where they would be wider than 16 bits.
    pub(super) fn new(q: u64, count: usize) -> Option<Self> {
        let all = u64::BITS - q.leading_zeros();
        let bits = all.div_ceil(count as u32);
        let most = 16 * count as u32;
        let fits = all < most || (all == most && q < (1 << all) - (1 << (all - 15)));
        fits.then_some(Self { count, bits })
    }

    /// Few pieces, unless their sums then have to be added up after every few pairs: narrower ones
    /// have longer sums. `None` for residues that are too wide for any.
    pub(super) fn cheapest(q: u64, norms: &PairNorms) -> Option<Self> {
        let possible = (2..=MOST_PIECES).filter_map(|count| Self::new(q, count));
        possible.min_by(|a, b| a.cost(norms).total_cmp(&b.cost(norms)))
    }

    /// Instructions that a row takes for a pair of columns of a tile: products, and adding up.
    pub(super) fn cost(self, norms: &PairNorms) -> f64 {
        let interval = norms.interval(self.largest_norm()).unwrap_or(1);
        let vectors = (HALVES * self.count) as f64;
        vectors + (6.0 * vectors + 12.0) / interval as f64
    }

    /// The largest sum of absolute weights whose products with pieces stay below 2^31.
    pub(super) fn largest_norm(self) -> u64 {
        (1 << (32 - self.bits)) - 1
    }
}

/// What splitting needs of a modulus.
pub(super) struct Splitter {
    /// Bits of a piece, and half of its range, in 64 and in 32 bits.
    bits: __m128i,
    half_range: __m512i,
    half_range_32: __m512i,
    /// What 16 bits have beyond a piece.
    spare: __m128i,
    q: __m512i,
    /// The largest residue that is not negative as one of least absolute value.
    largest: __m512i,
}

impl Splitter {
    #[target_feature(enable = "avx512f")]
    pub(super) fn new(q: Modulus, pieces: Pieces) -> Self {
        let bits = i64::from(pieces.bits);
        Self {
            bits: _mm_cvtsi64_si128(bits),
            half_range: _mm512_set1_epi64(1 << (bits - 1)),
            half_range_32: _mm512_set1_epi32(1 << (bits - 1)),
            spare: _mm_cvtsi64_si128(16 - bits),
            q: _mm512_set1_epi64(q.value().cast_signed()),
            largest: _mm512_set1_epi64((q.value() / 2).cast_signed()),
        }
    }

    /// Splits a tile of two columns into `P` pieces, as many as there are: `[half of the
    /// tile][piece][slot][column]`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn split<const P: usize>(&self, first: &TileVectors, second: &TileVectors, out: &mut [u64]) {
        let out = &mut out.as_chunks_mut::<LANES>().0[..HALVES * P];
        for half in 0..HALVES {
            let mut a = [self.centred(first[2 * half]), self.centred(first[2 * half + 1])];
            let mut b = [self.centred(second[2 * half]), self.centred(second[2 * half + 1])];
            for piece in 0..P - 2 {
                store(&mut out[half * P + piece], self.low_bits(narrowed(a), narrowed(b)));
                a = [self.shifted(a[0]), self.shifted(a[1])];
                b = [self.shifted(b[0]), self.shifted(b[1])];
            }
            // 32 bits are left.
            let (a, b) = (narrowed(a), narrowed(b));
            store(&mut out[half * P + P - 2], self.low_bits(a, b));
            let a = _mm512_sra_epi32(_mm512_add_epi32(a, self.half_range_32), self.bits);
            let b = _mm512_sra_epi32(_mm512_add_epi32(b, self.half_range_32), self.bits);
            store(&mut out[half * P + P - 1], side_by_side(a, b));
        }
    }

    /// A piece of both columns.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn low_bits(&self, first: __m512i, second: __m512i) -> __m512i {
        _mm512_sra_epi16(_mm512_sll_epi16(side_by_side(first, second), self.spare), self.spare)
    }

    /// What is left without a piece.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn shifted(&self, x: __m512i) -> __m512i {
        _mm512_sra_epi64(_mm512_add_epi64(x, self.half_range), self.bits)
    }

    /// The integer of least absolute value.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn centred(&self, x: __m512i) -> __m512i {
        _mm512_mask_sub_epi64(x, _mm512_cmpgt_epu64_mask(x, self.largest), x, self.q)
    }
}

/// The low 16 bits of each 32, those of the second above.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn side_by_side(first: __m512i, second: __m512i) -> __m512i {
    _mm512_mask_blend_epi16(0xAAAA_AAAA, first, _mm512_slli_epi32::<16>(second))
}

/// The low 32 bits of each.
#[inline]
#[target_feature(enable = "avx512f")]
fn narrowed([low, high]: [__m512i; 2]) -> __m512i {
    let low = _mm512_castsi256_si512(_mm512_cvtepi64_epi32(low));
    _mm512_inserti64x4::<1>(low, _mm512_cvtepi64_epi32(high))
}
