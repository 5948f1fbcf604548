//! Least-squares quadratics for ReLU over an empirical distribution, from its moments. Elements
//! that say too little to determine one are completed from their layer.
//!
//! For a distribution `D`, the fit minimises `E_D (a x² + b x + c - max(x, 0))²`. `ReLU` is convex,
//! so `a >= 0` (the orthogonal polynomial of degree 2 is positive outside, negative inside an
//! interval, and has no constant or linear part).

use beaa_ir::Range;
use serde::{Deserialize, Serialize};

/// Share of the whole layer's distribution in the distribution that an element is fitted to. It
/// acts as the ridge: an element that never changes, or never changes sign, still gets a polynomial
/// with a proper curvature.
const LAYER_SHARE: f64 = 0.02;

/// The least curvature, in units of one over the layer's root mean square.
pub(crate) const CURVATURE_FLOOR: f32 = 2e-3;

/// The sums that determine a fit, about an origin and in a unit near the data so that nothing
/// cancels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    origin: f64,
    unit: f64,
    /// `sum z^k`, k = 0..=4, with `z = (x - origin) / unit`.
    powers: [f64; 5],
    /// `sum max(x, 0) z^k`, k = 0..=2.
    crossed: [f64; 3],
}

/// What is known of all inputs of one activation layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct LayerStatistics {
    /// Smallest and largest.
    pub(crate) range: Range,
    /// Root mean square of the median image.
    pub(crate) rms: f32,
}

/// A fitted quadratic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quadratic {
    pub(crate) a: f64,
    pub(crate) b: f64,
    pub(crate) c: f64,
}

impl Moments {
    /// Starts without data, with origin and unit near those of `sample`.
    pub(crate) fn near(sample: impl Iterator<Item = f32> + Clone) -> Self {
        let n = sample.clone().count().max(1) as f64;
        let origin = sample.clone().map(f64::from).sum::<f64>() / n;
        let variance = sample.map(|x| (f64::from(x) - origin).powi(2)).sum::<f64>() / n;
        let unit = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        Self { origin, unit, powers: [0.0; 5], crossed: [0.0; 3] }
    }

    /// Counts one value.
    pub(crate) fn add(&mut self, x: f32) {
        let x = f64::from(x);
        let z = (x - self.origin) / self.unit;
        let mut power = 1.0;
        for sum in &mut self.powers {
            *sum += power;
            power *= z;
        }
        if x > 0.0 {
            let [r0, r1, r2] = &mut self.crossed;
            *r0 += x;
            *r1 += x * z;
            *r2 += x * z * z;
        }
    }

    /// Counts all that `other` has counted.
    pub(crate) fn absorb(&mut self, other: &Self) {
        let other = other.rebased(self.origin, self.unit);
        self.powers.iter_mut().zip(other.powers).for_each(|(s, o)| *s += o);
        self.crossed.iter_mut().zip(other.crossed).for_each(|(s, o)| *s += o);
    }

    /// Gives the sums of the same data about another origin, in another unit.
    fn rebased(&self, origin: f64, unit: f64) -> Self {
        // z' = p z + q
        let (p, q) = (self.unit / unit, (self.origin - origin) / unit);
        const BINOMIAL: [[f64; 5]; 5] = [
            [1.0, 0.0, 0.0, 0.0, 0.0],
            [1.0, 1.0, 0.0, 0.0, 0.0],
            [1.0, 2.0, 1.0, 0.0, 0.0],
            [1.0, 3.0, 3.0, 1.0, 0.0],
            [1.0, 4.0, 6.0, 4.0, 1.0],
        ];
        let shift = |sums: &[f64], k: usize| -> f64 {
            let terms = BINOMIAL.get(k).into_iter().flatten().zip(sums).enumerate().take(k + 1);
            terms.map(|(j, (binomial, sum))| binomial * p.powi(j as i32) * q.powi((k - j) as i32) * sum).sum()
        };
        Self {
            origin,
            unit,
            powers: std::array::from_fn(|k| shift(&self.powers, k)),
            crossed: std::array::from_fn(|k| shift(&self.crossed, k)),
        }
    }

    /// The mean of distributions `self` and `other`, the latter with weight `share`.
    fn mixed(&self, other: &Self, share: f64) -> Self {
        let other = other.rebased(self.origin, self.unit);
        let scale = |m: &Self, w: f64| if m.powers[0] > 0.0 { w / m.powers[0] } else { 0.0 };
        let (weight, other_weight) = (scale(self, 1.0 - share), scale(&other, share));
        Self {
            powers: std::array::from_fn(|k| weight * self.powers[k] + other_weight * other.powers[k]),
            crossed: std::array::from_fn(|k| weight * self.crossed[k] + other_weight * other.crossed[k]),
            ..*self
        }
    }

    /// The least-squares quadratic over `self` completed from `layer`, with `|b/2a|` at most
    /// `bound` (0: no bound) and `a` at least `floor`.
    pub(crate) fn fit(&self, layer: &Self, bound: f64, floor: f64) -> Quadratic {
        let mixed = self.mixed(layer, LAYER_SHARE);
        // About the data's own mean and in its own spread, where the normal equations are best
        // conditioned.
        let n = mixed.powers[0];
        if n <= 0.0 {
            return Quadratic { a: floor, b: 0.0, c: 0.0 };
        }
        let mean = mixed.powers[1] / n;
        let spread = (mixed.powers[2] / n - mean * mean).max(0.0).sqrt();
        let unit = if spread > 1e-12 { spread * mixed.unit } else { 1.0 };
        let m = mixed.rebased(mixed.origin + mean * mixed.unit, unit);
        let free = solve(&m);
        let mut q = in_x(free, m.origin, m.unit);
        let least = |b: f64| if bound > 0.0 { (b.abs() / (2.0 * bound)).max(floor) } else { floor };
        if q.a < least(q.b) {
            // Given the curvature, the best line: z has mean 0 and variance 1 here.
            let curvature = least(q.b) * m.unit * m.unit;
            let [n, s1, s2, s3, _] = m.powers;
            let [r0, r1, _] = m.crossed;
            let (y0, y1) = (r0 - curvature * s2, r1 - curvature * s3);
            let determinant = n * s2 - s1 * s1;
            let beta = if determinant > 1e-12 * n * n { (n * y1 - s1 * y0) / determinant } else { 0.0 };
            q = in_x([curvature, beta, (y0 - beta * s1) / n], m.origin, m.unit);
            q.a = q.a.max(least(q.b));
        }
        q
    }
}

/// Solves the normal equations for `[a, b, c]` in `z`, by elimination with a ridge far below the
/// data.
fn solve(m: &Moments) -> [f64; 3] {
    let [s0, s1, s2, s3, s4] = m.powers;
    let [r0, r1, r2] = m.crossed;
    let ridge = 1e-9 * s0;
    // None on the constant: it may be large against the spread, and is always determined.
    let mut rows = [[s4 + ridge, s3, s2, r2], [s3, s2 + ridge, s1, r1], [s2, s1, s0, r0]];
    for k in 0..3 {
        // Symmetric and positive definite thanks to the ridge: no pivoting needed.
        let pivot = rows[k];
        for (i, row) in rows.iter_mut().enumerate() {
            if i != k {
                let factor = row[k] / pivot[k];
                for (value, p) in row.iter_mut().zip(pivot) {
                    *value -= factor * p;
                }
            }
        }
    }
    std::array::from_fn(|k| rows[k][3] / rows[k][k])
}

/// From `alpha z² + beta z + gamma` to the coefficients of `x`.
fn in_x([alpha, beta, gamma]: [f64; 3], origin: f64, unit: f64) -> Quadratic {
    let a = alpha / (unit * unit);
    let b = beta / unit - 2.0 * a * origin;
    let c = gamma - beta / unit * origin + a * origin * origin;
    Quadratic { a, b, c }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(data: &[f32]) -> Moments {
        let mut m = Moments::near(data.iter().copied().take(7));
        data.iter().for_each(|&x| m.add(x));
        m
    }

    /// A fixed, well-spread sample of a normal distribution: quantiles at midpoints, by bisection
    /// of an erf series.
    fn normal(mean: f32, deviation: f32) -> Vec<f32> {
        let cdf = |x: f64| {
            let (mut term, mut sum) = (x, x);
            for k in 1..60 {
                term *= -x * x / (2.0 * f64::from(k));
                sum += term / (2.0 * f64::from(k) + 1.0);
            }
            0.5 + sum / (2.0 * std::f64::consts::PI).sqrt()
        };
        (0..4000)
            .map(|i| {
                let target = (f64::from(i) + 0.5) / 4000.0;
                let (mut low, mut high) = (-4.0, 4.0);
                for _ in 0..50 {
                    let mid = (low + high) / 2.0;
                    if cdf(mid) < target { low = mid } else { high = mid }
                }
                mean + deviation * low as f32
            })
            .collect()
    }

    fn error(q: Quadratic, data: &[f32]) -> f64 {
        let square = |x: f64| ((q.a * x + q.b) * x + q.c - x.max(0.0)).powi(2);
        data.iter().map(|&x| square(f64::from(x))).sum::<f64>() / data.len() as f64
    }

    #[test]
    fn normal_data_give_the_known_quadratic() {
        // For N(0, s²): a = 1 / (2 s sqrt(2 pi)), b = 1/2, c = s / (2 sqrt(2 pi)).
        let data = normal(0.0, 3.0);
        let m = moments(&data);
        let q = m.fit(&m, 0.0, 0.0);
        let k = 1.0 / (2.0 * (2.0 * std::f64::consts::PI).sqrt());
        assert!((q.a - k / 3.0).abs() < 1e-3, "{q:?}");
        assert!((q.b - 0.5).abs() < 1e-6, "{q:?}");
        assert!((q.c - k * 3.0).abs() < 3e-3, "{q:?}");
    }

    #[test]
    fn the_fit_is_a_minimum() {
        let data = normal(0.7, 1.3);
        let m = moments(&data);
        let q = m.fit(&m, 0.0, 0.0);
        let best = error(q, &data);
        for (da, db, dc) in [
            (1e-2, 0.0, 0.0),
            (-1e-2, 0.0, 0.0),
            (0.0, 1e-2, 0.0),
            (0.0, -1e-2, 0.0),
            (0.0, 0.0, 1e-2),
            (0.0, 0.0, -1e-2),
        ] {
            assert!(error(Quadratic { a: q.a + da, b: q.b + db, c: q.c + dc }, &data) > best);
        }
    }

    #[test]
    fn far_from_the_origin_nothing_cancels() {
        // All positive: ReLU is the identity there, but for the layer's share.
        let data = normal(1000.0, 0.01);
        let m = moments(&data);
        let q = m.fit(&m, 0.0, 0.0);
        assert!(error(q, &data).sqrt() < 1e-6, "{q:?}");
    }

    #[test]
    fn degenerate_elements_are_completed_from_the_layer() {
        let layer = moments(&normal(0.0, 1.0));
        let (bound, floor) = (8.0, 2e-3);
        for data in
            [vec![0.0; 50], vec![-2.0; 50], vec![3.0; 50], normal(4.0, 0.1), normal(-4.0, 0.1), normal(-3.0, 0.5)]
        {
            let q = moments(&data).fit(&layer, bound, floor);
            assert!(q.a >= floor && (q.b / (2.0 * q.a)).abs() <= bound * 1.000_001, "{q:?}");
            assert!(error(q, &data).sqrt() < 0.25, "{q:?} {}", error(q, &data).sqrt());
        }
    }

    #[test]
    fn a_layer_without_any_spread_is_survived() {
        for value in [0.0, -1.0, 1.0] {
            let m = moments(&[value; 9]);
            let q = m.fit(&m, 8.0, 2e-3);
            assert!(q.a.is_finite() && q.b.is_finite() && q.c.is_finite() && q.a >= 2e-3, "{q:?}");
        }
    }

    #[test]
    fn rebasing_changes_nothing() {
        let data = normal(0.3, 2.0);
        let (m, direct) = (moments(&data), moments(&data).rebased(0.0, 1.0));
        let back = direct.rebased(m.origin, m.unit);
        for (x, y) in m.powers.iter().zip(back.powers).chain(m.crossed.iter().zip(back.crossed)) {
            assert!((x - y).abs() < 1e-9 * (1.0 + x.abs()), "{x} {y}");
        }
        let mean_square = direct.powers[2] / direct.powers[0];
        assert!((mean_square - (0.09 + 4.0)).abs() < 0.05, "{mean_square}");
    }
}
