//! Fully connected layers that learn with weights of a few bits; gradients pass straight through to the weights that learn.
//! Must never round convolutions: their rows share weights, but each element has a curvature of its own.
//!
//! What is rounded is `sqrt|a| w`, with `a` the curvature of the quadratic that reads the row: the compiler turns
//! `a x² + b x + c` into one square, `±(sqrt|a| (x + b/2a))² + const`, so that this product is what its integers stand for
//! when rows keep their units. Its pass `balance` gives rows other units, and then rounds once more: training makes the network
//! used to few bits, the integers are not the same.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::QuantiseConfig;
use crate::error::Result;
use crate::model::network::{Block, Network, host};

/// Fractions of the largest weight that the largest integer may stand for; what is larger is cut off.
const CLIP_FRACTIONS: [f32; 7] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4];

/// Whether weights are rounded at `step` of `total`.
pub(crate) fn active(config: &QuantiseConfig, step: usize, total: usize) -> bool {
    step as f64 >= config.from * total as f64
}

/// `network` with every fully connected layer rounded. Its gradients are those of `network` itself.
pub(crate) fn rounded(network: &Network, config: &QuantiseConfig) -> Result<Network> {
    let mut result = network.clone();
    for index in 0..network.blocks.len() {
        let Some(Block::Linear(linear)) = network.blocks.get(index) else { continue };
        let [inputs, outputs] = linear.weight.dims();
        let rows = row_factors(network, index, outputs)?;
        let weight = linear.weight.val();
        let exact = host(weight.clone())?;
        let values = round_to_grid(&exact, &rows, config.bits);
        let device: Device = weight.clone().inner().device();
        let error: Vec<f32> = values.iter().zip(&exact).map(|(q, w)| q - w).collect();
        let error = Tensor::<2>::from_data(TensorData::new(error, [inputs, outputs]), &device);
        let error = if weight.is_autodiff() { Tensor::from_inner(error) } else { error };
        if let Some(Block::Linear(to)) = result.blocks.get_mut(index) {
            to.weight = Param::initialized(linear.weight.id, weight + error);
        }
    }
    Ok(result)
}

/// What the compiler multiplies each row by: of the batch normalisation and the quadratic that follow.
fn row_factors(network: &Network, index: usize, outputs: usize) -> Result<Vec<f32>> {
    let mut factors = vec![1.0; outputs];
    for block in network.blocks.iter().skip(index + 1) {
        match block {
            Block::Norm(n) => {
                let (gamma, variance) = (host(n.gamma.val())?, host(n.running_var.value_sync())?);
                for ((f, g), v) in factors.iter_mut().zip(gamma).zip(variance) {
                    *f *= g.abs() / (v + n.epsilon as f32).sqrt();
                }
            }
            Block::Polynomial(p) => {
                let a = host(p.a.val())?;
                for (o, f) in factors.iter_mut().enumerate() {
                    *f *= a.get(o * a.len() / outputs.max(1)).map_or(1.0, |a| a.abs().sqrt());
                }
                break;
            }
            Block::Flatten(_) => {}
            _ => break,
        }
    }
    Ok(factors)
}

/// Weights `[in, out]` whose products with `rows` are integers of so many bits in one common unit, the largest taken: the
/// unit with the least squared error of a few.
fn round_to_grid(weights: &[f32], rows: &[f32], bits: u32) -> Vec<f32> {
    let top = ((1_u32 << (bits.clamp(2, 16) - 1)) - 1) as f32;
    let scaled = |(p, w): (usize, &f32)| w * rows.get(p % rows.len().max(1)).copied().unwrap_or(1.0);
    let largest = weights.iter().enumerate().map(scaled).fold(0.0_f32, |l, u| l.max(u.abs()));
    if largest <= 0.0 || !largest.is_finite() {
        return weights.to_vec();
    }
    let snap = |u: f32, unit: f32| (u / unit).round().clamp(-top, top) * unit;
    let error = |unit: f32| -> f64 {
        weights.iter().enumerate().map(scaled).map(|u| f64::from(snap(u, unit) - u).powi(2)).sum()
    };
    let units = CLIP_FRACTIONS.iter().map(|c| c * largest / top);
    let best = units.map(|unit| (error(unit), unit)).min_by(|a, b| a.0.total_cmp(&b.0));
    let unit = best.map_or(largest / top, |b| b.1);
    let back = |(p, w): (usize, &f32)| {
        let row = rows.get(p % rows.len().max(1)).copied().unwrap_or(1.0);
        if row > 0.0 { snap(w * row, unit) / row } else { *w }
    };
    weights.iter().enumerate().map(back).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize) -> Vec<f32> {
        (0..n).map(|i| (((i + 1) * 7919) % 2003) as f32 / 2003.0 - 0.45).collect()
    }

    #[test]
    fn products_with_the_rows_are_small_integers_and_the_largest_is_taken() {
        let (weights, rows) = (numbers(60), [0.5_f32, 2.0, 3.0]);
        for bits in [2, 4, 7] {
            let found = round_to_grid(&weights, &rows, bits);
            let scaled: Vec<f32> = found.iter().enumerate().map(|(p, w)| w * rows[p % 3]).collect();
            let top = ((1 << (bits - 1)) - 1) as f32;
            let unit = scaled.iter().fold(0.0_f32, |l, u| l.max(u.abs())) / top;
            for u in &scaled {
                assert!((u / unit - (u / unit).round()).abs() < 1e-3, "{u} in units of {unit}");
            }
            let error: f32 = found.iter().zip(&weights).map(|(q, w)| (q - w).powi(2)).sum();
            let power: f32 = weights.iter().map(|w| w * w).sum();
            assert!(error < power * 0.8 / top, "{bits} bits: {error} of {power}");
        }
    }

    #[test]
    fn what_is_on_the_grid_stays_there() {
        let rows = [1.0_f32, 0.25];
        let once = round_to_grid(&numbers(40), &rows, 5);
        let twice = round_to_grid(&once, &rows, 5);
        assert!(once.iter().zip(&twice).all(|(a, b)| (a - b).abs() < 1e-6));
        assert_eq!(round_to_grid(&[0.0; 4], &rows, 5), [0.0; 4]);
    }

    #[test]
    fn rounding_begins_when_it_is_told_to() {
        let config = QuantiseConfig { from: 0.5, ..QuantiseConfig::default() };
        assert!(!active(&config, 49, 100) && active(&config, 50, 100));
    }
}
