//! Shape inference over a model's layers: the one place that says which layers fit together. A
//! model that passes can be evaluated without reading outside a tensor.

use std::collections::HashMap;

use super::{Activation, Conv2d, Layer, LayerOp, Linear, ModelLiteral, Pool2d};
use crate::text::valid_name;
use crate::{Error, Result, Shape, Tensor};

/// What names the image where a layer's name is expected.
pub(super) const INPUT: &str = "input";

/// The most elements a feature map or tensor of a model may have: far above any sensible network,
/// far below overflow.
const MAX_ELEMENTS: usize = 1 << 28;

/// The output shape of every layer, or the first contradiction.
pub(crate) fn infer(model: &ModelLiteral) -> Result<Vec<Shape>> {
    check_input(model)?;
    let mut shapes = Vec::with_capacity(model.layers.len());
    let mut seen: HashMap<&str, Shape> = HashMap::new();
    let mut current = model.input.shape();
    for layer in &model.layers {
        let name = layer.name.as_str();
        if name == INPUT || !valid_name(name) {
            return Err(Error::layer(name, "this name", "letters, digits, `.`, `_` or `-`, and not `input`"));
        }
        current = output_shape(layer, current, |name| match name {
            INPUT => Some(model.input.shape()),
            name => seen.get(name).copied(),
        })?;
        if current.is_empty() || current.len() > MAX_ELEMENTS {
            return Err(Error::layer(name, format!("an output of {current}"), "between 1 and 2^28 elements"));
        }
        if seen.insert(name, current).is_some() {
            return Err(Error::layer(name, "a second layer of this name", "unique names"));
        }
        shapes.push(current);
    }
    Ok(shapes)
}

fn check_input(model: &ModelLiteral) -> Result<()> {
    let input = &model.input;
    let elements = input.shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    if !elements.is_some_and(|n| n > 0 && n <= MAX_ELEMENTS) {
        return Err(Error::layer("input", format!("shape {:?}", input.shape), "between 1 and 2^28 elements"));
    }
    match input.fault() {
        Some((found, expected)) => Err(Error::layer("input", found, expected)),
        None => Ok(()),
    }
}

/// The shape of what a layer makes of an `input`; `earlier` gives the shapes of the layers before
/// it by name, and the image's for `input`.
///
/// # Errors
/// Says which of the layer's tensors and settings do not fit the input.
pub fn output_shape(layer: &Layer, input: Shape, earlier: impl Fn(&str) -> Option<Shape>) -> Result<Shape> {
    let name = layer.name.as_str();
    match &layer.op {
        LayerOp::Conv2d(conv) => conv_shape(name, conv, input),
        LayerOp::Linear(linear) => linear_shape(name, linear, input),
        LayerOp::BatchNorm { gamma, beta, mean, var, eps } => {
            let channels = match input {
                Shape::Map { channels, .. } => channels,
                Shape::Flat { features } => features,
            };
            for (what, t) in [("gamma", gamma), ("beta", beta), ("mean", mean), ("var", var)] {
                expect_shape(name, what, t, &[channels])?;
            }
            if var.data().iter().any(|v| *v < 0.0 || v + eps <= 0.0) || !eps.is_finite() {
                return Err(Error::layer(name, "a variance that is not positive", "var + eps > 0"));
            }
            Ok(input)
        }
        LayerOp::AvgPool(pool) => pool_shape(name, pool, input),
        LayerOp::Flatten => Ok(Shape::Flat { features: input.len() }),
        LayerOp::Add { with } => match earlier(with).filter(|_| with != INPUT) {
            Some(other) if other == input => Ok(input),
            Some(other) => Err(Error::layer(name, format!("`{with}` of shape {other}"), format!("shape {input}"))),
            None => Err(Error::layer(name, format!("`{with}`"), "the name of an earlier layer")),
        },
        LayerOp::Branch { from } => earlier(from)
            .ok_or_else(|| Error::layer(name, format!("`{from}`"), "the name of an earlier layer, or `input`")),
        LayerOp::Activation { function, range } => {
            if let Some(r) = range
                && !(r.min.is_finite() && r.max.is_finite() && r.min <= r.max)
            {
                return Err(Error::layer(name, format!("range {} .. {}", r.min, r.max), "finite, smallest first"));
            }
            if let Activation::Polynomial(p) = function {
                for (what, t) in [("a", &p.a), ("b", &p.b), ("c", &p.c)] {
                    if !t.broadcasts_to(input) {
                        return Err(Error::layer(
                            name,
                            format!("`{what}` of shape {:?}", t.shape()),
                            format!("[], [C,1,1] or exactly the input's shape, {input}"),
                        ));
                    }
                }
            }
            Ok(input)
        }
    }
}

fn conv_shape(name: &str, conv: &Conv2d, input: Shape) -> Result<Shape> {
    let Shape::Map { channels, height, width } = input else {
        return Err(Error::layer(
            name,
            format!("an input of shape {input}"),
            "a feature map; flatten comes after convolutions",
        ));
    };
    let &[out, per_group, kh, kw] = conv.weight.shape() else {
        return Err(Error::layer(
            name,
            format!("weight of shape {:?}", conv.weight.shape()),
            "[out, in / groups, rows, columns]",
        ));
    };
    let groups = conv.groups;
    if groups == 0 || out % groups != 0 || per_group.checked_mul(groups) != Some(channels) {
        return Err(Error::layer(
            name,
            format!("{out} outputs, {per_group} inputs per group, {groups} groups"),
            format!("groups that divide the outputs, and {channels} inputs in all"),
        ));
    }
    if let Some(bias) = &conv.bias {
        expect_shape(name, "bias", bias, &[out])?;
    }
    let height = window(name, height, kh, conv.stride[0], conv.padding[0], conv.dilation[0])?;
    let width = window(name, width, kw, conv.stride[1], conv.padding[1], conv.dilation[1])?;
    map(name, out, height, width)
}

fn linear_shape(name: &str, linear: &Linear, input: Shape) -> Result<Shape> {
    let &[out, inputs] = linear.weight.shape() else {
        return Err(Error::layer(name, format!("weight of shape {:?}", linear.weight.shape()), "[out, in]"));
    };
    if inputs != input.len() {
        return Err(Error::layer(name, format!("weight with {inputs} inputs"), format!("{} inputs", input.len())));
    }
    if let Some(bias) = &linear.bias {
        expect_shape(name, "bias", bias, &[out])?;
    }
    Ok(Shape::Flat { features: out })
}

fn pool_shape(name: &str, pool: &Pool2d, input: Shape) -> Result<Shape> {
    let Shape::Map { channels, height, width } = input else {
        return Err(Error::layer(name, format!("an input of shape {input}"), "a feature map"));
    };
    let height = window(name, height, pool.kernel[0], pool.stride[0], 0, 1)?;
    let width = window(name, width, pool.kernel[1], pool.stride[1], 0, 1)?;
    map(name, channels, height, width)
}

fn map(name: &str, channels: usize, height: usize, width: usize) -> Result<Shape> {
    match channels.checked_mul(height).and_then(|n| n.checked_mul(width)) {
        Some(_) => Ok(Shape::Map { channels, height, width }),
        None => Err(Error::layer(name, "an output too large to count", "at most 2^28 elements")),
    }
}

/// Number of positions of a window along one axis.
fn window(name: &str, size: usize, kernel: usize, stride: usize, padding: usize, dilation: usize) -> Result<usize> {
    let bad = || {
        Error::layer(
            name,
            format!("kernel {kernel}, stride {stride}, padding {padding}, dilation {dilation} on an input of {size}"),
            "positive sizes, and a window that fits into the padded input",
        )
    };
    if kernel == 0 || stride == 0 || dilation == 0 || [kernel, stride, padding, dilation].iter().any(|&v| v > 1 << 20) {
        return Err(bad());
    }
    let padded = size + 2 * padding;
    let extent = (kernel - 1) * dilation + 1;
    if extent > padded {
        return Err(bad());
    }
    Ok((padded - extent) / stride + 1)
}

fn expect_shape(name: &str, what: &str, tensor: &Tensor, shape: &[usize]) -> Result<()> {
    if tensor.shape() == shape {
        Ok(())
    } else {
        Err(Error::layer(name, format!("`{what}` of shape {:?}", tensor.shape()), format!("{shape:?}")))
    }
}
