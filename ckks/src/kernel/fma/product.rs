//! Integer-matrix products with fused multiply-and-add of doubles.
//!
//! Exactness. An integer below 2^53 in absolute value is a double, and a fused multiply-and-add
//! whose exact result is such an integer returns it. Sums start from a reduced one and run over so
//! many columns that with the bias they stay below 2^53 ([`Panels::double_reduction_interval`]);
//! then they are reduced. Residues are shifted by `h = (q - 1) / 2` rather than centred one by one;
//! the sum then lacks `h sum w`, which is `-sum w / 2` modulo q or, for an odd sum, `h - (sum w -
//! 1) / 2`.

use std::slice::Chunks;

use pulp::{Simd, WithSimd};

use super::field::Field;
#[cfg(doc)]
use crate::kernel::Panels;
use crate::kernel::layout::{SLOT_GROUP, TILE};
use crate::kernel::packed_weights::Panel;
use crate::kernel::singleton_rows::SingletonRows;
use crate::kernel::{ProductInput, ProductWorkspace, TileProduct};
use crate::ring::modulus::Modulus;

const GROUPS: usize = TILE / SLOT_GROUP;
/// Columns of a group whose slots stay in the first-level cache while all panels read them.
const BLOCK: usize = 64;

/// One tile of a product.
pub(super) struct Multiply<'a> {
    q: Modulus,
    product: &'a TileProduct<'a>,
    /// Columns that may be summed before a reduction.
    interval: usize,
    inputs: &'a mut [[f64; TILE]],
    sums: &'a mut [[f64; SLOT_GROUP]],
    output: &'a mut [u64],
}

impl<'a> Multiply<'a> {
    pub(super) fn new(
        q: Modulus,
        product: &'a TileProduct<'a>,
        interval: usize,
        workspace: &'a mut ProductWorkspace,
        output: &'a mut [u64],
    ) -> Self {
        let (columns, sums) = (product.panels.columns(), product.panels.rows() * GROUPS);
        workspace.reserve_doubles(columns, sums);
        let ProductWorkspace { doubles, double_sums, .. } = workspace;
        Self { q, product, interval, inputs: &mut doubles[..columns], sums: &mut double_sums[..sums], output }
    }
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { q, product, interval, inputs, sums, output } = self;
        let panels = product.panels;
        product.write_rows_without_product(output);
        let f = Field::new(simd, q);
        for component in 0..product.input_components {
            let shifted = match product.input {
                ProductInput::Plain(words) => {
                    let tiles = words.as_chunks::<TILE>().0;
                    arrange(&f, tiles.iter().skip(component).step_by(product.input_components), inputs);
                    true
                }
                ProductInput::Square(words) => {
                    arrange_squares(&f, component, words, inputs);
                    false
                }
            };
            let terms = Terms {
                f,
                inputs,
                interval: interval.min(BLOCK),
                // Sums of several intervals are reduced in between when not all of them fit.
                reduce: interval < panels.columns(),
            };
            for group in panels.groups() {
                for (part, columns) in group.columns.chunks(BLOCK).enumerate() {
                    let block = Block { columns, first: part * BLOCK, accumulates: part > 0 || group.accumulates };
                    for panel in &group.panels {
                        terms.add_panel(panel, block, sums);
                    }
                }
            }
            if SLOT_GROUP == 2 * S::F64_LANES {
                terms.add_singletons::<{ TILE / 4 }>(panels.singletons(), sums);
            } else {
                terms.add_singletons::<{ TILE / 2 }>(panels.singletons(), sums);
            }
            let constant = |row: u32, total: i64| {
                let bias = if component == 0 { q.centre(product.bias_of(row)) } else { 0 };
                bias + if shifted { shortfall(q, total) } else { 0 }
            };
            for panel in panels.groups().iter().filter(|g| !g.accumulates).flat_map(|g| &g.panels) {
                let height = panel.rows.len();
                let panel_sums = &sums[panel.first_sum * GROUPS..(panel.first_sum + height) * GROUPS];
                for (lane, (&row, &total)) in panel.rows.iter().zip(&panel.totals).enumerate() {
                    let row_sums = panel_sums.iter().skip(lane).step_by(height);
                    let out = &mut output[product.output_range(row, component)];
                    finish(&f, row_sums, constant(row, total), product.accumulates, out);
                }
            }
            for row in panels.singletons().rows() {
                let row_sums = &sums[row.sum_index * GROUPS..(row.sum_index + 1) * GROUPS];
                let out = &mut output[product.output_range(row.row, component)];
                finish(&f, row_sums.iter(), constant(row.row, row.total), product.accumulates, out);
            }
        }
    }
}

/// What a sum over residues shifted by h lacks, modulo q.
fn shortfall(q: Modulus, total: i64) -> i64 {
    if total % 2 == 0 { -total / 2 } else { (q.value() / 2).cast_signed() - (total - 1) / 2 }
}

/// The tiles of one component as doubles, each less by h.
#[inline(always)]
fn arrange<'a, S: Simd>(f: &Field<S>, tiles: impl Iterator<Item = &'a [u64; TILE]>, inputs: &mut [[f64; TILE]]) {
    for (from, to) in tiles.zip(inputs) {
        for (to, &from) in S::as_mut_simd_f64s(to).0.iter_mut().zip(S::as_simd_u64s(from).0) {
            *to = f.shifted(from);
        }
    }
}

/// One component of the squares of ciphertexts of two.
#[inline(always)]
fn arrange_squares<S: Simd>(f: &Field<S>, component: usize, words: &[u64], inputs: &mut [[f64; TILE]]) {
    for (pair, to) in words.as_chunks::<{ 2 * TILE }>().0.iter().zip(inputs) {
        let (a, b) = pair.split_at(TILE);
        let (a, b) = (S::as_simd_u64s(a).0, S::as_simd_u64s(b).0);
        for ((&a, &b), to) in a.iter().zip(b).zip(S::as_mut_simd_f64s(to).0) {
            *to = match component {
                0 => f.square(f.centred(a)),
                1 => f.twice(f.multiply(f.centred(a), f.centred(b))),
                _ => f.square(f.centred(b)),
            };
        }
    }
}

/// Some of a group's columns, one after the other.
#[derive(Clone, Copy)]
struct Block<'a> {
    columns: &'a [u32],
    /// Columns of the group before these.
    first: usize,
    /// Whether the rows' sums have begun.
    accumulates: bool,
}

/// What all rows share while one component is worked on.
struct Terms<'a, S: Simd> {
    f: Field<S>,
    inputs: &'a [[f64; TILE]],
    interval: usize,
    reduce: bool,
}

impl<S: Simd> Terms<'_, S> {
    #[inline(always)]
    fn add_panel(&self, panel: &Panel, block: Block<'_>, sums: &mut [[f64; SLOT_GROUP]]) {
        match panel.rows.len() {
            1 => self.add_rows::<1>(panel, block, sums),
            2 => self.add_rows::<2>(panel, block, sums),
            3 => self.add_rows::<3>(panel, block, sums),
            4 => self.add_rows::<4>(panel, block, sums),
            5 => self.add_rows::<5>(panel, block, sums),
            6 => self.add_rows::<6>(panel, block, sums),
            rows => unreachable!("a panel of {rows} rows"),
        }
    }

    #[inline(always)]
    fn add_rows<const R: usize>(&self, panel: &Panel, block: Block<'_>, sums: &mut [[f64; SLOT_GROUP]]) {
        let weights = &panel.weights.as_chunks::<R>().0[block.first..block.first + block.columns.len()];
        let sums = &mut sums[panel.first_sum * GROUPS..(panel.first_sum + R) * GROUPS];
        let columns = block.columns.chunks(self.interval);
        for (group, sums) in sums.as_chunks_mut::<R>().0.iter_mut().enumerate() {
            if SLOT_GROUP == 2 * S::F64_LANES {
                self.add_slots::<R, 2>(weights, columns.clone(), group, block.accumulates, sums);
            } else {
                self.add_slots::<R, 4>(weights, columns.clone(), group, block.accumulates, sums);
            }
        }
    }

    /// One group of slots of R rows, V vectors wide.
    #[inline(always)]
    fn add_slots<const R: usize, const V: usize>(
        &self,
        weights: &[[u64; R]],
        intervals: Chunks<'_, u32>,
        group: usize,
        accumulates: bool,
        sums: &mut [[f64; SLOT_GROUP]; R],
    ) {
        let f = &self.f;
        let mut local = [[f.zero; V]; R];
        if accumulates {
            for (local, sums) in local.iter_mut().zip(&*sums) {
                for (l, &s) in local.iter_mut().zip(S::as_simd_f64s(sums).0) {
                    *l = if self.reduce { f.reduce(s) } else { s };
                }
            }
        }
        let inputs = self.inputs.as_flattened().as_chunks::<SLOT_GROUP>().0;
        let mut weights = weights.iter();
        for (number, columns) in intervals.enumerate() {
            if number > 0 {
                for l in local.as_flattened_mut() {
                    *l = f.reduce(*l);
                }
            }
            for (&column, weights) in columns.iter().zip(&mut weights) {
                let x = S::as_simd_f64s(&inputs[column as usize * GROUPS + group]).0;
                for (row, &w) in local.iter_mut().zip(weights) {
                    let w = f.simd.splat_f64s(f64::from_bits(w));
                    for (s, &x) in row.iter_mut().zip(x) {
                        *s = f.simd.mul_add_e_f64s(x, w, *s);
                    }
                }
            }
        }
        for (local, sums) in local.iter().zip(sums) {
            for (s, &l) in S::as_mut_simd_f64s(sums).0.iter_mut().zip(local) {
                *s = l;
            }
        }
    }

    /// Rows that share their columns with no other: all slots at once, so that a weight is read
    /// once.
    #[inline(always)]
    fn add_singletons<const V: usize>(&self, singletons: &SingletonRows, sums: &mut [[f64; SLOT_GROUP]]) {
        let f = &self.f;
        for segment in singletons.segments() {
            let sums = &mut sums[segment.sum_index * GROUPS..(segment.sum_index + 1) * GROUPS];
            let sums = S::as_mut_simd_f64s(sums.as_flattened_mut()).0;
            let mut local = [f.zero; V];
            if segment.accumulates {
                for (l, s) in local.iter_mut().zip(&*sums) {
                    *l = if self.reduce { f.reduce(*s) } else { *s };
                }
            }
            let intervals = segment.columns.chunks(self.interval).zip(segment.weights.chunks(self.interval));
            for (number, (columns, weights)) in intervals.enumerate() {
                if number > 0 && self.reduce {
                    for l in &mut local {
                        *l = f.reduce(*l);
                    }
                }
                for (&column, &w) in columns.iter().zip(weights) {
                    let w = f.simd.splat_f64s(f64::from_bits(w));
                    for (l, &x) in local.iter_mut().zip(S::as_simd_f64s(&self.inputs[column as usize]).0) {
                        *l = f.simd.mul_add_e_f64s(x, w, *l);
                    }
                }
            }
            for (s, l) in sums.iter_mut().zip(&local) {
                *s = *l;
            }
        }
    }
}

/// One row's sums, group of slots by group of slots, as residues.
#[inline(always)]
fn finish<'a, S: Simd>(
    f: &Field<S>,
    sums: impl Iterator<Item = &'a [f64; SLOT_GROUP]>,
    constant: i64,
    keep: bool,
    out: &mut [u64],
) {
    let constant = f.simd.splat_f64s(constant as f64);
    for (out, sums) in out.as_chunks_mut::<SLOT_GROUP>().0.iter_mut().zip(sums) {
        for (out, &sum) in S::as_mut_simd_u64s(out).0.iter_mut().zip(S::as_simd_f64s(sums).0) {
            let mut x = f.simd.add_f64s(sum, constant);
            if keep {
                x = f.simd.add_f64s(x, f.centred(*out));
            }
            *out = f.canonical(f.reduce(x));
        }
    }
}
