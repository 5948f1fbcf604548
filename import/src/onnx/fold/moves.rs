//! Operators that only move elements, repeat them or leave some out: transpositions, slices,
//! gathers and their like. They act on the numbers of constants, and in the same way on the numbers
//! of the elements of a feature map, which then say where each element comes from.

use super::super::attributes::Attributes;
use super::super::budget::{Budget, axis, broadcast, offsets, spread, strides};
use super::super::constant::Constant;
use super::super::proto::NodeProto;
use crate::error::{Checked, defect};

const AGAIN: &str = "export the network again";

/// Whether an operator only moves elements.
pub(crate) fn is_move(operator: &str) -> bool {
    matches!(
        operator,
        "Transpose"
            | "Reshape"
            | "Flatten"
            | "Squeeze"
            | "Unsqueeze"
            | "Slice"
            | "Gather"
            | "Split"
            | "Concat"
            | "Expand"
            | "Tile"
            | "DepthToSpace"
            | "SpaceToDepth"
    )
}

/// The results of such an operator; `inputs[0]` is what is moved.
pub(crate) fn apply(node: &NodeProto, inputs: &[Option<&Constant>], budget: &mut Budget) -> Checked<Vec<Constant>> {
    let get = |i: usize| match inputs.get(i).copied().flatten() {
        Some(c) => Ok(c),
        None => defect(format!("no input {i}"), AGAIN),
    };
    let a = get(0)?;
    let result = match node.op_type.as_str() {
        "Transpose" => transpose(a, Attributes::of(node, &["perm"])?.ints("perm"))?,
        "Reshape" => {
            let copies = Attributes::of(node, &["allowzero"])?.int("allowzero", 0) == 0;
            reshape(a, &with_one_image(get(1)?).integers()?, copies)?
        }
        "Flatten" => {
            let k = Attributes::of(node, &["axis"])?.int("axis", 1);
            let k = if k == a.dims.len() as i64 { a.dims.len() } else { axis(k, a.dims.len())? };
            Constant { dims: vec![a.dims[..k].iter().product(), a.dims[k..].iter().product()], ..a.clone() }
        }
        "Squeeze" => squeeze(a, axes(node, inputs, 1)?.as_deref())?,
        "Unsqueeze" => match axes(node, inputs, 1)? {
            Some(list) => unsqueeze(a, &list)?,
            None => return defect("`Unsqueeze` without axes", AGAIN),
        },
        "Slice" => slice(a, &ranges(node, inputs)?, budget)?,
        "Gather" => gather(a, get(1)?, Attributes::of(node, &["axis"])?.int("axis", 0), budget)?,
        "Split" => return split(node, inputs, a, budget),
        "Concat" => {
            let parts: Vec<&Constant> = inputs.iter().flatten().copied().collect();
            concat(&parts, Attributes::of(node, &["axis"])?.int("axis", 0), budget)?
        }
        "Expand" => expand(a, &with_one_image(get(1)?).integers()?, budget)?,
        "Tile" => tile(a, &get(1)?.integers()?, budget)?,
        "DepthToSpace" | "SpaceToDepth" => blocks(node, a)?,
        other => return defect(format!("`{other}` of constants"), "compute it before the export"),
    };
    Ok(vec![result])
}

/// Sizes in which that of the batch, which is not known, is 1.
pub(crate) fn with_one_image(sizes: &Constant) -> Constant {
    let values = sizes.values.iter().map(|&v| if v.is_nan() { 1.0 } else { v }).collect();
    Constant { values, ..sizes.clone() }
}

/// The axes that a node names, as an attribute or, in later operator sets, as input `index`.
pub(crate) fn axes(node: &NodeProto, inputs: &[Option<&Constant>], index: usize) -> Checked<Option<Vec<i64>>> {
    let a = Attributes::of(node, &["axes", "keepdims", "noop_with_empty_axes"])?;
    let axes = match (a.ints("axes"), inputs.get(index).copied().flatten()) {
        (Some(axes), _) => Some(axes.to_vec()),
        (None, Some(constant)) => Some(constant.integers()?),
        (None, None) => None,
    };
    // No axes at all are all of them, unless the node says that they are none.
    Ok(axes.filter(|axes| !axes.is_empty() || a.int("noop_with_empty_axes", 0) != 0))
}

pub(crate) fn transpose(a: &Constant, order: Option<&[i64]>) -> Checked<Constant> {
    let order = permutation(order, a.dims.len())?;
    let from = strides(&a.dims);
    let dims: Vec<usize> = order.iter().map(|&k| a.dims[k]).collect();
    let steps: Vec<usize> = order.iter().map(|&k| from[k]).collect();
    let values = offsets(&dims, &steps).map(|at| a.values[at]).collect();
    Ok(Constant { dims, values, integer: a.integer })
}

/// The order of `rank` axes that `perm` names; by default the reverse.
pub(crate) fn permutation(perm: Option<&[i64]>, rank: usize) -> Checked<Vec<usize>> {
    let Some(perm) = perm else { return Ok((0..rank).rev().collect()) };
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank as i64) {
        return defect(format!("the order {perm:?} for {rank} extents"), AGAIN);
    }
    Ok(perm.iter().map(|&k| k as usize).collect())
}

fn reshape(a: &Constant, target: &[i64], copies: bool) -> Checked<Constant> {
    let bad = || defect(format!("extents {:?} made into {target:?}", a.dims), AGAIN);
    let mut dims: Vec<usize> = Vec::with_capacity(target.len());
    let mut open = None;
    for (k, &d) in target.iter().enumerate() {
        match (usize::try_from(d), d, a.dims.get(k)) {
            (Ok(0), _, Some(&copied)) if copies => dims.push(copied),
            (Ok(1..), ..) => dims.push(d as usize),
            (_, -1, _) if open.is_none() => {
                open = Some(k);
                dims.push(1);
            }
            _ => return bad(),
        }
    }
    let known = dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    if let (Some(k), Some(known)) = (open, known.filter(|&n| n > 0)) {
        dims[k] = a.values.len() / known;
    }
    if dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)) != Some(a.values.len()) {
        return bad();
    }
    Ok(Constant { dims, ..a.clone() })
}

fn squeeze(a: &Constant, axes: Option<&[i64]>) -> Checked<Constant> {
    let gone = match axes {
        Some(list) => list.iter().map(|&k| axis(k, a.dims.len())).collect::<Checked<Vec<_>>>()?,
        None => (0..a.dims.len()).filter(|&k| a.dims[k] == 1).collect(),
    };
    if let Some(&k) = gone.iter().find(|&&k| a.dims[k] != 1) {
        return defect(format!("axis {k} of extents {:?} left out", a.dims), AGAIN);
    }
    let dims = (0..a.dims.len()).filter(|k| !gone.contains(k)).map(|k| a.dims[k]).collect();
    Ok(Constant { dims, ..a.clone() })
}

fn unsqueeze(a: &Constant, axes: &[i64]) -> Checked<Constant> {
    let rank = a.dims.len() + axes.len();
    let mut new = axes.iter().map(|&k| axis(k, rank)).collect::<Checked<Vec<_>>>()?;
    new.sort_unstable();
    new.dedup();
    if new.len() != axes.len() || rank > 16 {
        return defect(format!("new axes {axes:?}"), AGAIN);
    }
    let mut dims = a.dims.clone();
    new.iter().for_each(|&k| dims.insert(k, 1));
    Ok(Constant { dims, ..a.clone() })
}

/// What `Slice` takes along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SliceRange {
    pub(crate) axis: i64,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) step: i64,
}

/// The ranges that a `Slice` names, as attributes or, in later operator sets, as inputs.
pub(crate) fn ranges(node: &NodeProto, inputs: &[Option<&Constant>]) -> Checked<Vec<SliceRange>> {
    let a = Attributes::of(node, &["axes", "starts", "ends"])?;
    let list = |name: &str, index: usize| match (a.ints(name), inputs.get(index).copied().flatten()) {
        (Some(list), _) => Ok(Some(list.to_vec())),
        (None, Some(c)) => c.integers().map(Some),
        (None, None) => Ok(None),
    };
    let (Some(starts), Some(ends)) = (list("starts", 1)?, list("ends", 2)?) else {
        return defect("`Slice` without start or end", AGAIN);
    };
    let axes = list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list("", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|&n| n != starts.len()) || steps.contains(&0) {
        return defect("`Slice` whose lists do not fit together", AGAIN);
    }
    let range = |k: usize| SliceRange { axis: axes[k], start: starts[k], end: ends[k], step: steps[k] };
    Ok((0..starts.len()).map(range).collect())
}

fn slice(a: &Constant, ranges: &[SliceRange], budget: &mut Budget) -> Checked<Constant> {
    let mut result = a.clone();
    for range in ranges {
        let k = axis(range.axis, a.dims.len())?;
        let n = result.dims[k] as i64;
        // ONNX: negative positions count from the end; then both are clamped to what exists.
        let (low, high) = if range.step > 0 { (0, n) } else { (-1, n - 1) };
        let clamp = |v: i64| (if v < 0 { v.saturating_add(n) } else { v }).clamp(low, high);
        let (mut at, end) = (clamp(range.start), clamp(range.end));
        let mut positions = Vec::new();
        while (range.step > 0 && at < end) || (range.step < 0 && at > end) {
            positions.push(at as usize);
            at = at.saturating_add(range.step);
        }
        result = pick(&result, k, &positions, budget)?;
    }
    Ok(result)
}

/// The positions of `a` along axis `k`, in this order.
fn pick(a: &Constant, k: usize, positions: &[usize], budget: &mut Budget) -> Checked<Constant> {
    let (outer, inner) = (a.dims[..k].iter().product::<usize>(), a.dims[k + 1..].iter().product::<usize>());
    budget.take_array(&[outer, positions.len(), inner])?;
    let mut values = Vec::with_capacity(outer * positions.len() * inner);
    for block in 0..outer {
        for &p in positions {
            let start = (block * a.dims[k] + p) * inner;
            values.extend(&a.values[start..start + inner]);
        }
    }
    let mut dims = a.dims.clone();
    dims[k] = positions.len();
    Ok(Constant { dims, values, integer: a.integer })
}

fn gather(a: &Constant, which: &Constant, along: i64, budget: &mut Budget) -> Checked<Constant> {
    let k = axis(along, a.dims.len())?;
    let n = a.dims[k] as i64;
    let position = |&i: &i64| usize::try_from(if i < 0 { i + n } else { i }).ok().filter(|&i| (i as i64) < n);
    budget.take(which.values.len())?;
    let Some(positions) = which.integers()?.iter().map(position).collect::<Option<Vec<_>>>() else {
        return defect("`Gather` beyond the end of a list", AGAIN);
    };
    let picked = pick(a, k, &positions, budget)?;
    let dims = [&a.dims[..k], &which.dims, &a.dims[k + 1..]].concat();
    Ok(Constant { dims, ..picked })
}

fn split(node: &NodeProto, inputs: &[Option<&Constant>], a: &Constant, budget: &mut Budget) -> Checked<Vec<Constant>> {
    let attributes = Attributes::of(node, &["axis", "split", "num_outputs"])?;
    let k = axis(attributes.int("axis", 0), a.dims.len())?;
    let (n, parts) = (a.dims[k], node.output.len());
    let sizes: Vec<usize> = match (attributes.ints("split"), inputs.get(1).copied().flatten()) {
        (Some(sizes), _) => sizes.iter().filter_map(|&s| usize::try_from(s).ok()).collect(),
        (None, Some(c)) => c.integers()?.iter().filter_map(|&s| usize::try_from(s).ok()).collect(),
        // The last part is smaller where they cannot be equal.
        (None, None) => {
            let size = n.div_ceil(parts.max(1));
            (0..parts).map(|p| size.min(n.saturating_sub(p * size))).collect()
        }
    };
    if sizes.len() != parts || sizes.iter().try_fold(0_usize, |s, &d| s.checked_add(d)) != Some(n) {
        return defect(format!("`Split` of {n} into {sizes:?}"), AGAIN);
    }
    let mut start = 0;
    sizes
        .iter()
        .map(|&size| {
            let positions: Vec<usize> = (start..start + size).collect();
            start += size;
            pick(a, k, &positions, budget)
        })
        .collect()
}

/// Arrays joined along one axis.
pub(crate) fn concat(parts: &[&Constant], along: i64, budget: &mut Budget) -> Checked<Constant> {
    let Some(first) = parts.first() else { return defect("`Concat` of nothing", AGAIN) };
    let k = axis(along, first.dims.len())?;
    let same = |p: &Constant| {
        p.dims.len() == first.dims.len() && (0..p.dims.len()).all(|i| i == k || p.dims[i] == first.dims[i])
    };
    if !parts.iter().all(|p| same(p)) {
        return defect("`Concat` of extents that do not fit together", AGAIN);
    }
    let mut dims = first.dims.clone();
    dims[k] = parts.iter().map(|p| p.dims[k]).sum();
    let count = budget.take_array(&dims)?;
    let (outer, inner) = (dims[..k].iter().product::<usize>(), dims[k + 1..].iter().product::<usize>());
    let mut values = Vec::with_capacity(count);
    for block in 0..outer {
        for part in parts {
            let size = part.dims[k] * inner;
            values.extend(&part.values[block * size..(block + 1) * size]);
        }
    }
    Ok(Constant { dims, values, integer: parts.iter().all(|p| p.integer) })
}

fn expand(a: &Constant, target: &[i64], budget: &mut Budget) -> Checked<Constant> {
    let sizes: Option<Vec<usize>> = target.iter().map(|&d| usize::try_from(d).ok()).collect();
    let Some(dims) = sizes.and_then(|sizes| broadcast(&a.dims, &sizes)) else {
        return defect(format!("extents {:?} expanded to {target:?}", a.dims), AGAIN);
    };
    budget.take_array(&dims)?;
    Ok(Constant { values: spread(a, &dims, budget)?, dims, integer: a.integer })
}

fn tile(a: &Constant, repeats: &[i64], budget: &mut Budget) -> Checked<Constant> {
    if repeats.len() != a.dims.len() || repeats.iter().any(|&r| !(1..=1 << 20).contains(&r)) {
        return defect(format!("`Tile` by {repeats:?}"), AGAIN);
    }
    let mut result = a.clone();
    for (k, &times) in repeats.iter().enumerate().filter(|(_, r)| **r > 1) {
        budget.take_array(&[result.values.len(), times as usize])?;
        let positions: Vec<usize> = (0..times as usize * result.dims[k]).map(|p| p % a.dims[k]).collect();
        result = pick(&result, k, &positions, budget)?;
    }
    Ok(result)
}

/// `DepthToSpace` and `SpaceToDepth`: blocks of channels become blocks of pixels and back.
fn blocks(node: &NodeProto, a: &Constant) -> Checked<Constant> {
    let attributes = Attributes::of(node, &["blocksize", "mode"])?;
    let size = usize::try_from(attributes.int("blocksize", 0)).unwrap_or(0);
    let (&[n, c, h, w], 1..=4096) = (a.dims.as_slice(), size) else {
        return defect(format!("blocks of {size} of extents {:?}", a.dims), AGAIN);
    };
    let (inner, order, outer): (Vec<usize>, &[i64], Vec<usize>) = match node.op_type.as_str() {
        "DepthToSpace" if c.is_multiple_of(size * size) => {
            let d = c / (size * size);
            let outer = vec![n, d, h * size, w * size];
            if attributes.text("mode") == Some("CRD") {
                (vec![n, d, size, size, h, w], &[0, 1, 4, 2, 5, 3], outer)
            } else {
                (vec![n, size, size, d, h, w], &[0, 3, 4, 1, 5, 2], outer)
            }
        }
        "SpaceToDepth" if h.is_multiple_of(size) && w.is_multiple_of(size) => {
            let (rows, columns) = (h / size, w / size);
            (vec![n, c, rows, size, columns, size], &[0, 3, 5, 1, 2, 4], vec![n, c * size * size, rows, columns])
        }
        _ => return defect(format!("blocks of {size} of extents {:?}", a.dims), AGAIN),
    };
    let moved = transpose(&Constant { dims: inner, ..a.clone() }, Some(order))?;
    Ok(Constant { dims: outer, ..moved })
}
