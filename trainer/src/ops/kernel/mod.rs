//! Products of small dense blocks, kept in registers: what convolutions spend their time on.
//!
//! Whoever asks for one describes it ([`Dot`], [`Outer`]). Before anything is read, its furthest
//! offsets are compared with the slices; an offset that leads outside is a fault of the caller, and
//! stops the program.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
use x86::{avx2, avx512};

/// Rows of a tile.
pub(super) const ROWS: usize = 8;
/// Columns of a tile, at most.
pub(super) const WIDTH: usize = 32;
/// Columns come in multiples of this.
pub(super) const LANES: usize = 16;

/// A block of results; only the first 16 columns count where the width is 16.
pub(super) type Tile = [[f32; WIDTH]; ROWS];

/// `tile[i][j]` is the sum over segments `s` and `t < run` of
/// `source[rows[i] + segments[s] + t] * panel[(s * run + t) * width + j]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dot<'a> {
    pub(super) source: &'a [f32],
    /// Where each row begins in `source`.
    pub(super) rows: &'a [usize; ROWS],
    /// Where each segment begins, from the beginning of a row.
    pub(super) segments: &'a [usize],
    /// Elements of a segment.
    pub(super) run: usize,
    /// One line of `width` numbers for each element of each segment.
    pub(super) panel: &'a [f32],
    /// 16 or 32.
    pub(super) width: usize,
}

/// `tile[i][j]` is the sum over `p` of `left[left_at[p] + i + left_from] * right[right_at[p] + j +
/// right_from]`, for `i < 8` and `j < width`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outer<'a> {
    pub(super) left: &'a [f32],
    pub(super) left_at: &'a Offsets,
    pub(super) left_from: usize,
    pub(super) right: &'a [f32],
    /// As many as in `left_at`.
    pub(super) right_at: &'a Offsets,
    pub(super) right_from: usize,
    /// 16 or 32.
    pub(super) width: usize,
}

/// Offsets into a slice, and the largest of them.
#[derive(Debug)]
pub(super) struct Offsets {
    all: Vec<u32>,
    furthest: usize,
}

impl Offsets {
    /// Takes a list that is not empty.
    pub(super) fn new(all: Vec<u32>) -> Self {
        assert!(!all.is_empty(), "no offsets; expected at least one");
        let furthest = all.iter().fold(0, |m, &o| m.max(o as usize));
        Self { all, furthest }
    }
}

/// A description of a product whose offsets all lead inside its slices. Only the checks below make
/// one.
#[derive(Clone, Copy)]
struct Checked<'a, P>(&'a P);

impl<'a> Dot<'a> {
    fn checked(&'a self) -> Checked<'a, Self> {
        let Self { source, rows, segments, run, panel, width } = *self;
        assert!(width == LANES || width == WIDTH, "a tile of {width} columns; expected {LANES} or {WIDTH}");
        assert!(!segments.is_empty(), "no segments; expected at least one");
        let largest = |offsets: &[usize]| offsets.iter().fold(0, |m, &o| m.max(o));
        let furthest = largest(rows) + largest(segments) + run;
        assert!(furthest <= source.len(), "reading up to element {furthest} of {}", source.len());
        let lines = segments.len() * run;
        assert!(panel.len() >= lines * width, "a panel of {}; expected {lines} lines of {width}", panel.len());
        Checked(self)
    }

    /// Computes the tile.
    ///
    /// # Panics
    /// If an offset leads outside `source` or `panel`.
    pub(super) fn compute(&self, tile: &mut Tile) {
        let product = self.checked();
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(instructions) = avx512::Instructions::detect() {
                return instructions.dot(product, tile);
            }
            if let Some(instructions) = avx2::Instructions::detect() {
                return instructions.dot(product, tile);
            }
        }
        portable::dot(product, tile);
    }
}

impl<'a> Outer<'a> {
    fn checked(&'a self) -> Checked<'a, Self> {
        let Self { left, left_at, left_from, right, right_at, right_from, width } = *self;
        assert!(width == LANES || width == WIDTH, "a tile of {width} columns; expected {LANES} or {WIDTH}");
        assert_eq!(left_at.all.len(), right_at.all.len(), "offsets on the left and on the right");
        let furthest = left_at.furthest + left_from + ROWS;
        assert!(furthest <= left.len(), "reading up to element {furthest} of {} on the left", left.len());
        let furthest = right_at.furthest + right_from + width;
        assert!(furthest <= right.len(), "reading up to element {furthest} of {} on the right", right.len());
        Checked(self)
    }

    /// Computes the tile.
    ///
    /// # Panics
    /// If an offset leads outside `left` or `right`, or there are more offsets into one than into
    /// the other.
    pub(super) fn compute(&self, tile: &mut Tile) {
        let product = self.checked();
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(instructions) = avx512::Instructions::detect() {
                return instructions.outer(product, tile);
            }
            if let Some(instructions) = avx2::Instructions::detect() {
                return instructions.outer(product, tile);
            }
        }
        portable::outer(product, tile);
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

    type Compute<P> = fn(Checked<'_, P>, &mut Tile);

    /// Every set of instructions that this processor has, by name.
    fn paths<'a>() -> Vec<(&'static str, Compute<Dot<'a>>, Compute<Outer<'a>>)> {
        let mut paths: Vec<(&'static str, Compute<Dot<'a>>, Compute<Outer<'a>>)> = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if avx512::Instructions::detect().is_some() {
                paths.push((
                    "avx512",
                    |p, t| avx512::Instructions::detect().unwrap().dot(p, t),
                    |p, t| avx512::Instructions::detect().unwrap().outer(p, t),
                ));
            }
            if avx2::Instructions::detect().is_some() {
                paths.push((
                    "avx2",
                    |p, t| avx2::Instructions::detect().unwrap().dot(p, t),
                    |p, t| avx2::Instructions::detect().unwrap().outer(p, t),
                ));
            }
        }
        paths
    }

    #[test]
    fn vector_sums_equal_plain_ones() {
        let source = numbers(400, 1);
        let rows = [0, 5, 9, 30, 31, 77, 100, 290];
        let segments = [0, 40, 90];
        let offsets = [vec![3_u32, 0, 250, 17], vec![11_u32, 60, 2, 0]].map(Offsets::new);
        for width in [LANES, WIDTH] {
            let panel = numbers(3 * 7 * width, 2);
            let product = Dot { source: &source, rows: &rows, segments: &segments, run: 7, panel: &panel, width };
            let (left, right) = (source.as_slice(), panel.as_slice());
            let [left_at, right_at] = &offsets;
            let outer = Outer { left, left_at, left_from: 5, right, right_at, right_from: 3, width };
            let mut expected = [[7.0; WIDTH]; ROWS];
            for (name, dot_by, outer_by) in paths() {
                let mut found = [[9.0; WIDTH]; ROWS];
                dot_by(product.checked(), &mut found);
                portable::dot(product.checked(), &mut expected);
                println!("{name}");
                near(&found, &expected, width);
                outer_by(outer.checked(), &mut found);
                portable::outer(outer.checked(), &mut expected);
                near(&found, &expected, width);
            }
        }
    }

    #[test]
    #[should_panic(expected = "reading up to element 401 of 400")]
    fn an_offset_that_leads_outside_stops_the_program() {
        let (source, panel) = (numbers(400, 1), numbers(7 * LANES, 2));
        let rows = [0, 1, 2, 3, 4, 5, 6, 354];
        let product = Dot { source: &source, rows: &rows, segments: &[40], run: 7, panel: &panel, width: LANES };
        product.compute(&mut [[0.0; WIDTH]; ROWS]);
    }

    #[test]
    #[should_panic(expected = "on the right")]
    fn an_offset_to_the_right_that_leads_outside_stops_the_program() {
        let numbers = numbers(40, 1);
        let (left, right) = (numbers.as_slice(), numbers.as_slice());
        let [left_at, right_at] = &[vec![0_u32], vec![9_u32]].map(Offsets::new);
        let product = Outer { left, left_at, left_from: 0, right, right_at, right_from: 0, width: WIDTH };
        product.compute(&mut [[0.0; WIDTH]; ROWS]);
    }
}
