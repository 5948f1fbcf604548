//! Where the elements of images are in the slots of packed ciphertexts: slot `i * block + p` of the
//! rotation order is position `p` of image `i`.

use beaa_ckks::rotation_order;
use beaa_ir::ckks::Layout;

/// The slots of a packed value.
pub(super) struct PackedSlots<'l> {
    layout: &'l Layout,
    /// The encoder's slot at each place of the rotation order.
    order: Vec<u32>,
    /// Images of a ciphertext, at most.
    capacity: usize,
}

impl<'l> PackedSlots<'l> {
    /// Those of values of this layout in ciphertexts of `degree` slots.
    ///
    /// # Panics
    /// When a ciphertext has more positions than slots.
    pub(super) fn new(layout: &'l Layout, degree: usize) -> Self {
        assert!(layout.block() <= degree, "{} positions in {degree} slots", layout.block());
        Self { layout, order: rotation_order(degree), capacity: degree / layout.block() }
    }

    /// The N slots of one ciphertext; `write` fills in an element of the images, all of which are
    /// zero until then. Positions without an element stay zero.
    pub(super) fn pack(&self, ciphertext: usize, write: impl Fn(usize, &mut [f64])) -> Vec<f64> {
        let mut slots = vec![0.0; self.order.len()];
        let mut images = vec![0.0; self.capacity];
        let held = self.layout.of_ciphertext(ciphertext);
        for (position, element) in held.iter().enumerate() {
            let Some(element) = element else { continue };
            images.fill(0.0);
            write(*element as usize, &mut images);
            self.of_position(position).zip(&images).for_each(|(slot, &value)| slots[slot] = value);
        }
        slots
    }

    /// Each element of as many images as fit, `[element][image]`, of the slots of all ciphertexts.
    ///
    /// # Panics
    /// When there are more or fewer ciphertexts than the layout has, or other than N slots.
    pub(super) fn unpack(&self, ciphertexts: &[Vec<f64>]) -> Vec<Vec<f64>> {
        assert_eq!(ciphertexts.len(), self.layout.ciphertexts(), "ciphertexts of a packed value");
        let block = self.layout.block();
        let element = |position: usize| {
            let slots = &ciphertexts[position / block];
            assert_eq!(slots.len(), self.order.len(), "slots of a ciphertext");
            self.of_position(position % block).map(|slot| slots[slot]).collect()
        };
        self.layout.first_positions().into_iter().map(element).collect()
    }

    /// The slot of a position of each image.
    fn of_position(&self, position: usize) -> impl Iterator<Item = usize> + '_ {
        self.order[position..].iter().step_by(self.layout.block()).map(|&slot| slot as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_again_in_every_block() {
        let degree = 64;
        for block in [1, 4, 64] {
            let held = (0..3 * block).map(|p| (p % 7 != 5 || block == 1).then_some((p % 3) as u32)).collect();
            let layout = Layout::new(block, 3, held).unwrap();
            let slots = PackedSlots::new(&layout, degree);
            let images = degree / block;
            let value = |element: usize, image: usize| (element * 100 + image) as f64;
            let write =
                |e: usize, images: &mut [f64]| images.iter_mut().enumerate().for_each(|(i, v)| *v = value(e, i));
            let ciphertexts: Vec<Vec<f64>> = (0..3).map(|c| slots.pack(c, write)).collect();
            for (e, row) in slots.unpack(&ciphertexts).iter().enumerate() {
                assert_eq!(row.len(), images);
                assert!(row.iter().enumerate().all(|(i, &v)| v == value(e, i)), "block {block}");
            }
            // An element next to another is the next slot in the order of rotations.
            let order = rotation_order(degree);
            if block == 4 {
                assert_eq!(ciphertexts[0][order[2 * block + 1] as usize], value(1, 2));
            }
        }
    }
}
