//! The optimiser: parameter groups, clipping by the global norm, learning-rate schedule. It keeps
//! no state beside the one that a checkpoint holds: the rate is a function of the step.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::{Momentum, MomentumConfig, MomentumState};
use burn::optim::{
    AdamWConfig, AdjustLrFn, GradientsParams, ModuleOptimizer, Muon, MuonConfig, MuonState, Optimizer, SgdConfig,
};
use burn::tensor::{Device, Tensor};

use crate::config::{OptimiserConfig, OptimiserKind};
use crate::model::network::Network;

/// An optimiser for `network`: weights decay, everything else does not, and coefficients of
/// polynomials learn at `coefficient_factor` times the rate.
pub(crate) fn optimiser(config: &OptimiserConfig, coefficient_factor: f64, network: &Network) -> ModuleOptimizer {
    let weights = ParamGroup::from_ids(network.weight_ids());
    let coefficients = ParamGroup::from_ids(network.coefficient_ids());
    let adamw = |decay: f32| AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(decay).build();
    match config.kind {
        OptimiserKind::Muon => {
            let muon = MuonOfRows::new(config.weight_decay);
            ModuleOptimizer::from(adamw(0.0)).with_group(weights, muon, None).with_group(
                coefficients,
                Scaled { inner: adamw(0.0), factor: coefficient_factor },
                None,
            )
        }
        OptimiserKind::Adamw => ModuleOptimizer::from(adamw(0.0))
            .with_group(weights, adamw(config.weight_decay), None)
            .with_group(coefficients, Scaled { inner: adamw(0.0), factor: coefficient_factor }, None),
        OptimiserKind::Sgd => {
            let momentum = MomentumConfig { momentum: 0.9, dampening: 0.0, nesterov: false };
            let sgd = |decay: f32| {
                let decay = (decay > 0.0).then(|| WeightDecayConfig::new(decay));
                SgdConfig::new().with_momentum(Some(momentum.clone())).with_weight_decay(decay).build()
            };
            ModuleOptimizer::from(sgd(0.0)).with_group(weights, sgd(config.weight_decay), None).with_group(
                coefficients,
                Scaled { inner: sgd(0.0), factor: coefficient_factor },
                None,
            )
        }
    }
}

/// The learning rate at `step` of `total` (from 0): linear warm-up, then half a cosine down to the
/// final fraction.
pub(crate) fn learning_rate(config: &OptimiserConfig, step: usize, steps_per_epoch: usize, total: usize) -> f64 {
    let warm_up = (config.warm_up * steps_per_epoch as f64).floor().min(total as f64 / 2.0);
    let step = step as f64;
    if step < warm_up {
        return config.learning_rate * (step + 1.0) / (warm_up + 1.0);
    }
    let done = (step - warm_up) / (total as f64 - warm_up).max(1.0);
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos());
    config.learning_rate * (config.final_fraction + (1.0 - config.final_fraction) * cosine)
}

/// Scales all gradients down so that their norm does not exceed `limit`, if there is one. Returns
/// the norm before that.
pub(crate) fn clip_gradients<M: Module>(module: &M, gradients: &mut GradientsParams, limit: Option<f64>) -> f64 {
    let norm = gradient_norm(module, gradients);
    if let Some(limit) = limit.filter(|limit| norm > *limit) {
        scale_gradients(module, gradients, limit / norm);
    }
    norm
}

/// The Euclidean norm of all gradients together.
fn gradient_norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    let mut visitor = SumOfSquares { gradients, sum: 0.0 };
    module.visit(&mut visitor);
    visitor.sum.sqrt()
}

/// Scales all gradients by `factor`.
fn scale_gradients<M: Module>(module: &M, gradients: &mut GradientsParams, factor: f64) {
    module.visit(&mut Scale { gradients, factor });
}

/// An optimiser at a multiple of the learning rate.
#[derive(Clone)]
struct Scaled<O> {
    inner: O,
    factor: f64,
}

impl<O: Optimizer> Optimizer for Scaled<O> {
    type State<const D: usize> = O::State<D>;

    fn step<const D: usize>(
        &self,
        lr: f64,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        self.inner.step(lr * self.factor, tensor, grad, state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        O::to_device(state, device)
    }
}

/// Muon for weights of matrices and of convolutions, these as one row per output channel.
#[derive(Clone)]
struct MuonOfRows {
    momentum: Momentum,
    /// Without a momentum of its own.
    step: Muon,
}

impl MuonOfRows {
    /// Decay of the momentum in a step (Jordan et al., 2024).
    const MOMENTUM: f64 = 0.95;
    /// Momentum below this is none. Rows without gradients, of channels that are never active,
    /// would decay to subnormal numbers, with which processors multiply many times as slowly; next
    /// to others, nothing as small as this changes a bit.
    const LEAST: f32 = 1e-15;

    fn new(weight_decay: f32) -> Self {
        let momentum = |momentum| MomentumConfig { momentum, dampening: 0.0, nesterov: false };
        let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay));
        let step = MuonConfig::new().with_momentum(momentum(0.0)).with_weight_decay(decay);
        Self {
            momentum: Momentum::new(&momentum(Self::MOMENTUM)),
            step: step.with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW).build(),
        }
    }

    /// The gradient looked at from where momentum leads (Nesterov), and the momentum.
    fn accelerated(&self, grad: Tensor<2>, state: Option<MuonState<2>>) -> (Tensor<2>, MuonState<2>) {
        let (velocity, _) = self.momentum.transform(grad.clone(), state.map(|s| s.momentum));
        let vanished = velocity.clone().abs().lower_elem(Self::LEAST);
        let velocity = velocity.mask_fill(vanished, 0.0);
        let ahead = velocity.clone().mul_scalar(Self::MOMENTUM).add(grad);
        let vanished = ahead.clone().abs().lower_elem(Self::LEAST);
        (ahead.mask_fill(vanished, 0.0), MuonState::new(MomentumState::new(velocity)))
    }
}

impl Optimizer for MuonOfRows {
    type State<const D: usize> = MuonState<2>;

    fn step<const D: usize>(
        &self,
        lr: f64,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let shape = tensor.shape();
        let rows = shape.dims::<D>()[0];
        let matrix = |t: Tensor<D>| t.reshape([rows as i32, -1]);
        let (ahead, state) = self.accelerated(matrix(grad), state);
        let (next, _) = self.step.step(lr, matrix(tensor), ahead, None);
        (next.reshape(shape), Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        Muon::to_device::<2>(state, device)
    }
}

struct SumOfSquares<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for SumOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sum += f64::from(gradient.square().sum().into_scalar::<f32>());
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient.mul_scalar(self.factor));
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ParamId;

    use super::*;

    #[test]
    fn the_rate_rises_then_falls_to_its_final_fraction() {
        let config =
            OptimiserConfig { learning_rate: 2.0, warm_up: 1.0, final_fraction: 0.1, ..OptimiserConfig::default() };
        let rates: Vec<f64> = (0..100).map(|s| learning_rate(&config, s, 10, 100)).collect();
        assert!(rates[..10].windows(2).all(|w| w[0] < w[1]) && rates[0] > 0.0);
        assert!(rates[10..].windows(2).all(|w| w[0] > w[1]));
        assert!((rates[10] - 2.0).abs() < 1e-12);
        assert!((learning_rate(&config, 100, 10, 100) - 0.2).abs() < 1e-12);
        assert!((learning_rate(&config, 55, 10, 100) - 1.1).abs() < 1e-12, "half way is the mean");
    }

    #[test]
    fn a_warm_up_longer_than_the_run_is_shortened() {
        let config = OptimiserConfig { warm_up: 50.0, ..OptimiserConfig::default() };
        assert!((learning_rate(&config, 5, 2, 10) - config.learning_rate).abs() < 1e-15);
    }

    #[test]
    fn muon_takes_a_convolution_for_a_matrix_and_steps_by_its_orthogonal_part() {
        let (device, muon) = (Device::flex(), MuonOfRows::new(0.0));
        // Two rows of three, orthogonal already: the step is their directions, up to what five
        // iterations leave.
        let grad = Tensor::<4>::from_data([[[[3.0_f32, 0.0, 0.0]]], [[[0.0, 0.5, 0.0]]]], &device);
        let zero = Tensor::<4>::zeros([2, 1, 1, 3], &device);
        let (next, state) = muon.step(1.0, zero, grad, None);
        let step: Vec<f32> = next.into_data().try_into_vec().unwrap();
        let size = 0.2 * 3.0_f32.sqrt();
        for (s, e) in step.iter().zip([-size, 0.0, 0.0, 0.0, -size, 0.0]) {
            assert!((s - e).abs() < 0.4 * size, "{step:?}");
        }
        assert!(state.is_some());
    }

    #[test]
    fn muon_steps_as_burns_does_and_forgets_what_has_vanished() {
        let device = Device::flex();
        let burns = MuonConfig::new().with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW).build();
        let ours = MuonOfRows::new(0.0);
        let mut expected = (Tensor::<2>::zeros([2, 3], &device), None);
        let mut found = (Tensor::<2>::zeros([2, 3], &device), None);
        let host = |t: Tensor<2>| t.into_data().try_into_vec::<f32>().unwrap();
        for step in 0..2500 {
            // The second row is active once.
            let second = if step == 0 { 0.5 } else { 0.0 };
            let grad = Tensor::<2>::from_data([[1.0, (step % 7) as f32, -2.0], [second, 0.0, second]], &device);
            expected = Optimizer::step(&burns, 1e-3, expected.0, grad.clone(), expected.1);
            found = ours.step(1e-3, found.0, grad, found.1);
            if step < 100 || step == 2499 {
                assert_eq!(host(found.0.clone()), host(expected.0.clone()), "step {step}");
            }
        }
        let state = |state: Option<MuonState<2>>| {
            let zero = Tensor::<2>::zeros([2, 3], &device);
            host(
                Momentum::new(&MomentumConfig { momentum: 1.0, dampening: 0.0, nesterov: false })
                    .transform(zero, Some(state.unwrap().momentum))
                    .0,
            )
        };
        let (vanishing, none) = (state(expected.1), state(found.1));
        assert!(vanishing[3] != 0.0 && vanishing[3].is_subnormal(), "{vanishing:?}");
        assert_eq!(none[3..], [0.0; 3]);
    }

    #[test]
    fn clipping_is_by_the_norm_of_all_gradients_together() {
        let device = Device::flex().autodiff();
        let p = crate::model::polynomial::TrainablePolynomial::new(
            [&[1.0], &[1.0], &[1.0]],
            [1, 2, 3].map(ParamId::from),
            &device,
            true,
        );
        let x = Tensor::<2>::from_data([[3.0_f32], [1.0]], &device);
        let mut gradients = GradientsParams::from_grads(p.forward_flat(x).sum().backward(), &p);
        // 9 + 1, 3 + 1, 1 + 1
        assert!((gradient_norm(&p, &gradients) - 120.0_f64.sqrt()).abs() < 1e-5);
        scale_gradients(&p, &mut gradients, 0.5);
        assert!((gradient_norm(&p, &gradients) - 30.0_f64.sqrt()).abs() < 1e-5);
        let a = gradients.get::<1>(ParamId::from(1)).unwrap();
        assert_eq!(a.into_scalar::<f32>(), 5.0);
    }
}
