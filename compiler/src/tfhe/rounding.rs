//! Weights to integers so that the sums change least on sample images: first a ridge regression on
//! what the sums should be, then rounding weight by weight, each error made up for by the weights
//! still to come (Frantar et al., "GPTQ", ICLR 2023).

use super::dense::{SquareMatrix, dot};

/// Weights of rows that read the same inputs.
pub(crate) struct Group {
    /// The inputs, ascending.
    pub(crate) support: Vec<usize>,
    /// The rows.
    pub(crate) rows: Vec<usize>,
}

/// What rounding needs of one group's inputs.
pub(crate) struct Inputs {
    order: Vec<usize>,
    /// Upper triangle of the inverse covariance's decomposition, in that order.
    upper: SquareMatrix,
    /// Cholesky triangle of the covariance with the ridge, in natural order.
    ridge: SquareMatrix,
}

/// Pull of the ridge regression towards the given weights, relative to the mean variance of an
/// input.
const RIDGE: f64 = 0.05;
/// Damping of the inverse covariance, likewise.
const DAMPING: f64 = 0.01;

impl Inputs {
    pub(crate) fn new(covariance: &SquareMatrix) -> Self {
        let scale = covariance.scale().max(1e-12);
        let mut order: Vec<usize> = (0..covariance.n).collect();
        order.sort_by(|&i, &j| covariance.row(j)[j].total_cmp(&covariance.row(i)[i]));
        let inverse = covariance.permuted(&order).damped(DAMPING * scale).cholesky().inverse();
        Self {
            order,
            upper: transposed(&inverse.cholesky()),
            ridge: covariance.clone().damped(RIDGE * scale).cholesky(),
        }
    }

    /// `weights` moved towards those that give `targets` best. `samples` are the group's inputs,
    /// `targets` one number each.
    pub(crate) fn refit(&self, weights: &mut [f64], samples: &[Vec<f64>], targets: &[f64]) {
        let residual: Vec<f64> = samples.iter().zip(targets).map(|(s, t)| t - dot(s, weights)).collect();
        let mean = residual.iter().sum::<f64>() / residual.len().max(1) as f64;
        let count = samples.len().max(1) as f64;
        let mut cross = vec![0.0; weights.len()];
        for (s, r) in samples.iter().zip(&residual) {
            let r = r - mean;
            cross.iter_mut().zip(s).for_each(|(c, x)| *c += x * r / count);
        }
        // The residuals are centred, so the inputs need not be.
        self.ridge.solve(&mut cross);
        weights.iter_mut().zip(&cross).for_each(|(w, d)| *w += d);
    }

    /// Integers `q` with `q * scale` close to `weights` as far as the sums on the samples can tell.
    pub(crate) fn round(&self, weights: &[f64], scale: f64) -> Vec<i32> {
        let mut left: Vec<f64> = self.order.iter().map(|&i| weights[i] / scale).collect();
        let mut out = vec![0; weights.len()];
        for (j, &position) in self.order.iter().enumerate() {
            let q = left[j].round().clamp(-127.0, 127.0);
            out[position] = q as i32;
            let row = self.upper.row(j);
            let error = (left[j] - q) / row[j];
            left[j + 1..].iter_mut().zip(&row[j + 1..]).for_each(|(l, u)| *l -= error * u);
        }
        out
    }
}

fn transposed(m: &SquareMatrix) -> SquareMatrix {
    let a = (0..m.n).flat_map(|i| (0..m.n).map(move |j| m.a[j * m.n + i])).collect();
    SquareMatrix { n: m.n, a }
}

/// Rows of weights with the same support, together.
pub(crate) fn groups(weights: &crate::network::matrix::Matrix) -> Vec<Group> {
    let mut found: std::collections::BTreeMap<Vec<usize>, Vec<usize>> = std::collections::BTreeMap::new();
    for r in 0..weights.rows() {
        found.entry(weights.row(r).map(|(c, _)| c).collect()).or_default().push(r);
    }
    found.into_iter().map(|(support, rows)| Group { support, rows }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_makes_up_for_its_errors() {
        // Two inputs that always move together: half a step on each is one step on one.
        let samples: Vec<Vec<f64>> =
            (0..50).map(|i| vec![f64::from(i % 7), f64::from(i % 7), f64::from(i % 3)]).collect();
        let inputs = Inputs::new(&SquareMatrix::covariance(&samples, 3));
        let q = inputs.round(&[0.45, 0.45, 2.0], 1.0);
        assert_eq!((q[0] + q[1], q[2]), (1, 2), "{q:?}");
    }

    #[test]
    fn refitting_finds_what_the_targets_want() {
        let samples: Vec<Vec<f64>> =
            (0..200).map(|i| (0..4).map(|j| f64::from((i * (j + 3) * 7 + j) % 11)).collect()).collect();
        let truth = [1.0, -2.0, 0.5, 3.0];
        let targets: Vec<f64> = samples.iter().map(|s| 5.0 + dot(s, &truth)).collect();
        let inputs = Inputs::new(&SquareMatrix::covariance(&samples, 4));
        let mut weights = vec![0.8, -1.5, 0.0, 2.5];
        let before: f64 = weights.iter().zip(&truth).map(|(w, t)| (w - t).abs()).sum();
        inputs.refit(&mut weights, &samples, &targets);
        let after: f64 = weights.iter().zip(&truth).map(|(w, t): (&f64, &f64)| (w - t).abs()).sum();
        assert!(after < 0.2 * before, "{weights:?}");
    }
}
