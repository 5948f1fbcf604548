//! Division by the last prime, with rounding.

use crate::prime::{factor, inverse as inverse_of};
use crate::value::Shape;
use crate::view::Extent;
use crate::{Argument, Device, DeviceValue, Grid, Kernel, Limbs, Memory, Result, Ring, View};

use super::{forward, inverse, together};

/// Divides by the last prime and drops its limb.
///
/// # Errors
/// When the device fails.
pub fn rescale<D: Device>(ring: &Ring<'_, D>, value: &DeviceValue<D::Memory>) -> Result<DeviceValue<D::Memory>> {
    assert!(value.limbs() > 1, "the only limb is not divided away");
    let (n, last) = (ring.degree(), value.limbs() - 1);
    let shape = Shape { limbs: last, components: value.components(), len: value.len() };
    let result = DeviceValue::allocate(ring, shape)?;
    let items = value.len() * value.components();
    let count = together(ring, items, (last + 1) * n);
    let division = Division::new(ring, last, last, count)?;
    for first in (0..items).step_by(count) {
        let some = count.min(items - first);
        let [to, from] = [&result, value].map(|v| v.polynomials().after(first * n));
        division.run(ring, (to, from), from.after(last * from.limb_stride), some)?;
    }
    Ok(result)
}

/// Division of the first limbs by one prime, with what all polynomials share.
#[derive(Debug)]
pub(super) struct Division<M> {
    /// Number of the prime.
    prime: usize,
    /// Limbs that are divided.
    limbs: usize,
    /// Items at a time.
    count: usize,
    /// Coefficients modulo the prime, `[item][N]`.
    digit: M,
    /// Their values modulo the others, `[limb][item][N]`.
    extended: M,
    /// `[limb]`.
    inverses: M,
}

impl<M: Memory> Division<M> {
    pub(super) fn new<D: Device<Memory = M>>(
        ring: &Ring<'_, D>,
        prime: usize,
        limbs: usize,
        count: usize,
    ) -> Result<Self> {
        let (n, p) = (ring.degree(), ring.primes[prime]);
        let inverses: Vec<u64> = ring.primes[..limbs].iter().flat_map(|&q| factor(inverse_of(p % q, q), q)).collect();
        Ok(Self {
            prime,
            limbs,
            count,
            digit: ring.device.allocate(count * n)?,
            extended: ring.device.allocate(limbs * count * n)?,
            inverses: ring.device.upload(&inverses)?,
        })
    }

    /// `to = (from - top) / prime`, where `top` holds the values modulo the prime.
    pub(super) fn run<D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        (to, from): (View<'_, M>, View<'_, M>),
        top: View<'_, M>,
        items: usize,
    ) -> Result<()> {
        assert!(items <= self.count, "{items} items, at most {}", self.count);
        let n = ring.degree();
        let digit = View { limb_stride: 0, ..View::dense(&self.digit, self.count, n) };
        let extended = View::dense(&self.extended, self.count, n);
        let limbs = Limbs::first(self.limbs);
        inverse(ring, (digit, top), items, Limbs::one(self.prime))?;
        forward(ring, (extended, digit), items, limbs, Some(self.prime))?;
        let extent = Extent { limbs: self.limbs, items, words: n };
        let [to, from, extended] = [to, from, extended].map(|view| view.argument(extent));
        let arguments = [to, from, extended, ring.argument(limbs), Argument::memory(&self.inverses)];
        ring.device.launch(Kernel::Divide, Grid::new(items * ring.blocks(), self.limbs), &arguments)
    }
}
