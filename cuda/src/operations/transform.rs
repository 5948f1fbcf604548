//! The transform between coefficients and values.

use crate::view::Extent;
use crate::{Argument, Device, Grid, Kernel, Limbs, Result, Ring, View};

/// Coefficients to values, from `from` to `to`, which do not overlap: `items` polynomials modulo
/// each prime of `limbs`. With a `source`, all coefficients are residues modulo the prime of that
/// number, and are extended to the others; they are the same for all limbs if the stride of limbs
/// is 0.
///
/// # Errors
/// When the device fails.
pub fn forward<D: Device>(
    ring: &Ring<'_, D>,
    (to, from): (View<'_, D::Memory>, View<'_, D::Memory>),
    items: usize,
    limbs: Limbs,
    source: Option<usize>,
) -> Result<()> {
    let extent = Extent { limbs: limbs.count(), items, words: ring.degree() };
    let grid = Grid::new(items * ring.blocks(), limbs.count());
    assert!(source.is_none_or(|s| s < ring.primes.len()), "prime {source:?} of {}", ring.primes.len());
    let number = source.map_or(u64::MAX, |s| s as u64);
    let (to, from, primes) = (to.argument(extent), from.argument(extent), ring.argument(limbs));
    ring.device.launch(Kernel::ForwardOuter, grid, &[to, from, primes, Argument::new([number])])?;
    ring.device.launch(Kernel::ForwardInner, grid, &[to, primes])
}

/// Values to coefficients, from `from` to `to`, which may be the same.
///
/// # Errors
/// When the device fails.
pub fn inverse<D: Device>(
    ring: &Ring<'_, D>,
    (to, from): (View<'_, D::Memory>, View<'_, D::Memory>),
    items: usize,
    limbs: Limbs,
) -> Result<()> {
    let extent = Extent { limbs: limbs.count(), items, words: ring.degree() };
    let grid = |blocks: usize| Grid::new(items * blocks, limbs.count());
    let (to, from, primes) = (to.argument(extent), from.argument(extent), ring.argument(limbs));
    ring.device.launch(Kernel::InverseInner, grid(ring.blocks()), &[to, from, primes])?;
    ring.device.launch(Kernel::InverseOuter, grid(ring.blocks()), &[to, primes])?;
    ring.device.launch(Kernel::Untwist, grid(ring.blocks() / 2), &[to, primes])
}
