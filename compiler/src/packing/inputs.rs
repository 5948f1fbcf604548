//! How a client may pack an image: along rows, by the phases of a stride, again and again, or so
//! that what the first layer multiplies lies ready, several times if need be.

use std::collections::BTreeMap;

use beaa_ir::ckks::Layout;

use super::grid::{Grid, extent, line, phases, repeated};
use super::offsets::{PackedTerm, chosen};
use super::{Block, ChosenMap};
use crate::cost::ops::OpContext;
use crate::network::graph::Coordinate;
use crate::network::matrix::Matrix;

/// Strides by whose phases an image may be packed.
const PHASES: [usize; 3] = [1, 2, 4];
/// Ciphertexts that an image is sent in for the sake of the first layer, at most.
const MOST_GATHERED: usize = 256;

/// A packing of the input, and the grid that it follows.
pub(super) struct PackedInput {
    pub(super) layout: Layout,
    pub(super) grid: Option<Grid>,
}

/// Layouts that do not look at what reads them.
pub(super) fn layouts(coordinates: &[Coordinate], block: usize) -> Vec<PackedInput> {
    let mut all: Vec<PackedInput> = Vec::new();
    let mut add = |layout: Option<Layout>, grid: Option<Grid>| {
        let again = layout.as_ref().and_then(repeated);
        for layout in layout.into_iter().chain(again) {
            if !all.iter().any(|known| known.layout == layout) {
                all.push(PackedInput { layout, grid });
            }
        }
    };
    add(line(coordinates.len(), block), None);
    for step in PHASES {
        let split = phases(coordinates, step);
        let (rows, width) = extent(&split);
        let grid = Grid::dense(rows, width);
        add(grid.layout(&split, block), Some(grid));
    }
    all
}

/// A layout in which the inputs of each position of `result` lie at that position, one of them in
/// each ciphertext: nothing is rotated but partial sums. With `folded`, positions that the result
/// leaves unused hold further inputs.
pub(super) fn gathered(
    weights: &Matrix,
    coordinates: &[Coordinate],
    result: &Layout,
    folded: bool,
    context: OpContext,
) -> Option<(Layout, ChosenMap)> {
    let block = result.block();
    // Outputs of one place read the same, whatever their channel.
    let mut read: BTreeMap<(usize, usize), Vec<u32>> = BTreeMap::new();
    for (row, at) in coordinates.iter().enumerate() {
        read.entry((at.row, at.column)).or_default().extend(weights.columns_of(row));
    }
    for columns in read.values_mut() {
        columns.sort_unstable();
        columns.dedup();
    }
    let taps = read.values().map(Vec::len).max()?;
    let last = result.held().iter().rposition(Option::is_some)?;
    let period = if folded { (last + 1).next_power_of_two() } else { block };
    let parts = block / period.min(block);
    if parts < 2 && folded || taps.div_ceil(parts) * result.ciphertexts() > MOST_GATHERED {
        return None;
    }
    let tap = |element: u32, number: usize| {
        let at = coordinates[element as usize];
        read[&(at.row, at.column)].get(number).copied()
    };
    let mut held: Vec<Option<u32>> = Vec::new();
    for ciphertext in 0..result.ciphertexts() {
        for first in (0..taps).step_by(parts) {
            let here = result.of_ciphertext(ciphertext);
            let position = |p: usize| here[p % period].and_then(|element| tap(element, first + p / period));
            let content: Vec<Option<u32>> = (0..block).map(position).collect();
            if !held.chunks(block).any(|known| known == content) {
                held.extend(content);
            }
        }
    }
    let layout = Layout::new(block, weights.columns(), held).ok()?;
    let of = Block { positions: block, images: context.degree / block };
    let mut map = of.map(result.clone(), [0]);
    if folded {
        map.folds = std::iter::successors(Some(block / 2), |f| Some(f / 2))
            .take_while(|&f| f >= period)
            .map(|f| f as u32)
            .collect();
        // With one image all positions add up the same.
        let repeats = if of.images == 1 { block } else { period };
        let held = (0..block).map(|p| (p < repeats).then(|| result.held()[p % period]).flatten()).collect();
        map.layout = Layout::new(block, result.elements(), held).ok()?;
    }
    let found = chosen(&[PackedTerm { from: &layout, clean: true, weights }], map, context)?;
    Some((layout, found))
}
