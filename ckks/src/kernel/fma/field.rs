//! Arithmetic modulo one prime on vectors of doubles, for processors with fused multiply-and-add
//! (AVX2 with FMA, NEON). Residues are integers held as doubles of least absolute value; every
//! function says how large its results are.
//!
//! Products of two residues are reduced as `h = a b` rounded, `l = a b - h` exact, `t = round(h /
//! q)`, `(h - t q) + l`, which is exact for q < 2^50 (Shoup's NTL; van der Hoeven, Lecerf, Quintin
//! 2016, "Modular SIMD arithmetic in Mathemagix").

use pulp::Simd;

use crate::ring::modulus::Modulus;

/// Added to and subtracted from a double below 2^51, rounds it to an integer.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// 2^52: the bits of 2^52 + x are those of 2^52 plus x.
const TWO_52: f64 = 4_503_599_627_370_496.0;

/// Arithmetic modulo q on vectors of doubles.
#[derive(Clone, Copy)]
pub(super) struct Field<S: Simd> {
    pub(super) simd: S,
    q: S::f64s,
    half: S::f64s,
    /// 2^52 + (q - 1) / 2.
    shift: S::f64s,
    inverse: S::f64s,
    round: S::f64s,
    two_52: S::f64s,
    pub(super) zero: S::f64s,
}

impl<S: Simd> Field<S> {
    #[inline(always)]
    pub(super) fn new(simd: S, q: Modulus) -> Self {
        let q = q.value() as f64;
        let splat = |x| simd.splat_f64s(x);
        Self {
            simd,
            q: splat(q),
            half: splat((q / 2.0).floor()),
            shift: splat(TWO_52 + (q / 2.0).floor()),
            inverse: splat(1.0 / q),
            round: splat(ROUND),
            two_52: splat(TWO_52),
            zero: splat(0.0),
        }
    }

    /// An integer below 2^52 as a double.
    #[inline(always)]
    pub(super) fn double(&self, x: S::u64s) -> S::f64s {
        let bits = self.simd.or_u64s(x, self.simd.transmute_u64s_f64s(self.two_52));
        self.simd.sub_f64s(self.simd.transmute_f64s_u64s(bits), self.two_52)
    }

    /// A canonical residue as a double of least absolute value.
    #[inline(always)]
    pub(super) fn centred(&self, x: S::u64s) -> S::f64s {
        let x = self.double(x);
        let over = self.simd.less_than_f64s(self.half, x);
        self.simd.sub_f64s(x, self.simd.select_f64s(over, self.q, self.zero))
    }

    /// A canonical residue less (q - 1) / 2.
    #[inline(always)]
    pub(super) fn shifted(&self, x: S::u64s) -> S::f64s {
        let bits = self.simd.or_u64s(x, self.simd.transmute_u64s_f64s(self.two_52));
        self.simd.sub_f64s(self.simd.transmute_f64s_u64s(bits), self.shift)
    }

    /// A double above -q and below q as a canonical residue.
    #[inline(always)]
    pub(super) fn canonical(&self, x: S::f64s) -> S::u64s {
        let negative = self.simd.less_than_f64s(x, self.zero);
        let x = self.simd.add_f64s(x, self.simd.select_f64s(negative, self.q, self.zero));
        let bits = self.simd.transmute_u64s_f64s(self.simd.add_f64s(x, self.two_52));
        self.simd.xor_u64s(bits, self.simd.transmute_u64s_f64s(self.two_52))
    }

    /// The nearest integer of a double below 2^51.
    #[inline(always)]
    fn nearest(&self, x: S::f64s) -> S::f64s {
        self.simd.sub_f64s(self.simd.add_f64s(x, self.round), self.round)
    }

    /// An integer below 2^53, modulo q, to about q / 2 in absolute value.
    #[inline(always)]
    pub(super) fn reduce(&self, x: S::f64s) -> S::f64s {
        let quotient = self.simd.mul_add_f64s(x, self.inverse, self.round);
        let quotient = self.simd.sub_f64s(quotient, self.round);
        self.simd.negate_mul_add_f64s(quotient, self.q, x)
    }

    /// The product of |a| < q and |b| <= q / 2, to below q in absolute value.
    #[inline(always)]
    pub(super) fn multiply(&self, a: S::f64s, b: S::f64s) -> S::f64s {
        let high = self.simd.mul_f64s(a, b);
        let low = self.simd.mul_add_f64s(a, b, self.simd.neg_f64s(high));
        let quotient = self.nearest(self.simd.mul_f64s(high, self.inverse));
        self.simd.add_f64s(self.simd.negate_mul_add_f64s(quotient, self.q, high), low)
    }

    #[inline(always)]
    pub(super) fn square(&self, a: S::f64s) -> S::f64s {
        self.multiply(a, a)
    }

    /// Twice a double below q.
    #[inline(always)]
    pub(super) fn twice(&self, a: S::f64s) -> S::f64s {
        self.reduce(self.simd.add_f64s(a, a))
    }
}
