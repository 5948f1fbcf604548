//! The digits of key switching: those of the processor, each modulo as many limbs as there are
//! special primes, by which it is extended exactly.

use crate::view::Extent;
use crate::{Argument, Device, Grid, Kernel, Limbs, Memory, Result, Ring, View};

use super::division::DivisionStep;
use super::{add_to, forward, inverse};

/// The digits of polynomials of some limbs, with memory for `count` of them.
#[derive(Debug)]
pub(super) struct Digits<M> {
    /// Those that take part: the polynomials', and the special primes.
    pub(super) limbs: Limbs,
    count: usize,
    /// To the base of the digit's primes: `[limb][item][N]` coefficients.
    coefficients: M,
    /// None where each digit is modulo one limb.
    wide: Option<WideDigits<M>>,
}

/// What digits of several limbs need.
#[derive(Debug)]
struct WideDigits<M> {
    width: usize,
    /// For each limb: division of the digit's limbs before it; none for the first one of a digit.
    steps: Vec<Option<DivisionStep<M>>>,
    /// For each limb: its prime modulo all that take part.
    factors: Vec<M>,
    /// What is left of a digit, `[limb][item][N]` values.
    rest: M,
    /// `[limb and special][item][N]`.
    extended: M,
}

impl<M: Memory> Digits<M> {
    pub(super) fn new<D: Device<Memory = M>>(ring: &Ring<'_, D>, limbs: Limbs, count: usize) -> Result<Self> {
        let (n, width) = (ring.degree(), ring.digit_width());
        let coefficients = ring.device.allocate(limbs.ordinary * count * n)?;
        let wide = if width > 1 { Some(WideDigits::new(ring, limbs, count)?) } else { None };
        Ok(Self { limbs, count, coefficients, wide })
    }

    pub(super) fn digits(&self) -> usize {
        self.limbs.ordinary.div_ceil(self.wide.as_ref().map_or(1, |wide| wide.width))
    }

    /// Decomposes polynomials of the limbs: what [`Self::extend`] then reads.
    pub(super) fn prepare<D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        x: View<'_, M>,
        items: usize,
    ) -> Result<()> {
        let dense = |memory| View::dense(memory, self.count, ring.degree());
        let (coefficients, limbs) = (dense(&self.coefficients), self.limbs.ordinary);
        let Some(wide) = &self.wide else {
            return inverse(ring, (coefficients, x), items, Limbs::first(limbs));
        };
        for first in (0..limbs).step_by(wide.width) {
            let mut from = x.after(first * x.limb_stride);
            let last = limbs.min(first + wide.width) - 1;
            for limb in (first..=last).rev() {
                let digit = coefficients.after(limb * coefficients.limb_stride);
                let top = from.after((limb - first) * from.limb_stride);
                let Some(step) = &wide.steps[limb] else {
                    inverse(ring, (digit, top), items, Limbs::one(limb))?;
                    continue;
                };
                let rest = dense(&wide.rest);
                step.run(ring, (rest, from), top, [digit, dense(&wide.extended)], items)?;
                from = rest;
            }
        }
        Ok(())
    }

    /// Writes the values of a digit modulo all primes that take part: `[limb and
    /// special][item][N]`.
    pub(super) fn extend<D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        digit: usize,
        to: View<'_, M>,
        items: usize,
    ) -> Result<()> {
        let coefficients = View::dense(&self.coefficients, self.count, ring.degree());
        let of = |limb: usize| View { limb_stride: 0, ..coefficients.after(limb * coefficients.limb_stride) };
        let Some(wide) = &self.wide else {
            return forward(ring, (to, of(digit)), items, self.limbs, Some(digit));
        };
        let first = digit * wide.width;
        forward(ring, (to, of(first)), items, self.limbs, Some(first))?;
        let extended = View::dense(&wide.extended, self.count, ring.degree());
        let extent = Extent { limbs: self.limbs.count(), items, words: ring.degree() };
        for limb in first + 1..self.limbs.ordinary.min(first + wide.width) {
            let [view, primes] = [to.argument(extent), ring.argument(self.limbs)];
            let arguments = [view, to.argument(extent), primes, Argument::memory(&wide.factors[limb])];
            ring.device.launch(Kernel::Scale, Grid::new(items * ring.blocks(), self.limbs.count()), &arguments)?;
            forward(ring, (extended, of(limb)), items, self.limbs, Some(limb))?;
            add_to(ring, (to, extended), items, self.limbs)?;
        }
        Ok(())
    }
}

/// Polynomials of one limb that [`Digits`] of one polynomial keep.
pub(crate) fn decomposing_words(limbs: usize, special: usize) -> usize {
    limbs + if special > 1 { special - 1 + limbs + special } else { 0 }
}

/// Words of the constants of [`Digits`], at most.
pub(crate) fn decomposing_constants(limbs: usize, special: usize) -> usize {
    if special > 1 { 2 * limbs * (special - 1 + limbs + special) } else { 0 }
}

impl<M: Memory> WideDigits<M> {
    fn new<D: Device<Memory = M>>(ring: &Ring<'_, D>, limbs: Limbs, count: usize) -> Result<Self> {
        let (n, width) = (ring.degree(), ring.digit_width());
        let step = |limb: usize| {
            let before = limb / width * width..limb;
            (!before.is_empty()).then(|| DivisionStep::new(ring, limb, Limbs::range(before))).transpose()
        };
        let factors = |limb: usize| ring.factors(limbs, |q| ring.primes[limb] % q);
        Ok(Self {
            width,
            steps: (0..limbs.ordinary).map(step).collect::<Result<_>>()?,
            factors: (0..limbs.ordinary).map(factors).collect::<Result<_>>()?,
            rest: ring.device.allocate((width - 1) * count * n)?,
            extended: ring.device.allocate(limbs.count() * count * n)?,
        })
    }
}
