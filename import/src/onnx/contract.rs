//! Products with matrices of weights, from either side, along whatever axes: a linear layer if all
//! of an image is summed, a 1 x 1 convolution if channels are, and else a matrix that repeats the
//! weights, as long as it is small.

use beaa_ir::{LayerOp, Linear, Shape};

use super::budget::{offsets, strides};
use super::constant::Constant;
use super::context::Lowering;
use super::layout::{Layout, ZERO};
use super::network::Value;
use super::rearrange::matrix;
use super::window::{Filter, Window};
use crate::error::{Checked, defect};

/// A product of a tensor with weights, its axes called by letters as in an Einstein sum: what is
/// not in `out` is summed over.
#[derive(Debug, Clone)]
pub(crate) struct Product<'a> {
    pub(crate) weights: &'a Constant,
    /// A letter for each axis of the tensor.
    pub(crate) left: Vec<u8>,
    /// A letter for each axis of the weights.
    pub(crate) right: Vec<u8>,
    /// The letters of the result.
    pub(crate) out: Vec<u8>,
}

/// The steps through the tensor and the weights along the letters of one kind.
struct Walk {
    dims: Vec<usize>,
    tensor: Vec<usize>,
    weights: Vec<usize>,
    out: Vec<usize>,
}

impl Walk {
    /// Offsets into the tensor, the weights and the result, row by row.
    fn offsets(&self) -> impl Iterator<Item = [usize; 3]> + '_ {
        let of = |steps| offsets(&self.dims, steps);
        of(&self.tensor).zip(of(&self.weights)).zip(of(&self.out)).map(|((t, w), o)| [t, w, o])
    }
}

/// Appends the product, whose layer is called `name`.
pub(crate) fn contract(lowering: &mut Lowering<'_>, x: &Value, product: &Product<'_>, name: &str) -> Checked<Value> {
    let Product { weights, left, right, out } = product;
    let layout = x.layout.clone();
    assert_eq!((left.len(), right.len()), (layout.dims.len(), weights.dims.len()), "a letter for each axis");
    let in_tensor = |l: u8| left.iter().position(|&k| k == l);
    let in_weights = |l: u8| right.iter().position(|&k| k == l);
    for (&letter, &extent) in right.iter().zip(&weights.dims) {
        if let Some(k) = in_tensor(letter).filter(|&k| layout.dims[k] != extent) {
            let found = format!("weights of extents {:?} for a value of extents {:?}", weights.dims, layout.dims);
            return defect(found, format!("{} come in along axis {k}: export the network again", layout.dims[k]));
        }
    }
    let batch = match layout.batch.map(|b| left[b]) {
        None => None,
        Some(letter) => match (out.iter().position(|&l| l == letter), in_weights(letter)) {
            (Some(k), None) => Some(k),
            _ => {
                return defect("a product that mixes the images of a batch", "multiply along the features of an image");
            }
        },
    };
    let extent = |l: u8| match (in_tensor(l), in_weights(l)) {
        (Some(k), _) => layout.dims[k],
        (None, Some(k)) => weights.dims[k],
        (None, None) => 1,
    };
    let dims: Vec<usize> = out.iter().map(|&l| extent(l)).collect();
    let count = lowering.network.budget.take_array(&dims)?;
    let (tensor_steps, weight_steps, out_steps) = (strides(&layout.dims), strides(&weights.dims), strides(&dims));
    let walk = |letters: Vec<u8>| {
        let step = |position: Option<usize>, steps: &[usize]| position.map_or(0, |k| steps[k]);
        Walk {
            dims: letters.iter().map(|&l| extent(l)).collect(),
            tensor: letters.iter().map(|&l| step(in_tensor(l), &tensor_steps)).collect(),
            weights: letters.iter().map(|&l| step(in_weights(l), &weight_steps)).collect(),
            out: letters.iter().map(|&l| step(out.iter().position(|&o| o == l), &out_steps)).collect(),
        }
    };
    let new: Vec<u8> = out.iter().copied().filter(|&l| in_tensor(l).is_none()).collect();
    let (old, new) = (walk(left.clone()), walk(new));
    let base = lowering.network.materialise(x)?;
    if let Some(channels) = Channels::of(lowering, base, product, &layout) {
        let value = channels.convolve(lowering, base, &new, weights, name)?;
        let mut order = vec![0_u32; count];
        let plane = channels.plane;
        for [t, _, o] in old.offsets() {
            for (m, [_, _, more]) in new.offsets().enumerate() {
                order[o + more] = (layout.at(t) as usize % plane + m * plane) as u32;
            }
        }
        let elements = value.shape.len();
        return Ok(Value { layout: Layout::ordered(dims, batch, order, elements), ..value });
    }
    let terms = old.offsets().filter(|[t, ..]| layout.at(*t) != ZERO).flat_map(|[t, w, o]| {
        let (layout, weights) = (&layout, &weights.values);
        new.offsets().map(move |[_, v, p]| (o + p, layout.at(t) as usize, weights[w + v]))
    });
    let flat = lowering.network.shape(base).len();
    let base = if old.dims.iter().product::<usize>() == flat && summed(product, &layout) {
        dense(lowering, base, name, count, terms)?
    } else {
        matrix(lowering, base, name, count, terms)?
    };
    let layout = Layout::in_order(dims, batch);
    Ok(Value { layout, ..lowering.fresh(base) })
}

/// Whether the whole image is summed over: a layer with a weight for each input and output, as the
/// file has it.
fn summed(product: &Product<'_>, layout: &Layout) -> bool {
    let kept = |(k, l): (usize, &u8)| layout.dims[k] == 1 || !product.out.contains(l);
    product.left.iter().enumerate().all(kept)
}

/// A linear layer whose weights the file holds one by one, so that their number needs no bound.
fn dense(
    lowering: &mut Lowering<'_>,
    base: super::network::Base,
    name: &str,
    outs: usize,
    terms: impl Iterator<Item = (usize, usize, f64)>,
) -> Checked<super::network::Base> {
    let network = &mut lowering.network;
    let ins = network.shape(base).len();
    let Some(count) = outs.checked_mul(ins) else { return defect("too many weights", "use a smaller network") };
    let mut values = vec![0.0_f64; count];
    for (out, element, weight) in terms {
        values[out * ins + element] += weight;
    }
    let weight = Constant { dims: vec![outs, ins], values, integer: false }.tensor(&[outs, ins])?;
    let base = network.flatten(base, &format!("{name}.flatten"))?;
    network.push(base, name, LayerOp::Linear(Linear { weight, bias: None }), Shape::Flat { features: outs })
}

/// A product along the channels of a feature map, the same for all rows and columns.
struct Channels {
    channels: usize,
    /// Rows times columns.
    plane: usize,
    /// The step through the weights from one channel to the next.
    step: usize,
    shape: Shape,
}

impl Channels {
    fn of(lowering: &Lowering<'_>, base: super::network::Base, product: &Product<'_>, layout: &Layout) -> Option<Self> {
        let shape @ Shape::Map { channels, height, width } = lowering.network.shape(base) else { return None };
        let plane = height * width;
        let summed = |l: &u8| !product.out.contains(l);
        // One axis is summed, and it runs along the channels; the weights share no other.
        let mut along = (0..layout.dims.len()).filter(|&k| layout.dims[k] > 1 && summed(&product.left[k]));
        let (axis, None) = (along.next()?, along.next()) else { return None };
        let shared = product.right.iter().filter(|l| product.left.contains(l)).count();
        let position = product.right.iter().position(|l| *l == product.left[axis]);
        let steps = layout.steps()?;
        if layout.dims[axis] != channels
            || steps[axis] != plane
            || shared > usize::from(position.is_some())
            || plane == 1
            || !layout.is_permutation(shape.len())
        {
            return None;
        }
        let step = position.map_or(0, |k| strides(&product.weights.dims)[k]);
        Some(Self { channels, plane, step, shape })
    }

    fn convolve(
        &self,
        lowering: &mut Lowering<'_>,
        base: super::network::Base,
        new: &Walk,
        weights: &Constant,
        name: &str,
    ) -> Checked<Value> {
        let outs: usize = new.dims.iter().product();
        lowering.network.budget.take_array(&[outs, self.channels])?;
        let values = new
            .offsets()
            .flat_map(|[_, w, _]| (0..self.channels).map(move |k| weights.values[w + k * self.step]))
            .collect();
        let kernel = Constant { dims: vec![outs, self.channels, 1, 1], values, integer: false };
        let window = Window { kernel: [1; 2], stride: [1; 2], dilation: [1; 2], pads: [0; 4] };
        let filter = Filter { kernel, bias: None, groups: 1 };
        let base = lowering.network.convolve(base, name, filter, window, self.shape)?;
        Ok(lowering.fresh(base))
    }
}
