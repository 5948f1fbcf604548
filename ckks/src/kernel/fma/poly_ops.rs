//! Passes over residues with doubles: squares of tiles, and what key switching does to whole polynomials. Must never be
//! given lengths that are not multiples of a vector.

use pulp::{Simd, WithSimd};

use super::field::{Field, dispatch};
use crate::kernel::{TILE, TwistFactors};
use crate::ring::modulus::{Factor, Modulus};

/// Two components in, three out; see [`crate::kernel::square`].
pub(crate) fn square(q: Modulus, input: &[u64], output: &mut [u64]) {
    dispatch(Square { q, input, output });
}

struct Square<'a> {
    q: Modulus,
    input: &'a [u64],
    output: &'a mut [u64],
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

/// See [`crate::kernel::multiply_add`].
pub(crate) fn multiply_add(q: Modulus, accumulator: &mut [u64], a: &[u64], b: &[u64]) {
    dispatch(MultiplyAdd { q, accumulator, a, b });
}

struct MultiplyAdd<'a> {
    q: Modulus,
    accumulator: &'a mut [u64],
    a: &'a [u64],
    b: &'a [u64],
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

/// See [`crate::kernel::twist`].
pub(crate) fn twist(q: Modulus, table: &TwistFactors, a: &mut [u64]) {
    // The mirror images in order, so that the pass below reads everything forwards.
    let Some((first, rest)) = a.split_first() else { return };
    let mirror: Vec<u64> = std::iter::once(*first).chain(rest.iter().rev().copied()).collect();
    dispatch(Twist { q, table, a, mirror: &mirror });
}

struct Twist<'a> {
    q: Modulus,
    table: &'a TwistFactors,
    a: &'a mut [u64],
    mirror: &'a [u64],
}

impl WithSimd for Twist<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let f = Field::new(simd, self.q);
        let factors = S::as_simd_u64s(&self.table.direct.values).0.iter();
        let factors = factors.zip(S::as_simd_u64s(&self.table.mirrored.values).0);
        let values = S::as_mut_simd_u64s(self.a).0.iter_mut().zip(S::as_simd_u64s(self.mirror).0);
        for ((a, &back), (&direct, &mirrored)) in values.zip(factors) {
            let sum = f.simd.add_f64s(
                f.multiply(f.centred(*a), f.centred(direct)),
                f.multiply(f.centred(back), f.centred(mirrored)),
            );
            *a = f.canonical(f.reduce(sum));
        }
    }
}

/// See [`crate::kernel::base_extend`].
pub(crate) fn base_extend(p: Modulus, q: Modulus, from: &[u64], to: &mut [u64]) {
    dispatch(BaseExtend { p, q, from, to });
}

struct BaseExtend<'a> {
    p: Modulus,
    q: Modulus,
    from: &'a [u64],
    to: &'a mut [u64],
}

impl WithSimd for BaseExtend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (p, q) = (Field::new(simd, self.p), Field::new(simd, self.q));
        for (to, &from) in S::as_mut_simd_u64s(self.to).0.iter_mut().zip(S::as_simd_u64s(self.from).0) {
            *to = q.canonical(q.reduce(p.centred(from)));
        }
    }
}

/// See [`crate::kernel::mod_down_step`].
pub(crate) fn mod_down_step(q: Modulus, x: &mut [u64], y: &[u64], factor: Factor) {
    dispatch(ModDownStep { q, x, y, factor: factor.parts().0 });
}

struct ModDownStep<'a> {
    q: Modulus,
    x: &'a mut [u64],
    y: &'a [u64],
    factor: u64,
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

/// See [`crate::kernel::scale_add_extended`].
pub(crate) fn scale_add_extended((p, q): (Modulus, Modulus), x: &mut [u64], factor: Factor, y: &[u64]) {
    dispatch(ScaleAddExtended { p, q, x, y, factor: factor.parts().0 });
}

struct ScaleAddExtended<'a> {
    p: Modulus,
    q: Modulus,
    x: &'a mut [u64],
    y: &'a [u64],
    factor: u64,
}

impl WithSimd for ScaleAddExtended<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (p, q) = (Field::new(simd, self.p), Field::new(simd, self.q));
        let factor = q.centred(simd.splat_u64s(self.factor));
        for (x, &y) in S::as_mut_simd_u64s(self.x).0.iter_mut().zip(S::as_simd_u64s(self.y).0) {
            let product = q.multiply(q.double(*x), factor);
            *x = q.canonical(q.reduce(simd.add_f64s(product, q.reduce(p.centred(y)))));
        }
    }
}
