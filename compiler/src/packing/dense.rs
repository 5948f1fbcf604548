//! Maps that add up what lies far apart: partial sums are computed in many positions at once and
//! folded together (the hybrid method of Juvekar et al., GAZELLE, 2018), for dense layers and for
//! few outputs.

use beaa_ir::ckks::{Layout, PackedMap};

use super::offsets::{PackedTerm, chosen};
use super::{Block, ChosenMap};
use crate::cost::ops::{OpContext, RotationCounts, SizedOp, seconds};

/// Maps that are looked at closely.
const TRIED: usize = 8;

/// What the bits of a position's number are for.
struct Bits {
    /// In which positions of elements differ, ascending.
    varying: Vec<u32>,
    /// Bits whose change leads to another copy of the same.
    copies: Vec<u32>,
    /// Bits that are the same for all elements, and not set.
    free: Vec<u32>,
}

impl Bits {
    fn of(layout: &Layout) -> Self {
        let (block, held) = (layout.block(), layout.held());
        let bits = || (0..block.ilog2()).map(|b| 1_u32 << b);
        let is_copy = |bit: u32| (0..held.len()).all(|p| held[p] == held[p ^ bit as usize]);
        let copies: Vec<u32> = bits().filter(|&b| is_copy(b)).collect();
        let set = held.iter().enumerate().filter(|(_, e)| e.is_some()).fold(0, |all, (p, _)| all | (p % block)) as u32;
        let varying = bits().filter(|b| !copies.contains(b) && set & b != 0).collect();
        let free = bits().filter(|b| !copies.contains(b) && set & b == 0).collect();
        Self { varying, copies, free }
    }
}

/// Where the bits of an output's number go.
#[derive(Clone, Copy)]
struct Split {
    /// To the lowest bits of the inputs' own positions: each input is rotated to so many of them.
    low: usize,
    /// To bits of copies: every copy serves an output.
    copies: usize,
    /// To free bits: the input is rotated there.
    free: usize,
    /// Whether all positions are added up, so that the result repeats.
    everywhere: bool,
}

/// Folding maps to `outputs` elements, the most promising ones.
pub(super) fn folding(terms: &[PackedTerm<'_>], outputs: usize, context: OpContext) -> Vec<ChosenMap> {
    let [first, ..] = terms else { return Vec::new() };
    let (positions, bits) = (first.from.block(), Bits::of(first.from));
    let block = Block { positions, images: context.degree / positions };
    let needed = outputs.next_power_of_two().ilog2() as usize;
    let mut maps: Vec<(f64, PackedMap)> = Vec::new();
    for low in 0..=needed.min(bits.varying.len()) {
        for free in 0..=(needed - low).min(bits.free.len()) {
            let copies = needed - low - free;
            if copies > bits.copies.len() {
                continue;
            }
            for everywhere in [false, true] {
                let split = Split { low, copies, free, everywhere };
                let Some(map) = bits.map(split, outputs, block) else { continue };
                let steps = (map.offsets.len() as f64).sqrt().ceil() as usize;
                let counts = RotationCounts {
                    decomposed: 1,
                    babies: steps,
                    products: map.offsets.len() * first.from.ciphertexts(),
                    sums: steps,
                    giants: steps - 1,
                    outputs: 1,
                    folds: map.folds.len(),
                    images: map.images,
                };
                maps.push((seconds(SizedOp::Rotations(counts), context), map));
            }
        }
    }
    maps.sort_by(|a, b| a.0.total_cmp(&b.0));
    maps.into_iter().filter_map(|(_, map)| chosen(terms, map, context)).take(TRIED).collect()
}

impl Bits {
    /// The map of a split; none where the lowest bits are not the inputs' own, or where outputs
    /// that are set apart, or images, would be added up.
    fn map(&self, split: Split, outputs: usize, block: Block) -> Option<PackedMap> {
        let Split { low, copies, free, everywhere } = split;
        // What is added up everywhere comes from beyond the block, too.
        if everywhere && (copies + free > 0 || block.images > 1)
            || (0..low).any(|b| self.varying.get(b) != Some(&(1 << b)))
        {
            return None;
        }
        let targets: Vec<u32> = [&self.varying[..low], &self.copies[..copies], &self.free[..free]].concat();
        let position = |number: u32| {
            let bits = targets.iter().enumerate().filter(|(k, _)| number >> k & 1 == 1);
            bits.map(|(_, bit)| bit).sum::<u32>()
        };
        let mut held = vec![None; block.positions];
        (0..outputs as u32).for_each(|o| held[position(o) as usize] = Some(o));
        let mut folds: Vec<u32> = self.varying[low..].to_vec();
        if everywhere {
            folds.extend(self.copies.iter().chain(&self.free));
            let period = 1 << low;
            held = (0..block.positions).map(|p| held[p % period]).collect();
        }
        folds.sort_unstable_by(|a, b| b.cmp(a));
        // An input is moved back from where its output is, to one of the outputs that share it.
        let mut offsets: Vec<i32> = Vec::new();
        for number in 0..1_u32 << free {
            let back = self.free[..free].iter().enumerate().filter(|(k, _)| number >> k & 1 == 1);
            let back: u32 = back.map(|(_, bit)| bit).sum();
            if position(number << (low + copies)) == back && ((number as usize) << (low + copies)) < outputs {
                offsets.extend((0..1_i32 << low).map(|d| d - back as i32));
            }
        }
        let layout = Layout::new(block.positions, outputs, held).ok()?;
        Some(PackedMap { folds, ..block.map(layout, offsets) })
    }
}
