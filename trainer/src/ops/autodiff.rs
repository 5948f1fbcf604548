//! The backward passes of the operations, registered with Burn's autodiff. A gradient that nobody
//! needs, as that of the images, is not computed where it costs something.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, TensorMetadata};

use super::extension::{self, Affine, CpuBackend, CpuOperations, read, write};
use super::pool::{self, PoolShape};
use super::precision::{self, Kept};
use super::range_penalty::{self, Interval};
use super::shape::ConvShape;
use super::{norm, quadratic, relu};
use crate::config::Precision;

impl<B: CpuBackend, C: CheckpointStrategy> CpuOperations for Autodiff<B, C> {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        shape: ConvShape,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        match ConvolutionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
                let (y, kept) = extension::convolution::<B>(x, weight.clone(), bias, &shape, precision);
                prepared.finish((Arc::new(kept), weight, shape), y)
            }
            OpsKind::UnTracked(prepared) => {
                let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
                prepared.finish(B::convolution(x, weight, bias, shape, precision))
            }
        }
    }

    fn quadratic(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), a.node(), b.node(), c.node()];
        let prepared = QuadraticBackward.prepare::<C>(nodes).compute_bound().stateful();
        let (x, a, b, c) = (x.into_primitive(), a.into_primitive(), b.into_primitive(), c.into_primitive());
        match prepared {
            OpsKind::Tracked(prepared) => {
                let state = (x.clone(), a.clone(), b.clone());
                prepared.finish(state, B::quadratic(x, a, b, c))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::quadratic(x, a, b, c)),
        }
    }

    fn moments(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::from_inner(B::moments(x.into_primitive()))
    }

    fn normalise(
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        affine: Affine,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let prepared = NormaliseBackward.prepare::<C>(nodes).compute_bound().stateful();
        let (x, moments) = (x.into_primitive(), moments.into_primitive());
        let (gamma, beta) = (gamma.into_primitive(), beta.into_primitive());
        match prepared {
            OpsKind::Tracked(prepared) => {
                let state = (x.clone(), moments.clone(), [gamma.clone(), beta.clone()], affine);
                prepared.finish(state, B::normalise(x, moments, gamma, beta, affine))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::normalise(x, moments, gamma, beta, affine)),
        }
    }

    fn average(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self> {
        let prepared = AverageBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let y = B::average(x.into_primitive(), shape);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(shape, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn cpu_relu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = ReluBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let y = B::cpu_relu(x.into_primitive());
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(y.clone(), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn range_penalty(x: FloatTensor<Self>, interval: Interval) -> FloatTensor<Self> {
        let prepared = RangePenaltyBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let x = x.into_primitive();
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((x.clone(), interval), B::range_penalty(x, interval)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::range_penalty(x, interval)),
        }
    }

    fn peak_penalty(x: FloatTensor<Self>, interval: Interval) -> FloatTensor<Self> {
        let prepared = PeakPenaltyBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let x = x.into_primitive();
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((x.clone(), interval), B::peak_penalty(x, interval)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::peak_penalty(x, interval)),
        }
    }
}

#[derive(Debug)]
struct ConvolutionBackward;

impl<B: CpuBackend> Backward<B, 3> for ConvolutionBackward {
    type State = (Arc<Kept>, FloatTensor<B>, ConvShape);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [of_x, of_weight, of_bias] = ops.parents;
        let dy = grads.consume::<B>(&ops.node);
        let device = dy.device();
        let (x, weight, shape) = ops.state;
        let needed = [of_x.is_some(), of_bias.is_some()];
        let found = B::with_values(&dy, |dy| {
            B::with_values(&weight, |weight| precision::backward(&shape, &x, weight, dy, needed))
        });
        if let (Some(node), Some(dx)) = (of_x, found.input) {
            grads.register::<B>(node.id, write::<B>(dx, shape.input_dims().to_vec(), &device));
        }
        if let Some(node) = of_weight {
            grads.register::<B>(node.id, write::<B>(found.weight, shape.weight_dims().to_vec(), &device));
        }
        if let Some(node) = of_bias {
            let dims = vec![found.bias.len()];
            grads.register::<B>(node.id, write::<B>(found.bias, dims, &device));
        }
    }
}

#[derive(Debug)]
struct QuadraticBackward;

impl<B: CpuBackend> Backward<B, 4> for QuadraticBackward {
    type State = (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [of_x, of_a, of_b, of_c] = ops.parents;
        let dy = grads.consume::<B>(&ops.node);
        let (device, dims) = (dy.device(), dy.shape().to_vec());
        let (x, a, b) = ops.state;
        let elements = extension::elements(&dims);
        let (a, b, mut dx) = (read::<B>(a), read::<B>(b), read::<B>(dy));
        let coefficients = B::with_values(&x, |x| quadratic::backward(x, &mut dx, elements, [&a, &b]));
        if let Some(node) = of_x {
            grads.register::<B>(node.id, write::<B>(dx, dims, &device));
        }
        for (node, gradient) in [of_a, of_b, of_c].into_iter().zip(coefficients) {
            if let Some(node) = node {
                let dims = vec![gradient.len()];
                grads.register::<B>(node.id, write::<B>(gradient, dims, &device));
            }
        }
    }
}

#[derive(Debug)]
struct NormaliseBackward;

impl<B: CpuBackend> Backward<B, 3> for NormaliseBackward {
    type State = (FloatTensor<B>, FloatTensor<B>, [FloatTensor<B>; 2], Affine);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [of_x, of_gamma, of_beta] = ops.parents;
        let dy = grads.consume::<B>(&ops.node);
        let (device, dims) = (dy.device(), dy.shape().to_vec());
        let (x, moments, factors, Affine { epsilon, fixed, relu }) = ops.state;
        let ([gamma, beta], moments, mut dx) = (factors.map(read::<B>), read::<B>(moments), read::<B>(dy));
        let moments = norm::Moments::new(&moments, epsilon);
        let (extent, moments) = (extension::extent(&dims), (&moments, fixed));
        let scaling = norm::Scaling { gamma: &gamma, beta: &beta, relu };
        let affine = B::with_values(&x, |x| norm::backward(x, &mut dx, extent, moments, scaling));
        if let Some(node) = of_x {
            grads.register::<B>(node.id, write::<B>(dx, dims, &device));
        }
        for (node, gradient) in [of_gamma, of_beta].into_iter().zip(affine) {
            if let Some(node) = node {
                let dims = vec![gradient.len()];
                grads.register::<B>(node.id, write::<B>(gradient, dims, &device));
            }
        }
    }
}

#[derive(Debug)]
struct AverageBackward;

impl<B: CpuBackend> Backward<B, 1> for AverageBackward {
    type State = PoolShape;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let shape = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |dy| {
            let (device, dims) = (dy.device(), extension::resized(&dy.shape().to_vec(), shape.input));
            write::<B>(B::with_values(&dy, |dy| pool::backward(&shape, dy)), dims, &device)
        });
    }
}

#[derive(Debug)]
struct ReluBackward;

impl<B: CpuBackend> Backward<B, 1> for ReluBackward {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let y = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |dy| {
            let (device, dims) = (dy.device(), dy.shape().to_vec());
            let mut dx = read::<B>(dy);
            B::with_values(&y, |y| relu::backward(y, &mut dx));
            write::<B>(dx, dims, &device)
        });
    }
}

#[derive(Debug)]
struct RangePenaltyBackward;

impl<B: CpuBackend> Backward<B, 1> for RangePenaltyBackward {
    type State = (FloatTensor<B>, Interval);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, interval) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |dy| {
            let (device, dims) = (x.device(), x.shape().to_vec());
            let dy = read::<B>(dy)[0];
            write::<B>(B::with_values(&x, |x| range_penalty::backward(x, &interval, dy)), dims, &device)
        });
    }
}

#[derive(Debug)]
struct PeakPenaltyBackward;

impl<B: CpuBackend> Backward<B, 1> for PeakPenaltyBackward {
    type State = (FloatTensor<B>, Interval);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, interval) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |dy| {
            let (device, dims) = (x.device(), x.shape().to_vec());
            let (elements, dy) = (extension::elements(&dims), read::<B>(dy)[0]);
            let dx = B::with_values(&x, |x| range_penalty::backward_peaks(x, elements, &interval, dy));
            write::<B>(dx, dims, &device)
        });
    }
}
