//! Rotations modulo QP, the product of all limbs and the special primes, as the processor's
//! `SwitchingRing` does them: what is added up is divided by P once at the end.

use crate::switching_key::{DeviceGaloisKey, DeviceGaloisKeys};
use crate::value::Shape;
use crate::view::Extent;
use crate::{Device, DeviceKey, DeviceValue, Grid, Kernel, Limbs, Memory, Result, Ring, View};

use super::digits::Digits;
use super::division::{Division, dividing_words};
use super::{add_to, together};

/// Rotates the slots of every ciphertext to the left, in rotation order.
///
/// # Errors
/// When there is no key for the rotation, or the device fails.
pub fn rotate<D: Device>(
    ring: &Ring<'_, D>,
    keys: &DeviceGaloisKeys<D::Memory>,
    value: &DeviceValue<D::Memory>,
    rotation: usize,
) -> beaa_runtime::Result<DeviceValue<D::Memory>> {
    assert_eq!(value.components(), 2, "components of what is rotated");
    let (n, limbs) = (ring.degree(), value.limbs());
    let key = keys.key(rotation, limbs)?;
    let rotations = Rotations::new(ring, ring.switching(limbs))?;
    let rotated = rotations.pairs(ring, value.len())?;
    for item in 0..value.len() {
        let from = value.elements().after(item * 2 * n);
        let scaled = rotations.scaled(ring, from)?;
        rotations.decompose(ring, from.after(n))?;
        let to = View::dense(&rotated, value.len(), 2 * n).after(item * 2 * n);
        rotations.switch(ring, key, (View::dense(&scaled, 1, n), Limbs::first(limbs)), to)?;
    }
    Ok(rotations.divided(ring, rotated, value.len())?)
}

/// What rotations of ciphertexts of some limbs have in common, and memory for one at a time.
#[derive(Debug)]
pub(super) struct Rotations<M> {
    /// The ciphertexts' limbs and the special primes; without these all is done modulo Q, with P =
    /// 1.
    pub(super) limbs: Limbs,
    /// `[limb]`: P.
    factors: M,
    /// Of one polynomial.
    digits: Digits<M>,
    /// `[digit][limb and special][N]`.
    extended: M,
    /// A pair of zeros, `[limb and special][half][N]`.
    zeros: M,
    /// A pair before it is rotated.
    sums: M,
    /// Of one polynomial; none without special primes.
    division: Option<Division<M>>,
    /// A polynomial that was divided, `[limb][N]`.
    quotient: M,
}

impl<M: Memory> Rotations<M> {
    pub(super) fn new<D: Device<Memory = M>>(ring: &Ring<'_, D>, limbs: Limbs) -> Result<Self> {
        let (n, all) = (ring.degree(), limbs.count());
        let special = &ring.primes[limbs.next..limbs.next + limbs.more];
        let product = |q: u64| special.iter().fold(1, |p, special| crate::prime::product(p, special % q, q));
        let digits = Digits::new(ring, limbs, 1)?;
        let divisors = limbs.next..limbs.next + limbs.more;
        let division = if limbs.more > 0 { Some(Division::new(ring, limbs.ordinary, divisors, 1)?) } else { None };
        Ok(Self {
            limbs,
            factors: ring.factors(Limbs::first(limbs.ordinary), product)?,
            extended: ring.device.allocate(digits.digits() * all * n)?,
            digits,
            zeros: ring.device.allocate(2 * all * n)?,
            sums: ring.device.allocate(2 * all * n)?,
            division,
            quotient: ring.device.allocate(limbs.ordinary * n)?,
        })
    }

    /// Memory for pairs modulo QP, all zero: `[limb and special][item][half][N]`.
    pub(super) fn pairs<D: Device<Memory = M>>(&self, ring: &Ring<'_, D>, items: usize) -> Result<M> {
        ring.device.allocate(self.limbs.count() * items * 2 * ring.degree())
    }

    /// `P x` modulo each ordinary limb, `[limb][N]`.
    pub(super) fn scaled<D: Device<Memory = M>>(&self, ring: &Ring<'_, D>, x: View<'_, M>) -> Result<M> {
        let scaled = ring.device.allocate(self.limbs.ordinary * ring.degree())?;
        self.scale(ring, (View::dense(&scaled, 1, ring.degree()), x), 1)?;
        Ok(scaled)
    }

    /// `to = P from` modulo each ordinary limb; they may be the same.
    pub(super) fn scale<D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        (to, from): (View<'_, M>, View<'_, M>),
        items: usize,
    ) -> Result<()> {
        let limbs = self.limbs.ordinary;
        let extent = Extent { limbs, items, words: ring.degree() };
        let arguments = [
            to.argument(extent),
            from.argument(extent),
            ring.argument(Limbs::first(limbs)),
            crate::Argument::memory(&self.factors),
        ];
        ring.device.launch(Kernel::Scale, Grid::new(items * ring.blocks(), limbs), &arguments)
    }

    /// Turns a polynomial modulo Q into its digits, modulo every prime: what [`Self::switch`] then
    /// multiplies, as often as wanted (hoisting, Halevi and Shoup 2018).
    pub(super) fn decompose<D: Device<Memory = M>>(&self, ring: &Ring<'_, D>, x: View<'_, M>) -> Result<()> {
        self.digits.prepare(ring, x, 1)?;
        (0..self.digits.digits()).try_for_each(|digit| self.digits.extend(ring, digit, self.extended(ring, digit), 1))
    }

    /// A digit modulo every prime.
    fn extended<D: Device<Memory = M>>(&self, ring: &Ring<'_, D>, digit: usize) -> View<'_, M> {
        let n = ring.degree();
        View::dense(&self.extended, 1, n).after(digit * self.limbs.count() * n)
    }

    /// Switches the keys of what was decomposed, adds `first`, which has these limbs, to the first
    /// half, and rotates: `to` is a pair modulo QP.
    pub(super) fn switch<D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        key: &DeviceGaloisKey<M>,
        (first, limbs_of_first): (View<'_, M>, Limbs),
        to: View<'_, M>,
    ) -> Result<()> {
        let (n, limbs) = (ring.degree(), self.limbs);
        let [sums, zeros] = [&self.sums, &self.zeros].map(|memory| View::dense(memory, 1, 2 * n));
        for digit in 0..self.digits.digits() {
            let start = if digit == 0 { zeros } else { sums };
            key_product(ring, (&key.key, digit, limbs), (sums, start), self.extended(ring, digit), 1)?;
        }
        add_to(ring, (sums, first), 1, limbs_of_first)?;
        let extent = Extent { limbs: limbs.count(), items: 1, words: 2 * n };
        let [sources, special] = key.sources();
        let arguments = [to.argument(extent), sums.argument(extent), ring.argument(limbs), sources, special];
        ring.device.launch(Kernel::Permute, Grid::new(ring.blocks(), limbs.count()), &arguments)
    }

    /// Rotates a pair modulo QP to another place.
    pub(super) fn rotate<D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        key: &DeviceGaloisKey<M>,
        (to, from): (View<'_, M>, View<'_, M>),
    ) -> Result<()> {
        let n = ring.degree();
        let second = from.after(n);
        match &self.division {
            Some(division) => {
                let quotient = View::dense(&self.quotient, 1, n);
                division.run(ring, (quotient, second), 1)?;
                self.decompose(ring, quotient)?;
            }
            None => self.decompose(ring, second)?,
        }
        // The first half is modulo QP already.
        self.switch(ring, key, (from, self.limbs), to)
    }

    /// Pairs modulo QP divided by P.
    pub(super) fn divided<D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        pairs: M,
        items: usize,
    ) -> Result<DeviceValue<M>> {
        let (n, limbs, polynomials) = (ring.degree(), self.limbs.ordinary, 2 * items);
        let shape = Shape { limbs, components: 2, len: items };
        let Limbs { next, more, .. } = self.limbs;
        if more == 0 {
            return Ok(DeviceValue::of_memory(ring, pairs, shape));
        }
        let result = DeviceValue::allocate(ring, shape)?;
        let count = together(ring, polynomials, dividing_words(limbs, more) * n);
        let division = Division::new(ring, limbs, next..next + more, count)?;
        let from = View::dense(&pairs, polynomials, n);
        for first in (0..polynomials).step_by(count) {
            let some = count.min(polynomials - first);
            let [to, from] = [result.polynomials(), from].map(|view| view.after(first * n));
            division.run(ring, (to, from), some)?;
        }
        Ok(result)
    }
}

/// `to = from + digit key` for pairs of halves, of one digit of a key.
pub(super) fn key_product<D: Device>(
    ring: &Ring<'_, D>,
    (key, digit, limbs): (&DeviceKey<D::Memory>, usize, Limbs),
    (to, from): (View<'_, D::Memory>, View<'_, D::Memory>),
    factor: View<'_, D::Memory>,
    items: usize,
) -> Result<()> {
    let n = ring.degree();
    let extent = |words: usize| Extent { limbs: limbs.count(), items, words };
    let [start, special] = key.arguments(digit, limbs);
    let arguments = [
        to.argument(extent(2 * n)),
        from.argument(extent(2 * n)),
        factor.argument(extent(n)),
        ring.argument(limbs),
        start,
        special,
    ];
    ring.device.launch(Kernel::KeyProduct, Grid::new(items * ring.blocks(), limbs.count()), &arguments)
}
