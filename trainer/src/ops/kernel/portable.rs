//! The products in plain Rust: what they mean, and what other processors compute.

use super::{Checked, Dot, Outer, Tile};

pub(super) fn dot(Checked(product): Checked<'_, Dot<'_>>, tile: &mut Tile) {
    let Dot { source, rows, segments, run, panel, width } = *product;
    for (sums, &row) in tile.iter_mut().zip(rows) {
        sums.fill(0.0);
        for (&segment, lines) in segments.iter().zip(panel.chunks(run * width)) {
            let from = &source[row + segment..];
            for (x, line) in from.iter().zip(lines.chunks(width)) {
                sums.iter_mut().zip(line).for_each(|(s, y)| *s += x * y);
            }
        }
    }
}

pub(super) fn outer(Checked(product): Checked<'_, Outer<'_>>, tile: &mut Tile) {
    let Outer { left, left_at, left_from, right, right_at, right_from, width } = *product;
    tile.iter_mut().for_each(|sums| sums.fill(0.0));
    for (&a, &b) in left_at.all.iter().zip(&right_at.all) {
        let left = &left[a as usize + left_from..];
        let right = &right[b as usize + right_from..][..width];
        for (sums, x) in tile.iter_mut().zip(left) {
            sums.iter_mut().zip(right).for_each(|(s, y)| *s += x * y);
        }
    }
}
