//! Arithmetic modulo one prime on vectors of eight residues: Barrett and Shoup reduction with
//! 52-bit products.
#![expect(unsafe_code, reason = "loads and stores of vectors, each from or to an array of eight words")]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_loadu_si512, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64,
    _mm512_min_epu64, _mm512_or_si512, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_sllv_epi64, _mm512_srlv_epi64,
    _mm512_storeu_si512, _mm512_sub_epi64,
};

use crate::kernel::layout::{LANES, TILE};
use crate::ring::modulus::{Factors, Modulus};

/// Barrett reduction with 52-bit products.
pub(in crate::kernel) struct Reducer {
    /// The least multiple of q that is not below 2^61.
    pub(super) offset: __m512i,
    q: __m512i,
    twice_q: __m512i,
    mask: __m512i,
    /// `floor(2^(51 + k) / q)`, for sums below 2^63, of which the low k - 1 bits are dropped; q has
    /// k bits.
    sum_factor: __m512i,
    sum_shift: __m512i,
    /// `floor(2^(50 + k) / q)`, for products, of which the low k - 2 bits are dropped.
    product_factor: __m512i,
    product_shift: __m512i,
    product_rest: __m512i,
}

impl Reducer {
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(in crate::kernel) fn new(modulus: Modulus) -> Self {
        let (q, k) = (modulus.value(), modulus.bits());
        Self {
            offset: _mm512_set1_epi64(((1_u64 << 61) + modulus.neg(modulus.reduce(1 << 61))).cast_signed()),
            q: _mm512_set1_epi64(q.cast_signed()),
            twice_q: _mm512_set1_epi64(2 * q.cast_signed()),
            mask: _mm512_set1_epi64((1 << 52) - 1),
            sum_factor: _mm512_set1_epi64(modulus.ratio().cast_signed()),
            sum_shift: _mm512_set1_epi64(i64::from(k) - 1),
            product_factor: _mm512_set1_epi64((modulus.ratio() / 2).cast_signed()),
            product_shift: _mm512_set1_epi64(i64::from(k) - 2),
            product_rest: _mm512_set1_epi64(52 - (i64::from(k) - 2)),
        }
    }

    /// `x mod q` for `x < 2^63`. The estimated quotient is at most 3 too small: one for each of the
    /// two truncated factors and one for the truncated product.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn reduce(&self, x: __m512i) -> __m512i {
        let high = _mm512_srlv_epi64(x, self.sum_shift);
        let quotient = _mm512_madd52hi_epu64(_mm512_setzero_si512(), high, self.sum_factor);
        self.remainder(x, quotient)
    }

    /// One component of the squares of ciphertexts of two, tile by tile.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn squares(&self, component: usize, input: &[u64], output: &mut [u64]) {
        for (x, y) in input.as_chunks::<{ 2 * TILE }>().0.iter().zip(output.as_chunks_mut::<TILE>().0) {
            for (square, out) in self.square(component, x).into_iter().zip(y.as_chunks_mut::<LANES>().0) {
                store(out, square);
            }
        }
    }

    /// One component of the square of a ciphertext of two.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(in crate::kernel) fn square(&self, component: usize, input: &[u64; 2 * TILE]) -> [__m512i; TILE / LANES] {
        let (first, second) = input.as_chunks::<LANES>().0.split_at(TILE / LANES);
        let mut result = [_mm512_setzero_si512(); TILE / LANES];
        for (out, (a, b)) in result.iter_mut().zip(first.iter().zip(second)) {
            *out = match component {
                0 => self.multiply(load(a), load(a)),
                1 => {
                    let cross = self.multiply(load(a), load(b));
                    self.subtract_once(_mm512_add_epi64(cross, cross))
                }
                _ => self.multiply(load(b), load(b)),
            };
        }
        result
    }

    /// `a b mod q` for canonical a, b.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn multiply(&self, a: __m512i, b: __m512i) -> __m512i {
        let low = _mm512_madd52lo_epu64(_mm512_setzero_si512(), a, b);
        let high = _mm512_madd52hi_epu64(_mm512_setzero_si512(), a, b);
        let top =
            _mm512_or_si512(_mm512_sllv_epi64(high, self.product_rest), _mm512_srlv_epi64(low, self.product_shift));
        let quotient = _mm512_madd52hi_epu64(_mm512_setzero_si512(), top, self.product_factor);
        self.remainder(low, quotient)
    }

    /// `x - quotient q`, known to lie below 4 q < 2^52, so that 52 bits of either operand suffice.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn remainder(&self, x: __m512i, quotient: __m512i) -> __m512i {
        let product = _mm512_madd52lo_epu64(_mm512_setzero_si512(), quotient, self.q);
        let r = _mm512_and_si512(_mm512_sub_epi64(x, product), self.mask);
        let r = _mm512_min_epu64(r, _mm512_sub_epi64(r, self.twice_q));
        self.subtract_once(r)
    }

    /// `x - y` for canonical x, y.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn subtract(&self, x: __m512i, y: __m512i) -> __m512i {
        let d = _mm512_sub_epi64(x, y);
        _mm512_min_epu64(d, _mm512_add_epi64(d, self.q))
    }

    /// `x w mod q` for `x < 2^52`, with `quotient = floor(2^52 w / q)` (Shoup): one quotient at
    /// most one too small.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn shoup(&self, x: __m512i, w: __m512i, quotient: __m512i) -> __m512i {
        let estimate = _mm512_madd52hi_epu64(_mm512_setzero_si512(), x, quotient);
        let low = _mm512_madd52lo_epu64(_mm512_setzero_si512(), x, w);
        let product = _mm512_madd52lo_epu64(_mm512_setzero_si512(), estimate, self.q);
        self.subtract_once(_mm512_and_si512(_mm512_sub_epi64(low, product), self.mask))
    }

    /// [`Self::shoup`] with eight factors from number `at` on.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn multiply_factors(&self, x: __m512i, factors: &Factors, at: usize) -> __m512i {
        let w = load(eight(factors.values(), at));
        let quotient = _mm512_srlv_epi64(load(eight(factors.quotients(), at)), _mm512_set1_epi64(12));
        self.shoup(x, w, quotient)
    }

    /// `x` or `x - q`, whichever is canonical, for `x < 2 q`.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn subtract_once(&self, x: __m512i) -> __m512i {
        _mm512_min_epu64(x, _mm512_sub_epi64(x, self.q))
    }
}

#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn load(x: &[u64; LANES]) -> __m512i {
    // SAFETY: the array is eight readable words, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn store(to: &mut [u64; LANES], x: __m512i) {
    // SAFETY: the array is eight writable words, and the store needs no alignment.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), x) }
}

/// Eight words from number `at` on.
#[inline(always)]
pub(super) fn eight(words: &[u64], at: usize) -> &[u64; LANES] {
    &words[at..at + LANES].as_chunks().0[0]
}

/// Eight words from number `at` on.
#[inline(always)]
pub(super) fn eight_mut(words: &mut [u64], at: usize) -> &mut [u64; LANES] {
    &mut words[at..at + LANES].as_chunks_mut().0[0]
}
