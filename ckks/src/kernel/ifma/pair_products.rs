//! Sums of products of residues, reduced once at the end: halves of 52-bit products are added up
//! apart.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_set1_epi64, _mm512_setzero_si512,
};

use super::reduce::{Reducer, load, store};
use crate::kernel::PairProduct;
use crate::kernel::layout::{LANES, TILE};
use crate::ring::modulus::Modulus;

const VECTORS: usize = TILE / LANES;

/// Products added up before they are reduced: the low halves then stay below 2^63.
const AT_ONCE: usize = 1024;

/// See `ArithmeticPath::add_products`.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn add_products(q: Modulus, terms: &[PairProduct<'_>], sums: [&mut [u64]; 2]) {
    let r = Reducer::new(q);
    let high_factor = _mm512_set1_epi64(q.reduce(1 << 52).cast_signed());
    let [first, second] = sums.map(|sums| sums.as_chunks_mut::<TILE>().0);
    for (tile, (first, second)) in first.iter_mut().zip(second).enumerate() {
        for terms in terms.chunks(AT_ONCE) {
            let [mut low0, mut low1] = [vectors(first), vectors(second)];
            let mut high0 = [_mm512_setzero_si512(); VECTORS];
            let mut high1 = high0;
            for term in terms {
                let factor = vectors(&term.factor.as_chunks::<TILE>().0[tile]);
                let [v0, v1] = term.values.map(|v| v.as_chunks::<TILE>().0[tile].as_chunks::<LANES>().0);
                for v in 0..VECTORS {
                    let (x0, x1) = (load(&v0[v]), load(&v1[v]));
                    low0[v] = _mm512_madd52lo_epu64(low0[v], factor[v], x0);
                    high0[v] = _mm512_madd52hi_epu64(high0[v], factor[v], x0);
                    low1[v] = _mm512_madd52lo_epu64(low1[v], factor[v], x1);
                    high1[v] = _mm512_madd52hi_epu64(high1[v], factor[v], x1);
                }
            }
            for (out, (low, high)) in [(&mut *first, (low0, high0)), (&mut *second, (low1, high1))] {
                for (out, (low, high)) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(low.into_iter().zip(high)) {
                    let high = r.multiply(r.reduce(high), high_factor);
                    store(out, r.subtract_once(_mm512_add_epi64(r.reduce(low), high)));
                }
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn vectors(tile: &[u64; TILE]) -> [__m512i; VECTORS] {
    let x = tile.as_chunks::<LANES>().0;
    [load(&x[0]), load(&x[1]), load(&x[2]), load(&x[3])]
}
