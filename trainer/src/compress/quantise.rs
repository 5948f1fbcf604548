//! Fully connected layers that learn with weights of a few bits; gradients pass straight through to
//! the weights that learn. Convolutions are not rounded: their rows share weights, but each element
//! has a curvature of its own.
//!
//! What is rounded is `sqrt|a| w`, with `a` the curvature of the quadratic that reads the row: the
//! compiler turns `a x² + b x + c` into one square, `±(sqrt|a| (x + b/2a))² + const`, so that this
//! product is what its integers stand for when rows keep their units. Their units are written into
//! the model file.

use std::collections::BTreeMap;

use beaa_ir::WeightGrid;
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::QuantiseConfig;
use crate::error::Result;
use crate::model::network::{Block, Network, host};

/// Fractions of the largest weight that the largest integer may stand for; what is larger is cut
/// off.
const CLIP_FRACTIONS: [f32; 7] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4];

/// Says whether weights are rounded at `step` of `total`.
pub(crate) fn active(config: &QuantiseConfig, step: usize, total: usize) -> bool {
    step as f64 >= config.from * total as f64
}

/// A network that computes with rounded weights.
pub(crate) struct Rounded {
    /// Its gradients are those of the network with exact weights.
    pub(crate) network: Network,
    /// The integers that stand for the weights, by block; a layer of zeros has none.
    pub(crate) grids: BTreeMap<usize, WeightGrid>,
}

/// Rounds the weights of every fully connected layer of `network`.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if weights cannot be read.
pub(crate) fn rounded(network: &Network, config: &QuantiseConfig) -> Result<Rounded> {
    let mut result = Rounded { network: network.clone(), grids: BTreeMap::new() };
    for (index, block) in network.blocks.iter().enumerate() {
        let Block::Linear(linear) = block else { continue };
        let [inputs, outputs] = linear.weight.dims();
        let rows = row_factors(network, index, outputs)?;
        let weight = linear.weight.val();
        let exact = host(weight.clone())?;
        let Some((values, unit)) = round_to_grid(&exact, &rows, config.bits) else { continue };
        let device: Device = weight.clone().inner().device();
        let error: Vec<f32> = values.iter().zip(&exact).map(|(q, w)| q - w).collect();
        let error = Tensor::<2>::from_data(TensorData::new(error, [inputs, outputs]), &device);
        let error = if weight.is_autodiff() { Tensor::from_inner(error) } else { error };
        let bias = linear.bias.clone();
        let weight = Param::initialized(linear.weight.id, weight + error);
        result.network.blocks[index] = Block::Linear(Linear { weight, bias });
        result.grids.insert(index, WeightGrid { bits: config.bits, unit });
    }
    Ok(result)
}

/// What the compiler multiplies each row by: factors of the batch normalisation and the quadratic
/// that follow.
fn row_factors(network: &Network, index: usize, outputs: usize) -> Result<Vec<f32>> {
    let mut factors = vec![1.0; outputs];
    for block in network.blocks.iter().skip(index + 1) {
        match block {
            Block::Norm(n) => {
                let (gamma, variance) = (host(n.gamma.val())?, host(n.running_var.value_sync())?);
                assert_eq!([gamma.len(), variance.len()], [outputs; 2], "a normalisation of other outputs");
                for ((f, g), v) in factors.iter_mut().zip(gamma).zip(variance) {
                    *f *= g.abs() / (v + n.epsilon as f32).sqrt();
                }
            }
            Block::Polynomial(p) => {
                let a = host(p.a.val())?;
                for (o, f) in factors.iter_mut().enumerate() {
                    *f *= a[o * a.len() / outputs].abs().sqrt();
                }
                break;
            }
            Block::Flatten(_) => {}
            _ => break,
        }
    }
    Ok(factors)
}

/// Rounds weights `[in, out]` so that their products with `rows` are integers of so many bits in
/// one common unit, the largest integer used; returns them and the unit, that with the least
/// squared error of a few. None where all weights are zero.
fn round_to_grid(weights: &[f32], rows: &[f32], bits: u32) -> Option<(Vec<f32>, f32)> {
    assert!(weights.len().is_multiple_of(rows.len()), "{} weights for {} outputs", weights.len(), rows.len());
    let top = ((1_u32 << (bits - 1)) - 1) as f32;
    let scaled: Vec<f32> =
        weights.chunks(rows.len()).flat_map(|w| w.iter().zip(rows).map(|(w, row)| w * row)).collect();
    let largest = scaled.iter().fold(0.0_f32, |l, u| l.max(u.abs()));
    if largest <= 0.0 || !largest.is_finite() {
        return None;
    }
    let snap = |u: f32, unit: f32| (u / unit).round().clamp(-top, top) * unit;
    let error = |unit: f32| -> f64 { scaled.iter().map(|&u| f64::from(snap(u, unit) - u).powi(2)).sum() };
    let units = CLIP_FRACTIONS.iter().map(|c| c * largest / top);
    let (_, unit) = units.map(|unit| (error(unit), unit)).min_by(|a, b| a.0.total_cmp(&b.0))?;
    let mut rounded = weights.to_vec();
    for (rounded, scaled) in rounded.chunks_mut(rows.len()).zip(scaled.chunks(rows.len())) {
        for ((w, &u), &row) in rounded.iter_mut().zip(scaled).zip(rows) {
            if row > 0.0 {
                *w = snap(u, unit) / row;
            }
        }
    }
    Some((rounded, unit))
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
            let (found, unit) = round_to_grid(&weights, &rows, bits).unwrap();
            let scaled: Vec<f32> = found.iter().enumerate().map(|(p, w)| w * rows[p % 3]).collect();
            let top = ((1 << (bits - 1)) - 1) as f32;
            let largest = scaled.iter().fold(0.0_f32, |l, u| l.max(u.abs()));
            assert!((largest / unit - top).abs() < 1e-3, "{largest} in units of {unit}");
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
        let (once, _) = round_to_grid(&numbers(40), &rows, 5).unwrap();
        let (twice, _) = round_to_grid(&once, &rows, 5).unwrap();
        assert!(once.iter().zip(&twice).all(|(a, b)| (a - b).abs() < 1e-6));
        assert!(round_to_grid(&[0.0; 4], &rows, 5).is_none());
    }

    #[test]
    fn rounding_begins_when_it_is_told_to() {
        let config = QuantiseConfig { from: 0.5, ..QuantiseConfig::default() };
        assert!(!active(&config, 49, 100) && active(&config, 50, 100));
    }
}
