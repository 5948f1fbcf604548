//! How a tensor of the graph reads the elements of a layer. Exporters transpose, reshape, cut and
//! join tensors; here that only changes which element is meant, and a layer is needed only where
//! an operator wants the elements themselves in another order.

use std::rc::Rc;

use beaa_ir::Shape;

use super::budget::{offsets, strides};

/// An element that is zero, in place of the number of one.
pub(crate) const ZERO: u32 = u32::MAX;

/// The extents of a tensor, and the element of a layer's output that each of its elements is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The extents for one image; that of the batch is the number of rows per image, mostly 1.
    pub(crate) dims: Vec<usize>,
    /// Which extent is the batch's; none where the file fixes the batch to one image and leaves its
    /// extent out.
    pub(crate) batch: Option<usize>,
    /// The number of an element, or [`ZERO`], for each element of `dims`, row by row; none where
    /// all come in their order.
    order: Option<Rc<[u32]>>,
}

/// The channels, rows or columns of a feature map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MapAxis {
    Channels,
    Rows,
    Columns,
}

impl Layout {
    /// The layout of a layer's output as ONNX has it: `[batch, channels, rows, columns]` or
    /// `[batch, features]`.
    pub(crate) fn natural(shape: Shape) -> Self {
        let dims = match shape {
            Shape::Map { channels, height, width } => vec![1, channels, height, width],
            Shape::Flat { features } => vec![1, features],
        };
        Self { dims, batch: Some(0), order: None }
    }

    /// Elements in their order, with these extents.
    pub(crate) fn in_order(dims: Vec<usize>, batch: Option<usize>) -> Self {
        Self { dims, batch, order: None }
    }

    /// Elements in the given order, out of `elements`.
    pub(crate) fn ordered(dims: Vec<usize>, batch: Option<usize>, order: Vec<u32>, elements: usize) -> Self {
        assert_eq!(dims.iter().product::<usize>(), order.len(), "an element for each position");
        let plain = order.len() == elements && order.iter().zip(0..).all(|(&a, b): (&u32, u32)| a == b);
        Self { dims, batch, order: (!plain).then(|| order.into()) }
    }

    /// The same elements with other extents.
    pub(crate) fn with_dims(&self, dims: Vec<usize>, batch: Option<usize>) -> Self {
        assert_eq!(dims.iter().product::<usize>(), self.len(), "as many elements");
        Self { dims, batch, order: self.order.clone() }
    }

    /// The number of elements for one image.
    pub(crate) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether the elements come in their order, all of them.
    pub(crate) fn is_in_order(&self) -> bool {
        self.order.is_none()
    }

    /// The number of the element at a position.
    pub(crate) fn at(&self, position: usize) -> u32 {
        match &self.order {
            Some(order) => order[position],
            None => position as u32,
        }
    }

    /// Whether two tensors mean the same elements in the same order.
    pub(crate) fn same_order(&self, other: &Self) -> bool {
        self.order == other.order && self.len() == other.len()
    }

    /// Whether some elements are zero, and none of the layer's.
    pub(crate) fn has_zeros(&self) -> bool {
        self.order.as_ref().is_some_and(|order| order.contains(&ZERO))
    }

    /// Whether each of `elements` is meant exactly once.
    pub(crate) fn is_permutation(&self, elements: usize) -> bool {
        let Some(order) = &self.order else { return true };
        let mut seen = vec![false; elements];
        let fresh = |&e: &u32| seen.get_mut(e as usize).is_some_and(|s| !std::mem::replace(s, true));
        order.len() == elements && order.iter().all(fresh)
    }

    /// The extents without that of the batch, which must be one row per image.
    pub(crate) fn of_image(&self) -> Option<Vec<usize>> {
        let batch = self.batch.filter(|&b| self.dims[b] == 1)?;
        Some((0..self.dims.len()).filter(|&k| k != batch).map(|k| self.dims[k]).collect())
    }

    /// Channels, rows and columns, if the tensor is `[batch, channels, rows, columns]` or `[batch,
    /// channels, length]`.
    pub(crate) fn map_extents(&self) -> Option<[usize; 3]> {
        match (self.batch, self.of_image()?.as_slice()) {
            (Some(0), &[c, h, w]) => Some([c, h, w]),
            (Some(0), &[c, length]) => Some([c, 1, length]),
            _ => None,
        }
    }

    /// Which axis of the feature map each extent runs along, if the tensor is that map with its
    /// axes in another order. Extents of 1 run along what is left.
    pub(crate) fn orientation(&self, [c, h, w]: [usize; 3]) -> Option<Vec<Option<MapAxis>>> {
        let axes = [(MapAxis::Channels, c, h * w), (MapAxis::Rows, h, w), (MapAxis::Columns, w, 1)];
        let steps = self.steps()?;
        let mut free = [true; 3];
        let mut found = vec![None; self.dims.len()];
        for (k, (&extent, &step)) in self.dims.iter().zip(&steps).enumerate() {
            if extent > 1 {
                let a = (0..3).find(|&a| free[a] && axes[a].1 == extent && axes[a].2 == step)?;
                free[a] = false;
                found[k] = Some(axes[a].0);
            }
        }
        if (0..3).any(|a| free[a] && axes[a].1 > 1) || self.len() != c * h * w {
            return None;
        }
        for k in (0..self.dims.len()).filter(|&k| self.dims[k] == 1 && self.batch != Some(k)) {
            if let Some(a) = (0..3).find(|&a| free[a]) {
                free[a] = false;
                found[k] = Some(axes[a].0);
            }
        }
        Some(found)
    }

    /// The layout of a map of other extents, with its axes in the order of `orientation`.
    pub(crate) fn oriented(orientation: &[Option<MapAxis>], batch: Option<usize>, [c, h, w]: [usize; 3]) -> Self {
        let axis = |a: &Option<MapAxis>| match a {
            None => (1, 0),
            Some(MapAxis::Channels) => (c, h * w),
            Some(MapAxis::Rows) => (h, w),
            Some(MapAxis::Columns) => (w, 1),
        };
        let (dims, steps): (Vec<usize>, Vec<usize>) = orientation.iter().map(axis).unzip();
        let order = offsets(&dims, &steps).map(|e| e as u32).collect();
        Self::ordered(dims, batch, order, c * h * w)
    }

    /// How far apart in the layer's output the neighbours along each extent lie, if that is the
    /// same everywhere, the first element comes first, and none is zero.
    pub(crate) fn steps(&self) -> Option<Vec<usize>> {
        let Some(order) = &self.order else { return Some(strides(&self.dims)) };
        if order.first() != Some(&0) {
            return None;
        }
        let rows = strides(&self.dims);
        let step = |k: usize| if self.dims[k] == 1 { Some(0) } else { usize::try_from(order[rows[k]]).ok() };
        let steps = (0..self.dims.len()).map(step).collect::<Option<Vec<usize>>>()?;
        let regular = order.iter().zip(offsets(&self.dims, &steps)).all(|(&e, at)| e as usize == at);
        regular.then_some(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_recognised_in_any_order_of_their_axes() {
        use MapAxis::{Channels, Columns, Rows};
        let nhwc = [None, Some(Rows), Some(Columns), Some(Channels)];
        let layout = Layout::oriented(&nhwc, Some(0), [2, 3, 4]);
        assert_eq!((layout.at(0), layout.at(1), layout.at(2), layout.at(8)), (0, 12, 1, 4));
        assert_eq!(layout.orientation([2, 3, 4]).unwrap(), nhwc);
        assert!(layout.orientation([2, 4, 3]).is_none());
        assert!(layout.is_permutation(24) && !layout.is_in_order());
        let flat = Layout::natural(Shape::Map { channels: 2, height: 1, width: 1 });
        assert_eq!(flat.orientation([2, 1, 1]).unwrap(), [None, Some(Channels), Some(Rows), Some(Columns)]);
        let cut = Layout::ordered(vec![1, 2], Some(0), vec![1, ZERO], 3);
        assert!(cut.steps().is_none() && !cut.is_permutation(3));
    }
}
