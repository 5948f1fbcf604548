//! `Concat`: tensors side by side are the sum of each with zeros beside it.

use super::attributes::Attributes;
use super::budget::axis;
use super::constant::Constant;
use super::context::{Inputs, Lowering, Slot};
use super::elementwise;
use super::fold::moves;
use super::layout::{Layout, MapAxis};
use super::names;
use super::network::Value;
use super::proto::NodeProto;
use super::rearrange::settle;
use super::shaping::{numbers, placed, renumbered, shown};
use crate::error::{Checked, defect};

/// `Concat` of values and constants along any extent but the batch.
pub(crate) fn concat<'g>(lowering: &mut Lowering<'g>, node: &'g NodeProto, inputs: &Inputs<'_>) -> Checked<Value> {
    let values: Vec<&Value> = inputs.values().collect();
    let Some(&first) = values.first() else { return defect("`Concat` of constants", "export the network again") };
    let rank = first.layout.dims.len();
    let along = axis(Attributes::of(node, &["axis"])?.int("axis", 0), rank)?;
    let batch = first.layout.batch;
    if values.iter().any(|v| v.layout.batch != batch) || batch == Some(along) {
        return defect(
            format!("`Concat` along axis {along} of {}", shown(&first.layout)),
            "join the features of an image: images of a batch stay apart",
        );
    }
    let extents: Vec<&[usize]> = inputs
        .slots
        .iter()
        .flatten()
        .filter_map(|slot| match slot {
            Slot::Value(v) => Some(v.layout.dims.as_slice()),
            Slot::Constant(c) => Some(c.dims.as_slice()),
            _ => None,
        })
        .collect();
    let fits = |d: &&[usize]| d.len() == rank && (0..rank).all(|k| k == along || d[k] == first.layout.dims[k]);
    if !extents.iter().all(fits) {
        return defect(format!("`Concat` of extents {extents:?} along axis {along}"), "export the network again");
    }
    if let Some(joined) = of_one_layer(lowering, inputs, along)? {
        return Ok(joined);
    }
    let (values, orientation) = oriented(lowering, node, inputs)?;
    let mut dims = first.layout.dims.clone();
    dims[along] = extents.iter().map(|d| d[along]).sum();
    sum_of_parts(lowering, node, inputs, Parts { values, orientation, dims, along })
}

/// All from the same layer: only a choice of elements.
fn of_one_layer(lowering: &mut Lowering<'_>, inputs: &Inputs<'_>, along: usize) -> Checked<Option<Value>> {
    let values: Vec<Value> = inputs.values().cloned().collect();
    let first = &values[0];
    let same = |v: &Value| v.base == first.base && v.quadratic == first.quadratic && v.pads == first.pads;
    if values.len() != inputs.slots.len() || !values.iter().all(same) {
        return Ok(None);
    }
    let parts = values.iter().map(|v| numbers(lowering, v)).collect::<Checked<Vec<Constant>>>()?;
    let joined = moves::concat(&parts.iter().collect::<Vec<_>>(), along as i64, &mut lowering.network.budget)?;
    let joined = renumbered(first, &joined, first.layout.batch);
    Ok(Some(Value { exclusive: false, ..joined }))
}

/// The axis of a feature map that each extent runs along.
type Orientation = Vec<Option<MapAxis>>;

struct Parts {
    /// In the order of the inputs, none for constants.
    values: Vec<Option<Value>>,
    /// Along which axes of the feature maps the extents run, where that is the same for all.
    orientation: Option<Orientation>,
    dims: Vec<usize>,
    along: usize,
}

/// The values as layers' outputs, and the order of their axes if all are maps of the same order.
fn oriented<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    inputs: &Inputs<'_>,
) -> Checked<(Vec<Option<Value>>, Option<Orientation>)> {
    let mut values = Vec::with_capacity(inputs.slots.len());
    for (k, slot) in inputs.slots.iter().enumerate() {
        values.push(match slot {
            Some(Slot::Value(v)) => Some(lowering.layer_of(node, Some(k), v)?),
            _ => None,
        });
    }
    let of = |v: &Value| v.map().and_then(|map| v.layout.orientation(map));
    let mut all = values.iter().flatten().map(of);
    let first = all.next().flatten();
    let same = first.is_some() && all.all(|o| o == first);
    Ok((values, first.filter(|_| same)))
}

/// Each part in its position, zeros beside it, and the sum of all.
fn sum_of_parts<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    inputs: &Inputs<'_>,
    parts: Parts,
) -> Checked<Value> {
    let Parts { values, orientation, dims, along } = parts;
    let name = names::of_layer(node, None);
    // Maps whose axes have another order are joined as the maps that they are.
    let natural = orientation.filter(|o| o.iter().flatten().count() == 3 || o.len() == 3);
    let axes = [MapAxis::Channels, MapAxis::Rows, MapAxis::Columns];
    let extent = |o: &[Option<MapAxis>], a: MapAxis| o.iter().position(|&k| k == Some(a)).map_or(1, |k| dims[k]);
    let target: Option<[usize; 3]> = natural.as_ref().map(|o| axes.map(|a| extent(o, a)));
    let mut at = 0;
    let mut sum: Option<Value> = None;
    let mut rest = Vec::new();
    for (k, slot) in inputs.slots.iter().enumerate() {
        let mut start = vec![0; dims.len()];
        start[along] = at;
        match (&values[k], slot) {
            (Some(value), _) => {
                at += value.layout.dims[along];
                let part = match (&natural, target) {
                    (Some(o), Some([c, h, w])) => {
                        let position = |a: MapAxis| o.iter().position(|&k| k == Some(a)).map_or(0, |k| start[k]);
                        let map = Layout::natural(value.shape);
                        let map = Value { layout: map, ..value.clone() };
                        let start: Vec<usize> = std::iter::once(0).chain(axes.map(position)).collect();
                        placed(lowering, &map, vec![1, c, h, w], &start)?
                    }
                    _ => placed(lowering, value, dims.clone(), &start)?,
                };
                let part = settle(lowering, &part, &format!("{name}.part"))?;
                let part = lowering.layer_of(node, None, &part)?;
                sum = Some(match sum {
                    None => part,
                    Some(before) => elementwise::add(lowering, node, &before, &part)?,
                });
            }
            (None, Some(Slot::Constant(c))) => {
                rest.push((start, c.clone()));
                at += c.dims[along];
            }
            (None, _) => return defect("a gap among what is joined", "export the network again"),
        }
    }
    let Some(sum) = sum else { return defect("`Concat` of constants", "export the network again") };
    let batch = inputs.values().next().and_then(|v| v.layout.batch);
    let joined = match (&natural, target) {
        (Some(o), Some(target)) if sum.map() == Some(target) => {
            Value { layout: Layout::oriented(o, batch, target), ..sum }
        }
        (Some(o), Some(target)) => {
            // The sum became a vector in the order of the map.
            let layout = Layout::oriented(o, batch, target);
            Value { layout, ..sum }
        }
        _ => Value { layout: Layout::in_order(dims.clone(), batch), ..sum },
    };
    if rest.is_empty() {
        return Ok(joined);
    }
    let count = lowering.network.budget.take_array(&dims)?;
    let mut values = vec![0.0; count];
    let steps = super::budget::strides(&dims);
    for (start, c) in rest {
        let first: usize = start.iter().zip(&steps).map(|(s, step)| s * step).sum();
        for (offset, v) in super::budget::offsets(&c.dims, &steps).zip(&c.values) {
            values[first + offset] = *v;
        }
    }
    let constant = Constant { dims, values, integer: false };
    elementwise::shifted(lowering, node, joined, &constant, 1.0)
}
