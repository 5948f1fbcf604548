//! Residues split into signed pieces of 16 bits, those of two columns side by side: what products
//! of pairs read.
//!
//! A residue x, of least absolute value, is the sum of its pieces times powers of 2^16. A piece is
//! the low 16 bits with their sign; what is left, plus half of 2^16 for that sign, is shifted down.
//! The last piece fits 16 bits where q is below the bound of [`pieces`].

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_add_epi64, _mm512_castsi256_si512, _mm512_cmpgt_epu64_mask,
    _mm512_cvtepi64_epi32, _mm512_inserti64x4, _mm512_mask_blend_epi16, _mm512_mask_sub_epi64, _mm512_set1_epi32,
    _mm512_set1_epi64, _mm512_slli_epi32, _mm512_srai_epi64, _mm512_srli_epi32,
};

use crate::kernel::ifma::product::TileVectors;
use crate::kernel::ifma::reduce::store;
use crate::kernel::layout::{LANES, TILE};
use crate::ring::modulus::Modulus;

/// Words of one piece of a pair: two columns of 16 bits for every slot of a tile.
pub(super) const PIECE_WORDS: usize = TILE / 2;
/// Vectors of one piece of a pair.
pub(super) const HALVES: usize = PIECE_WORDS / LANES;
/// The upper of two columns in all pairs of 16 bits.
const UPPER: u32 = 0xAAAA_AAAA;

/// How many pieces residues modulo q have: two below 2^32, three below 2^48, nearly.
pub(super) fn pieces(q: u64) -> usize {
    const TWO: u64 = (1 << 32) - (1 << 16);
    const THREE: u64 = (1 << 48) - (1 << 33);
    match q {
        0..TWO => 2,
        TWO..THREE => 3,
        _ => 4,
    }
}

/// What splitting needs of a modulus.
pub(super) struct Splitter {
    q: __m512i,
    /// The largest residue that is not negative as one of least absolute value.
    largest: __m512i,
}

impl Splitter {
    #[target_feature(enable = "avx512f")]
    pub(super) fn new(q: Modulus) -> Self {
        Self {
            q: _mm512_set1_epi64(q.value().cast_signed()),
            largest: _mm512_set1_epi64((q.value() / 2).cast_signed()),
        }
    }

    /// Splits a tile of two columns into `P` pieces, as many as [`pieces`] says: `[half of the
    /// tile][piece][slot][column]`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn split<const P: usize>(&self, first: &TileVectors, second: &TileVectors, out: &mut [u64]) {
        let mut out = out.as_chunks_mut::<LANES>().0.iter_mut();
        let mut put = |piece: __m512i| {
            if let Some(out) = out.next() {
                store(out, piece);
            }
        };
        for half in 0..HALVES {
            let mut columns = [first, second].map(|x| [self.centred(x[2 * half]), self.centred(x[2 * half + 1])]);
            for _ in 2..P {
                let [a, b] = [narrowed(columns[0]), narrowed(columns[1])];
                put(_mm512_mask_blend_epi16(UPPER, a, _mm512_slli_epi32::<16>(b)));
                columns = columns.map(|column| column.map(|x| shifted(x)));
            }
            // 32 bits are left.
            let [a, b] = [narrowed(columns[0]), narrowed(columns[1])];
            put(_mm512_mask_blend_epi16(UPPER, a, _mm512_slli_epi32::<16>(b)));
            let half_piece = _mm512_set1_epi32(1 << 15);
            let [a, b] = [_mm512_add_epi32(a, half_piece), _mm512_add_epi32(b, half_piece)];
            put(_mm512_mask_blend_epi16(UPPER, _mm512_srli_epi32::<16>(a), b));
        }
    }

    /// The integer of least absolute value.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn centred(&self, x: __m512i) -> __m512i {
        _mm512_mask_sub_epi64(x, _mm512_cmpgt_epu64_mask(x, self.largest), x, self.q)
    }
}

/// The low 32 bits of each.
#[inline]
#[target_feature(enable = "avx512f")]
fn narrowed([low, high]: [__m512i; 2]) -> __m512i {
    let low = _mm512_castsi256_si512(_mm512_cvtepi64_epi32(low));
    _mm512_inserti64x4::<1>(low, _mm512_cvtepi64_epi32(high))
}

/// What is left without the last piece.
#[inline]
#[target_feature(enable = "avx512f")]
fn shifted(x: __m512i) -> __m512i {
    _mm512_srai_epi64::<16>(_mm512_add_epi64(x, _mm512_set1_epi64(1 << 15)))
}
