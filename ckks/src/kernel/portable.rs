//! The path for any processor, and the definition of what the others compute. Must never use an instruction that the
//! target does not guarantee.

use super::{Panels, Rows, TILE, TwistFactors};
use crate::ring::modulus::{Factor, Modulus};

pub(super) fn multiply(q: Modulus, panels: &Panels, input: &[u64], rows: &Rows<'_>, output: &mut [u64]) {
    write_empty_rows(panels, rows, output);
    for group in &panels.groups {
        let offset = group.offset.cast_signed();
        for panel in &group.panels {
            for (lane, &row) in panel.rows.iter().enumerate() {
                let weights = panel.weights.iter().skip(lane).step_by(panel.rows.len());
                let products = weights.map(|&w| panels.weight(w) - offset).zip(&group.columns);
                multiply_row(q, panels, input, rows, (row, group.accumulates), products, output);
            }
        }
    }
    for (segment, weights) in panels.singletons.segments() {
        let columns = panels.singletons.columns_of(segment);
        let products = weights.iter().map(|&w| panels.weight(w)).zip(columns);
        multiply_row(q, panels, input, rows, (segment.row, segment.accumulates), products, output);
    }
}

/// Some of one row's products, the first ones or added to what earlier ones have left.
fn multiply_row<'a>(
    q: Modulus,
    panels: &Panels,
    input: &[u64],
    rows: &Rows<'_>,
    (row, accumulates): (u32, bool),
    products: impl Iterator<Item = (i64, &'a u32)> + Clone,
    output: &mut [u64],
) {
    for component in 0..rows.input_components {
        let tile = |column: u32| {
            let start = (column as usize * rows.input_components + component) * TILE;
            input.get(start..start + TILE).unwrap_or_default()
        };
        let start = (row as usize * rows.output_components + component) * TILE;
        let Some(out) = output.get_mut(start..start + TILE) else { continue };
        let base = if component == 0 && !accumulates { bias(rows, row) } else { 0 };
        let keep = rows.accumulate || accumulates;
        if panels.fits_64_bits(q) {
            let mut sums = [0_i64; TILE];
            for (w, &column) in products.clone() {
                for (s, &x) in sums.iter_mut().zip(tile(column)) {
                    *s += w * x.cast_signed();
                }
            }
            finish(q, &sums, base, keep, out, |s| q.reduce_i64(s));
        } else {
            let mut sums = [0_i128; TILE];
            for (w, &column) in products.clone() {
                for (s, &x) in sums.iter_mut().zip(tile(column)) {
                    *s += i128::from(w) * i128::from(x);
                }
            }
            finish(q, &sums, base, keep, out, |s| q.reduce_i128(s));
        }
    }
}

/// Rows without weights hold their bias alone; components that an input lacks are zero. Shared by all paths.
pub(super) fn write_empty_rows(panels: &Panels, rows: &Rows<'_>, output: &mut [u64]) {
    if rows.accumulate {
        return;
    }
    for &row in &panels.empty_rows {
        for component in 0..rows.output_components {
            let start = (row as usize * rows.output_components + component) * TILE;
            if let Some(out) = output.get_mut(start..start + TILE) {
                out.fill(if component == 0 { bias(rows, row) } else { 0 });
            }
        }
    }
    for component in rows.input_components..rows.output_components {
        for row in 0..panels.rows() {
            let start = (row * rows.output_components + component) * TILE;
            if let Some(out) = output.get_mut(start..start + TILE) {
                out.fill(0);
            }
        }
    }
}

pub(super) fn bias(rows: &Rows<'_>, row: u32) -> u64 {
    rows.bias.get(row as usize).copied().unwrap_or(0)
}

fn finish<S: Copy>(q: Modulus, sums: &[S; TILE], base: u64, keep: bool, out: &mut [u64], reduce: impl Fn(S) -> u64) {
    for (o, &s) in out.iter_mut().zip(sums) {
        let start = if keep { q.add(base, *o) } else { base };
        *o = q.add(reduce(s), start);
    }
}

pub(super) fn square(q: Modulus, input: &[u64], output: &mut [u64]) {
    for (x, y) in input.chunks_exact(2 * TILE).zip(output.chunks_exact_mut(3 * TILE)) {
        let (x0, x1) = x.split_at(TILE);
        let (y0, rest) = y.split_at_mut(TILE);
        let (y1, y2) = rest.split_at_mut(TILE);
        for ((((&a, &b), y0), y1), y2) in x0.iter().zip(x1).zip(y0).zip(y1).zip(y2) {
            let cross = q.mul(a, b);
            (*y0, *y1, *y2) = (q.mul(a, a), q.add(cross, cross), q.mul(b, b));
        }
    }
}

pub(super) fn multiply_add(q: Modulus, accumulator: &mut [u64], a: &[u64], b: &[u64]) {
    for ((s, &x), &y) in accumulator.iter_mut().zip(a).zip(b) {
        *s = q.reduce_u128(u128::from(x) * u128::from(y) + u128::from(*s));
    }
}

/// From coefficient `first` (1 for all) up to its mirror image; coefficient 0 always.
pub(super) fn twist(q: Modulus, table: &TwistFactors, a: &mut [u64], first: usize) {
    let value = |a: &[u64], j: usize| a.get(j).copied().unwrap_or(0);
    let n = a.len();
    let combine =
        |j: usize, x: u64, y: u64| q.add(q.mul_factor(x, table.direct.get(j)), q.mul_factor(y, table.mirrored.get(j)));
    if let Some(constant) = a.first_mut() {
        *constant = combine(0, *constant, 0);
    }
    for j in first..=n / 2 {
        let (x, y) = (value(a, j), value(a, n - j));
        let results = [(j, combine(j, x, y)), (n - j, combine(n - j, y, x))];
        for (at, result) in results {
            if let Some(slot) = a.get_mut(at) {
                *slot = result;
            }
        }
    }
}

pub(super) fn base_extend(p: Modulus, q: Modulus, from: &[u64], to: &mut [u64]) {
    for (o, &c) in to.iter_mut().zip(from) {
        *o = q.reduce_i64(p.centre(c));
    }
}

pub(super) fn mod_down_step(q: Modulus, x: &mut [u64], y: &[u64], factor: Factor) {
    for (x, &y) in x.iter_mut().zip(y) {
        *x = q.mul_factor(q.sub(*x, y), factor);
    }
}

pub(super) fn scale_add_extended((p, q): (Modulus, Modulus), x: &mut [u64], factor: Factor, y: &[u64]) {
    for (x, &y) in x.iter_mut().zip(y) {
        *x = q.add(q.mul_factor(*x, factor), q.reduce_i64(p.centre(y)));
    }
}
