//! Squares, products with integers, and sums.

use crate::prime::factor;
use crate::value::Shape;
use crate::view::Extent;
use crate::{Argument, Device, DeviceValue, Grid, Kernel, Limbs, Result, Ring, View};

/// Squares of ciphertexts of two components, which have three.
///
/// # Errors
/// When the device fails.
pub fn square<D: Device>(
    ring: &Ring<'_, D>,
    value: &DeviceValue<D::Memory>,
    limbs: usize,
) -> Result<DeviceValue<D::Memory>> {
    assert_eq!(value.components(), 2, "components of what is squared");
    let result = DeviceValue::allocate(ring, Shape { limbs, components: 3, len: value.len() })?;
    let extent = |components: usize| Extent { limbs, items: value.len(), words: components * ring.degree() };
    let arguments = [
        result.elements().argument(extent(3)),
        value.elements().argument(extent(2)),
        ring.argument(Limbs::first(limbs)),
    ];
    ring.device.launch(Kernel::Square, Grid::new(value.len() * ring.blocks(), limbs), &arguments)?;
    Ok(result)
}

/// Ciphertexts times an integer.
///
/// # Errors
/// When the device fails.
pub fn scale<D: Device>(
    ring: &Ring<'_, D>,
    value: &DeviceValue<D::Memory>,
    limbs: usize,
    by: u64,
) -> Result<DeviceValue<D::Memory>> {
    let shape = Shape { limbs, components: value.components(), len: value.len() };
    let result = DeviceValue::allocate(ring, shape)?;
    let factors: Vec<u64> = ring.primes[..limbs].iter().flat_map(|&q| factor(by % q, q)).collect();
    let factors = ring.device.upload(&factors)?;
    let items = value.len() * value.components();
    let extent = Extent { limbs, items, words: ring.degree() };
    let arguments = [
        result.polynomials().argument(extent),
        value.polynomials().argument(extent),
        ring.argument(Limbs::first(limbs)),
        Argument::memory(&factors),
    ];
    ring.device.launch(Kernel::Scale, Grid::new(items * ring.blocks(), limbs), &arguments)?;
    Ok(result)
}

/// `to += from`, polynomials of these limbs.
pub(super) fn add_to<D: Device>(
    ring: &Ring<'_, D>,
    (to, from): (View<'_, D::Memory>, View<'_, D::Memory>),
    items: usize,
    limbs: Limbs,
) -> Result<()> {
    let extent = Extent { limbs: limbs.count(), items, words: ring.degree() };
    let arguments = [to.argument(extent), from.argument(extent), ring.argument(limbs)];
    ring.device.launch(Kernel::AddTo, Grid::new(items * ring.blocks(), limbs.count()), &arguments)
}
