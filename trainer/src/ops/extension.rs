//! The operations as an extension of Burn's backends: tensors in, slices to compute on, tensors out. Must never hold
//! arithmetic of its own.
#![allow(deprecated, reason = "burn-ndarray is deprecated by Burn, and kept because users name it")]

use burn::backend::tensor::{Device, FloatTensor};
use burn::backend::{Backend, Flex, NdArray, TensorMetadata, backend_extension, try_read_sync};
use burn::tensor::TensorData;

use super::shape::ConvShape;
use super::{conv, norm, quadratic};

/// Operations beyond those of a backend, all on `f32`.
#[backend_extension(Autodiff, Flex, NdArray)]
pub(super) trait CpuOperations: Backend {
    /// The convolution of `shape`, plus a bias per channel.
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self>;

    /// `a x² + b x + c`, the coefficients as lists.
    fn quadratic(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Per channel of `[N, C, ...]` the mean, then per channel the variance; not differentiable.
    fn moments(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `x` normalised by `moments`, times `gamma`, plus `beta`. Backward takes the moments for those of `x` itself.
    fn normalise(
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;
}

impl CpuOperations for Flex {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        convolution::<Self>(x, weight, bias, &shape).0
    }

    fn quadratic(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        polynomials::<Self>(x, [a, b, c])
    }

    fn moments(x: FloatTensor<Self>) -> FloatTensor<Self> {
        channel_moments::<Self>(x)
    }

    fn normalise(
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        normalised::<Self>(x, moments, [gamma, beta], epsilon)
    }
}

impl CpuOperations for NdArray {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        convolution::<Self>(x, weight, bias, &shape).0
    }

    fn quadratic(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        polynomials::<Self>(x, [a, b, c])
    }

    fn moments(x: FloatTensor<Self>) -> FloatTensor<Self> {
        channel_moments::<Self>(x)
    }

    fn normalise(
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        normalised::<Self>(x, moments, [gamma, beta], epsilon)
    }
}

/// The convolution, and the input as its backward pass wants it.
pub(super) fn convolution<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    shape: &ConvShape,
) -> (FloatTensor<B>, conv::Framed) {
    let device = x.device();
    let (x, weight, bias) = (read::<B>(x), read::<B>(weight), read::<B>(bias));
    let (y, framed) = conv::forward(shape, &x, &weight, &bias);
    (write::<B>(y, shape.output_dims().to_vec(), &device), framed)
}

fn polynomials<B: Backend>(x: FloatTensor<B>, coefficients: [FloatTensor<B>; 3]) -> FloatTensor<B> {
    let (device, dims) = (x.device(), x.shape().to_vec());
    let elements = dims.iter().skip(1).product();
    let [a, b, c] = coefficients.map(read::<B>);
    let mut x = read::<B>(x);
    quadratic::forward(&mut x, elements, [&a, &b, &c]);
    write::<B>(x, dims, &device)
}

fn channel_moments<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let (device, extent) = (x.device(), extent(&x.shape().to_vec()));
    let moments = norm::moments(&read::<B>(x), extent);
    let dims = vec![moments.len()];
    write::<B>(moments, dims, &device)
}

fn normalised<B: Backend>(
    x: FloatTensor<B>,
    moments: FloatTensor<B>,
    affine: [FloatTensor<B>; 2],
    epsilon: f32,
) -> FloatTensor<B> {
    let (device, dims) = (x.device(), x.shape().to_vec());
    let [gamma, beta] = affine.map(read::<B>);
    let (moments, mut x) = (read::<B>(moments), read::<B>(x));
    norm::forward(&mut x, extent(&dims), &norm::Moments::new(&moments, epsilon), &gamma, &beta);
    write::<B>(x, dims, &device)
}

/// Of a batch `[N, C, ...]`.
pub(super) fn extent(dims: &[usize]) -> norm::Extent {
    let channels = dims.get(1).copied().unwrap_or(1);
    norm::Extent { channels, positions: dims.iter().skip(2).product() }
}

/// The numbers of a tensor, moved out where nobody else holds them.
#[expect(
    clippy::expect_used,
    reason = "the front end admits f32 tensors of CPU devices alone, which can always be read"
)]
pub(super) fn read<B: Backend>(tensor: FloatTensor<B>) -> Vec<f32> {
    let data = try_read_sync(B::float_into_data(tensor)).expect("a CPU tensor is read at once");
    data.expect("a CPU tensor is in memory").try_into_vec().expect("the front end has checked the type")
}

/// A tensor of these numbers.
pub(super) fn write<B: Backend>(numbers: Vec<f32>, dims: Vec<usize>, device: &Device<B>) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(numbers, dims), device)
}
