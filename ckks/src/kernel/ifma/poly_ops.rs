//! Operations on residues: squares of tiles, and the steps of the transform and of key switching on
//! whole polynomials. Lengths were checked where the path was chosen.

use std::arch::x86_64::{
    __m512i, _mm_cvtsi64_si128, _mm512_add_epi64, _mm512_cmpgt_epu64_mask, _mm512_cvtepu8_epi64,
    _mm512_maskz_mov_epi64, _mm512_permutexvar_epi64, _mm512_set_epi64, _mm512_set1_epi64, _mm512_sub_epi64,
};

use super::reduce::{Reducer, eight, eight_mut, load, store};
use crate::kernel::layout::{LANES, TILE};
use crate::kernel::{BaseChange, Permutation, TwistFactors, portable};
use crate::ring::modulus::{Factor, Modulus};

const VECTORS: usize = TILE / LANES;

/// See `ArithmeticPath::square`.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn square(q: Modulus, input: &[u64], output: &mut [u64]) {
    let r = Reducer::new(q);
    for (x, y) in input.as_chunks::<{ 2 * TILE }>().0.iter().zip(output.as_chunks_mut::<{ 3 * TILE }>().0) {
        let x = x.as_chunks::<LANES>().0;
        let y = y.as_chunks_mut::<LANES>().0;
        for v in 0..VECTORS {
            let (a, b) = (load(&x[v]), load(&x[VECTORS + v]));
            let cross = r.multiply(a, b);
            store(&mut y[v], r.multiply(a, a));
            store(&mut y[VECTORS + v], r.subtract_once(_mm512_add_epi64(cross, cross)));
            store(&mut y[2 * VECTORS + v], r.multiply(b, b));
        }
    }
}

/// See `ArithmeticPath::multiply_add`.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn multiply_add(q: Modulus, accumulator: &mut [u64], a: &[u64], b: &[u64]) {
    let r = Reducer::new(q);
    let operands = a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0);
    for (s, (a, b)) in accumulator.as_chunks_mut::<LANES>().0.iter_mut().zip(operands) {
        let product = r.multiply(load(a), load(b));
        store(s, r.subtract_once(_mm512_add_epi64(load(s), product)));
    }
}

/// See `ArithmeticPath::permute`.
#[target_feature(enable = "avx512f")]
pub(super) fn permute(permutation: &Permutation, values: &[u64], out: &mut [u64]) {
    let values = values.as_chunks::<LANES>().0;
    let sources = permutation.vectors.iter().zip(&permutation.lanes);
    for (out, (&vector, lanes)) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(sources) {
        let lanes = _mm512_cvtepu8_epi64(_mm_cvtsi64_si128(i64::from_le_bytes(*lanes)));
        store(out, _mm512_permutexvar_epi64(lanes, load(&values[vector as usize])));
    }
}

/// See `ArithmeticPath::twist`.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn twist(q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
    let r = Reducer::new(q);
    let ((i, i_quotient), modulus) = (splat(factors.i), _mm512_set1_epi64(q.value().cast_signed()));
    factors.scale_alone(q, a);
    let done = each_eight_pairs(a, |j, x, y| {
        let v = r.shoup(y, i, i_quotient);
        // Both below 2 q, as products of factors may be.
        let (difference, sum) = (_mm512_add_epi64(_mm512_sub_epi64(x, v), modulus), _mm512_add_epi64(x, v));
        (r.multiply_factors(difference, &factors.first, j), r.multiply_factors(sum, &factors.second, j))
    });
    portable::twist_from(done, q, factors, a);
}

/// See `ArithmeticPath::untwist`.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn untwist(q: Modulus, factors: &TwistFactors, a: &mut [u64]) {
    let r = Reducer::new(q);
    let ((i, i_quotient), modulus) = (splat(factors.i), _mm512_set1_epi64(q.value().cast_signed()));
    factors.scale_alone(q, a);
    let done = each_eight_pairs(a, |j, x, y| {
        let (u, w) = (r.multiply_factors(x, &factors.first, j), r.multiply_factors(y, &factors.second, j));
        let difference = _mm512_add_epi64(_mm512_sub_epi64(u, w), modulus);
        (r.subtract_once(_mm512_add_epi64(u, w)), r.shoup(difference, i, i_quotient))
    });
    portable::untwist_from(done, q, factors, a);
}

/// Replaces eight coefficients from `j` and their mirror images by what `pairs` makes of `j` and of
/// them, as long as they do not meet; returns the first `j` that is left.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn each_eight_pairs(a: &mut [u64], pairs: impl Fn(usize, __m512i, __m512i) -> (__m512i, __m512i)) -> usize {
    let n = a.len();
    let mut j = 1;
    while j + LANES <= n / 2 {
        // The mirror images end at `n - j`.
        let k = n - j - (LANES - 1);
        let (low, high) = pairs(j, load(eight(a, j)), reverse(load(eight(a, k))));
        store(eight_mut(a, j), low);
        store(eight_mut(a, k), reverse(high));
        j += LANES;
    }
    j
}

#[target_feature(enable = "avx512f")]
fn reverse(x: __m512i) -> __m512i {
    _mm512_permutexvar_epi64(_mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7), x)
}

/// See `ArithmeticPath::base_extend`.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn base_extend(change: BaseChange, from: &[u64], to: &mut [u64]) {
    let r = Reducer::new(change.to);
    let half = _mm512_set1_epi64((change.from.value() / 2).cast_signed());
    let shift = _mm512_set1_epi64(change.to.reduce(change.from.value()).cast_signed());
    for (to, from) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(from.as_chunks::<LANES>().0) {
        let x = load(from);
        // The upper half stands for negative numbers: x - p.
        let negative = _mm512_cmpgt_epu64_mask(x, half);
        store(to, r.subtract(r.reduce(x), _mm512_maskz_mov_epi64(negative, shift)));
    }
}

/// See `ArithmeticPath::scale`.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn scale(q: Modulus, x: &mut [u64], factor: Factor) {
    let r = Reducer::new(q);
    let (w, quotient) = splat(factor);
    for x in x.as_chunks_mut::<LANES>().0 {
        store(x, r.shoup(load(x), w, quotient));
    }
}

/// See `ArithmeticPath::mod_down_step`.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn mod_down_step(q: Modulus, x: &mut [u64], y: &[u64], factor: Factor) {
    let r = Reducer::new(q);
    let (w, quotient) = splat(factor);
    for (x, y) in x.as_chunks_mut::<LANES>().0.iter_mut().zip(y.as_chunks::<LANES>().0) {
        store(x, r.shoup(r.subtract(load(x), load(y)), w, quotient));
    }
}

/// A factor and its quotient, of 52 bits, in every lane.
#[target_feature(enable = "avx512f")]
fn splat(factor: Factor) -> (__m512i, __m512i) {
    let quotient = factor.quotient() >> 12;
    (_mm512_set1_epi64(factor.value().cast_signed()), _mm512_set1_epi64(quotient.cast_signed()))
}
