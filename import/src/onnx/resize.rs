//! `Resize` and `Upsample` of rows and columns: the nearest pixel is a choice of elements, and what
//! lies between two of them a product with fixed weights.

use super::attributes::Attributes;
use super::constant::Constant;
use super::context::{Inputs, Lowering};
use super::contract::{Product, contract};
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use super::shaping::shown;
use crate::error::{Checked, defect};

const REMEDY: &str = "resize pictures before they are encrypted, or use nearest or linear interpolation";

/// `Resize` and `Upsample` by constant factors.
pub(crate) fn resize<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let known = [
        "antialias",
        "axes",
        "coordinate_transformation_mode",
        "cubic_coeff_a",
        "exclude_outside",
        "extrapolation_value",
        "keep_aspect_ratio_policy",
        "mode",
        "nearest_mode",
        "scales",
    ];
    let a = Attributes::of(node, &known)?;
    let mut x = lowering.layer_of(node, Some(0), inputs.value(0)?)?;
    let rank = x.layout.dims.len();
    let upsample = node.op_type == "Upsample" || lowering.graph.opset < 11;
    if a.has("axes")
        || a.int("antialias", 0) != 0
        || a.text("keep_aspect_ratio_policy").unwrap_or("stretch") != "stretch"
    {
        return defect("a resizing along some axes or against aliasing", REMEDY);
    }
    let scales: Option<Vec<f64>> = match (a.floats("scales"), inputs.maybe_constant(if upsample { 1 } else { 2 })?) {
        (Some(list), _) => Some(list.iter().map(|&s| f64::from(s)).collect()),
        (None, Some(c)) if !c.values.is_empty() => Some(c.values.clone()),
        _ => None,
    };
    let sizes = if upsample { None } else { inputs.maybe_constant(3)?.filter(|c| !c.values.is_empty()) };
    let sizes: Vec<(usize, f64)> = (0..rank)
        .map(|k| match (scales.as_ref().and_then(|s| s.get(k)), sizes.and_then(|s| s.values.get(k))) {
            (Some(&s), _) => ((x.layout.dims[k] as f64 * s).floor() as usize, s),
            (None, Some(v)) if v.is_nan() => (x.layout.dims[k], 1.0),
            (None, Some(&v)) => (v as usize, v / x.layout.dims[k] as f64),
            (None, None) => (0, 0.0),
        })
        .collect();
    let (mode, nearest) = (a.text("mode").unwrap_or("nearest"), a.text("nearest_mode"));
    let transformation = match (upsample, a.text("coordinate_transformation_mode")) {
        (true, _) => "asymmetric",
        (false, text) => text.unwrap_or("half_pixel"),
    };
    let rounding = if upsample { "floor" } else { nearest.unwrap_or("round_prefer_floor") };
    let found = format!("`{mode}` resizing by `{transformation}` of {}", shown(&x.layout));
    let bad = || defect(found.clone(), REMEDY);
    if sizes.iter().any(|&(n, _)| n == 0 || n > 1 << 16) || !matches!(mode, "nearest" | "linear") {
        return bad();
    }
    for (k, &(size, scale)) in sizes.iter().enumerate() {
        let before = x.layout.dims[k];
        if size == before && (scale - 1.0).abs() < 1e-9 {
            continue;
        }
        if x.layout.batch == Some(k) {
            return bad();
        }
        lowering.network.budget.take_array(&[size, before])?;
        let mut weights = vec![0.0; size * before];
        for out in 0..size {
            let Some(at) = coordinate(transformation, out as f64, scale, (before, size)) else { return bad() };
            let low = at.floor();
            let inside = |p: f64| p.clamp(0.0, (before - 1) as f64) as usize;
            if mode == "linear" {
                weights[out * before + inside(low)] += 1.0 - (at - low);
                weights[out * before + inside(low + 1.0)] += at - low;
            } else {
                let Some(pixel) = round(rounding, at) else { return bad() };
                weights[out * before + inside(pixel)] = 1.0;
            }
        }
        let weights = Constant { dims: vec![size, before], values: weights, integer: false };
        let left: Vec<u8> = (0..rank).map(|l| l as u8).collect();
        let out: Vec<u8> = left.iter().map(|&l| if usize::from(l) == k { 100 } else { l }).collect();
        let product = Product { weights: &weights, left, right: vec![100, k as u8], out };
        x = contract(lowering, &x, &product, &names::of_layer(node, None))?;
    }
    Ok(x)
}

/// Which position of the input one of the output is (ONNX, `coordinate_transformation_mode`).
fn coordinate(mode: &str, out: f64, scale: f64, (before, after): (usize, usize)) -> Option<f64> {
    Some(match mode {
        "asymmetric" => out / scale,
        "half_pixel" => (out + 0.5) / scale - 0.5,
        "pytorch_half_pixel" if after == 1 => 0.0,
        "pytorch_half_pixel" => (out + 0.5) / scale - 0.5,
        "align_corners" if after == 1 => 0.0,
        "align_corners" => out * (before - 1) as f64 / (after - 1) as f64,
        "tf_half_pixel_for_nn" => (out + 0.5) / scale,
        _ => return None,
    })
}

fn round(mode: &str, at: f64) -> Option<f64> {
    Some(match mode {
        "round_prefer_floor" => (at - 0.5).ceil(),
        "round_prefer_ceil" => (at + 0.5).floor(),
        "floor" => at.floor(),
        "ceil" => at.ceil(),
        _ => return None,
    })
}
