//! Integer weights times ciphertexts.

use crate::kernel::THREADS;
use crate::value::Shape;
use crate::view::Extent;
use crate::{Argument, Device, DevicePanels, DeviceValue, Grid, Limbs, Memory, Result, Ring};

/// One product of a linear map.
#[derive(Debug)]
pub struct Term<'a, M> {
    /// What is multiplied.
    pub input: &'a DeviceValue<M>,
    /// By what.
    pub weights: &'a DevicePanels<M>,
}

/// The sum of all products, plus one integer for each output, on the first `limbs` limbs.
///
/// # Errors
/// When the device fails.
pub fn linear<D: Device>(
    ring: &Ring<'_, D>,
    terms: &[Term<'_, D::Memory>],
    bias: &[i128],
    limbs: usize,
) -> Result<DeviceValue<D::Memory>> {
    let components = terms.iter().map(|t| t.input.components()).fold(2, usize::max);
    let result = DeviceValue::allocate(ring, Shape { limbs, components, len: bias.len() })?;
    let residue = |&q: &u64, b: &i128| b.rem_euclid(i128::from(q)) as u64;
    let biases: Vec<u64> = ring.primes[..limbs].iter().flat_map(|q| bias.iter().map(move |b| residue(q, b))).collect();
    let biases = ring.device.upload(&biases)?;
    for (number, term) in terms.iter().enumerate() {
        let product = Product { term, biases: &biases, accumulates: number > 0 };
        product.launch(ring, &result, limbs)?;
    }
    Ok(result)
}

/// One term, and what its product is added to.
struct Product<'a, M> {
    term: &'a Term<'a, M>,
    /// `[limb][row]`.
    biases: &'a M,
    accumulates: bool,
}

impl<M: Memory> Product<'_, M> {
    fn launch<D: Device<Memory = M>>(&self, ring: &Ring<'_, D>, to: &DeviceValue<M>, limbs: usize) -> Result<()> {
        let Term { input, weights } = *self.term;
        let (rows, columns) = (weights.rows, weights.columns);
        assert_eq!((rows, columns), (to.len(), input.len()), "rows and columns of weights");
        assert_eq!(self.biases.words(), limbs * rows, "biases");
        let extent = |v: &DeviceValue<M>| Extent { limbs, items: v.len(), words: v.components() * ring.degree() };
        // What the input lacks is zero, and need not be added again.
        let components = if self.accumulates { input.components() } else { to.components() };
        let affine = Argument::new([
            self.biases.address(),
            rows as u64,
            u64::from(self.accumulates),
            components as u64,
            input.components() as u64,
        ]);
        let (target, source) = (to.elements().argument(extent(to)), input.elements().argument(extent(input)));
        let primes = ring.argument(Limbs::first(limbs));
        for group in &weights.groups {
            let grid = Grid::new(group.panels * (ring.degree() / THREADS), limbs * components);
            ring.device.launch(group.kernel, grid, &[target, source, primes, group.argument(), affine])?;
        }
        Ok(())
    }
}
