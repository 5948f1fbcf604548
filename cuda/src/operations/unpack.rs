//! Ciphertexts as they travel, to the device: their bits are unpacked there, and the halves that a
//! seed stands for expanded.

use beaa_ckks::CompressedBatch;

use crate::value::Shape;
use crate::view::Extent;
use crate::{Argument, Device, DeviceValue, Grid, Kernel, Limbs, Memory, Result, Ring, View, aes_table, words};

/// Copies packed ciphertexts to the device, limb after limb, and unpacks them there.
///
/// # Errors
/// When a residue is not below its prime, or the device fails.
pub fn unpack<D: Device>(
    ring: &Ring<'_, D>,
    batch: &CompressedBatch<'_>,
) -> beaa_runtime::Result<DeviceValue<D::Memory>> {
    let shape = Shape { limbs: batch.limbs(), components: batch.components(), len: batch.len() };
    let value = DeviceValue::allocate(ring, shape)?;
    let damaged = ring.device.allocate(1)?;
    let aes = match batch.seed() {
        Some(seed) => Some(ring.device.upload(&words::pairs(aes_table::words(seed).into_iter()))?),
        None => None,
    };
    for limb in 0..shape.limbs {
        let copied = |bytes: &[u8]| Ok::<_, beaa_runtime::Error>(ring.device.upload(&words::of_bytes(bytes))?);
        let words = batch.with_limb(limb, copied)?;
        let packed = Packed { words, stored: batch.stored_components(), damaged: &damaged };
        let to = value.elements();
        let to = to.after(limb * to.limb_stride);
        packed.unpack(ring, to, (limb, shape))?;
        if let Some(aes) = &aes {
            expand(ring, aes, to.after(ring.degree()), (limb, shape.len))?;
        }
    }
    if ring.device.download(&damaged)? != [0] {
        let (operation, found) = ("reading ciphertexts", "a residue that is not below its prime".to_owned());
        let expected = "canonical residues".to_owned();
        return Err(beaa_ckks::Error::Operand { operation, found, expected }.into());
    }
    Ok(value)
}

/// The bits of one limb.
struct Packed<'d, M> {
    words: M,
    /// Components in them.
    stored: usize,
    damaged: &'d M,
}

impl<M: Memory> Packed<'_, M> {
    fn unpack<D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        to: View<'_, M>,
        (limb, shape): (usize, Shape),
    ) -> Result<()> {
        let (n, items, bits) = (ring.degree(), shape.len * self.stored, ring.bits(limb));
        // All residues, and the word that the last one may begin to read.
        let needed = (items * n * bits as usize).div_ceil(64) + 1;
        assert!(self.words.words() >= needed, "{} words of {items} items of {bits} bits", self.words.words());
        let extent = Extent { limbs: 1, items: shape.len, words: shape.components * n };
        let packed = [self.words.address(), items as u64, u64::from(bits), self.damaged.address()];
        let arguments = [
            to.argument(extent),
            ring.argument(Limbs::one(limb)),
            Argument::new(packed),
            Argument::new([self.stored as u64]),
        ];
        ring.device.launch(Kernel::Unpack, Grid::new(items * ring.blocks(), 1), &arguments)
    }
}

/// Fills the components from `to` on with what the seed stands for.
fn expand<D: Device>(
    ring: &Ring<'_, D>,
    aes: &D::Memory,
    to: View<'_, D::Memory>,
    (limb, items): (usize, usize),
) -> Result<()> {
    let extent = Extent { limbs: 1, items, words: ring.degree() };
    let arguments = [
        to.argument(extent),
        ring.argument(Limbs::one(limb)),
        Argument::memory(aes),
        Argument::new([limb as u64]),
        Argument::new([u64::from(ring.bits(limb))]),
    ];
    ring.device.launch(Kernel::Expand, Grid::new(items * ring.blocks(), 1), &arguments)
}
