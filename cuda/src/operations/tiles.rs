//! Ciphertexts of the processor to the device and back, limb after limb, so that little lies there
//! twice.

use beaa_ckks::Batch;

use crate::value::Shape;
use crate::view::Extent;
use crate::{Argument, Device, DeviceValue, Grid, Kernel, Limbs, Memory, Result, Ring, View};

/// Copies ciphertexts to the device.
///
/// # Errors
/// When the device fails.
pub fn upload<D: Device>(ring: &Ring<'_, D>, batch: &Batch) -> Result<DeviceValue<D::Memory>> {
    let shape = Shape { limbs: batch.limbs(), components: batch.components(), len: batch.len() };
    assert_eq!(batch.words().len(), shape.words(ring.degree()), "words of {batch:?}");
    let each = batch.words().len() / shape.limbs;
    let value = DeviceValue::allocate(ring, shape)?;
    for (limb, words) in batch.words().chunks_exact(each).enumerate() {
        let (tiles, to) = (ring.device.upload(words)?, value.polynomials());
        launch(
            ring,
            Kernel::FromTiles,
            (to.after(limb * to.limb_stride), &tiles),
            (limb, shape.len * shape.components),
        )?;
    }
    Ok(value)
}

/// Copies ciphertexts back.
///
/// # Errors
/// When the device fails, or computed what is no residue.
pub fn download<D: Device>(ring: &Ring<'_, D>, value: &DeviceValue<D::Memory>) -> beaa_runtime::Result<Batch> {
    let (limbs, components, len) = (value.limbs(), value.components(), value.len());
    let items = len * components;
    let tiles = ring.device.allocate(items * ring.degree())?;
    let mut words = Vec::with_capacity(Shape { limbs, components, len }.words(ring.degree()));
    for limb in 0..limbs {
        let from = value.polynomials();
        launch(ring, Kernel::ToTiles, (from.after(limb * from.limb_stride), &tiles), (limb, items))?;
        words.extend(ring.device.download(&tiles)?);
    }
    Ok(Batch::from_words(&ring.parameters, limbs, components, len, words)?)
}

/// One limb of all polynomials between both orders.
fn launch<D: Device>(
    ring: &Ring<'_, D>,
    kernel: Kernel,
    (polynomials, tiles): (View<'_, D::Memory>, &D::Memory),
    (limb, items): (usize, usize),
) -> Result<()> {
    let words = ring.degree();
    assert_eq!(tiles.words(), items * words, "words of {items} polynomials in tiles");
    let view = polynomials.argument(Extent { limbs: 1, items, words });
    let ends = match kernel {
        Kernel::FromTiles => [view, Argument::memory(tiles)],
        Kernel::ToTiles => [Argument::memory(tiles), view],
        other => unreachable!("{other:?} is no way between orders"),
    };
    let [to, from] = ends;
    let arguments = [to, from, ring.argument(Limbs::one(limb)), Argument::new([items as u64])];
    ring.device.launch(kernel, Grid::new(items * ring.blocks(), 1), &arguments)
}
