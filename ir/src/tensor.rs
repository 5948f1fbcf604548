//! A dense array of `f32` with its shape, and feature-map shapes.

use crate::{Error, Result};

/// A dense, row-major array of `f32`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// Takes as many finite numbers as `shape` says, row-major; `[]` is a scalar: one number.
    ///
    /// # Errors
    /// If there are more or fewer numbers, or one is not finite.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Self> {
        let expected = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        if expected != Some(data.len()) {
            return Err(Error::malformed(
                "building a tensor",
                format!("{} numbers for shape {shape:?}", data.len()),
                "as many numbers as the shape's product",
            ));
        }
        if let Some(i) = data.iter().position(|v| !v.is_finite()) {
            return Err(Error::Malformed {
                operation: "building a tensor",
                found: format!("{} at index {i}", data[i]),
                expected: "finite numbers only".into(),
                remedy: "training has diverged or the numbers overflow the format: train or export the network anew",
            });
        }
        Ok(Self { shape, data })
    }

    /// Makes a scalar.
    ///
    /// # Errors
    /// If the number is not finite.
    pub fn scalar(value: f32) -> Result<Self> {
        Self::new(Vec::new(), vec![value])
    }

    /// The extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All numbers, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Whether this is broadcastable to `map` under the rule of the model format: the shape is
    /// `[]`, `[C,1,1]` or exactly `map`'s (`[C,H,W]`, or `[F]` after flatten).
    pub fn broadcasts_to(&self, map: Shape) -> bool {
        match (self.shape.as_slice(), map) {
            ([], _) => true,
            ([c, 1, 1], Shape::Map { channels, .. }) if *c == channels => true,
            ([c, h, w], Shape::Map { channels, height, width }) => (*c, *h, *w) == (channels, height, width),
            ([f], Shape::Flat { features }) => *f == features,
            _ => false,
        }
    }

    /// The value for element `index` of a feature map of shape `map`; [`Self::broadcasts_to`] must
    /// hold.
    pub fn broadcast(&self, map: Shape, index: usize) -> f32 {
        let i = if self.data.len() == 1 {
            0
        } else if self.data.len() == map.len() {
            index
        } else {
            index / (map.len() / self.data.len())
        };
        self.data[i]
    }
}

/// The shape of what flows between layers, for one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A stack of planes, indexed `(channel * height + row) * width + column`.
    Map {
        /// Number of planes.
        channels: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// A plain vector.
    Flat {
        /// Number of elements.
        features: usize,
    },
}

impl Shape {
    /// Number of elements.
    pub fn len(self) -> usize {
        match self {
            Self::Map { channels, height, width } => channels * height * width,
            Self::Flat { features } => features,
        }
    }

    /// Whether there is no element at all.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Map { channels, height, width } => write!(f, "{channels}x{height}x{width}"),
            Self::Flat { features } => write!(f, "{features}"),
        }
    }
}
