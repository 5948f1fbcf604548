//! By which offsets weights meet their inputs between two layouts, and how many rotations and
//! products these come to with the best giant step.

use std::collections::{BTreeMap, BTreeSet};

use beaa_ir::ckks::{Layout, PackedMap, Place};

use super::ChosenMap;
use crate::cost::ops::{OpContext, RotationCounts, SizedOp, seconds};
use crate::network::matrix::Matrix;

/// More different offsets than this are never worth their constants.
const MOST_OFFSETS: usize = 1 << 13;

/// One term of an affine map: its weights, and where its input is.
pub(super) struct PackedTerm<'a> {
    pub(super) from: &'a Layout,
    /// Whether positions that hold no element are zero.
    pub(super) clean: bool,
    pub(super) weights: &'a Matrix,
}

/// The map to `layout` without folds: every position of the result sums all of its products.
pub(super) fn direct(terms: &[PackedTerm<'_>], layout: Layout, context: OpContext) -> Option<ChosenMap> {
    let block = layout.block();
    let images = context.degree / block;
    // Where images have neighbours, an offset to the left is another than one to the right.
    let signed = images > 1;
    // By how many weights each offset can be used; of several, the most popular one is taken.
    let mut usable = vec![0_u32; 2 * block];
    let each = |visit: &mut dyn FnMut(usize, &[u32])| {
        for term in terms {
            let positions = positions_of(term.from);
            let held = layout.held().iter().enumerate();
            for (position, element) in held.filter_map(|(p, e)| e.map(|e| (p, e as usize))) {
                for &column in term.weights.columns_of(element) {
                    visit(position, &positions[column as usize]);
                }
            }
        }
    };
    // From `-block` on.
    let offset = |from: u32, position: usize| {
        let up = from as usize + block - position % block;
        if signed { up } else { up % block + block }
    };
    each(&mut |position, from| from.iter().for_each(|&q| usable[offset(q, position)] += 1));
    let mut used = vec![0_u32; 2 * block];
    each(&mut |position, from| {
        let best = from.iter().map(|&q| offset(q, position)).max_by_key(|&d| (usable[d], std::cmp::Reverse(d)));
        if let Some(best) = best {
            used[best] += 1;
        }
    });
    let mut offsets: Vec<usize> = (0..2 * block).filter(|&d| used[d] > 0).collect();
    offsets.sort_by_key(|&d| (std::cmp::Reverse(used[d]), d));
    let offsets = offsets.into_iter().map(|d| d as i32 - block as i32).collect();
    let map = PackedMap { layout, images, offsets, giant: 1, folds: Vec::new(), unmasked: false };
    chosen(terms, map, context)
}

/// Positions within a ciphertext of each element.
fn positions_of(layout: &Layout) -> Vec<Vec<u32>> {
    let mut positions = vec![Vec::new(); layout.elements()];
    for (position, element) in layout.held().iter().enumerate() {
        if let Some(element) = element {
            positions[*element as usize].push((position % layout.block()) as u32);
        }
    }
    positions
}

/// The map with those of its offsets that weights use, and the giant step of least cost; none where
/// a weight does not meet its input, or folds mix elements.
pub(super) fn chosen(terms: &[PackedTerm<'_>], mut map: PackedMap, context: OpContext) -> Option<ChosenMap> {
    map.check().ok()?;
    if map.offsets.len() > MOST_OFFSETS {
        return None;
    }
    let mut used: BTreeMap<(i32, usize, u32, u32), usize> = BTreeMap::new();
    for (t, term) in terms.iter().enumerate() {
        let row = |r: usize| term.weights.columns_of(r);
        map.locate(term.from, row, |_, _, Place { input, output, offset, .. }| {
            *used.entry((offset, t, input, output)).or_default() += 1;
        })
        .ok()?;
    }
    map.unmasked = needs_no_masks(terms, &map, &used);
    let used: BTreeSet<(i32, usize, u32, u32)> = used.into_keys().collect();
    let offsets: BTreeSet<i32> = used.iter().map(|u| u.0).collect();
    map.offsets.retain(|d| offsets.contains(d));
    let mut best: Option<(f64, u32, RotationCounts)> = None;
    for giant in (0..=map.layout.block().ilog2()).map(|bits| 1 << bits) {
        map.giant = giant;
        let counts = count(&map, &used);
        let cost = seconds(SizedOp::Rotations(counts), context);
        if best.is_none_or(|(least, ..)| cost < least) {
            best = Some((cost, giant, counts));
        }
    }
    let (_, giant, counts) = best?;
    map.giant = giant;
    Some(ChosenMap { map, counts })
}

/// Whether every diagonal has one weight, at all positions that hold elements of the result:
/// `used` says for each of them at how many.
fn needs_no_masks(terms: &[PackedTerm<'_>], map: &PackedMap, used: &BTreeMap<(i32, usize, u32, u32), usize>) -> bool {
    let [term] = terms else { return false };
    let held: Vec<usize> =
        (0..map.layout.ciphertexts()).map(|c| map.layout.of_ciphertext(c).iter().flatten().count()).collect();
    let everywhere = || used.iter().all(|(&(.., output), &count)| count == held[output as usize]);
    term.clean && map.folds.is_empty() && term.weights.all_equal() && everywhere()
}

/// Rotations and products; `used` are offset, term, input and output of every diagonal.
fn count(map: &PackedMap, used: &BTreeSet<(i32, usize, u32, u32)>) -> RotationCounts {
    let (mut babies, mut giants) = (BTreeSet::new(), BTreeSet::new());
    for &(offset, term, input, output) in used {
        let (baby, giant) = map.steps(offset);
        babies.insert((term, input, baby));
        giants.insert((output, giant));
    }
    let rotated: BTreeSet<(usize, u32)> = babies.iter().filter(|b| b.2 != 0).map(|b| (b.0, b.1)).collect();
    RotationCounts {
        decomposed: rotated.len(),
        babies: babies.iter().filter(|b| b.2 != 0).count(),
        products: used.len(),
        sums: giants.len(),
        giants: giants.iter().filter(|g| g.1 != 0).count(),
        outputs: map.layout.ciphertexts(),
        folds: map.folds.len(),
        images: map.images,
    }
}
