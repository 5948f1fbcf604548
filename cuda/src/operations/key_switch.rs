//! Relinearisation: three components back to two.

use crate::value::Shape;
use crate::{Device, DeviceKey, DeviceValue, Limbs, Memory, Result, Ring, View};

use super::rescale::Division;
use super::rotation::key_product;
use super::{add_to, forward, inverse, together};

/// Adds to the first two components of each ciphertext what its third one stands for, by the key.
///
/// # Errors
/// When the device fails.
pub fn relinearise<D: Device>(
    ring: &Ring<'_, D>,
    key: &DeviceKey<D::Memory>,
    value: &DeviceValue<D::Memory>,
) -> Result<DeviceValue<D::Memory>> {
    assert_eq!(value.components(), 3, "components of what is relinearised");
    let (n, limbs) = (ring.degree(), value.limbs());
    let result = DeviceValue::allocate(ring, Shape { limbs, components: 2, len: value.len() })?;
    let count = together(ring, value.len(), (6 * limbs + 5) * n);
    let digits = Digits {
        key,
        limbs: ring.switching(limbs),
        count,
        coefficients: ring.device.allocate(limbs * count * n)?,
        extended: ring.device.allocate((limbs + 1) * count * n)?,
    };
    let division = match ring.special() {
        Some(special) => Some(Division::new(ring, special, limbs, 2 * count)?),
        None => None,
    };
    for first in (0..value.len()).step_by(count) {
        let some = count.min(value.len() - first);
        let from = value.elements().after(first * 3 * n);
        let to = result.elements().after(first * 2 * n);
        let third = from.after(2 * n);
        let Some(division) = &division else {
            digits.add(ring, (to, from), third, some)?;
            continue;
        };
        // Zero, and then the sums: `[limb and special][item][half][N]`.
        let sums = ring.device.allocate((limbs + 1) * some * 2 * n)?;
        let pairs = View::dense(&sums, some, 2 * n);
        digits.add(ring, (pairs, pairs), third, some)?;
        let [halves, sums] = [to, pairs].map(|view| View { item_stride: n, ..view });
        division.run(ring, (halves, sums), sums.after(limbs * sums.limb_stride), 2 * some)?;
        for half in 0..2 {
            add_to(ring, (to.after(half * n), from.after(half * n)), some, Limbs::first(limbs))?;
        }
    }
    Ok(result)
}

/// What all ciphertexts share, and memory for some of them.
struct Digits<'k, M> {
    key: &'k DeviceKey<M>,
    /// Those that take part: the ciphertexts', and the special one if there is one.
    limbs: Limbs,
    count: usize,
    /// `[digit][item][N]`.
    coefficients: M,
    /// Of one digit, `[limb][item][N]`.
    extended: M,
}

impl<M: Memory> Digits<'_, M> {
    /// `to = from + sum of digit key` over the digits of the third component, for pairs of halves.
    fn add<D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        (to, from): (View<'_, M>, View<'_, M>),
        third: View<'_, M>,
        items: usize,
    ) -> Result<()> {
        let (n, digits) = (ring.degree(), self.limbs.ordinary);
        let coefficients = View::dense(&self.coefficients, self.count, n);
        let extended = View::dense(&self.extended, self.count, n);
        inverse(ring, (coefficients, third), items, Limbs::first(digits))?;
        for digit in 0..digits {
            let one = View { limb_stride: 0, ..coefficients.after(digit * coefficients.limb_stride) };
            forward(ring, (extended, one), items, self.limbs, Some(digit))?;
            let start = if digit == 0 { from } else { to };
            key_product(ring, (self.key, digit, self.limbs), (to, start), extended, items)?;
        }
        Ok(())
    }
}
