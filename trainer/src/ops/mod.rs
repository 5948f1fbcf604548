//! Operations that Burn's CPU backends are slow at, or do on one thread, written out: convolution,
//! batch normalisation, average pooling, ReLU, the quadratic activation and the range penalty, each
//! with its backward pass. Where an operation does not apply, Burn's is used.
//!
//! Sizes are compared at the door of each operation, by assertions that say both; inside, slices
//! are indexed plainly. A wrong size stops the program: it never becomes a wrong number.
#![deny(clippy::disallowed_methods)]

mod autodiff;
mod conv;
mod extension;
mod kernel;
mod layout;
mod norm;
mod parallel;
mod pool;
mod precision;
mod quadratic;
mod range_penalty;
mod relu;
mod shape;
#[cfg(test)]
mod tests;

use burn::backend::{Dispatch, DispatchDevice};
use burn::nn::conv::Conv2d;
use burn::nn::pool::AvgPool2d;
use burn::nn::{BatchNorm, PaddingConfig2d};
use burn::tensor::{DType, Tensor};

use extension::{Affine, CpuOperations};
use pool::PoolShape;
pub(crate) use range_penalty::Interval;
use shape::ConvShape;

use crate::config::Precision;

/// The convolution of `x`, `[N, C, H, W]`, as Burn's module describes it, its products of numbers
/// of `precision`.
///
/// Dilation, groups, uneven padding, other devices and other numbers than `f32` are left to Burn,
/// which computes in single precision.
pub(crate) fn convolution(conv: &Conv2d, x: Tensor<4>, precision: Precision) -> Tensor<4> {
    let weight = conv.weight.val();
    let Some(shape) = ConvShape::new(conv, x.dims()).filter(|_| is_supported(&x) && weight.dtype() == DType::F32)
    else {
        return conv.forward(x);
    };
    let bias = match &conv.bias {
        Some(bias) => bias.val(),
        None => Tensor::zeros([weight.dims()[0]], &x.device().inner()).into_same(&x),
    };
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::convolution(x, weight, bias, shape, precision))
}

/// `a x² + b x + c` for a batch `x`, `[N, ...]`; each of `k` coefficients of a kind stands for
/// adjacent elements of an image. None where Burn's operations must do it.
pub(crate) fn polynomial<const D: usize>(x: &Tensor<D>, coefficients: [Tensor<1>; 3]) -> Option<Tensor<D>> {
    let count = coefficients[0].dims()[0];
    let elements: usize = x.dims().iter().skip(1).product();
    let alike = coefficients.iter().all(|k| k.dims()[0] == count && k.dtype() == DType::F32);
    let supported = is_supported(x) && alike && count > 0 && elements.is_multiple_of(count);
    supported.then(|| {
        let [a, b, c] = coefficients.map(Tensor::into_dispatch);
        Tensor::from_dispatch(Dispatch::quadratic(x.clone().into_dispatch(), a, b, c))
    })
}

/// Batch normalisation of `x`, `[N, C, ...]`, as Burn's module does it: while learning by the
/// batch's own moments, which join the running ones; otherwise by the running ones. With
/// `then_relu` the larger of 0 and that, in one pass over memory.
pub(crate) fn batch_norm<const D: usize>(norm: &BatchNorm, x: Tensor<D>, then_relu: bool) -> Tensor<D> {
    if !is_supported(&x) {
        let y = norm.forward(x);
        return if then_relu { relu(y) } else { y };
    }
    let (gamma, beta) = (norm.gamma.val(), norm.beta.val());
    let learns = x.is_autodiff() && norm.training.is_enabled();
    let moments: Tensor<1> = if learns {
        let moments: Tensor<1> = Tensor::from_dispatch(Dispatch::moments(x.clone().into_dispatch()));
        let channels = gamma.dims()[0];
        let parts = [(0, &norm.running_mean), (channels, &norm.running_var)];
        for (first, running) in parts {
            let newest = moments.clone().narrow(0, first, channels).mul_scalar(norm.momentum);
            running.update((running.value_sync().mul_scalar(1.0 - norm.momentum) + newest).detach());
        }
        moments
    } else {
        Tensor::cat(vec![norm.running_mean.value(), norm.running_var.value()], 0)
    };
    let (moments, gamma, beta) = (moments.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
    let affine = Affine { epsilon: norm.epsilon as f32, fixed: !learns, relu: then_relu };
    Tensor::from_dispatch(Dispatch::normalise(x.into_dispatch(), moments, gamma, beta, affine))
}

/// Average pooling of `x`, `[N, C, H, W]`, as Burn's module describes it; its padding must be none.
pub(crate) fn average_pool(pool: &AvgPool2d, x: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    let supported = is_supported(&x) && !pool.ceil_mode;
    let unpadded = matches!(pool.padding, PaddingConfig2d::Valid | PaddingConfig2d::Explicit(0, 0, 0, 0));
    match PoolShape::new([h, w], pool.kernel_size, pool.stride).filter(|_| supported && unpadded) {
        Some(shape) => Tensor::from_dispatch(Dispatch::average(x.into_dispatch(), shape)),
        None => pool.forward(x),
    }
}

/// The larger of 0 and `x`.
pub(crate) fn relu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if is_supported(&x) {
        Tensor::from_dispatch(Dispatch::cpu_relu(x.into_dispatch()))
    } else {
        burn::tensor::activation::relu(x)
    }
}

/// The mean square of the distances of `x` to an interval, in the interval's unit; `[1]`.
pub(crate) fn range_penalty<const D: usize>(x: Tensor<D>, interval: Interval) -> Tensor<1> {
    if is_supported(&x) {
        return Tensor::from_dispatch(Dispatch::range_penalty(x.into_dispatch(), interval));
    }
    distance(x, interval).square().mean()
}

/// The mean over images of `sqrt(1 + d²) - 1`, `d` being the largest distance of `x`, `[N,
/// elements]`, to an interval, in the interval's unit; `[1]`.
pub(crate) fn peak_penalty(x: Tensor<2>, interval: Interval) -> Tensor<1> {
    if is_supported(&x) {
        return Tensor::from_dispatch(Dispatch::peak_penalty(x.into_dispatch(), interval));
    }
    distance(x, interval).square().max_dim(1).add_scalar(1.0).sqrt().sub_scalar(1.0).mean()
}

/// The distances of `x` to an interval, in the interval's unit.
fn distance<const D: usize>(x: Tensor<D>, interval: Interval) -> Tensor<D> {
    // x - clamp(x): its gradient is right through either branch.
    let nearest = x.clone().inner().clamp(interval.min, interval.max);
    let nearest = if x.is_autodiff() { Tensor::from_inner(nearest) } else { nearest };
    (x - nearest).div_scalar(interval.unit)
}

trait IntoSame {
    fn into_same(self, other: &Tensor<4>) -> Self;
}

impl IntoSame for Tensor<1> {
    fn into_same(self, other: &Tensor<4>) -> Self {
        if other.is_autodiff() { Self::from_inner(self) } else { self }
    }
}

/// Whether the operations are implemented for numbers like those of `x`, where they are.
fn is_supported<const D: usize>(x: &Tensor<D>) -> bool {
    let on_cpu = matches!(x.device().inner().as_dispatch(), DispatchDevice::Flex(_) | DispatchDevice::NdArray(_));
    on_cpu && x.dtype() == DType::F32
}
