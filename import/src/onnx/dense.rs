//! Linear layers and batch normalisation.

use beaa_ir::{LayerOp, Linear, Shape};

use super::attributes::Attributes;
use super::constant::Constant;
use super::context::{Inputs, Lowering};
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use crate::error::{Checked, defect};

/// `Gemm` and `MatMul`: `x W` or `x W^T`, the former with a bias.
pub(crate) fn linear<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let x = lowering.input_layer(node, inputs)?;
    let weight = inputs.constant(1)?;
    let Shape::Flat { features } = x.shape else {
        return defect(format!("a product with a feature map of {}", x.shape), "flatten before linear layers");
    };
    let &[rows, columns] = weight.dims.as_slice() else {
        return defect(format!("a weight of extents {:?}", weight.dims), "use a matrix");
    };
    let (transposed, alpha, bias) = match node.op_type.as_str() {
        "Gemm" => {
            let a = Attributes::of(node, &["alpha", "beta", "transA", "transB"])?;
            if a.int("transA", 0) != 0 {
                return defect("a transposed batch (`transA`)", "export the network again");
            }
            let beta = f64::from(a.float("beta", 1.0));
            (a.int("transB", 0) != 0, f64::from(a.float("alpha", 1.0)), inputs.maybe_constant(2)?.map(|c| (c, beta)))
        }
        _ => {
            Attributes::of(node, &[])?;
            (false, 1.0, None)
        }
    };
    let (outs, ins) = if transposed { (rows, columns) } else { (columns, rows) };
    if ins != features {
        return defect(format!("a weight for {ins} inputs"), format!("{features} come in: export the network again"));
    }
    // Stored out x in; ONNX has either order.
    let source = |i: usize| if transposed { i } else { i % ins * outs + i / ins };
    let values = (0..weight.values.len()).map(|i| alpha * weight.values[source(i)]);
    let weight = Constant { dims: vec![outs, ins], values: values.collect(), integer: false };
    let bias = match bias {
        None => None,
        Some((c, beta)) => {
            let all = super::fold::spread(c, &[1, outs], &mut lowering.network.budget)?;
            let values = all.iter().map(|v| beta * v).collect();
            Some(Constant { dims: vec![outs], values, integer: false }.tensor(&[outs])?)
        }
    };
    let op = LayerOp::Linear(Linear { weight: weight.tensor(&[outs, ins])?, bias });
    let shape = Shape::Flat { features: outs };
    let base = lowering.network.push(x.base, &names::of_weighted_layer(node), op, shape)?;
    Ok(lowering.fresh(base))
}

/// `BatchNormalization` with the statistics of the training.
pub(crate) fn batch_norm<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let x = lowering.input_layer(node, inputs)?;
    let a = Attributes::of(node, &["epsilon", "momentum", "spatial", "training_mode"])?;
    if a.int("training_mode", 0) != 0 || a.int("spatial", 1) != 1 {
        return defect("statistics of the batch (`training_mode`)", "call model.eval() before the export");
    }
    let channels = match x.shape {
        Shape::Map { channels, .. } => channels,
        Shape::Flat { features } => features,
    };
    let get = |index: usize| {
        let constant = inputs.constant(index)?;
        match constant.dims.as_slice() {
            [n] if *n == channels => constant.tensor(&[channels]),
            dims => defect(format!("input {index} of extents {dims:?} for {channels} channels"), "export again"),
        }
    };
    let op = LayerOp::BatchNorm {
        gamma: get(1)?,
        beta: get(2)?,
        mean: get(3)?,
        var: get(4)?,
        eps: a.float("epsilon", 1e-5),
    };
    let base = lowering.network.push(x.base, &names::of_weighted_layer(node), op, x.shape)?;
    Ok(lowering.fresh(base))
}
