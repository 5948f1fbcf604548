//! The list of layers that an import builds, and the values that flow between them. Each layer
//! reads the one before it: a `branch` is put where an earlier output is needed again.

use std::collections::HashMap;

use beaa_ir::{Activation, Conv2d, Layer, LayerOp, Shape, Tensor};

use super::budget::Budget;
use super::layout::Layout;
use super::quadratic::Quadratic;
use super::window::{Filter, Window, identity};
use crate::error::{Checked, Defect, defect};

/// What a layer or a value is computed from: the output of a layer, or the image.
pub(crate) type Base = Option<usize>;

/// The most elements of a feature map: far above what can be evaluated under encryption.
pub(crate) const MAX_ELEMENTS: usize = 1 << 24;
/// Longer names of nodes are cut.
const MAX_NAME: usize = 80;

/// A value in the network: a quadratic of a layer's output, or that output with zeros around it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub(crate) base: Base,
    /// Of `base`, without the padding.
    pub(crate) shape: Shape,
    pub(crate) quadratic: Quadratic,
    /// Rows of zeros above, columns to the left, rows below, columns to the right; with any, the
    /// quadratic is `x` itself.
    pub(crate) pads: [usize; 4],
    /// How the tensor of the graph reads the elements, padding included.
    pub(crate) layout: Layout,
    /// Whether nothing else reads the layer `base`.
    pub(crate) exclusive: bool,
    /// A name for the layer that this value may have to become.
    pub(crate) label: String,
}

impl Value {
    /// The output of layer `base`.
    pub(crate) fn plain(base: Base, shape: Shape) -> Self {
        let (quadratic, layout) = (Quadratic::identity(), Layout::natural(shape));
        Self { base, shape, quadratic, pads: [0; 4], layout, exclusive: false, label: String::new() }
    }

    /// The shape with the padding.
    pub(crate) fn padded_shape(&self) -> Shape {
        match self.shape {
            Shape::Map { channels, height, width } => Shape::Map {
                channels,
                height: height + self.pads[0] + self.pads[2],
                width: width + self.pads[1] + self.pads[3],
            },
            flat @ Shape::Flat { .. } => flat,
        }
    }

    /// Channels, rows and columns with the padding, if it is a feature map.
    pub(crate) fn map(&self) -> Option<[usize; 3]> {
        match self.padded_shape() {
            Shape::Map { channels, height, width } => Some([channels, height, width]),
            Shape::Flat { .. } => None,
        }
    }

    /// Whether the tensor is `[batch, channels, rows, columns]` of the feature map, or `[batch,
    /// channels, length]` of one of a single row.
    pub(crate) fn is_map(&self) -> bool {
        self.map().is_some() && self.layout.is_in_order() && self.layout.map_extents() == self.map()
    }
}

/// Layers in the order of evaluation.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) image: Shape,
    pub(crate) layers: Vec<Layer>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) budget: Budget,
    /// The names in use, each with the last number that was put behind it.
    names: HashMap<String, usize>,
}

impl Network {
    pub(crate) fn new(image: Shape) -> Self {
        // The names that mean something else.
        let names = HashMap::from([("input".to_owned(), 1)]);
        Self { image, layers: Vec::new(), shapes: Vec::new(), budget: Budget::new(), names }
    }

    /// The shape of what `base` stands for.
    pub(crate) fn shape(&self, base: Base) -> Shape {
        base.map_or(self.image, |b| self.shapes[b])
    }

    /// Appends a layer that reads `base`.
    pub(crate) fn push(&mut self, base: Base, name: &str, op: LayerOp, shape: Shape) -> Checked<Base> {
        if !elements(shape).is_some_and(|n| (1..=MAX_ELEMENTS).contains(&n)) {
            return defect(
                format!("an output of {shape}"),
                format!("use a network whose feature maps have between 1 and {MAX_ELEMENTS} elements"),
            );
        }
        self.go_to(base);
        let name = self.unique(name);
        self.layers.push(Layer { name, op });
        self.shapes.push(shape);
        Ok(Some(self.layers.len() - 1))
    }

    /// Appends the flattening of a feature map.
    pub(crate) fn flatten(&mut self, base: Base, name: &str) -> Checked<Base> {
        match self.shape(base) {
            Shape::Flat { .. } => Ok(base),
            map @ Shape::Map { .. } => self.push(base, name, LayerOp::Flatten, Shape::Flat { features: map.len() }),
        }
    }

    /// The sum of two layers' outputs.
    pub(crate) fn add(&mut self, left: Base, right: Base, name: &str, shape: Shape) -> Checked<Base> {
        // The image has no name to add by, and the last layer need not be looked for.
        let (here, there) = match (left, right) {
            (other, None) | (None, other) => (None, other),
            (Some(l), Some(r)) if l > r => (left, right),
            _ => (right, left),
        };
        let with = match there {
            Some(layer) => self.layers[layer].name.clone(),
            None => return defect("the image added to itself", "scale the input instead"),
        };
        self.push(here, name, LayerOp::Add { with }, shape)
    }

    /// The layer whose output is `value`; appends what is missing.
    pub(crate) fn materialise(&mut self, value: &Value) -> Checked<Base> {
        match (value.pads, value.shape) {
            ([0, 0, 0, 0], _) if value.quadratic.is_identity() => Ok(value.base),
            ([0, 0, 0, 0], shape) => {
                let function = value.quadratic.activation(shape)?;
                self.activation(value.base, &value.label, function, shape)
            }
            (pads, Shape::Map { channels, .. }) => {
                let window = Window { kernel: [1; 2], stride: [1; 2], dilation: [1; 2], pads };
                self.convolve(value.base, &value.label, identity(channels)?, window, value.shape)
            }
            (_, Shape::Flat { .. }) => defect("padding of a vector", "pad feature maps only"),
        }
    }

    /// Appends an activation.
    pub(crate) fn activation(&mut self, base: Base, name: &str, f: Activation, shape: Shape) -> Checked<Base> {
        self.push(base, name, LayerOp::Activation { function: f, range: None }, shape)
    }

    /// Appends a convolution with any padding: where it is not the same on both sides, rows and
    /// columns of zeros around the kernel make up for it.
    pub(crate) fn convolve(
        &mut self,
        base: Base,
        name: &str,
        filter: Filter,
        window: Window,
        shape: Shape,
    ) -> Checked<Base> {
        let out = window.output(shape, filter.kernel.dims[0])?;
        let (kernel, padding) = window.symmetric(filter.kernel)?;
        let conv = Conv2d {
            weight: kernel.tensor(&kernel.dims)?,
            bias: filter.bias,
            stride: window.stride,
            padding,
            dilation: window.dilation,
            groups: filter.groups,
        };
        self.push(base, name, LayerOp::Conv2d(conv), out)
    }

    /// Adds `bias` to the layer `base` if it is a convolution or a linear layer.
    pub(crate) fn add_bias(&mut self, base: Base, bias: &[f64]) -> Result<bool, Defect> {
        let Some(layer) = base.and_then(|b| self.layers.get_mut(b)) else { return Ok(false) };
        let present = match &mut layer.op {
            LayerOp::Conv2d(c) => &mut c.bias,
            LayerOp::Linear(l) => &mut l.bias,
            _ => return Ok(false),
        };
        let sum = match present {
            None => bias.iter().map(|&b| b as f32).collect(),
            Some(before) => {
                assert_eq!(before.data().len(), bias.len(), "a bias for each channel");
                before.data().iter().zip(bias).map(|(&b, more)| (f64::from(b) + more) as f32).collect()
            }
        };
        *present = Some(Tensor::new(vec![bias.len()], sum)?);
        Ok(true)
    }

    /// Makes `base` what the next layer reads.
    pub(crate) fn go_to(&mut self, base: Base) {
        if base == self.layers.len().checked_sub(1) {
            return;
        }
        let from = base.map_or_else(|| "input".to_owned(), |b| self.layers[b].name.clone());
        let shape = self.shape(base);
        let name = self.unique(&format!("{from}.branch"));
        self.layers.push(Layer { name, op: LayerOp::Branch { from } });
        self.shapes.push(shape);
    }

    /// A name that the model format allows, and that no layer has yet.
    fn unique(&mut self, wanted: &str) -> String {
        let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let clean: String = wanted.chars().map(allowed).take(MAX_NAME).collect();
        let clean = if clean.is_empty() { "layer".to_owned() } else { clean };
        let mut name = clean.clone();
        while self.names.contains_key(&name) {
            let number = self.names.entry(clean.clone()).or_insert(1);
            *number += 1;
            name = format!("{clean}_{number}");
        }
        self.names.insert(name.clone(), 1);
        name
    }
}

/// The number of elements, if it can be counted.
pub(crate) fn elements(shape: Shape) -> Option<usize> {
    match shape {
        Shape::Map { channels, height, width } => channels.checked_mul(height).and_then(|n| n.checked_mul(width)),
        Shape::Flat { features } => Some(features),
    }
}
