//! Operations on residues with doubles: squares of tiles, and the steps of the transform and of key
//! switching on whole polynomials. Lengths were checked where the path was chosen.

use pulp::{Simd, WithSimd};

use super::field::Field;
#[cfg(doc)]
use crate::kernel::ArithmeticPath;
use crate::kernel::{BaseChange, BaseTerm, PairProduct, TILE, TwistFactors};
use crate::ring::modulus::Modulus;

/// See [`ArithmeticPath::square`].
pub(super) struct Square<'a> {
    pub(super) q: Modulus,
    pub(super) input: &'a [u64],
    pub(super) output: &'a mut [u64],
}

impl WithSimd for Square<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let f = Field::new(simd, self.q);
        for (x, y) in self.input.chunks_exact(2 * TILE).zip(self.output.chunks_exact_mut(3 * TILE)) {
            let (a, b) = x.split_at(TILE);
            let (y0, rest) = y.split_at_mut(TILE);
            let (y1, y2) = rest.split_at_mut(TILE);
            let [y0, y1, y2] = [y0, y1, y2].map(|y| S::as_mut_simd_u64s(y).0);
            let operands = S::as_simd_u64s(a).0.iter().zip(S::as_simd_u64s(b).0);
            for (((&a, &b), y0), (y1, y2)) in operands.zip(y0).zip(y1.iter_mut().zip(y2)) {
                let (a, b) = (f.centred(a), f.centred(b));
                *y0 = f.canonical(f.square(a));
                *y1 = f.canonical(f.twice(f.multiply(a, b)));
                *y2 = f.canonical(f.square(b));
            }
        }
    }
}

/// See [`ArithmeticPath::multiply_add`].
pub(super) struct MultiplyAdd<'a> {
    pub(super) q: Modulus,
    pub(super) accumulator: &'a mut [u64],
    pub(super) a: &'a [u64],
    pub(super) b: &'a [u64],
}

impl WithSimd for MultiplyAdd<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let f = Field::new(simd, self.q);
        let operands = S::as_simd_u64s(self.a).0.iter().zip(S::as_simd_u64s(self.b).0);
        for (s, (&a, &b)) in S::as_mut_simd_u64s(self.accumulator).0.iter_mut().zip(operands) {
            let product = f.multiply(f.centred(a), f.centred(b));
            *s = f.canonical(f.reduce(f.simd.add_f64s(product, f.double(*s))));
        }
    }
}

/// See [`ArithmeticPath::add_products`].
pub(super) struct AddProducts<'a> {
    pub(super) q: Modulus,
    pub(super) terms: &'a [PairProduct<'a>],
    pub(super) sums: [&'a mut [u64]; 2],
}

impl WithSimd for AddProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let f = Field::new(simd, self.q);
        let [first, second] = self.sums.map(|sums| S::as_mut_simd_u64s(sums).0);
        for (i, (s0, s1)) in first.iter_mut().zip(second).enumerate() {
            let [mut sum0, mut sum1] = [f.double(*s0), f.double(*s1)];
            for term in self.terms {
                let factor = f.centred(S::as_simd_u64s(term.factor).0[i]);
                let [first, second] = term.values;
                let (v0, v1) = (f.double(S::as_simd_u64s(first).0[i]), f.double(S::as_simd_u64s(second).0[i]));
                // Below 2 q, which is an integer that doubles hold.
                sum0 = f.reduce(f.simd.add_f64s(sum0, f.multiply(v0, factor)));
                sum1 = f.reduce(f.simd.add_f64s(sum1, f.multiply(v1, factor)));
            }
            // Of no term, what was there.
            *s0 = f.canonical(f.reduce(sum0));
            *s1 = f.canonical(f.reduce(sum1));
        }
    }
}

/// See [`ArithmeticPath::twist`] and, `back`, [`ArithmeticPath::untwist`]; `high` holds the mirror
/// images of `low`. What is made of the first pair is nothing.
pub(super) struct Twist<'a> {
    pub(super) q: Modulus,
    pub(super) factors: &'a TwistFactors,
    pub(super) low: &'a mut [u64],
    pub(super) high: &'a mut [u64],
    pub(super) back: bool,
}

impl WithSimd for Twist<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let f = Field::new(simd, self.q);
        let i = f.centred(simd.splat_u64s(self.factors.i.value()));
        let [first, second] =
            [&self.factors.first, &self.factors.second].map(|factors| S::as_simd_u64s(factors.values()).0);
        let pairs = S::as_mut_simd_u64s(self.low).0.iter_mut().zip(S::as_mut_simd_u64s(self.high).0);
        for ((low, high), (&first, &second)) in pairs.zip(first.iter().zip(second)) {
            // One by one: a closure would not have the instructions, and call each.
            let (x, y, first, second) = (f.centred(*low), f.centred(*high), f.centred(first), f.centred(second));
            if self.back {
                let (u, w) = (f.multiply(x, first), f.multiply(y, second));
                *low = f.canonical(f.reduce(f.simd.add_f64s(u, w)));
                *high = f.canonical(f.multiply(f.reduce(f.simd.sub_f64s(u, w)), i));
            } else {
                let v = f.multiply(y, i);
                *low = f.canonical(f.multiply(f.reduce(f.simd.sub_f64s(x, v)), first));
                *high = f.canonical(f.multiply(f.reduce(f.simd.add_f64s(x, v)), second));
            }
        }
    }
}

/// See [`ArithmeticPath::base_extend`].
pub(super) struct BaseExtend<'a> {
    pub(super) change: BaseChange,
    pub(super) from: &'a [u64],
    pub(super) to: &'a mut [u64],
}

impl WithSimd for BaseExtend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (p, q) = (Field::new(simd, self.change.from), Field::new(simd, self.change.to));
        for (to, &from) in S::as_mut_simd_u64s(self.to).0.iter_mut().zip(S::as_simd_u64s(self.from).0) {
            *to = q.canonical(q.reduce(p.centred(from)));
        }
    }
}

/// See [`ArithmeticPath::scale`].
pub(super) struct Scale<'a> {
    pub(super) q: Modulus,
    pub(super) x: &'a mut [u64],
    pub(super) factor: u64,
}

impl WithSimd for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let f = Field::new(simd, self.q);
        let factor = f.centred(simd.splat_u64s(self.factor));
        for x in S::as_mut_simd_u64s(self.x).0.iter_mut() {
            *x = f.canonical(f.multiply(f.double(*x), factor));
        }
    }
}

/// See [`ArithmeticPath::mod_down_step`].
pub(super) struct ModDownStep<'a> {
    pub(super) q: Modulus,
    pub(super) x: &'a mut [u64],
    pub(super) y: &'a [u64],
    pub(super) factor: u64,
}

impl WithSimd for ModDownStep<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let f = Field::new(simd, self.q);
        let factor = f.centred(simd.splat_u64s(self.factor));
        for (x, &y) in S::as_mut_simd_u64s(self.x).0.iter_mut().zip(S::as_simd_u64s(self.y).0) {
            let difference = simd.sub_f64s(f.double(*x), f.double(y));
            *x = f.canonical(f.multiply(difference, factor));
        }
    }
}

/// See [`ArithmeticPath::base_combine`].
pub(super) struct BaseCombine<'a> {
    pub(super) q: Modulus,
    pub(super) terms: &'a [BaseTerm<'a>],
    pub(super) out: &'a mut [u64],
}

impl WithSimd for BaseCombine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let q = Field::new(simd, self.q);
        let mut terms = Vec::with_capacity(self.terms.len());
        for term in self.terms {
            let factor = q.centred(simd.splat_u64s(term.factor));
            terms.push((Field::new(simd, term.from), factor, S::as_simd_u64s(term.residues).0));
        }
        for (i, out) in S::as_mut_simd_u64s(self.out).0.iter_mut().enumerate() {
            let mut sum = q.zero;
            for &(p, factor, residues) in &terms {
                let product = q.multiply(q.reduce(p.centred(residues[i])), factor);
                sum = q.reduce(simd.add_f64s(sum, product));
            }
            *out = q.canonical(sum);
        }
    }
}
