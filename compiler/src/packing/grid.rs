//! Layouts of feature maps: rows one behind the other, channels in planes, and channels between the
//! elements of others where strides have left gaps (multiplexed packing: Lee et al., ICML 2022).

use beaa_ir::ckks::Layout;

use crate::network::graph::Coordinate;

/// How a feature map lies in a row of planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Grid {
    /// Distance of neighbours in a row and of neighbouring rows.
    pub(crate) gap: usize,
    /// Whether `gap * gap` channels share a plane; otherwise each has one of its own, and nothing
    /// lies in the gaps.
    pub(crate) shared: bool,
    /// Positions of a row.
    pub(crate) width: usize,
    /// Positions of a plane, a power of two, so that channels go around with the ciphertext.
    pub(crate) plane: usize,
}

impl Grid {
    /// The grid without gaps that just holds rows and columns of so many.
    pub(crate) fn dense(rows: usize, width: usize) -> Self {
        Self { gap: 1, shared: true, width, plane: (rows * width).next_power_of_two() }
    }

    /// The position of an element, counted through all ciphertexts, if the plane has it.
    fn position(&self, at: Coordinate) -> Option<usize> {
        let &Self { gap, shared, width, plane } = self;
        let sharing = if shared { gap * gap } else { 1 };
        let among = at.channel % sharing;
        let (row, column) = (gap * at.row + among / gap, gap * at.column + among % gap);
        let inside = row * width + column;
        (column < width && inside < plane).then(|| at.channel / sharing * plane + inside)
    }

    /// The layout of elements at these coordinates, unless some leave their plane.
    pub(crate) fn layout(&self, coordinates: &[Coordinate], block: usize) -> Option<Layout> {
        let positions = coordinates.iter().map(|&at| self.position(at)).collect::<Option<Vec<_>>>()?;
        at_positions(&positions, block)
    }
}

/// Rows and columns that elements span.
pub(crate) fn extent(coordinates: &[Coordinate]) -> (usize, usize) {
    coordinates.iter().fold((1, 1), |(h, w), at| (h.max(at.row + 1), w.max(at.column + 1)))
}

/// One element behind the other.
pub(crate) fn line(elements: usize, block: usize) -> Option<Layout> {
    at_positions(&(0..elements).collect::<Vec<_>>(), block)
}

/// Each element at one position, counted through as many ciphertexts as that takes.
pub(crate) fn at_positions(positions: &[usize], block: usize) -> Option<Layout> {
    let ciphertexts = positions.iter().max()? / block + 1;
    let mut held = vec![None; ciphertexts * block];
    for (element, &position) in (0_u32..).zip(positions) {
        held[position] = Some(element);
    }
    Layout::new(block, positions.len(), held).ok()
}

/// The same again and again, every power of two that holds it, as often as a ciphertext has room;
/// `None` where it has no room for a second.
pub(crate) fn repeated(layout: &Layout) -> Option<Layout> {
    let block = layout.block();
    let last = layout.held().iter().rposition(Option::is_some)?;
    let period = (last + 1).next_power_of_two();
    if layout.ciphertexts() > 1 || period > block / 2 {
        return None;
    }
    let held = (0..block).map(|p| layout.held()[p % period]).collect();
    Layout::new(block, layout.elements(), held).ok()
}

/// Coordinates with each of `step * step` phases of rows and columns in a channel of its own, so
/// that a convolution of that stride reads neighbours.
pub(crate) fn phases(coordinates: &[Coordinate], step: usize) -> Vec<Coordinate> {
    let of = |at: &Coordinate| Coordinate {
        channel: (at.channel * step + at.row % step) * step + at.column % step,
        row: at.row / step,
        column: at.column / step,
    };
    coordinates.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use beaa_ir::Shape;

    use super::*;

    #[test]
    fn channels_fill_the_gaps_of_strides() {
        let coordinates = Coordinate::all(Shape::Map { channels: 5, height: 2, width: 3 });
        let grid = Grid { gap: 2, shared: true, width: 6, plane: 32 };
        let layout = grid.layout(&coordinates, 32).unwrap();
        assert_eq!((layout.ciphertexts(), layout.elements()), (2, 30));
        // Channel 3 is below and beside channel 0, channel 4 in the next plane.
        let at = |c: usize, r: usize, w: usize| layout.first_positions()[(c * 2 + r) * 3 + w];
        assert_eq!((at(0, 0, 0), at(0, 1, 2), at(3, 0, 0), at(4, 0, 1)), (0, 16, 7, 34));
        let unshared = Grid { shared: false, ..grid }.layout(&coordinates, 32).unwrap();
        assert_eq!((unshared.ciphertexts(), unshared.first_positions()[3 * 6 + 1]), (5, 3 * 32 + 2));
        assert!(Grid { width: 5, ..grid }.layout(&coordinates, 32).is_none(), "too narrow");
        assert!(Grid { plane: 16, ..grid }.layout(&coordinates, 32).is_none(), "too small");
    }

    #[test]
    fn repetitions_fill_a_ciphertext() {
        let three = repeated(&line(3, 16).unwrap()).unwrap();
        assert_eq!(three.held()[..5], [Some(0), Some(1), Some(2), None, Some(0)]);
        assert!(repeated(&line(9, 16).unwrap()).is_none() && repeated(&line(17, 16).unwrap()).is_none());
    }

    #[test]
    fn phases_are_channels() {
        let found = phases(&[Coordinate { channel: 1, row: 5, column: 2 }], 2);
        assert_eq!(found, [Coordinate { channel: 6, row: 2, column: 1 }]);
    }
}
