//! What an import may compute: however small the file that asks for them, no more numbers come out
//! of constants, and no more elements are moved, than a sensible network has.

use super::constant::Constant;
use crate::error::{Checked, defect};

/// How many numbers may be computed in one import.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(1 << 26)
    }

    /// Spends `count` numbers.
    pub(crate) fn take(&mut self, count: usize) -> Checked<()> {
        match self.0.checked_sub(count) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => defect("more numbers than any sensible network has", "check that the file is the right one"),
        }
    }

    /// Spends the numbers of an array of these extents, and says how many they are.
    pub(crate) fn take_array(&mut self, dims: &[usize]) -> Checked<usize> {
        let count = dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= 1 << 26);
        let count = count.unwrap_or(usize::MAX);
        self.take(count)?;
        Ok(count)
    }
}

/// The numbers of `c` repeated to fill `dims`, aligned at the last extent.
pub(crate) fn spread(c: &Constant, dims: &[usize], budget: &mut Budget) -> Checked<Vec<f64>> {
    let fits = c.dims.len() <= dims.len()
        && c.dims.iter().rev().zip(dims.iter().rev()).all(|(&from, &to)| from == to || from == 1);
    let count = dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    let (true, Some(count)) = (fits, count) else {
        return defect(
            format!("a constant of extents {:?} beside {dims:?}", c.dims),
            "give it a shape that broadcasts",
        );
    };
    if c.values.len() == count {
        return Ok(c.values.clone());
    }
    budget.take(count)?;
    let strides = strides(&c.dims);
    let missing = dims.len() - c.dims.len();
    let steps: Vec<usize> = (0..dims.len())
        .map(|k| match k.checked_sub(missing) {
            Some(axis) if c.dims[axis] > 1 => strides[axis],
            _ => 0,
        })
        .collect();
    Ok(offsets(dims, &steps).map(|at| c.values[at]).collect())
}

/// How far apart in row-major order the neighbours along each extent lie.
pub(crate) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; dims.len()];
    for k in (1..dims.len()).rev() {
        strides[k - 1] = strides[k].saturating_mul(dims[k]);
    }
    strides
}

/// The offset of each element of an array of extents `dims`, row by row, where one step along
/// extent k is worth `steps[k]`.
pub(crate) fn offsets<'a>(dims: &'a [usize], steps: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    assert_eq!(dims.len(), steps.len(), "a step for each extent");
    let count = dims.iter().product::<usize>();
    let mut position = vec![0_usize; dims.len()];
    let mut offset = 0_usize;
    (0..count).map(move |_| {
        let here = offset;
        for k in (0..dims.len()).rev() {
            position[k] += 1;
            offset += steps[k];
            if position[k] < dims[k] {
                break;
            }
            offset -= steps[k] * dims[k];
            position[k] = 0;
        }
        here
    })
}

/// The extents that arrays of extents `a` and `b` broadcast to, if they do.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let of = |dims: &[usize], k: usize| (k + dims.len()).checked_sub(rank).map_or(1, |i| dims[i]);
    (0..rank)
        .map(|k| match (of(a, k), of(b, k)) {
            (x, y) if x == y || y == 1 => Some(x),
            (1, y) => Some(y),
            _ => None,
        })
        .collect()
}

/// `axis` counted from the first of `rank`, where a negative one counts from the end.
pub(crate) fn axis(axis: i64, rank: usize) -> Checked<usize> {
    let rank = rank as i64;
    match if axis < 0 { axis.saturating_add(rank) } else { axis } {
        k if (0..rank).contains(&k) => Ok(k as usize),
        _ => defect(format!("axis {axis} of {rank}"), "export the network again"),
    }
}
