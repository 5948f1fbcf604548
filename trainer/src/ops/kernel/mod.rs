//! Products of small dense blocks, kept in registers: what convolutions spend their time on.
//!
//! Whoever asks for one describes it ([`Dot`], [`Outer`]). Before anything is read, its furthest
//! offsets are compared with the slices; an offset that leads outside is a fault of the caller, and
//! stops the program.

#[cfg(target_arch = "x86_64")]
mod bfloat16;
mod number;
mod operand;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use number::Number;
pub(super) use operand::Operand;

/// Rows of a tile.
pub(super) const ROWS: usize = 8;
/// Columns of a tile, at most.
pub(super) const WIDTH: usize = 32;
/// Columns come in multiples of this.
pub(super) const LANES: usize = 16;

/// A block of results; only the first 16 columns count where the width is 16.
pub(super) type Tile = [[f32; WIDTH]; ROWS];

/// `tile[i][j]` is the sum over segments `s` and `t < run` of
/// `source[rows[i] + segments[s] + t] * panel[(s * run + t) * width + j]`, lines of a group
/// interleaved in the panel ([`Number::GROUP`]).
#[derive(Debug, Clone, Copy)]
pub(super) struct Dot<'a, T> {
    pub(super) source: &'a [T],
    /// Where each row begins in `source`.
    pub(super) rows: &'a [usize; ROWS],
    /// Where each segment begins, from the beginning of a row.
    pub(super) segments: &'a [usize],
    /// Elements of a segment, whole groups.
    pub(super) run: usize,
    /// One line of `width` numbers for each element of each segment.
    pub(super) panel: &'a [T],
    /// 16 or 32.
    pub(super) width: usize,
}

/// What is added to `tile[i][j]` is the sum over `p` of `left[left_at[p] + i + left_from] *
/// right[right_at[p] + j + right_from]`, for `i < 8` and `j < width`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outer<'a, T> {
    pub(super) left: &'a [T],
    pub(super) left_at: &'a Offsets,
    pub(super) left_from: usize,
    pub(super) right: &'a [T],
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
pub(super) struct Checked<'a, P>(&'a P);

impl<'a, T: Operand> Dot<'a, T> {
    fn checked(&'a self) -> Checked<'a, Self> {
        let Self { source, rows, segments, run, panel, width } = *self;
        assert!(width == LANES || width == WIDTH, "a tile of {width} columns; expected {LANES} or {WIDTH}");
        assert!(!segments.is_empty(), "no segments; expected at least one");
        assert!(run.is_multiple_of(T::GROUP), "a segment of {run}; expected groups of {}", T::GROUP);
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
        T::dot(self.checked(), tile);
    }
}

impl<'a, T: Operand> Outer<'a, T> {
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

    /// Adds the product to the tile.
    ///
    /// # Panics
    /// If an offset leads outside `left` or `right`, or there are more offsets into one than into
    /// the other.
    pub(super) fn add_to(&self, tile: &mut Tile) {
        T::outer(self.checked(), tile);
    }
}

#[cfg(test)]
mod tests;
