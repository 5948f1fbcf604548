//! The products in plain Rust: what they mean, and what other processors compute.

use super::number::Number;
use super::{Checked, Dot, Outer, Tile};

pub(super) fn dot<T: Number>(Checked(product): Checked<'_, Dot<'_, T>>, tile: &mut Tile) {
    let Dot { source, rows, segments, run, panel, width } = *product;
    for (sums, &row) in tile.iter_mut().zip(rows) {
        sums.fill(0.0);
        for (&segment, lines) in segments.iter().zip(panel.chunks(run * width)) {
            let from = &source[row + segment..];
            for (group, lines) in from.chunks(T::GROUP).zip(lines.chunks(T::GROUP * width)) {
                for (k, x) in group.iter().enumerate() {
                    let line = lines.chunks_exact(T::GROUP).map(|columns| columns[k].value());
                    sums.iter_mut().zip(line).for_each(|(s, y)| *s += x.value() * y);
                }
            }
        }
    }
}

pub(super) fn outer<T: Number>(Checked(product): Checked<'_, Outer<'_, T>>, tile: &mut Tile) {
    let Outer { left, left_at, left_from, right, right_at, right_from, width } = *product;
    for (&a, &b) in left_at.all.iter().zip(&right_at.all) {
        let left = &left[a as usize + left_from..];
        let right = &right[b as usize + right_from..][..width];
        for (sums, x) in tile.iter_mut().zip(left) {
            sums.iter_mut().zip(right).for_each(|(s, y)| *s += x.value() * y.value());
        }
    }
}
