//! Ciphertexts to the device and back. The processor has unpacked them: their bits and their seeds
//! are read there.

use beaa_ckks::Batch;

use crate::value::Shape;
use crate::view::Extent;
use crate::{Argument, Device, DeviceValue, Grid, Kernel, Limbs, Result, Ring};

/// Copies ciphertexts to the device.
///
/// # Errors
/// When the device fails.
pub fn upload<D: Device>(ring: &Ring<'_, D>, batch: &Batch) -> Result<DeviceValue<D::Memory>> {
    let shape = Shape { limbs: batch.limbs(), components: batch.components(), len: batch.len() };
    assert_eq!(batch.words().len(), shape.words(ring.degree()), "words of {batch:?}");
    let tiles = ring.device.upload(batch.words())?;
    let value = DeviceValue::allocate(ring, shape)?;
    let items = shape.len * shape.components;
    let extent = Extent { limbs: shape.limbs, items, words: ring.degree() };
    let arguments = [
        value.polynomials().argument(extent),
        Argument::memory(&tiles),
        ring.argument(Limbs::first(shape.limbs)),
        Argument::new([items as u64]),
    ];
    ring.device.launch(Kernel::FromTiles, Grid::new(items * ring.blocks(), shape.limbs), &arguments)?;
    Ok(value)
}

/// Copies ciphertexts back.
///
/// # Errors
/// When the device fails, or computed what is no residue.
pub fn download<D: Device>(ring: &Ring<'_, D>, value: &DeviceValue<D::Memory>) -> beaa_runtime::Result<Batch> {
    let (limbs, components, len) = (value.limbs(), value.components(), value.len());
    let tiles = ring.device.allocate(Shape { limbs, components, len }.words(ring.degree()))?;
    let items = len * components;
    let extent = Extent { limbs, items, words: ring.degree() };
    let arguments = [
        Argument::memory(&tiles),
        value.polynomials().argument(extent),
        ring.argument(Limbs::first(limbs)),
        Argument::new([items as u64]),
    ];
    ring.device.launch(Kernel::ToTiles, Grid::new(items * ring.blocks(), limbs), &arguments)?;
    let words = ring.device.download(&tiles)?;
    Ok(Batch::from_words(&ring.parameters, limbs, components, len, words)?)
}
