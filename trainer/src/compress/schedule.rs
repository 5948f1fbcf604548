//! Which weights a student drops, and when: gradual pruning by what weights contribute. A weight
//! that was dropped never comes back, whatever the optimiser does to it.
//!
//! The state is in the weights themselves: a dropped weight is exactly zero, so that a resumed run
//! finds what was dropped.

use std::cmp::Ordering;

use crate::config::{PruneConfig, PruneScore};

/// How a weight tensor is laid out: which weight belongs to which output, input and tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WeightLayout {
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
    /// Weights for each pair of output and input: the window of a convolution.
    pub(crate) taps: usize,
    /// Whether inputs are outermost (Burn's linear layers) instead of outputs.
    pub(crate) inputs_first: bool,
}

impl WeightLayout {
    fn index(self, output: usize, input: usize, tap: usize) -> usize {
        let pair = if self.inputs_first { input * self.outputs + output } else { output * self.inputs + input };
        pair * self.taps + tap
    }

    fn len(self) -> usize {
        self.outputs * self.inputs * self.taps
    }

    /// Positions of all weights of some outputs and inputs.
    fn of(self, outputs: impl Iterator<Item = usize> + Clone, inputs: impl Iterator<Item = usize>) -> Vec<usize> {
        inputs
            .flat_map(|i| {
                let outputs = outputs.clone();
                outputs.flat_map(move |o| (0..self.taps).map(move |t| self.index(o, i, t)))
            })
            .collect()
    }
}

/// One layer's weights, and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct PrunableLayer {
    pub(crate) layout: WeightLayout,
    pub(crate) weights: Vec<f32>,
    /// Standard deviation of each input.
    pub(crate) deviations: Vec<f32>,
    /// Share of zero weights at the end.
    pub(crate) sparsity: f64,
    /// Share of inputs that are dropped whole at the end.
    pub(crate) inputs: f64,
    /// The layer whose inputs are this one's outputs, one by one, by its place in the list.
    pub(crate) read_by: Option<usize>,
}

/// How much of what is asked for is dropped after `step` of `total` steps: 0 before the begin, 1
/// from the end on, and between them in stages; `None` where nothing changes.
pub(crate) fn due(config: &PruneConfig, step: usize, total: usize) -> Option<f64> {
    let at = |share: f64| (share * total as f64).round() as usize;
    let (begin, end) = (at(config.from), at(config.to).max(at(config.from) + 1).min(total.max(1)));
    let stage = |step: usize| {
        let done = step.saturating_sub(begin) as f64 / end.saturating_sub(begin).max(1) as f64;
        (done.min(1.0) * STAGES).floor()
    };
    (step > 0 && stage(step) > stage(step - 1)).then(|| 1.0 - (1.0 - stage(step) / STAGES).powi(3))
}

/// Times that weights are dropped.
const STAGES: f64 = 48.0;

/// Which weights of each layer stay, at a share `done` of what is asked for: `[layer][weight]`.
pub(crate) fn choose(config: &PruneConfig, layers: &[PrunableLayer], done: f64) -> Vec<Vec<bool>> {
    for layer in layers {
        let (inputs, weights) = (layer.layout.inputs, layer.layout.len());
        assert_eq!(layer.weights.len(), weights, "weights of {:?}", layer.layout);
        assert_eq!(layer.deviations.len(), inputs, "deviations of the inputs of {:?}", layer.layout);
    }
    let mut kept: Vec<Vec<bool>> = layers.iter().map(|l| l.weights.iter().map(|w| *w != 0.0).collect()).collect();
    let mut dead_outputs: Vec<Vec<bool>> = layers.iter().map(|l| vec![false; l.layout.outputs]).collect();
    // From the last layer to the first: a unit that nothing reads needs no inputs.
    for (k, layer) in layers.iter().enumerate().rev() {
        let layout = layer.layout;
        let kept = &mut kept[k];
        let unread = dead_outputs[k].iter().enumerate().filter(|(_, d)| **d).map(|(o, _)| o);
        drop_all(kept, &layout.of(unread, 0..layout.inputs));
        let dropped = weakest_inputs(layer, kept, (layer.inputs * done * layout.inputs as f64).round() as usize);
        drop_all(kept, &layout.of(0..layout.outputs, dropped.into_iter()));
        if let Some(before) = layers.iter().position(|l| l.read_by == Some(k)) {
            assert_eq!(dead_outputs[before].len(), layout.inputs, "outputs of layer {before} and inputs of layer {k}");
            for (i, dead) in dead_outputs[before].iter_mut().enumerate() {
                *dead = layout.of(0..layout.outputs, i..i + 1).iter().all(|&p| !kept[p]);
            }
        }
    }
    let scope = |k: usize| if config.per == crate::PruneScope::Global { 0 } else { k };
    for group in 0..layers.len() {
        let members: Vec<usize> = (0..layers.len()).filter(|&k| scope(k) == group).collect();
        let requested: f64 = members.iter().map(|&k| layers[k].sparsity * layers[k].layout.len() as f64).sum();
        drop_weakest(config, layers, &mut kept, &members, (requested * done).round() as usize);
    }
    kept
}

/// The `count` inputs that contribute least, those without any weight first.
fn weakest_inputs(layer: &PrunableLayer, kept: &[bool], count: usize) -> Vec<usize> {
    let layout = layer.layout;
    let power = |i: usize| -> f64 {
        let of_input = layout.of(0..layout.outputs, i..i + 1);
        let squares = of_input.iter().filter(|&&p| kept[p]).map(|&p| f64::from(layer.weights[p]).powi(2));
        squares.sum::<f64>() * f64::from(layer.deviations[i]).powi(2)
    };
    let mut ranked: Vec<(f64, usize)> = (0..layout.inputs).map(|i| (power(i), i)).collect();
    ranked.sort_by(ascending);
    ranked.into_iter().take(count).map(|(_, i)| i).collect()
}

/// Drops blocks of weights, the least first, until `zeros` of all weights of the layers `members`
/// are zero.
fn drop_weakest(
    config: &PruneConfig,
    layers: &[PrunableLayer],
    kept: &mut [Vec<bool>],
    members: &[usize],
    zeros: usize,
) {
    let mut ranked: Vec<(f64, usize, Vec<usize>)> = Vec::new();
    let mut present = 0;
    for &k in members {
        let (layer, kept) = (&layers[k], &kept[k]);
        present += kept.iter().filter(|k| !**k).count();
        let layout = layer.layout;
        // Blocks are made of outputs that are still there.
        let live: Vec<usize> =
            (0..layout.outputs).filter(|&o| layout.of(o..o + 1, 0..layout.inputs).iter().any(|&p| kept[p])).collect();
        for block in live.chunks(config.block) {
            for i in 0..layout.inputs {
                for t in 0..layout.taps {
                    let positions: Vec<usize> =
                        block.iter().map(|&o| layout.index(o, i, t)).filter(|&p| kept[p]).collect();
                    if positions.is_empty() {
                        continue;
                    }
                    let by = if config.score == PruneScore::Magnitude { 1.0 } else { layer.deviations[i] };
                    let squares = positions.iter().map(|&p| f64::from(layer.weights[p] * by).powi(2));
                    ranked.push((squares.sum::<f64>() / positions.len() as f64, k, positions));
                }
            }
        }
    }
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| (a.1, &a.2).cmp(&(b.1, &b.2))));
    for (_, k, positions) in ranked {
        if present + positions.len() > zeros {
            break;
        }
        present += positions.len();
        drop_all(&mut kept[k], &positions);
    }
}

fn drop_all(kept: &mut [bool], positions: &[usize]) {
    positions.iter().for_each(|&p| kept[p] = false);
}

fn ascending(a: &(f64, usize), b: &(f64, usize)) -> Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, salt: usize) -> Vec<f32> {
        (0..n).map(|i| (((i + 1) * 7919 + salt * 104_729) % 2003) as f32 / 2003.0 - 0.45).collect()
    }

    fn layer(outputs: usize, inputs: usize, salt: usize) -> PrunableLayer {
        PrunableLayer {
            layout: WeightLayout { outputs, inputs, taps: 1, inputs_first: true },
            weights: numbers(outputs * inputs, salt),
            deviations: vec![1.0; inputs],
            sparsity: 0.0,
            inputs: 0.0,
            read_by: None,
        }
    }

    fn zeros(kept: &[bool]) -> usize {
        kept.iter().filter(|k| !**k).count()
    }

    #[test]
    fn stages_rise_from_nothing_to_all() {
        let config = PruneConfig { from: 0.25, to: 0.75, ..PruneConfig::default() };
        let stages: Vec<(usize, f64)> = (0..1000).filter_map(|s| due(&config, s, 1000).map(|d| (s, d))).collect();
        assert_eq!(stages.len(), STAGES as usize);
        assert!(stages[0].0 > 250 && stages.last() == Some(&(750, 1.0)), "{stages:?}");
        assert!(stages.windows(2).all(|w| w[0].1 < w[1].1));
        // Half way in time, seven eighths of the weights.
        let half = stages.iter().find(|s| s.0 >= 500).unwrap();
        assert!((half.1 - 0.875).abs() < 1e-9, "{half:?}");
        let late = PruneConfig { from: 0.9, to: 1.0, ..PruneConfig::default() };
        assert_eq!((1..=10).filter_map(|s| due(&late, s, 10)).next_back(), Some(1.0), "a short end still arrives");
    }

    #[test]
    fn the_smallest_go_first_up_to_the_share_asked_for() {
        let one = PrunableLayer { sparsity: 0.9, ..layer(10, 20, 1) };
        let kept = choose(&PruneConfig::default(), std::slice::from_ref(&one), 1.0).remove(0);
        assert_eq!(zeros(&kept), 180);
        let of = |keep: bool| one.weights.iter().zip(&kept).filter(move |(_, k)| **k == keep).map(|(w, _)| w.abs());
        assert!(of(true).fold(f32::MAX, f32::min) >= of(false).fold(0.0, f32::max));
        assert_eq!(zeros(&choose(&PruneConfig::default(), &[one], 0.5)[0]), 90);
    }

    #[test]
    fn a_weight_on_a_quiet_input_goes_before_a_smaller_one_on_a_loud_input() {
        let mut one = PrunableLayer { sparsity: 0.5, deviations: vec![0.1, 10.0], ..layer(1, 2, 1) };
        one.weights = vec![1.0, 0.5];
        assert_eq!(choose(&PruneConfig::default(), &[one.clone()], 1.0)[0], [false, true]);
        let config = PruneConfig { score: PruneScore::Magnitude, ..PruneConfig::default() };
        assert_eq!(choose(&config, &[one], 1.0)[0], [true, false]);
    }

    #[test]
    fn what_is_zero_stays_zero_and_counts() {
        let mut one = PrunableLayer { sparsity: 0.3, ..layer(10, 10, 3) };
        one.weights[..40].fill(0.0);
        let kept = choose(&PruneConfig::default(), &[one], 1.0).remove(0);
        assert!(zeros(&kept) == 40 && kept[..40].iter().all(|k| !k));
    }

    #[test]
    fn a_unit_that_nothing_reads_loses_its_weights() {
        let first = PrunableLayer { read_by: Some(1), sparsity: 0.7, ..layer(8, 5, 1) };
        let second = PrunableLayer { inputs: 0.5, ..layer(3, 8, 2) };
        let kept = choose(&PruneConfig::default(), &[first, second], 1.0);
        let gone: Vec<bool> = (0..8).map(|i| (0..3).all(|o| !kept[1][i * 3 + o])).collect();
        assert_eq!(gone.iter().filter(|g| **g).count(), 4);
        for (o, gone) in gone.iter().enumerate().filter(|(_, g)| **g) {
            assert!((0..5).all(|i| kept[0][i * 8 + o] != *gone), "unit {o}");
        }
        assert_eq!(zeros(&kept[0]), 28, "the share counts what unread units had");
    }

    #[test]
    fn blocks_go_together() {
        let one = PrunableLayer { sparsity: 0.5, ..layer(12, 9, 4) };
        let kept = choose(&PruneConfig { block: 6, ..PruneConfig::default() }, &[one], 1.0).remove(0);
        assert_eq!(zeros(&kept), 54);
        for i in 0..9 {
            for block in 0..2 {
                let of_block: Vec<bool> = (0..6).map(|o| kept[i * 12 + block * 6 + o]).collect();
                assert!(of_block.iter().all(|k| *k == of_block[0]), "{of_block:?}");
            }
        }
    }

    #[test]
    fn one_threshold_for_all_layers_takes_more_from_the_weaker() {
        let strong = PrunableLayer { sparsity: 0.5, ..layer(10, 10, 1) };
        let mut weak = PrunableLayer { sparsity: 0.5, ..layer(10, 10, 2) };
        weak.weights.iter_mut().for_each(|w| *w *= 0.1);
        let config = PruneConfig { per: crate::PruneScope::Global, ..PruneConfig::default() };
        let kept = choose(&config, &[strong, weak], 1.0);
        assert_eq!(zeros(&kept[0]) + zeros(&kept[1]), 100);
        assert!(zeros(&kept[1]) > 80, "{}", zeros(&kept[1]));
    }

    #[test]
    fn the_windows_of_a_convolution_lose_channels_whole() {
        let mut one = PrunableLayer { inputs: 0.5, ..layer(1, 1, 1) };
        one.layout = WeightLayout { outputs: 3, inputs: 4, taps: 9, inputs_first: false };
        one.weights = numbers(108, 5);
        one.deviations = vec![1.0, 0.01, 2.0, 0.02];
        let kept = choose(&PruneConfig::default(), &[one], 1.0).remove(0);
        for (p, kept) in kept.iter().enumerate() {
            assert_eq!(*kept, (p / 9) % 4 % 2 == 0);
        }
    }
}
