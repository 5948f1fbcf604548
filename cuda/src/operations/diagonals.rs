//! Linear maps of ciphertexts that hold several elements, by diagonals and rotations: the residues
//! of the processor's `Rotator::multiply`, for what is rounded is rounded after the same sums.

use std::collections::BTreeMap;
use std::ops::Range;

use beaa_ckks::{DiagonalSum, bias_values};
use beaa_runtime::ckks::PackedSums;

use crate::diagonals::{Part, PartTable};
use crate::switching_key::{DeviceGaloisKeys, missing};
use crate::view::Extent;
use crate::{Device, DeviceDiagonals, DeviceValue, Grid, Kernel, Limbs, Memory, Result, Ring, View};

use super::rotation::Rotations;
use super::{add_to, together};

/// One product of a packed linear map.
#[derive(Debug)]
pub struct PackedTerm<'a, M> {
    /// What is multiplied.
    pub input: &'a DeviceValue<M>,
    /// By what.
    pub weights: &'a DeviceDiagonals<M>,
}

/// The sum of all products, folded, plus the bias.
///
/// # Errors
/// When a rotation has no key, a bias does not fit, or the device fails.
pub fn diagonals<D: Device>(
    ring: &Ring<'_, D>,
    keys: Option<&DeviceGaloisKeys<D::Memory>>,
    terms: &[PackedTerm<'_, D::Memory>],
    PackedSums { bias, folds }: &PackedSums,
) -> beaa_runtime::Result<DeviceValue<D::Memory>> {
    let (n, limbs, outputs) = (ring.degree(), terms[0].input.limbs(), bias.len());
    for PackedTerm { input, weights } in terms {
        assert_eq!((input.components(), input.limbs(), weights.limbs), (2, limbs, limbs), "limbs of a term");
        assert_eq!((weights.inputs, weights.outputs), (input.len(), outputs), "ciphertexts of a term");
    }
    let key = |slots: usize| match keys {
        Some(keys) => keys.key(slots, limbs),
        None => Err(missing(slots, limbs).into()),
    };
    // Without a rotation all is done modulo Q.
    let rotates =
        |t: &PackedTerm<'_, D::Memory>| !t.weights.rotated.is_empty() || t.weights.sums.iter().any(|s| s.giant > 0);
    let rotates = !folds.is_empty() || terms.iter().any(rotates);
    let qp = if rotates { ring.switching(limbs) } else { Limbs::first(limbs) };
    let product = Product::new(ring, terms, Rotations::new(ring, qp)?)?;
    product.direct(ring)?;
    product.rotated(ring, key)?;
    let rotations = &product.rotations;
    let results = rotations.pairs(ring, outputs)?;
    let result = |output: usize| View::dense(&results, outputs, 2 * n).after(output * 2 * n);
    let other = rotations.pairs(ring, 1)?;
    let other = View::dense(&other, 1, 2 * n);
    let add = |to: View<'_, D::Memory>, from: View<'_, D::Memory>| {
        (0..2).try_for_each(|half| add_to(ring, (to.after(half * n), from.after(half * n)), 1, qp))
    };
    for (&(output, giant), &number) in &product.numbers {
        let mut sum = product.sum(n, number);
        if giant > 0 {
            rotations.rotate(ring, key(giant)?, (other, sum))?;
            sum = other;
        }
        add(result(output as usize), sum)?;
    }
    for &fold in folds {
        for output in 0..outputs {
            rotations.rotate(ring, key(fold)?, (other, result(output)))?;
            add(result(output), other)?;
        }
    }
    let value = rotations.divided(ring, results, outputs)?;
    let bias = ring.device.upload(&bias_values(&ring.parameters, limbs, bias)?)?;
    add_to(ring, (value.elements(), View::dense(&bias, outputs, n)), outputs, Limbs::first(limbs))?;
    Ok(value)
}

/// The sums of a map, before they are rotated.
struct Product<'a, M> {
    terms: &'a [PackedTerm<'a, M>],
    rotations: Rotations<M>,
    /// The number of each sum, by output and giant.
    numbers: BTreeMap<(u32, usize), usize>,
    /// `[limb and special][sum][half][N]`.
    sums: M,
}

impl<'a, M: Memory> Product<'a, M> {
    fn new<D: Device<Memory = M>>(
        ring: &Ring<'_, D>,
        terms: &'a [PackedTerm<'a, M>],
        rotations: Rotations<M>,
    ) -> Result<Self> {
        let mut numbers = BTreeMap::new();
        for sum in terms.iter().flat_map(|t| &t.weights.sums) {
            let next = numbers.len();
            numbers.entry((sum.output, sum.giant)).or_insert(next);
        }
        let sums = rotations.pairs(ring, numbers.len())?;
        Ok(Self { terms, rotations, numbers, sums })
    }

    /// All sums.
    fn all(&self, n: usize) -> View<'_, M> {
        View::dense(&self.sums, self.numbers.len(), 2 * n)
    }

    fn sum(&self, n: usize, number: usize) -> View<'_, M> {
        self.all(n).after(number * 2 * n)
    }

    /// The parts of a term's sums that `diagonals` says.
    fn parts(&self, weights: &DeviceDiagonals<M>, diagonals: impl Fn(&DiagonalSum) -> Range<usize>) -> Vec<Part> {
        let part = |s: &DiagonalSum| Part { sum: self.numbers[&(s.output, s.giant)], diagonals: diagonals(s) };
        weights.sums.iter().map(part).filter(|part| !part.diagonals.is_empty()).collect()
    }

    /// Multiplies what is not rotated, modulo Q, and the sums of that by P.
    fn direct<D: Device<Memory = M>>(&self, ring: &Ring<'_, D>) -> Result<()> {
        let (n, limbs) = (ring.degree(), Limbs::first(self.rotations.limbs.ordinary));
        for PackedTerm { input, weights } in self.terms {
            let parts = self.parts(weights, |sum| sum.direct.clone());
            self.multiply(ring, (weights, limbs), parts, (input.elements(), 0, input.len()))?;
        }
        if self.rotations.limbs.more == 0 {
            return Ok(());
        }
        let polynomials = View::dense(&self.sums, 2 * self.numbers.len(), n);
        self.rotations.scale(ring, (polynomials, polynomials), 2 * self.numbers.len())
    }

    /// Rotates inputs, as many at a time as the workspace holds, and adds their products.
    fn rotated<'k, D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        key: impl Fn(usize) -> beaa_runtime::Result<&'k crate::switching_key::DeviceGaloisKey<M>>,
    ) -> beaa_runtime::Result<()>
    where
        M: 'k,
    {
        let (n, limbs) = (ring.degree(), self.rotations.limbs);
        for PackedTerm { input, weights } in self.terms {
            let all = weights.rotated.len();
            if all == 0 {
                continue;
            }
            let count = together(ring, all, 2 * limbs.count() * n);
            let held = self.rotations.pairs(ring, count)?;
            let items = View::dense(&held, count, 2 * n);
            for first in (0..all).step_by(count) {
                let chunk = first..all.min(first + count);
                let mut item = 0;
                for babies in weights.rotated[chunk.clone()].chunk_by(|a, b| a.0 == b.0) {
                    let from = input.elements().after(babies[0].0 as usize * 2 * n);
                    let scaled = self.rotations.scaled(ring, from)?;
                    let scaled = (View::dense(&scaled, 1, n), Limbs::first(limbs.ordinary));
                    self.rotations.decompose(ring, from.after(n))?;
                    for &(_, baby) in babies {
                        self.rotations.switch(ring, key(baby)?, scaled, items.after(item * 2 * n))?;
                        item += 1;
                    }
                }
                let parts = self.parts(weights, |sum| weights.within(&sum.rotated, &chunk));
                self.multiply(ring, (weights, limbs), parts, (items, first, chunk.len()))?;
            }
        }
        Ok(())
    }

    /// Adds products with items, of which the first is column `first` of the diagonals, to sums.
    fn multiply<D: Device<Memory = M>>(
        &self,
        ring: &Ring<'_, D>,
        (weights, limbs): (&DeviceDiagonals<M>, Limbs),
        parts: Vec<Part>,
        (from, first, items): (View<'_, M>, usize, usize),
    ) -> Result<()> {
        let Some(parts) = PartTable::new(ring.device, parts)? else { return Ok(()) };
        let (words, sums) = (2 * ring.degree(), self.numbers.len());
        let extent = |items: usize| Extent { limbs: limbs.count(), items, words };
        let arguments = [
            self.all(ring.degree()).argument(extent(sums)),
            from.argument(extent(items)),
            ring.argument(limbs),
            weights.argument(first, items, sums, &parts),
        ];
        let grid = Grid::new(parts.parts.len() * ring.blocks(), limbs.count());
        ring.device.launch(Kernel::DiagonalProducts, grid, &arguments)
    }
}
