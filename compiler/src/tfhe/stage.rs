//! One linear map with its tables: rounded to integers whose sums fit the slots, measured on sample
//! images, whose sums all stay within the slots.

use super::chain::{Affine, Function};
use super::dense::{SquareMatrix, dot};
use super::rounding::{Inputs, groups};

/// Integers of one row and where its sums lie.
#[derive(Clone)]
pub(crate) struct IntegerRow {
    /// `(input, weight)`, weights not zero.
    pub(crate) weights: Vec<(usize, i32)>,
    /// What one unit of the sum is in real numbers, as rounded.
    pub(crate) scale: f64,
    /// The smallest sum, of the samples with their margin or of any input.
    pub(crate) low: i64,
    /// Whether no input leaves the slots.
    pub(crate) proven: bool,
    /// The sum of each sample.
    pub(crate) sums: Vec<i64>,
}

impl IntegerRow {
    pub(crate) fn norm(&self) -> f64 {
        self.weights.iter().map(|(_, w)| f64::from(*w).powi(2)).sum()
    }
}

/// What the rows of a linear map are rounded for.
pub(crate) struct RoundingTarget<'a> {
    /// The map on the integers of its inputs.
    pub(crate) map: &'a Affine,
    /// Integers that its inputs take on the samples: `[sample][input]`.
    pub(crate) samples: &'a [Vec<f64>],
    /// What the sums should be, in real numbers: `[output][sample]`.
    pub(crate) wanted: &'a [Vec<f64>],
    /// The largest integer of each input; the smallest is zero.
    pub(crate) largest: &'a [i64],
    /// Numbers that a sum may take.
    pub(crate) slots: u64,
    /// How much wider than seen on the samples the sums may get, unless all that is possible fits.
    pub(crate) margin: f64,
    /// Whether all that is possible must fit.
    pub(crate) prove: bool,
}

/// Rounds every row.
pub(crate) fn rows(target: &RoundingTarget<'_>) -> Vec<IntegerRow> {
    let mut out: Vec<Option<IntegerRow>> = vec![None; target.map.bias.len()];
    for group in groups(&target.map.weights) {
        let n = group.support.len();
        let inputs: Vec<Vec<f64>> =
            target.samples.iter().map(|s| group.support.iter().map(|&i| s[i]).collect()).collect();
        let prepared = (n > 0).then(|| Inputs::new(&SquareMatrix::covariance(&inputs, n)));
        for &r in &group.rows {
            let mut weights: Vec<f64> = target.map.weights.row(r).map(|(_, w)| w).collect();
            let row = match &prepared {
                None => {
                    IntegerRow { weights: Vec::new(), scale: 1.0, low: 0, proven: true, sums: vec![0; inputs.len()] }
                }
                Some(p) => {
                    p.refit(&mut weights, &inputs, &target.wanted[r]);
                    fit(target, p, &weights, &group.support, &inputs)
                }
            };
            out[r] = Some(row);
        }
    }
    let whole = |(r, row): (usize, Option<IntegerRow>)| row.unwrap_or_else(|| unreachable!("row {r} is in no group"));
    out.into_iter().enumerate().map(whole).collect()
}

/// The finest scale at which the sums fit.
fn fit(
    target: &RoundingTarget<'_>,
    prepared: &Inputs,
    weights: &[f64],
    support: &[usize],
    inputs: &[Vec<f64>],
) -> IntegerRow {
    let largest: Vec<i64> = support.iter().map(|&i| target.largest[i]).collect();
    let span_limit = target.slots as i64 - 1;
    let real: Vec<f64> = inputs.iter().map(|s| dot(s, weights)).collect();
    let possible: f64 = weights.iter().zip(&largest).map(|(w, &m)| w.abs() * m as f64).sum();
    let (lo, hi) = real.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
    let span = if target.prove { possible } else { ((hi - lo) * target.margin).min(possible) };
    let biggest = weights.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
    let mut scale = (span / span_limit as f64).max(biggest / 127.0).max(1e-12);
    loop {
        let q = prepared.round(weights, scale);
        let sums: Vec<i64> =
            inputs.iter().map(|s| s.iter().zip(&q).map(|(x, &w)| *x as i64 * i64::from(w)).sum()).collect();
        let bound = |negative: bool| -> i64 {
            let of = |(&w, &m): (&i32, &i64)| if (w < 0) == negative { i64::from(w) * m } else { 0 };
            q.iter().zip(&largest).map(of).sum()
        };
        let (least, most) = (bound(true), bound(false));
        let (seen_low, seen_high) = sums.iter().fold((0, 0), |(l, h), &v| (v.min(l), v.max(h)));
        let extra = ((seen_high - seen_low) as f64 * (target.margin - 1.0) / 2.0).ceil() as i64;
        let proven = most - least <= span_limit;
        let (low, high) = if proven || target.prove {
            (least, most)
        } else {
            ((seen_low - extra).max(least), (seen_high + extra).min(most))
        };
        if high - low <= span_limit {
            // Free slots are shared by both ends.
            let low = low - (span_limit - (high - low)) / 2;
            let weights = support.iter().zip(&q).filter(|(_, w)| **w != 0).map(|(&c, &w)| (c, w)).collect();
            return IntegerRow { weights, scale, low, proven, sums };
        }
        scale *= 1.02;
    }
}

/// The table of one element and what its entries mean.
pub(crate) struct Table {
    /// One entry per level.
    pub(crate) entries: Vec<i16>,
    /// The real number that an entry of 0 means.
    pub(crate) zero: f64,
    /// What one step means.
    pub(crate) step: f64,
}

/// What the tables of a stage have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TableSize {
    /// Entries of a table.
    pub(crate) levels: u32,
    /// Bits taken off a sum to get its level.
    pub(crate) dropped_bits: u32,
    /// The largest entry.
    pub(crate) steps: u32,
}

/// The function of element `j`, composed with what the row's levels mean and with rounding to
/// `0..=steps`.
pub(crate) fn table(
    row: &IntegerRow,
    wanted: &[f64],
    function: &Function,
    j: usize,
    TableSize { levels, dropped_bits, steps }: TableSize,
) -> Table {
    let level = |sum: i64| (sum - row.low) >> dropped_bits;
    // What a level stands for: least squares of the wanted sums on the samples' levels.
    let seen: Vec<f64> = row.sums.iter().map(|&s| level(s) as f64).collect();
    let (slope, offset) = line(&seen, wanted);
    let value = |l: i64| function.at(j, slope * l as f64 + offset);
    let mut outputs: Vec<f64> = row.sums.iter().map(|&s| value(level(s))).collect();
    outputs.sort_by(f64::total_cmp);
    // A few stragglers may saturate.
    let at = |share: f64| outputs[(share * (outputs.len() - 1) as f64) as usize];
    let (low, high) = (at(0.001), at(0.999));
    if high - low < 1e-9 {
        return Table { entries: vec![0; levels as usize], zero: low, step: 0.0 };
    }
    let step = (high - low) / f64::from(steps);
    let entry = |l: i64| ((value(l) - low) / step).round().clamp(0.0, f64::from(steps)) as i16;
    Table { entries: (0..i64::from(levels)).map(entry).collect(), zero: low, step }
}

/// Slope and offset of the line through points, by least squares.
pub(crate) fn line(x: &[f64], y: &[f64]) -> (f64, f64) {
    let n = x.len().max(1) as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let covariance: f64 = x.iter().zip(y).map(|(a, b)| (a - mx) * (b - my)).sum();
    let variance: f64 = x.iter().map(|a| (a - mx).powi(2)).sum();
    let slope = if variance > 1e-12 { covariance / variance } else { 0.0 };
    (slope, my - slope * mx)
}
