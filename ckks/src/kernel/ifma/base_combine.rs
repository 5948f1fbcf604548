//! Sums of residues modulo other primes, reduced once at the end.

use std::arch::x86_64::{
    _mm512_cmpgt_epu64_mask, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_add_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512,
};

use super::pair_products::{VECTORS, finish};
use super::reduce::{Reducer, load};
use crate::kernel::BaseTerm;
use crate::kernel::layout::{LANES, TILE};
use crate::ring::modulus::Modulus;

/// See `ArithmeticPath::base_combine`. Halves of products are summed apart: of 1024 terms, which no
/// caller reaches, they would stay below 2^63.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn base_combine(q: Modulus, terms: &[BaseTerm<'_>], out: &mut [u64]) {
    assert!(terms.len() <= 1024, "a sum of {} terms", terms.len());
    let r = Reducer::new(q);
    let high_factor = _mm512_set1_epi64(q.reduce(1 << 52).cast_signed());
    let mut constants = Vec::with_capacity(terms.len());
    for BaseTerm { from, factor, .. } in terms {
        // The upper half stands for negative numbers: x - p.
        let shift = q.neg(q.mul(q.reduce(from.value()), *factor));
        constants.push([*factor, from.value() / 2, shift].map(u64::cast_signed));
    }
    for (tile, out) in out.as_chunks_mut::<TILE>().0.iter_mut().enumerate() {
        let zeros = [_mm512_setzero_si512(); VECTORS];
        let (mut low, mut high) = (zeros, zeros);
        for (term, &[factor, half, shift]) in terms.iter().zip(&constants) {
            let factor = _mm512_set1_epi64(factor);
            let half = _mm512_set1_epi64(half);
            let shift = _mm512_set1_epi64(shift);
            let residues = term.residues.as_chunks::<TILE>().0[tile].as_chunks::<LANES>().0;
            for v in 0..VECTORS {
                let x = load(&residues[v]);
                let negative = _mm512_cmpgt_epu64_mask(x, half);
                low[v] = _mm512_madd52lo_epu64(low[v], x, factor);
                low[v] = _mm512_mask_add_epi64(low[v], negative, low[v], shift);
                high[v] = _mm512_madd52hi_epu64(high[v], x, factor);
            }
        }
        finish(&r, high_factor, low, high, out);
    }
}
