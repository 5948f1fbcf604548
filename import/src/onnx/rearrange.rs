//! Elements brought into another order by layers, where an operator needs them so: a convolution
//! that selects channels and crops, repeats or pads rows and columns; else a matrix, as long as it
//! is small.

use std::rc::Rc;

use beaa_ir::{LayerOp, Linear, Shape};

use super::constant::Constant;
use super::context::{Inputs, Lowering};
use super::layout::{Layout, ZERO};
use super::names;
use super::network::{Base, Value};
use super::proto::NodeProto;
use super::window::{Filter, Window};
use crate::error::{Checked, defect};

/// The most weights of a layer that an import makes up.
const MAX_WEIGHTS: usize = 1 << 24;

/// `value` as the feature map that its tensor is, perhaps with zeros around it; none if the
/// tensor is no map, or one whose elements no convolution brings into this order.
pub(crate) fn as_map(lowering: &mut Lowering<'_>, value: &Value, name: &str) -> Checked<Option<Value>> {
    if value.is_map() {
        return Ok(Some(value.clone()));
    }
    let Some([channels, height, width]) = value.layout.map_extents() else { return Ok(None) };
    let map = Shape::Map { channels, height, width };
    let base = lowering.network.materialise(value)?;
    let layout = Layout::in_order(value.layout.dims.clone(), value.layout.batch);
    let flattened = match base {
        Some(b) if lowering.network.layers[b].op == LayerOp::Flatten => Some(b.checked_sub(1)),
        _ => None,
    };
    if let Some(before) = flattened.filter(|&b| value.layout.is_in_order() && lowering.network.shape(b) == map) {
        return Ok(Some(Value { layout, ..Value::plain(before, map) }));
    }
    let Shape::Map { channels: c, height: h, width: w } = lowering.network.shape(base) else { return Ok(None) };
    let Some(selection) = Selection::of(&value.layout, [c, h, w], [channels, height, width]) else { return Ok(None) };
    let Some(filter) = selection.filter(c) else { return Ok(None) };
    lowering.network.budget.take(filter.kernel.values.len())?;
    let shape = lowering.network.shape(base);
    let base = lowering.network.convolve(base, name, filter, selection.window(), shape)?;
    assert_eq!(lowering.network.shape(base), map, "the extents of the selected map");
    Ok(Some(Value { layout, exclusive: true, ..Value::plain(base, map) }))
}

/// Input 0 of `node` as a feature map that is a layer's output, perhaps with zeros around it; else
/// a value that is no map, or whose elements no convolution brings into the order of one.
pub(crate) fn padded_layer<'g>(
    lowering: &mut Lowering<'g>,
    node: &'g NodeProto,
    inputs: &Inputs<'_>,
) -> Checked<Value> {
    let value = match inputs.value(0)? {
        value if value.pads == [0; 4] => lowering.layer_of(node, Some(0), value)?,
        value => value.clone(),
    };
    let name = format!("{}.order", names::of_layer(node, None));
    match as_map(lowering, &value, &name)? {
        Some(map) if map == value => Ok(map),
        Some(map) => {
            lowering.remember(node, Some(0), &map);
            Ok(map)
        }
        None => lowering.layer_of(node, Some(0), &value),
    }
}

/// `value` as a vector of the elements of its tensor, in their order.
pub(crate) fn as_vector(lowering: &mut Lowering<'_>, value: &Value, name: &str) -> Checked<Value> {
    let base = lowering.network.materialise(value)?;
    let layout = Layout::in_order(value.layout.dims.clone(), value.layout.batch);
    let (base, exclusive) = if value.layout.is_in_order() {
        let flat = lowering.network.flatten(base, name)?;
        (flat, flat != base || value.exclusive || base != value.base)
    } else if (value.exclusive || base != value.base) && picks_rows(lowering, base, &value.layout)? {
        (base, true)
    } else {
        let count = value.layout.len();
        let at = |i: usize| value.layout.at(i);
        let terms = (0..count).filter(|&i| at(i) != ZERO).map(|i| (i, at(i) as usize, 1.0));
        (matrix(lowering, base, name, count, terms)?, true)
    };
    let shape = lowering.network.shape(base);
    Ok(Value { layout, exclusive, ..Value::plain(base, shape) })
}

/// `value` with the elements of its tensor in their order: a map if a convolution makes it one,
/// else a vector.
pub(crate) fn settle(lowering: &mut Lowering<'_>, value: &Value, name: &str) -> Checked<Value> {
    match as_map(lowering, value, name)? {
        Some(map) => Ok(map),
        None => as_vector(lowering, value, name),
    }
}

/// Picks the rows of the linear layer `base`, which nothing else reads, in place of a layer that
/// does so behind it.
fn picks_rows(lowering: &mut Lowering<'_>, base: Base, layout: &Layout) -> Checked<bool> {
    let Some(b) = base else { return Ok(false) };
    let LayerOp::Linear(linear) = &lowering.network.layers[b].op else { return Ok(false) };
    let &[_, ins] = linear.weight.shape() else { return Ok(false) };
    let (count, data) = (layout.len(), linear.weight.data());
    if count.saturating_mul(ins) > MAX_WEIGHTS {
        return Ok(false);
    }
    lowering.network.budget.take(count * ins)?;
    let row = |i: usize| Some(layout.at(i) as usize).filter(|&r| r != ZERO as usize);
    let mut weight = vec![0.0_f32; count * ins];
    let mut bias = vec![0.0_f32; count];
    for i in 0..count {
        if let Some(r) = row(i) {
            weight[i * ins..(i + 1) * ins].copy_from_slice(&data[r * ins..(r + 1) * ins]);
            if let Some(b) = &linear.bias {
                bias[i] = b.data()[r];
            }
        }
    }
    let bias = match &linear.bias {
        Some(_) => Some(beaa_ir::Tensor::new(vec![count], bias)?),
        None => None,
    };
    let weight = beaa_ir::Tensor::new(vec![count, ins], weight)?;
    lowering.network.layers[b].op = LayerOp::Linear(Linear { weight, bias });
    lowering.network.shapes[b] = Shape::Flat { features: count };
    Ok(true)
}

/// Appends a linear layer from the terms `(output, element, weight)` of its sums.
pub(crate) fn matrix(
    lowering: &mut Lowering<'_>,
    base: Base,
    name: &str,
    outs: usize,
    terms: impl Iterator<Item = (usize, usize, f64)>,
) -> Checked<Base> {
    let network = &mut lowering.network;
    let ins = network.shape(base).len();
    let Some(count) = outs.checked_mul(ins).filter(|&n| (1..=MAX_WEIGHTS).contains(&n)) else {
        return defect(
            format!("what only a matrix of {outs} rows and {ins} columns can say: more than {MAX_WEIGHTS} weights"),
            "keep channels, rows and columns in one order between convolutions, or make the feature map smaller first",
        );
    };
    network.budget.take(count)?;
    let mut values = vec![0.0_f64; count];
    for (out, element, weight) in terms {
        values[out * ins + element] += weight;
    }
    let weight = Constant { dims: vec![outs, ins], values, integer: false }.tensor(&[outs, ins])?;
    let base = network.flatten(base, &format!("{name}.flatten"))?;
    network.push(base, name, LayerOp::Linear(Linear { weight, bias: None }), Shape::Flat { features: outs })
}

/// A map made of another one's channels, and of a regular choice of its rows and columns.
struct Selection {
    /// Which channel each one is; none for zeros.
    channels: Vec<Option<usize>>,
    rows: Progression,
    columns: Progression,
}

impl Selection {
    fn of(layout: &Layout, [c, h, w]: [usize; 3], [channels, height, width]: [usize; 3]) -> Option<Self> {
        let at = |k: usize, r: usize, s: usize| {
            Some(layout.at((k * height + r) * width + s) as usize).filter(|&e| e != ZERO as usize)
        };
        let any = |k: usize| (0..height * width).find_map(|i| at(k, i / width, i % width));
        let sources: Vec<Option<usize>> = (0..channels).map(|k| any(k).map(|e| e / (h * w))).collect();
        let first = sources.iter().position(Option::is_some)?;
        let (row, column) =
            (0..height * width).find(|i| at(first, i / width, i % width).is_some()).map(|i| (i / width, i % width))?;
        let rows: Vec<Option<usize>> = (0..height).map(|r| at(first, r, column).map(|e| e / w % h)).collect();
        let columns: Vec<Option<usize>> = (0..width).map(|s| at(first, row, s).map(|e| e % w)).collect();
        let expected = |k: usize, r: usize, s: usize| Some((sources[k]? * h + rows[r]?) * w + columns[s]?);
        let regular = (0..channels * height * width).all(|i| {
            let (k, r, s) = (i / (height * width), i / width % height, i % width);
            at(k, r, s) == expected(k, r, s)
        });
        if !regular || sources.iter().flatten().any(|&k| k >= c) {
            return None;
        }
        Some(Self { channels: sources, rows: Progression::of(&rows, h)?, columns: Progression::of(&columns, w)? })
    }

    fn window(&self) -> Window {
        let (r, c) = (&self.rows, &self.columns);
        Window {
            kernel: [r.kernel.len(), c.kernel.len()],
            stride: [r.stride, c.stride],
            dilation: [1; 2],
            pads: [r.pads[0], c.pads[0], r.pads[1], c.pads[1]],
        }
    }

    /// The kernel, unless it is too large.
    fn filter(&self, c: usize) -> Option<Filter> {
        let depthwise = self.channels.len() == c && self.channels.iter().enumerate().all(|(k, s)| *s == Some(k));
        let (ins, groups) = if depthwise { (1, c) } else { (c, 1) };
        let (high, wide) = (self.rows.kernel.len(), self.columns.kernel.len());
        let dims = vec![self.channels.len(), ins, high, wide];
        let count = dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_WEIGHTS)?;
        let mut values = vec![0.0; count];
        for (out, source) in self.channels.iter().enumerate() {
            let Some(source) = source else { continue };
            let plane = out * ins + if depthwise { 0 } else { *source };
            for (u, &row) in self.rows.kernel.iter().enumerate() {
                for (v, &column) in self.columns.kernel.iter().enumerate() {
                    values[(plane * high + u) * wide + v] = row * column;
                }
            }
        }
        Some(Filter { kernel: Constant { dims, values, integer: false }, bias: None, groups })
    }
}

/// How a window moves along one axis so that it reads the positions that are chosen.
struct Progression {
    kernel: Rc<[f64]>,
    stride: usize,
    /// Before and after.
    pads: [usize; 2],
}

impl Progression {
    /// The positions out of `size` that are read, none for zeros.
    fn of(positions: &[Option<usize>], size: usize) -> Option<Self> {
        let one = |at: usize, length: usize| (0..length).map(|k| f64::from(u8::from(k == at))).collect();
        let before = positions.iter().take_while(|p| p.is_none()).count();
        let chosen: Vec<usize> = positions[before..].iter().map_while(|p| *p).collect();
        let after = positions.len() - before - chosen.len();
        let (&first, &last) = (chosen.first()?, chosen.last()?);
        if positions[before + chosen.len()..].iter().any(Option::is_some) {
            return None;
        }
        if before + after > 0 {
            // What lies beside all of the positions is padding.
            let whole = chosen.iter().enumerate().all(|(k, &p)| p == k) && chosen.len() == size;
            return whole.then(|| Self { kernel: one(0, 1), stride: 1, pads: [before, after] });
        }
        if chosen.len() == 1 {
            return Some(Self { kernel: one(first, size), stride: 1, pads: [0; 2] });
        }
        if size == 1 {
            let count = chosen.len();
            return Some(Self { kernel: vec![1.0; count].into(), stride: 1, pads: [count - 1; 2] });
        }
        let stride = chosen[1].checked_sub(first).filter(|&s| s > 0)?;
        if !chosen.iter().enumerate().all(|(k, &p)| p == first + k * stride) || last >= size {
            return None;
        }
        // As small as the number of positions allows.
        let length = (first + 1).max((size + 1).saturating_sub(chosen.len() * stride));
        ((size - length) / stride + 1 == chosen.len()).then(|| Self {
            kernel: one(first, length),
            stride,
            pads: [0; 2],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the window reads at each position of its output.
    fn read(p: &Progression, size: usize) -> Vec<Option<usize>> {
        let padded = size + p.pads[0] + p.pads[1];
        (0..(padded - p.kernel.len()) / p.stride + 1)
            .map(|i| {
                let hits = p.kernel.iter().enumerate().filter(|(_, w)| **w == 1.0).map(|(k, _)| i * p.stride + k);
                let inside: Vec<usize> =
                    hits.filter_map(|at| at.checked_sub(p.pads[0])).filter(|&at| at < size).collect();
                assert!(inside.len() <= 1);
                inside.first().copied()
            })
            .collect()
    }

    #[test]
    fn windows_read_the_chosen_positions() {
        let some = |list: &[usize]| list.iter().map(|&p| Some(p)).collect::<Vec<_>>();
        for (positions, size) in [
            (some(&[0, 1, 2]), 3),
            (some(&[1, 2]), 5),
            (some(&[4]), 5),
            (some(&[0, 2, 4]), 5),
            (some(&[1, 3]), 6),
            (some(&[2, 5]), 9),
            (some(&[0, 0, 0]), 1),
            (vec![None, None, Some(0), Some(1), None], 2),
        ] {
            let p = Progression::of(&positions, size).unwrap();
            assert_eq!(read(&p, size), positions);
        }
        for (positions, size) in [(some(&[1, 0]), 2), (vec![None, Some(1)], 2), (some(&[0, 1, 3]), 4)] {
            assert!(Progression::of(&positions, size).is_none(), "{positions:?}");
        }
    }
}
