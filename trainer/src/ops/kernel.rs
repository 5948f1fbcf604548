//! Products of small dense blocks, kept in registers: what convolutions spend their time on. Must never read or write outside
//! the slices it is given, whatever the offsets say: each entry point checks the furthest element first.
#![allow(unsafe_code, reason = "vector instructions; every pointer is covered by a length check in the entry point")]

/// Rows of a tile.
pub(super) const ROWS: usize = 8;
/// Columns of a tile, at most.
pub(super) const WIDTH: usize = 32;
/// Columns come in multiples of this.
pub(super) const LANES: usize = 16;

/// A block of results; only the first 16 columns count where the width is 16.
pub(super) type Tile = [[f32; WIDTH]; ROWS];

/// Sets `tile[i][j]` to the sum over segments `s` and `t < run` of
/// `source[rows[i] + segments[s] + t] * panel[(s * run + t) * width + j]`.
///
/// Nothing is computed if an offset leads outside `source` or `panel`; that would be a fault of the caller.
pub(super) fn dot(
    source: &[f32],
    rows: &[usize; ROWS],
    segments: &[usize],
    run: usize,
    panel: &[f32],
    width: usize,
    tile: &mut Tile,
) {
    let furthest = rows.iter().max().zip(segments.iter().max()).map_or(0, |(r, s)| r + s + run);
    let inside = furthest <= source.len() && panel.len() >= segments.len() * run * width;
    debug_assert!(inside && (width == LANES || width == WIDTH));
    if !inside || !(width == LANES || width == WIDTH) {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the instructions, and offsets were checked above.
            unsafe {
                if width == WIDTH {
                    avx512::dot::<2>(source, rows, segments, run, panel, (0, width), tile);
                } else {
                    avx512::dot::<1>(source, rows, segments, run, panel, (0, width), tile);
                }
            }
            return;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            for first in (0..width).step_by(8) {
                // SAFETY: as above; a column group lies inside the panel's width.
                unsafe { avx2::dot::<1>(source, rows, segments, run, panel, (first, width), tile) };
            }
            return;
        }
    }
    portable::dot(source, rows, segments, run, panel, width, tile);
}

/// Sets `tile[i][j]` to the sum over `p` of `source[at[p] + i] * values[of[p] + j]`, for `i < 8` and `j < width`.
///
/// Nothing is computed if an offset leads outside `source` or `values`; that would be a fault of the caller.
pub(super) fn outer(
    source: &[f32],
    at: &[u32],
    values: &[f32],
    of: &[u32],
    shift: [usize; 2],
    width: usize,
    tile: &mut Tile,
) {
    let furthest = |offsets: &[u32]| offsets.iter().max().map_or(0, |&o| o as usize);
    let [from, to] = shift;
    let inside = furthest(at) + from + ROWS <= source.len() && furthest(of) + to + width <= values.len();
    debug_assert!(inside && at.len() == of.len() && (width == LANES || width == WIDTH));
    if !inside || at.len() != of.len() || !(width == LANES || width == WIDTH) {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the instructions, and offsets were checked above.
            unsafe {
                if width == WIDTH {
                    avx512::outer::<2>(source, at, values, of, shift, 0, tile);
                } else {
                    avx512::outer::<1>(source, at, values, of, shift, 0, tile);
                }
            }
            return;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            for first in (0..width).step_by(8) {
                // SAFETY: as above; a column group lies inside the width.
                unsafe { avx2::outer::<1>(source, at, values, of, shift, first, tile) };
            }
            return;
        }
    }
    portable::outer(source, at, values, of, shift, width, tile);
}

/// The two loops for one kind of vector register.
#[cfg(target_arch = "x86_64")]
macro_rules! vectors {
    ($name:ident, $features:literal, $lanes:literal, $zero:ident, $spread:ident, $load:ident, $store:ident, $fused:ident) => {
        mod $name {
            use std::arch::x86_64::{$fused, $load, $spread, $store, $zero};
            use std::array::from_fn;

            use super::{ROWS, Tile};

            /// `V` vectors of columns from column `first` of a panel `width` wide.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn dot<const V: usize>(
                source: &[f32],
                rows: &[usize; ROWS],
                segments: &[usize],
                run: usize,
                panel: &[f32],
                (first, width): (usize, usize),
                tile: &mut Tile,
            ) {
                let mut sums = [[$zero(); V]; ROWS];
                // SAFETY: the caller has checked the furthest element of each slice.
                unsafe {
                    let mut line = panel.as_ptr().add(first);
                    for &segment in segments {
                        let from: [*const f32; ROWS] = from_fn(|i| source.as_ptr().add(rows[i] + segment));
                        for t in 0..run {
                            let columns: [_; V] = from_fn(|v| $load(line.add(v * $lanes)));
                            for i in 0..ROWS {
                                let x = $spread(*from[i].add(t));
                                for v in 0..V {
                                    sums[i][v] = $fused(x, columns[v], sums[i][v]);
                                }
                            }
                            line = line.add(width);
                        }
                    }
                    for i in 0..ROWS {
                        for v in 0..V {
                            $store(tile[i].as_mut_ptr().add(first + v * $lanes), sums[i][v]);
                        }
                    }
                }
            }

            /// `V` vectors of columns from column `first`.
            #[target_feature(enable = $features)]
            pub(super) unsafe fn outer<const V: usize>(
                source: &[f32],
                at: &[u32],
                values: &[f32],
                of: &[u32],
                [from, to]: [usize; 2],
                first: usize,
                tile: &mut Tile,
            ) {
                let mut sums = [[$zero(); V]; ROWS];
                // SAFETY: the caller has checked the furthest element of each slice.
                unsafe {
                    let (left, right) = (source.as_ptr().add(from), values.as_ptr().add(to + first));
                    for (&a, &b) in at.iter().zip(of) {
                        let (left, right) = (left.add(a as usize), right.add(b as usize));
                        let columns: [_; V] = from_fn(|v| $load(right.add(v * $lanes)));
                        for i in 0..ROWS {
                            let x = $spread(*left.add(i));
                            for v in 0..V {
                                sums[i][v] = $fused(x, columns[v], sums[i][v]);
                            }
                        }
                    }
                    for i in 0..ROWS {
                        for v in 0..V {
                            $store(tile[i].as_mut_ptr().add(first + v * $lanes), sums[i][v]);
                        }
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
vectors!(avx512, "avx512f", 16, _mm512_setzero_ps, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps);
#[cfg(target_arch = "x86_64")]
vectors!(avx2, "avx2,fma", 8, _mm256_setzero_ps, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps);

/// The same sums in plain Rust.
mod portable {
    use super::{ROWS, Tile};

    pub(super) fn dot(
        source: &[f32],
        rows: &[usize; ROWS],
        segments: &[usize],
        run: usize,
        panel: &[f32],
        width: usize,
        tile: &mut Tile,
    ) {
        for (sums, &row) in tile.iter_mut().zip(rows) {
            sums.fill(0.0);
            for (&segment, lines) in segments.iter().zip(panel.chunks(run * width)) {
                let from = source.get(row + segment..).unwrap_or(&[]);
                for (x, line) in from.iter().zip(lines.chunks(width)) {
                    sums.iter_mut().zip(line).for_each(|(s, y)| *s += x * y);
                }
            }
        }
    }

    pub(super) fn outer(
        source: &[f32],
        at: &[u32],
        values: &[f32],
        of: &[u32],
        [from, to]: [usize; 2],
        width: usize,
        tile: &mut Tile,
    ) {
        tile.iter_mut().for_each(|sums| sums.fill(0.0));
        for (&a, &b) in at.iter().zip(of) {
            let left = source.get(a as usize + from..).unwrap_or(&[]);
            let right = values.get(b as usize + to..).unwrap_or(&[]);
            for (sums, x) in tile.iter_mut().zip(left) {
                sums.iter_mut().take(width).zip(right).for_each(|(s, y)| *s += x * y);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, salt: usize) -> Vec<f32> {
        (0..n).map(|i| (((i + 1) * 7919 + salt * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    fn near(a: &Tile, b: &Tile, width: usize) {
        for (a, b) in a.iter().zip(b) {
            for (a, b) in a.iter().zip(b).take(width) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }

    /// Whatever instructions this processor has, against plain Rust.
    #[test]
    fn vector_sums_equal_plain_ones() {
        let source = numbers(400, 1);
        for width in [LANES, WIDTH] {
            let panel = numbers(3 * 7 * width, 2);
            let rows = [0, 5, 9, 30, 31, 77, 100, 290];
            let segments = [0, 40, 90];
            let (mut found, mut expected) = ([[9.0; WIDTH]; ROWS], [[7.0; WIDTH]; ROWS]);
            dot(&source, &rows, &segments, 7, &panel, width, &mut found);
            portable::dot(&source, &rows, &segments, 7, &panel, width, &mut expected);
            near(&found, &expected, width);

            let (at, of) = ([3_u32, 0, 250, 17], [11_u32, 60, 2, 0]);
            outer(&source, &at, &panel, &of, [5, 3], width, &mut found);
            portable::outer(&source, &at, &panel, &of, [5, 3], width, &mut expected);
            near(&found, &expected, width);
        }
    }
}
