//! The layouts that an affine map may lead to, each with the rotations that this takes.

use beaa_ir::ckks::Layout;

use super::ChosenMap;
use super::dense::folding;
use super::grid::{Grid, extent, line, repeated};
use super::offsets::{PackedTerm, direct};
use crate::cost::ops::OpContext;
use crate::network::graph::Coordinate;

/// By how much wider gaps may get in one layer.
const STRIDES: [usize; 3] = [1, 2, 4];
/// Results with more elements than this are not folded: each would take a row of partial sums.
const MOST_FOLDED: usize = 4096;
/// Weights, copies included, of a result that is computed several times over.
const MOST_COPIED_WEIGHTS: usize = 1 << 16;
/// Weights of a map that is tried in every folding way.
const MOST_FOLDED_WEIGHTS: usize = 1 << 21;

/// A layout of a result, the grid that it follows, and how it is computed.
pub(super) struct Candidate {
    pub(super) chosen: ChosenMap,
    pub(super) grid: Option<Grid>,
}

/// Layouts of a feature map on grids, among them those that keep to the grid of what is read.
pub(super) fn grids(coordinates: &[Coordinate], from: Option<Grid>) -> Vec<Grid> {
    let (rows, width) = extent(coordinates);
    let mut all = vec![Grid::dense(rows, width)];
    if let Some(grid) = from {
        for stride in STRIDES {
            for shared in [true, false] {
                let next = Grid { gap: grid.gap * stride, shared: shared || grid.gap * stride == 1, ..grid };
                if !all.contains(&next) {
                    all.push(next);
                }
            }
        }
    }
    all
}

/// Everything that is worth a closer look for an affine map; `from` is the grid of its first input.
pub(super) fn candidates(
    terms: &[PackedTerm<'_>],
    coordinates: &[Coordinate],
    from: Option<Grid>,
    context: OpContext,
) -> Vec<Candidate> {
    let [first, ..] = terms else { return Vec::new() };
    let (block, outputs) = (first.from.block(), coordinates.len());
    let mut layouts: Vec<(Layout, Option<Grid>)> = Vec::new();
    let mut add = |layout: Option<Layout>, grid: Option<Grid>| {
        if let Some(layout) = layout.filter(|l| !layouts.iter().any(|(known, _)| known == l)) {
            layouts.push((layout, grid));
        }
    };
    // Where the input is, if the map only weights and adds: residual sums, pooling of one.
    if first.from.elements() == outputs {
        add(Some(first.from.clone()), from);
    }
    let is_map = extent(coordinates) != (1, 1);
    if is_map {
        for grid in grids(coordinates, from) {
            add(grid.layout(coordinates, block), Some(grid));
        }
    }
    add(line(outputs, block), None);
    let weights: usize = terms.iter().map(|t| t.weights.entries()).sum();
    let many = weights > MOST_FOLDED_WEIGHTS;
    // Every copy has rotations and products of its own.
    let affordable = |l: &Layout| weights * block / l.elements().next_power_of_two() <= MOST_COPIED_WEIGHTS;
    let again = |(l, g): &(Layout, Option<Grid>)| Some((repeated(l).filter(|_| affordable(l))?, *g));
    let again: Vec<_> = layouts.iter().filter_map(again).collect();
    layouts.extend(again);
    let of = |(layout, grid)| Some(Candidate { chosen: direct(terms, layout, context)?, grid });
    let mut all: Vec<Candidate> = layouts.into_iter().filter_map(of).collect();
    if outputs <= block.min(MOST_FOLDED) && !many {
        all.extend(folding(terms, outputs, context).into_iter().map(|chosen| Candidate { chosen, grid: None }));
    }
    all
}
