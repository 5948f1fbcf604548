//! Sums of products of residues, reduced once at the end: halves of 52-bit products are added up
//! apart.

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_add_epi64, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64,
    _mm512_set1_epi64, _mm512_setzero_si512,
};

use super::reduce::{Reducer, load, store};
use crate::kernel::layout::{LANES, TILE};
use crate::kernel::{PairProduct, TileProducts};
use crate::ring::modulus::Modulus;

pub(super) const VECTORS: usize = TILE / LANES;

/// Tiles that are fetched ahead.
const AHEAD: usize = 8;

/// Products added up before they are reduced: the low halves then stay below 2^63.
const AT_ONCE: usize = 1024;

/// See `ArithmeticPath::add_products`.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn add_products(q: Modulus, terms: &[PairProduct<'_>], sums: [&mut [u64]; 2]) {
    let r = Reducer::new(q);
    let high_factor = _mm512_set1_epi64(q.reduce(1 << 52).cast_signed());
    let [first, second] = sums;
    let pairs = first.as_chunks_mut::<TILE>().0.iter_mut().zip(second.as_chunks_mut::<TILE>().0);
    for (tile, (first, second)) in pairs.enumerate() {
        for terms in terms.chunks(AT_ONCE) {
            let [low0, high0, low1, high1] = sum_tile(terms, tile, first, second);
            finish(&r, high_factor, low0, high0, first);
            finish(&r, high_factor, low1, high1, second);
        }
    }
}

/// See `ArithmeticPath::add_tile_products`.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn add_tile_products(q: Modulus, products: TileProducts<'_>, sums: &mut [u64; 2 * TILE]) {
    match products.width {
        1 => add_constants::<1>(q, products, sums),
        2 => add_constants::<2>(q, products, sums),
        VECTORS => add_constants::<VECTORS>(q, products, sums),
        // A vector has several: they are written out first.
        _ => add_constants::<TILE>(q, products, sums),
    }
}

/// Constants of `WORDS` words, each of which fills whole vectors, or of all words of a tile.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_constants<const WORDS: usize>(q: Modulus, products: TileProducts<'_>, sums: &mut [u64; 2 * TILE]) {
    let r = Reducer::new(q);
    let high_factor = _mm512_set1_epi64(q.reduce(1 << 52).cast_signed());
    let [first, second] = sums.as_chunks_mut::<TILE>().0 else { unreachable!("two tiles of sums") };
    let count = products.columns.len();
    for start in (0..count).step_by(AT_ONCE) {
        let zeros = [_mm512_setzero_si512(); VECTORS];
        let (mut low0, mut high0, mut low1, mut high1) = (zeros, zeros, zeros, zeros);
        for v in 0..VECTORS {
            low0[v] = load(&first.as_chunks::<LANES>().0[v]);
            low1[v] = load(&second.as_chunks::<LANES>().0[v]);
        }
        for number in start..count.min(start + AT_ONCE) {
            let factors: [__m512i; VECTORS] = if WORDS < TILE {
                let words = products.words(number);
                std::array::from_fn(|v| _mm512_set1_epi64(words[v * WORDS / VECTORS].cast_signed()))
            } else {
                // Of one image, constants come from memory, too.
                let ahead = products.words(number).as_ptr().wrapping_add(2 * AHEAD * TILE);
                for v in 0..VECTORS {
                    _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(v * LANES).cast());
                }
                let tile = if products.width == TILE { None } else { Some(products.factor(number)) };
                let words = tile.as_ref().map_or(products.words(number), |tile| tile);
                std::array::from_fn(|v| load(&words.as_chunks::<LANES>().0[v]))
            };
            let pair = products.pair(number).as_chunks::<LANES>().0;
            for v in 0..VECTORS {
                let (f, x0, x1) = (factors[v], load(&pair[v]), load(&pair[VECTORS + v]));
                low0[v] = _mm512_madd52lo_epu64(low0[v], f, x0);
                high0[v] = _mm512_madd52hi_epu64(high0[v], f, x0);
                low1[v] = _mm512_madd52lo_epu64(low1[v], f, x1);
                high1[v] = _mm512_madd52hi_epu64(high1[v], f, x1);
            }
        }
        finish(&r, high_factor, low0, high0, first);
        finish(&r, high_factor, low1, high1, second);
    }
}

/// Low and high halves of the sums of one tile.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn sum_tile(
    terms: &[PairProduct<'_>],
    tile: usize,
    first: &[u64; TILE],
    second: &[u64; TILE],
) -> [[__m512i; VECTORS]; 4] {
    let (first, second) = (first.as_chunks::<LANES>().0, second.as_chunks::<LANES>().0);
    let zeros = [_mm512_setzero_si512(); VECTORS];
    let (mut low0, mut high0, mut low1, mut high1) = (zeros, zeros, zeros, zeros);
    for v in 0..VECTORS {
        low0[v] = load(&first[v]);
        low1[v] = load(&second[v]);
    }
    for term in terms {
        let factor = term.factor.as_chunks::<TILE>().0[tile].as_chunks::<LANES>().0;
        let x0 = term.values[0].as_chunks::<TILE>().0[tile].as_chunks::<LANES>().0;
        let x1 = term.values[1].as_chunks::<TILE>().0[tile].as_chunks::<LANES>().0;
        // Keys come from memory, in many streams at once, each of which ends with its page.
        for values in term.values {
            let ahead = values.as_ptr().wrapping_add((tile + AHEAD) * TILE);
            for v in 0..VECTORS {
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(v * LANES).cast());
            }
        }
        for v in 0..VECTORS {
            let (f, x0, x1) = (load(&factor[v]), load(&x0[v]), load(&x1[v]));
            low0[v] = _mm512_madd52lo_epu64(low0[v], f, x0);
            high0[v] = _mm512_madd52hi_epu64(high0[v], f, x0);
            low1[v] = _mm512_madd52lo_epu64(low1[v], f, x1);
            high1[v] = _mm512_madd52hi_epu64(high1[v], f, x1);
        }
    }
    [low0, high0, low1, high1]
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn finish(
    r: &Reducer,
    factor: __m512i,
    low: [__m512i; VECTORS],
    high: [__m512i; VECTORS],
    out: &mut [u64; TILE],
) {
    let out = out.as_chunks_mut::<LANES>().0;
    for v in 0..VECTORS {
        let high = r.multiply(r.reduce(high[v]), factor);
        store(&mut out[v], r.subtract_once(_mm512_add_epi64(r.reduce(low[v]), high)));
    }
}
