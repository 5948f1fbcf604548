//! Relinearisation: three components back to two.

use crate::value::Shape;
use crate::{Device, DeviceKey, DeviceValue, Limbs, Result, Ring, View};

use super::digits::{Digits, decomposing_words};
use super::division::{Division, dividing_words};
use super::rotation::key_product;
use super::{add_to, together};

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
    let (special, switching) = (ring.special(), ring.switching(limbs));
    let count = together(ring, value.len(), relinearising_words(limbs, special.len()) * n);
    let digits = Digits::new(ring, switching, count)?;
    let extended = ring.device.allocate(switching.count() * count * n)?;
    let extended = View::dense(&extended, count, n);
    let division = if special.is_empty() { None } else { Some(Division::new(ring, limbs, special, 2 * count)?) };
    for first in (0..value.len()).step_by(count) {
        let some = count.min(value.len() - first);
        let from = value.elements().after(first * 3 * n);
        let to = result.elements().after(first * 2 * n);
        digits.prepare(ring, from.after(2 * n), some)?;
        // `to = from + sum of digit key` for pairs of halves.
        let add = |to: View<'_, D::Memory>, from: View<'_, D::Memory>| {
            (0..digits.digits()).try_for_each(|digit| {
                digits.extend(ring, digit, extended, some)?;
                key_product(ring, (key, digit, switching), (to, if digit == 0 { from } else { to }), extended, some)
            })
        };
        let Some(division) = &division else {
            add(to, from)?;
            continue;
        };
        // Zero, and then the sums: `[limb and special][item][half][N]`.
        let sums = ring.device.allocate(switching.count() * some * 2 * n)?;
        let pairs = View::dense(&sums, some, 2 * n);
        add(pairs, pairs)?;
        let [halves, sums] = [to, pairs].map(|view| View { item_stride: n, ..view });
        division.run(ring, (halves, sums), 2 * some)?;
        for half in 0..2 {
            add_to(ring, (to.after(half * n), from.after(half * n)), some, Limbs::first(limbs))?;
        }
    }
    Ok(result)
}

/// Polynomials of one limb that relinearising one ciphertext takes beside it and its result.
pub(crate) fn relinearising_words(limbs: usize, special: usize) -> usize {
    let primes = limbs + special;
    let division = if special > 0 { 2 * primes + 2 * dividing_words(limbs, special) } else { 0 };
    decomposing_words(limbs, special) + primes + division
}
