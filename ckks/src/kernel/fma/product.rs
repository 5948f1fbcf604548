//! Integer-matrix products with fused multiply-and-add of doubles. Weights are small, so every sum is an exact integer.
//! Must never let one reach 2^53.
//!
//! Exactness. An integer below 2^53 in absolute value is a double, and a fused multiply-and-add whose exact result is
//! such an integer returns it. Sums start from a reduced one and run over so many columns that with the bias they stay
//! below 2^53 ([`Panels::run`]); then they are reduced. Residues are shifted by `h = (q - 1) / 2` rather than centred one by
//! one; the sum then lacks `h sum w`, which is `-sum w / 2` modulo q or, for an odd sum, `h - (sum w - 1) / 2`.

use std::slice::Chunks;

use pulp::{Simd, WithSimd};

use super::field::{Field, dispatch};
use crate::kernel::packed_weights::{PANEL_ROWS, Panel};
use crate::kernel::portable::{bias, write_empty_rows};
use crate::kernel::singleton_rows::SingletonRows;
use crate::kernel::{Input, Panels, ProductWorkspace, Rows, TILE};
use crate::ring::modulus::Modulus;

/// Slots worked on together: two vectors of AVX2, four of NEON, so that six rows fill the registers.
pub(crate) const GROUP: usize = 8;
const GROUPS: usize = TILE / GROUP;
/// Columns of a group whose slots stay in the first-level cache while all panels read them.
const BLOCK: usize = 64;
/// One tile of a product; see [`crate::kernel::multiply`].
pub(crate) fn multiply(
    q: Modulus,
    panels: &Panels,
    input: Input<'_>,
    rows: &Rows<'_>,
    scratch: &mut ProductWorkspace,
    output: &mut [u64],
) {
    write_empty_rows(panels, rows, output);
    let Some(run) = panels.run(q) else { return };
    scratch.reserve(panels.columns(), panels.rows() * GROUPS);
    dispatch(Multiply { q, panels, input, rows, scratch, output, run });
}

struct Multiply<'a> {
    q: Modulus,
    panels: &'a Panels,
    input: Input<'a>,
    rows: &'a Rows<'a>,
    scratch: &'a mut ProductWorkspace,
    output: &'a mut [u64],
    /// Columns that may be summed before a reduction.
    run: usize,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { q, panels, input, rows, scratch, output, run } = self;
        let f = Field::new(simd, q);
        let ProductWorkspace { x, sums, .. } = scratch;
        let x = x.get_mut(..panels.columns()).unwrap_or_default();
        for component in 0..rows.input_components {
            let shifted = match input {
                Input::Plain(input) => {
                    arrange(&f, (rows.input_components, component), input, x);
                    true
                }
                Input::Square(input) => {
                    arrange_squares(&f, component, input, x);
                    false
                }
            };
            // Sums of several runs are reduced in between when not all of them fit.
            let several = run < panels.columns();
            let run = run.min(BLOCK);
            for group in &panels.groups {
                for (part, columns) in group.columns.chunks(BLOCK).enumerate() {
                    let start =
                        if part == 0 && !group.accumulates { Start::Zero } else { Start::Sum { reduce: several } };
                    let first = part * BLOCK;
                    for panel in &group.panels {
                        dot(&f, panel, first, columns.chunks(run), x, sums, start);
                    }
                }
            }
            if GROUP == 2 * S::F64_LANES {
                single_rows::<S, { TILE / 4 }>(&f, &panels.singletons, x, (run, several), sums);
            } else {
                single_rows::<S, { TILE / 2 }>(&f, &panels.singletons, x, (run, several), sums);
            }
            let constant = |row: u32, total: i64| {
                let bias = if component == 0 { q.centre(bias(rows, row)) } else { 0 };
                bias + if shifted { shortfall(q, total) } else { 0 }
            };
            let place = |row: u32| {
                let start = (row as usize * rows.output_components + component) * TILE;
                start..start + TILE
            };
            for panel in panels.groups.iter().filter(|g| !g.accumulates).flat_map(|g| &g.panels) {
                for (lane, (&row, &total)) in panel.rows.iter().zip(&panel.totals).enumerate() {
                    let own = sums.get(panel.start * GROUPS..).unwrap_or_default().iter().skip(lane);
                    let Some(out) = output.get_mut(place(row)) else { continue };
                    finish(&f, own.step_by(panel.rows.len()), constant(row, total), rows.accumulate, out);
                }
            }
            for row in &panels.singletons.rows {
                let own = sums.get(row.place * GROUPS..(row.place + 1) * GROUPS).unwrap_or_default();
                let Some(out) = output.get_mut(place(row.row)) else { continue };
                finish(&f, own.iter(), constant(row.row, row.total), rows.accumulate, out);
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
fn arrange<S: Simd>(f: &Field<S>, (components, component): (usize, usize), input: &[u64], x: &mut [[f64; TILE]]) {
    let tiles = input.as_chunks::<TILE>().0.iter().skip(component).step_by(components);
    for (from, to) in tiles.zip(x) {
        for (to, &from) in S::as_mut_simd_f64s(to).0.iter_mut().zip(S::as_simd_u64s(from).0) {
            *to = f.shifted(from);
        }
    }
}

/// One component of the squares of ciphertexts of two.
#[inline(always)]
fn arrange_squares<S: Simd>(f: &Field<S>, component: usize, input: &[u64], x: &mut [[f64; TILE]]) {
    for (pair, to) in input.as_chunks::<{ 2 * TILE }>().0.iter().zip(x) {
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

/// What a block's sums start from.
#[derive(Clone, Copy)]
enum Start {
    Zero,
    Sum { reduce: bool },
}

#[inline(always)]
fn dot<S: Simd>(
    f: &Field<S>,
    panel: &Panel,
    first: usize,
    runs: Chunks<'_, u32>,
    x: &[[f64; TILE]],
    sums: &mut [[f64; GROUP]],
    start: Start,
) {
    match panel.rows.len() {
        1 => dot_rows::<S, 1>(f, panel, first, runs, x, sums, start),
        2 => dot_rows::<S, 2>(f, panel, first, runs, x, sums, start),
        3 => dot_rows::<S, 3>(f, panel, first, runs, x, sums, start),
        4 => dot_rows::<S, 4>(f, panel, first, runs, x, sums, start),
        5 => dot_rows::<S, 5>(f, panel, first, runs, x, sums, start),
        _ => dot_rows::<S, PANEL_ROWS>(f, panel, first, runs, x, sums, start),
    }
}

#[inline(always)]
fn dot_rows<S: Simd, const R: usize>(
    f: &Field<S>,
    panel: &Panel,
    first: usize,
    runs: Chunks<'_, u32>,
    x: &[[f64; TILE]],
    sums: &mut [[f64; GROUP]],
    start: Start,
) {
    let weights = panel.weights.as_chunks::<R>().0.get(first..).unwrap_or_default();
    let sums = sums.get_mut(panel.start * GROUPS..).unwrap_or_default();
    for (group, sums) in sums.as_chunks_mut::<R>().0.iter_mut().take(GROUPS).enumerate() {
        if GROUP == 2 * S::F64_LANES {
            dot_vectors::<S, R, 2>(f, weights, runs.clone(), (x, group), sums, start);
        } else {
            dot_vectors::<S, R, 4>(f, weights, runs.clone(), (x, group), sums, start);
        }
    }
}

#[inline(always)]
fn dot_vectors<S: Simd, const R: usize, const V: usize>(
    f: &Field<S>,
    weights: &[[u64; R]],
    runs: Chunks<'_, u32>,
    (x, group): (&[[f64; TILE]], usize),
    sums: &mut [[f64; GROUP]; R],
    start: Start,
) {
    let mut local = [[f.zero; V]; R];
    if let Start::Sum { reduce } = start {
        for (local, sums) in local.iter_mut().zip(&*sums) {
            for (l, &s) in local.iter_mut().zip(S::as_simd_f64s(sums).0) {
                *l = if reduce { f.reduce(s) } else { s };
            }
        }
    }
    let x = x.as_flattened().get(group * GROUP..).unwrap_or_default();
    let mut weights = weights.iter();
    for (number, columns) in runs.enumerate() {
        if number > 0 {
            for l in local.as_flattened_mut() {
                *l = f.reduce(*l);
            }
        }
        for (&column, weights) in columns.iter().zip(&mut weights) {
            let Some(x) = x.get(column as usize * TILE..).and_then(<[f64]>::first_chunk::<GROUP>) else { continue };
            let Some(x) = S::as_simd_f64s(x).0.first_chunk::<V>() else { continue };
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

/// Rows that share their columns with no other: all slots at once, so that a weight is read once.
#[inline(always)]
fn single_rows<S: Simd, const V: usize>(
    f: &Field<S>,
    singletons: &SingletonRows,
    x: &[[f64; TILE]],
    (run, several): (usize, bool),
    sums: &mut [[f64; GROUP]],
) {
    for (segment, weights) in singletons.segments() {
        let Some(sums) = sums.get_mut(segment.place * GROUPS..(segment.place + 1) * GROUPS) else { continue };
        let sums = S::as_mut_simd_f64s(sums.as_flattened_mut()).0;
        let mut local = [f.zero; V];
        if segment.accumulates {
            for (l, s) in local.iter_mut().zip(&*sums) {
                *l = if several { f.reduce(*s) } else { *s };
            }
        }
        let columns = singletons.columns_of(segment);
        for (part, (columns, weights)) in columns.chunks(run).zip(weights.chunks(run)).enumerate() {
            if part > 0 && several {
                for l in &mut local {
                    *l = f.reduce(*l);
                }
            }
            for (&column, &w) in columns.iter().zip(weights) {
                let Some(x) = x.get(column as usize) else { continue };
                let w = f.simd.splat_f64s(f64::from_bits(w));
                for (l, &x) in local.iter_mut().zip(S::as_simd_f64s(x).0) {
                    *l = f.simd.mul_add_e_f64s(x, w, *l);
                }
            }
        }
        for (s, l) in sums.iter_mut().zip(&local) {
            *s = *l;
        }
    }
}

/// One row's sums, group of slots by group of slots, as residues.
#[inline(always)]
fn finish<'a, S: Simd>(
    f: &Field<S>,
    sums: impl Iterator<Item = &'a [f64; GROUP]>,
    constant: i64,
    keep: bool,
    out: &mut [u64],
) {
    let constant = f.simd.splat_f64s(constant as f64);
    for (out, sums) in out.as_chunks_mut::<GROUP>().0.iter_mut().zip(sums) {
        for (out, &sum) in S::as_mut_simd_u64s(out).0.iter_mut().zip(S::as_simd_f64s(sums).0) {
            let mut x = f.simd.add_f64s(sum, constant);
            if keep {
                x = f.simd.add_f64s(x, f.centred(*out));
            }
            *out = f.canonical(f.reduce(x));
        }
    }
}
