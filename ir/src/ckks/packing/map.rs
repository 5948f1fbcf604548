//! How a linear map is computed on packed values: by which rotations, and which weight meets its
//! input where.

use super::Layout;
use crate::{Error, Result};

const CHECKING: &str = "checking a packed linear map";

/// Rotations of a linear map, in positions, and the layout that it leads to.
///
/// Position `p` of a sum is `sum over d of weights_d[p] * input[p + d]`, where `d` are the
/// `offsets` (Halevi and Shoup 2014). Each fold `f` then adds to every position what is `f` behind
/// it. An offset is the sum of a giant step, a multiple of `giant`, and of a baby step, the rest of
/// least absolute value (baby-step giant-step: Halevi and Shoup 2018).
///
/// Behind the last position of an image lies the first of the next one. Where an image is alone
/// that is its own: offsets are then counted modulo the block. Otherwise they reach to both sides,
/// and an element is read where it lies within the block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedMap {
    /// Of the result.
    pub layout: Layout,
    /// Images of a ciphertext.
    pub images: usize,
    /// Which weights are used, the first that fits.
    pub offsets: Vec<i32>,
    /// A power of two, at most the block: offsets are rounded to multiples of it.
    pub giant: u32,
    /// One after the other.
    pub folds: Vec<u32>,
    /// Whether each vector of weights is one number for all positions, those that hold no element
    /// too: such a constant is exact and takes no precision, and leaves sums of whatever is there
    /// in positions that hold nothing. Only for maps without folds whose diagonals have one weight
    /// each, at all positions of elements, as pools have where elements stay in their places.
    pub unmasked: bool,
}

/// One vector of weights: those that meet ciphertext `input`, rotated, in sums of ciphertext
/// `output`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagonal<W> {
    /// A ciphertext of what is multiplied.
    pub input: u32,
    /// A ciphertext of the result.
    pub output: u32,
    /// By how much the input is rotated to the left, in positions.
    pub offset: i32,
    /// Position and weight; the other positions are zero.
    pub weights: Vec<(u32, W)>,
}

impl PackedMap {
    /// Rotations in slots that need a Galois key, some more than once.
    pub fn rotations(&self) -> impl Iterator<Item = u32> + '_ {
        let of_offsets = self.offsets.iter().flat_map(|&offset| <[i32; 2]>::from(self.steps(offset)));
        let folds = self.folds.iter().map(|&fold| fold as i32);
        of_offsets.chain(folds).map(|positions| self.slots(positions)).filter(|&rotation| rotation != 0)
    }

    /// The rotation to the left, in slots, that moves by so many positions.
    pub fn slots(&self, positions: i32) -> u32 {
        let degree = (self.layout.block() * self.images) as i32;
        positions.rem_euclid(degree) as u32
    }

    /// The baby and the giant step that an offset is the sum of: modulo the block where an image is
    /// alone.
    pub fn steps(&self, offset: i32) -> (i32, i32) {
        let (block, step) = (self.layout.block() as i32, self.giant as i32);
        let rest = offset.rem_euclid(step);
        // Of least absolute value: kernels of convolutions reach to both sides.
        let up = rest > step / 2;
        let giant = offset - rest + if up { step } else { 0 };
        if self.images > 1 {
            return (offset - giant, giant);
        }
        let giant = giant % block;
        ((offset + block - giant) % block, giant)
    }

    /// The position that an offset leads to from another, both within the block; none where that
    /// is another image's.
    fn reached(&self, position: usize, offset: i32) -> Option<usize> {
        let (block, reached) = (self.layout.block(), position as i64 + i64::from(offset));
        match usize::try_from(reached) {
            Ok(within) if within < block => Some(within),
            Ok(beyond) if self.images == 1 => Some(beyond - block),
            _ => None,
        }
    }

    /// What a position of the sums is added to by all folds together: `0` and every sum of folds,
    /// modulo the block where an image is alone.
    pub fn folded(&self) -> Vec<u32> {
        let modulus = (self.images == 1).then_some(self.layout.block() as u32);
        let mut sums = vec![0];
        for &fold in &self.folds {
            let more: Vec<u32> = sums.iter().map(|s| s + fold).map(|s| modulus.map_or(s, |block| s % block)).collect();
            sums.extend(more);
        }
        sums
    }

    /// Refuses offsets and folds that are none of the block, and folds that would mix elements or
    /// images, or leave an element where the layout says another.
    ///
    /// # Errors
    /// With what was found.
    pub fn check(&self) -> Result<()> {
        let bad = |found: String, expected: &str| Err(Error::malformed(CHECKING, found, expected));
        let block = self.layout.block();
        let slots = self.images.checked_mul(block).filter(|_| self.images.is_power_of_two());
        if slots.is_none_or(|slots| slots > 1 << 16) {
            return bad(format!("{} images at {block} positions", self.images), "no more than the largest ring has");
        }
        if !self.giant.is_power_of_two() || self.giant as usize > block {
            return bad(format!("giant steps of {}", self.giant), "a power of two, at most the block");
        }
        if self.folds.len() > block.ilog2() as usize {
            return bad(format!("{} folds of {block} positions", self.folds.len()), "no more than halvings");
        }
        if let Some(beyond) = self.folds.iter().find(|&&d| d as usize >= block) {
            return bad(format!("a fold of {beyond}"), "less than the block");
        }
        let least = if self.images == 1 { 0 } else { 1 - block as i32 };
        if let Some(beyond) = self.offsets.iter().find(|d| !(least..block as i32).contains(d)) {
            return bad(format!("a rotation by {beyond}"), "within the block, to the left where an image is alone");
        }
        let mut sorted = self.offsets.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|w| w[0] == w[1]) {
            return bad("an offset twice".into(), "each once");
        }
        if self.folds.is_empty() {
            return Ok(());
        }
        if self.unmasked {
            return bad("folds of sums without a mask".into(), "no folds");
        }
        let mut folded = self.folded();
        folded.sort_unstable();
        if folded.windows(2).any(|w| w[0] == w[1]) {
            return bad("folds that add a position twice".into(), "each position once");
        }
        // Every element has its own positions before the folds; where it is found again, it is the
        // sum of the same.
        let mut owner: Vec<Option<u32>> = vec![None; self.layout.held().len()];
        let bases = self.layout.first_positions();
        for (element, &base) in (0_u32..).zip(&bases) {
            for &sum in &folded {
                let Some(position) = self.moved(base, sum) else {
                    return bad(format!("folds of element {element} beyond its image"), "positions of one image");
                };
                if owner[position].replace(element).is_some() {
                    return bad(
                        format!("folds that mix element {element} with another"),
                        "positions of no other element",
                    );
                }
            }
        }
        for (position, element) in self.layout.held().iter().enumerate() {
            let Some(element) = *element else { continue };
            let same = |s: &u32| self.moved(position, *s).is_some_and(|moved| owner[moved] == Some(element));
            if position != bases[element as usize] && !folded.iter().all(same) {
                return bad(format!("element {element} at position {position}"), "where folds leave it");
            }
        }
        Ok(())
    }

    /// A position, counted through all ciphertexts, moved on within its ciphertext; none where that
    /// is another image's.
    fn moved(&self, position: usize, by: u32) -> Option<usize> {
        let inside = position % self.layout.block();
        Some(position - inside + self.reached(inside, by as i32)?)
    }

    /// Calls `found` for each weight with its row, its number in the row, and where it is
    /// multiplied: ciphertext of input and output, offset, and position. `row` says which columns a
    /// row has.
    ///
    /// # Errors
    /// When a weight meets its input by none of the offsets.
    pub fn locate<'m>(
        &self,
        from: &Layout,
        row: impl Fn(usize) -> &'m [u32],
        mut found: impl FnMut(usize, usize, Place),
    ) -> Result<()> {
        let (block, folded) = (self.layout.block(), self.folded());
        assert_eq!(from.block(), block, "blocks of input and result");
        let bases: Vec<usize> =
            if self.folds.is_empty() { (0..self.layout.held().len()).collect() } else { self.layout.first_positions() };
        let mut positions = Vec::with_capacity(folded.len());
        let cyclic = self.images == 1;
        // By column, its number in the row; usize::MAX for what is no column or has its place.
        let mut number = vec![usize::MAX; from.elements()];
        for base in bases {
            let Some(element) = self.layout.held()[base] else { continue };
            let columns = row(element as usize);
            if columns.is_empty() {
                continue;
            }
            for (k, &c) in columns.iter().enumerate() {
                number[c as usize] = k;
            }
            let mut left = columns.len();
            let output = (base / block) as u32;
            positions.clear();
            positions.extend(folded.iter().filter_map(|&s| self.reached(base % block, s as i32)));
            // Nearly all of a search for packings: no division in here.
            'offsets: for &offset in &self.offsets {
                for &position in &positions {
                    // Below zero it is beyond every block.
                    let reached = position.wrapping_add_signed(offset as isize);
                    let from_position = if reached < block { reached } else { reached.wrapping_sub(block) };
                    if from_position >= block || reached >= block && !cyclic {
                        continue;
                    }
                    for (input, held) in (0_u32..).zip(from.held().chunks_exact(block)) {
                        let Some(column) = held[from_position] else { continue };
                        let k = std::mem::replace(&mut number[column as usize], usize::MAX);
                        if k != usize::MAX {
                            found(element as usize, k, Place { input, output, offset, position: position as u32 });
                            left -= 1;
                            if left == 0 {
                                break 'offsets;
                            }
                        }
                    }
                }
            }
            if left > 0 {
                let expected = "offsets by which each input meets its weight";
                return Err(Error::malformed(
                    CHECKING,
                    format!("{left} weights of element {element} left over"),
                    expected,
                ));
            }
        }
        Ok(())
    }

    /// The weights of a matrix, row by row as columns and values, as diagonals in the order of
    /// output, offset and input.
    ///
    /// # Errors
    /// As [`Self::locate`].
    pub fn diagonals<'m, W: Copy + 'm>(
        &self,
        from: &Layout,
        row: impl Fn(usize) -> (&'m [u32], &'m [W]),
    ) -> Result<Vec<Diagonal<W>>> {
        let mut found = std::collections::BTreeMap::<(u32, i32, u32), Vec<(u32, W)>>::new();
        self.locate(
            from,
            |r| row(r).0,
            |r, k, Place { input, output, offset, position }| {
                found.entry((output, offset, input)).or_default().push((position, row(r).1[k]));
            },
        )?;
        let diagonal = |((output, offset, input), weights)| Diagonal { input, output, offset, weights };
        Ok(found.into_iter().map(diagonal).collect())
    }
}

impl<W: Copy + PartialEq> Diagonal<W> {
    /// The weight of all positions that hold elements; none where they have different ones, or
    /// some have none. `result` is the layout of the sums.
    pub fn same_for_all(&self, result: &Layout) -> Option<W> {
        let &(_, first) = self.weights.first()?;
        let held = result.of_ciphertext(self.output as usize).iter().flatten().count();
        (self.weights.len() == held && self.weights.iter().all(|&(_, w)| w == first)).then_some(first)
    }
}

/// Where a weight is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Ciphertext of what is multiplied.
    pub input: u32,
    /// Ciphertext of the result.
    pub output: u32,
    /// By how much the input is rotated to the left.
    pub offset: i32,
    /// Position of the product.
    pub position: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(block: usize, elements: usize, of: impl Fn(usize) -> Option<usize>, ciphertexts: usize) -> Layout {
        Layout::new(block, elements, (0..block * ciphertexts).map(|p| of(p).map(|e| e as u32)).collect()).unwrap()
    }

    /// A map by its definition, on all slots: images one after the other in each ciphertext.
    fn apply(map: &PackedMap, diagonals: &[Diagonal<i64>], input: &[Vec<i64>]) -> Vec<Vec<i64>> {
        let (block, slots) = (map.layout.block(), map.layout.block() * map.images);
        let rotated = |row: &[i64], by: i32| -> Vec<i64> {
            (0..slots).map(|s| row[(s + map.slots(by) as usize) % slots]).collect()
        };
        let mut sums = vec![vec![0; slots]; map.layout.ciphertexts()];
        for d in diagonals {
            let (baby, giant) = map.steps(d.offset);
            assert_eq!(map.slots(baby + giant), map.slots(d.offset));
            assert_eq!(giant % map.giant as i32, 0);
            let from = rotated(&input[d.input as usize], d.offset);
            for &(p, w) in &d.weights {
                for slot in (p as usize..slots).step_by(block) {
                    sums[d.output as usize][slot] += w * from[slot];
                }
            }
        }
        for &fold in &map.folds {
            for row in &mut sums {
                let moved = rotated(row, fold as i32);
                row.iter_mut().zip(moved).for_each(|(s, m)| *s += m);
            }
        }
        sums
    }

    /// Checks the map of a dense matrix against products by the definition, wherever the layout
    /// says that an element is, for every image.
    fn holds(map: &PackedMap, from: &Layout) {
        map.check().unwrap();
        let (rows, columns) = (map.layout.elements(), from.elements());
        let all: Vec<u32> = (0..columns as u32).collect();
        let weights: Vec<Vec<i64>> =
            (0..rows).map(|r| (0..columns).map(|c| ((r * 31 + c * 17) % 23) as i64 - 11).collect()).collect();
        let diagonals = map.diagonals(from, |r| (&all[..], &weights[r][..])).unwrap();
        let x = |image: usize, c: usize| (c * c + 5 * image) as i64 % 19 - 7;
        let at = |image: usize, e: &Option<u32>| e.map_or(1000 + image as i64, |e| x(image, e as usize));
        let row = |held: &[Option<u32>]| -> Vec<i64> {
            (0..map.images).flat_map(|image| held.iter().map(move |e| at(image, e))).collect()
        };
        let input: Vec<Vec<i64>> = from.held().chunks_exact(from.block()).map(row).collect();
        let found = apply(map, &diagonals, &input);
        let block = map.layout.block();
        for (position, element) in map.layout.held().iter().enumerate() {
            let Some(e) = element else { continue };
            for image in 0..map.images {
                let expected: i64 = weights[*e as usize].iter().enumerate().map(|(c, w)| w * x(image, c)).sum();
                let found = found[position / block][image * block + position % block];
                assert_eq!(found, expected, "element {e} at {position} of image {image}");
            }
        }
    }

    #[test]
    fn every_way_to_a_dense_map_is_the_product_by_the_definition() {
        let line = layout(16, 7, |p| Some(p).filter(|p| *p < 7), 1);
        let repeated = layout(16, 7, |p| Some(p % 8).filter(|p| *p < 7), 1);
        let two = layout(16, 20, |p| Some(p).filter(|p| *p < 20), 2);
        let result = |of: &dyn Fn(usize) -> Option<usize>| layout(16, 3, of, 1);
        let direct = |p: usize| Some(p).filter(|p| *p < 3);
        let periodic = |p: usize| Some(p % 4).filter(|p| *p < 3);
        for (images, giant) in [1, 4].into_iter().flat_map(|images| [1, 4, 16].map(|giant| (images, giant))) {
            let offsets = |count: i32| if images == 1 { (0..count).collect() } else { (-15..count).collect() };
            let map = |of: &dyn Fn(usize) -> Option<usize>| PackedMap {
                layout: result(of),
                images,
                offsets: offsets(16),
                giant,
                folds: vec![],
                unmasked: false,
            };
            [&line, &repeated, &two].into_iter().for_each(|from| holds(&map(&direct), from));
            // Partial sums of rows four apart, all of them added: of one image, the result repeats.
            let sums = PackedMap { offsets: offsets(4), giant: giant.min(4), folds: vec![8, 4], ..map(&direct) };
            [&line, &repeated, &two].into_iter().for_each(|from| holds(&sums, from));
            let everywhere = PackedMap { layout: result(&periodic), ..sums };
            if images == 1 {
                [&line, &repeated, &two].into_iter().for_each(|from| holds(&everywhere, from));
            } else {
                assert!(everywhere.check().is_err(), "sums of two images");
            }
        }
        // One product: each copy of the input belongs to a row.
        let four = layout(16, 3, |p| Some(p % 4).filter(|p| *p < 3), 1);
        let spread = result(&|p| Some(p / 4).filter(|e| p % 4 == 0 && *e < 3));
        for images in [1, 8] {
            let layout = spread.clone();
            let folds = vec![2, 1];
            holds(&PackedMap { layout, images, offsets: vec![0], giant: 1, folds, unmasked: false }, &four);
        }
    }

    #[test]
    fn a_diagonal_may_be_one_number() {
        let line = layout(16, 3, |p| Some(p).filter(|p| *p < 3), 1);
        let diagonal = |weights: &[i64]| Diagonal {
            input: 0,
            output: 0,
            offset: 1,
            weights: (0..).zip(weights.iter().copied()).collect(),
        };
        assert_eq!(diagonal(&[5, 5, 5]).same_for_all(&line), Some(5));
        for other in [&[5, 5, 4][..], &[5, 5], &[]] {
            assert_eq!(diagonal(other).same_for_all(&line), None);
        }
    }

    #[test]
    fn folds_that_mix_elements_are_refused() {
        let line = layout(16, 3, |p| Some(p).filter(|p| *p < 3), 1);
        let map = |layout: &Layout, folds: Vec<u32>| PackedMap {
            layout: layout.clone(),
            images: 1,
            offsets: vec![0],
            giant: 1,
            folds,
            unmasked: false,
        };
        assert!(map(&line, vec![4]).check().is_ok());
        for bad in [vec![1], vec![4, 4], vec![8, 8], vec![16], vec![1, 2, 4, 8, 3]] {
            assert!(map(&line, bad.clone()).check().is_err(), "{bad:?}");
        }
        let periodic = layout(16, 3, |p| Some(p % 4).filter(|p| *p < 3), 1);
        assert!(map(&periodic, vec![8, 4]).check().is_ok());
        assert!(map(&periodic, vec![8]).check().is_err(), "half of the sums");
        assert!(PackedMap { giant: 3, ..map(&line, vec![]) }.check().is_err());
        assert!(PackedMap { unmasked: true, ..map(&line, vec![4]) }.check().is_err(), "sums of what holds nothing");
        for offsets in [vec![2, 2], vec![16], vec![-1]] {
            assert!(PackedMap { offsets: offsets.clone(), ..map(&line, vec![]) }.check().is_err(), "{offsets:?}");
        }
        for (images, good) in [(2, true), (1 << 12, true), (0, false), (3, false), (1 << 13, false)] {
            assert_eq!(PackedMap { images, ..map(&line, vec![4]) }.check().is_ok(), good, "{images} images");
        }
        let behind = layout(16, 2, |p| p.checked_sub(12).filter(|e| *e < 2), 1);
        assert!(map(&behind, vec![8]).check().is_ok());
        assert!(PackedMap { images: 2, ..map(&behind, vec![8]) }.check().is_err(), "sums of two images");
        let from = layout(16, 3, |p| p.checked_sub(1).filter(|p| *p < 3), 1);
        let columns = [0_u32, 1, 2];
        assert!(map(&line, vec![]).diagonals(&from, |_| (&columns[..], &[1_i64; 3][..])).is_err(), "no offset fits");
    }
}
