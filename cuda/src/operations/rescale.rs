//! Division by the last prime, with rounding.

use crate::value::Shape;
use crate::{Device, DeviceValue, Result, Ring};

use super::division::Division;
use super::together;

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
    let division = Division::new(ring, last, last..last + 1, count)?;
    for first in (0..items).step_by(count) {
        let some = count.min(items - first);
        let [to, from] = [&result, value].map(|v| v.polynomials().after(first * n));
        division.run(ring, (to, from), some)?;
    }
    Ok(result)
}
