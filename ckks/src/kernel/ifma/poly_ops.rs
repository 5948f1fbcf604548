//! The AVX-512 IFMA path: arithmetic modulo one prime on vectors, and the passes over polynomials. Must never run on a
//! processor without the instructions, which [`crate::kernel::Kernel::available`] guarantees.
#![allow(unsafe_code, reason = "intrinsics; every pointer is covered by a length check in the same function")]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpgt_epu64_mask, _mm512_loadu_si512, _mm512_madd52hi_epu64,
    _mm512_madd52lo_epu64, _mm512_maskz_mov_epi64, _mm512_min_epu64, _mm512_or_si512, _mm512_permutexvar_epi64,
    _mm512_set_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_sllv_epi64, _mm512_srlv_epi64,
    _mm512_storeu_si512, _mm512_sub_epi64,
};

use crate::kernel::portable;
use crate::kernel::{TILE, TwistFactors};
use crate::ring::modulus::{Factor, Factors, Modulus};

const VECTORS: usize = TILE / 8;

pub(crate) fn square(q: Modulus, input: &[u64], output: &mut [u64]) {
    // SAFETY: the instructions are available (module invariant).
    unsafe { square_checked(q, input, output) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn square_checked(q: Modulus, input: &[u64], output: &mut [u64]) {
    let r = Reducer::new(q);
    for (x, y) in input.as_chunks::<{ 2 * TILE }>().0.iter().zip(output.as_chunks_mut::<{ 3 * TILE }>().0) {
        let x = x.as_chunks::<8>().0;
        let y = y.as_chunks_mut::<8>().0;
        for v in 0..VECTORS {
            let (Some(a), Some(b)) = (x.get(v), x.get(VECTORS + v)) else { continue };
            let (a, b) = (load(a), load(b));
            let cross = r.multiply(a, b);
            let results = [r.multiply(a, a), r.subtract_once(_mm512_add_epi64(cross, cross)), r.multiply(b, b)];
            for (component, &result) in results.iter().enumerate() {
                if let Some(out) = y.get_mut(component * VECTORS + v) {
                    store(out, result);
                }
            }
        }
    }
}

pub(crate) fn multiply_add(q: Modulus, accumulator: &mut [u64], a: &[u64], b: &[u64]) {
    // SAFETY: the instructions are available (module invariant).
    unsafe { multiply_add_checked(q, accumulator, a, b) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn multiply_add_checked(q: Modulus, accumulator: &mut [u64], a: &[u64], b: &[u64]) {
    let r = Reducer::new(q);
    let operands = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    for (s, (a, b)) in accumulator.as_chunks_mut::<8>().0.iter_mut().zip(operands) {
        let product = r.multiply(load(a), load(b));
        store(s, r.subtract_once(_mm512_add_epi64(load(s), product)));
    }
}

pub(crate) fn twist(q: Modulus, table: &TwistFactors, a: &mut [u64]) {
    // SAFETY: the instructions are available (module invariant).
    unsafe { twist_checked(q, table, a) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn twist_checked(q: Modulus, table: &TwistFactors, a: &mut [u64]) {
    let r = Reducer::new(q);
    let n = a.len();
    // Eight coefficients from `j` and their mirror images, which end at `n - j`, as long as they do not meet.
    let mut j = 1;
    while j + 8 <= n / 2 {
        let k = n - j - 7;
        let (Some(x), Some(y)) = (eight(a, j), eight(a, k)) else { break };
        let (x, y) = (load(x), reverse(load(y)));
        let (Some(low), Some(high)) = (combine(&r, table, j, x, y), combine(&r, table, k, reverse(y), reverse(x)))
        else {
            break;
        };
        for (at, result) in [(j, low), (k, high)] {
            if let Some(out) = a.get_mut(at..).and_then(<[u64]>::first_chunk_mut) {
                store(out, result);
            }
        }
        j += 8;
    }
    portable::twist(q, table, a, j);
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn combine(r: &Reducer, table: &TwistFactors, j: usize, x: __m512i, y: __m512i) -> Option<__m512i> {
    let sum = _mm512_add_epi64(r.multiply_factors(x, &table.direct, j)?, r.multiply_factors(y, &table.mirrored, j)?);
    Some(r.subtract_once(sum))
}

fn eight(a: &[u64], at: usize) -> Option<&[u64; 8]> {
    a.get(at..)?.first_chunk()
}

#[target_feature(enable = "avx512f")]
fn reverse(x: __m512i) -> __m512i {
    _mm512_permutexvar_epi64(_mm512_set_epi64(0, 1, 2, 3, 4, 5, 6, 7), x)
}

pub(crate) fn base_extend(p: Modulus, q: Modulus, from: &[u64], to: &mut [u64]) {
    // SAFETY: the instructions are available (module invariant).
    unsafe { base_extend_checked(p, q, from, to) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn base_extend_checked(p: Modulus, q: Modulus, from: &[u64], to: &mut [u64]) {
    let lift = BaseExtend::new(p, q);
    for (to, from) in to.as_chunks_mut::<8>().0.iter_mut().zip(from.as_chunks::<8>().0) {
        store(to, lift.apply(load(from)));
    }
}

/// From one prime to another.
struct BaseExtend {
    r: Reducer,
    half: __m512i,
    shift: __m512i,
}

impl BaseExtend {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new(p: Modulus, q: Modulus) -> Self {
        Self {
            r: Reducer::new(q),
            half: _mm512_set1_epi64((p.value() / 2).cast_signed()),
            shift: _mm512_set1_epi64(q.reduce(p.value()).cast_signed()),
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn apply(&self, x: __m512i) -> __m512i {
        // The upper half stands for negative numbers: x - p.
        let negative = _mm512_cmpgt_epu64_mask(x, self.half);
        self.r.subtract(self.r.reduce(x), _mm512_maskz_mov_epi64(negative, self.shift))
    }
}

pub(crate) fn scale_add_extended((p, q): (Modulus, Modulus), x: &mut [u64], factor: Factor, y: &[u64]) {
    // SAFETY: the instructions are available (module invariant).
    unsafe { scale_add_extended_checked((p, q), x, factor, y) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn scale_add_extended_checked((p, q): (Modulus, Modulus), x: &mut [u64], factor: Factor, y: &[u64]) {
    let lift = BaseExtend::new(p, q);
    let (w, quotient) = factor.parts();
    let (w, quotient) = (_mm512_set1_epi64(w.cast_signed()), _mm512_set1_epi64((quotient >> 12).cast_signed()));
    for (x, y) in x.as_chunks_mut::<8>().0.iter_mut().zip(y.as_chunks::<8>().0) {
        let sum = _mm512_add_epi64(lift.r.shoup(load(x), w, quotient), lift.apply(load(y)));
        store(x, lift.r.subtract_once(sum));
    }
}

pub(crate) fn mod_down_step(q: Modulus, x: &mut [u64], y: &[u64], factor: Factor) {
    // SAFETY: the instructions are available (module invariant).
    unsafe { mod_down_step_checked(q, x, y, factor) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn mod_down_step_checked(q: Modulus, x: &mut [u64], y: &[u64], factor: Factor) {
    let r = Reducer::new(q);
    let (w, quotient) = factor.parts();
    let (w, quotient) = (_mm512_set1_epi64(w.cast_signed()), _mm512_set1_epi64((quotient >> 12).cast_signed()));
    for (x, y) in x.as_chunks_mut::<8>().0.iter_mut().zip(y.as_chunks::<8>().0) {
        store(x, r.shoup(r.subtract(load(x), load(y)), w, quotient));
    }
}

/// Barrett reduction with 52-bit products.
pub(crate) struct Reducer {
    /// The least multiple of q that is not below 2^61.
    pub(crate) lift: __m512i,
    q: __m512i,
    twice_q: __m512i,
    mask: __m512i,
    /// `floor(2^(51 + k) / q)`, for sums below 2^63, of which the low k - 1 bits are dropped; q has k bits.
    sum_factor: __m512i,
    sum_shift: __m512i,
    /// `floor(2^(50 + k) / q)`, for products, of which the low k - 2 bits are dropped.
    product_factor: __m512i,
    product_shift: __m512i,
    product_rest: __m512i,
}

impl Reducer {
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(crate) fn new(modulus: Modulus) -> Self {
        let (q, k) = (modulus.value(), modulus.bits());
        let ratio = |power: u32| ((1_u128 << power) / u128::from(q)) as i64;
        Self {
            lift: _mm512_set1_epi64(((1_u64 << 61).div_ceil(q) * q).cast_signed()),
            q: _mm512_set1_epi64(q.cast_signed()),
            twice_q: _mm512_set1_epi64(2 * q.cast_signed()),
            mask: _mm512_set1_epi64((1 << 52) - 1),
            sum_factor: _mm512_set1_epi64(ratio(51 + k)),
            sum_shift: _mm512_set1_epi64(i64::from(k) - 1),
            product_factor: _mm512_set1_epi64(ratio(50 + k)),
            product_shift: _mm512_set1_epi64(i64::from(k) - 2),
            product_rest: _mm512_set1_epi64(52 - (i64::from(k) - 2)),
        }
    }

    /// `x mod q` for `x < 2^63`. The estimated quotient is at most 3 too small: one for each of the two truncated
    /// factors and one for the truncated product.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(crate) fn reduce(&self, x: __m512i) -> __m512i {
        let high = _mm512_srlv_epi64(x, self.sum_shift);
        let quotient = _mm512_madd52hi_epu64(_mm512_setzero_si512(), high, self.sum_factor);
        self.remainder(x, quotient)
    }

    /// One component of the squares of ciphertexts of two, tile by tile.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(crate) fn squares(&self, component: usize, input: &[u64], output: &mut [u64]) {
        for (x, y) in input.as_chunks::<{ 2 * TILE }>().0.iter().zip(output.as_chunks_mut::<TILE>().0) {
            let (a, b) = x.split_at(TILE);
            let vectors = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
            for ((a, b), out) in vectors.zip(y.as_chunks_mut::<8>().0) {
                let square = match component {
                    0 => self.multiply(load(a), load(a)),
                    1 => {
                        let cross = self.multiply(load(a), load(b));
                        self.subtract_once(_mm512_add_epi64(cross, cross))
                    }
                    _ => self.multiply(load(b), load(b)),
                };
                store(out, square);
            }
        }
    }

    /// `a b mod q` for canonical a, b.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn multiply(&self, a: __m512i, b: __m512i) -> __m512i {
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
    fn subtract(&self, x: __m512i, y: __m512i) -> __m512i {
        let d = _mm512_sub_epi64(x, y);
        _mm512_min_epu64(d, _mm512_add_epi64(d, self.q))
    }

    /// `x w mod q` for `x < 2^52`, with `quotient = floor(2^52 w / q)` (Shoup): one quotient at most one too small.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn shoup(&self, x: __m512i, w: __m512i, quotient: __m512i) -> __m512i {
        let estimate = _mm512_madd52hi_epu64(_mm512_setzero_si512(), x, quotient);
        let low = _mm512_madd52lo_epu64(_mm512_setzero_si512(), x, w);
        let product = _mm512_madd52lo_epu64(_mm512_setzero_si512(), estimate, self.q);
        self.subtract_once(_mm512_and_si512(_mm512_sub_epi64(low, product), self.mask))
    }

    /// [`Self::shoup`] with eight factors from number `at` on.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn multiply_factors(&self, x: __m512i, factors: &Factors, at: usize) -> Option<__m512i> {
        let w = load(eight(&factors.values, at)?);
        let quotient = _mm512_srlv_epi64(load(eight(&factors.quotients, at)?), _mm512_set1_epi64(12));
        Some(self.shoup(x, w, quotient))
    }

    /// `x` or `x - q`, whichever is canonical, for `x < 2 q`.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn subtract_once(&self, x: __m512i) -> __m512i {
        _mm512_min_epu64(x, _mm512_sub_epi64(x, self.q))
    }
}

#[target_feature(enable = "avx512f")]
pub(crate) fn load(x: &[u64; 8]) -> __m512i {
    // SAFETY: eight readable words; the load needs no alignment.
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
pub(crate) fn store(to: &mut [u64; 8], x: __m512i) {
    // SAFETY: eight writable words; the store needs no alignment.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), x) }
}
