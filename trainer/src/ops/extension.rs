//! The operations as an extension of Burn's backends: tensors in, slices to compute on, tensors out. Must never hold
//! arithmetic of its own.
#![allow(deprecated, reason = "burn-ndarray is deprecated by Burn, and kept because users name it")]

use burn::backend::tensor::{Device, FloatTensor};
use burn::backend::{Backend, Flex, NdArray, TensorMetadata, backend_extension, try_read_sync};
use burn::tensor::TensorData;

use super::pool::{self, PoolShape};
use super::range_penalty::{self, Interval};
use super::shape::ConvShape;
use super::{conv, norm, quadratic, relu};

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

    /// The means of the windows of `[N, C, H, W]`.
    fn average(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self>;

    /// The larger of 0 and `x`.
    fn cpu_relu(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The mean square of the distances of `x` to a range, `[1]`.
    fn range_penalty(x: FloatTensor<Self>, interval: Interval) -> FloatTensor<Self>;
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

    fn average(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self> {
        averages::<Self>(x, &shape)
    }

    fn cpu_relu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        relu_forward::<Self>(x)
    }

    fn range_penalty(x: FloatTensor<Self>, interval: Interval) -> FloatTensor<Self> {
        penalty::<Self>(x, &interval)
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

    fn average(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self> {
        averages::<Self>(x, &shape)
    }

    fn cpu_relu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        relu_forward::<Self>(x)
    }

    fn range_penalty(x: FloatTensor<Self>, interval: Interval) -> FloatTensor<Self> {
        penalty::<Self>(x, &interval)
    }
}

/// A backend whose numbers can be looked at.
pub(super) trait CpuBackend: Backend {
    /// Calls `look` with the numbers of `tensor`, row-major; copies them only where it must.
    fn with_values<R>(tensor: &FloatTensor<Self>, f: impl FnOnce(&[f32]) -> R) -> R {
        f(&read::<Self>(tensor.clone()))
    }
}

impl CpuBackend for NdArray {}

impl CpuBackend for Flex {
    fn with_values<R>(tensor: &FloatTensor<Self>, f: impl FnOnce(&[f32]) -> R) -> R {
        match tensor.as_slice::<f32>() {
            Some(numbers) => f(numbers),
            None => f(&read::<Self>(tensor.clone())),
        }
    }
}

/// The convolution, and the input as its backward pass wants it.
pub(super) fn convolution<B: CpuBackend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    shape: &ConvShape,
) -> (FloatTensor<B>, conv::PaddedImages) {
    let device = x.device();
    let (weight, bias) = (read::<B>(weight), read::<B>(bias));
    let (y, padded) = B::with_values(&x, |x| conv::forward(shape, x, &weight, &bias));
    (write::<B>(y, shape.output_dims().to_vec(), &device), padded)
}

fn polynomials<B: CpuBackend>(x: FloatTensor<B>, coefficients: [FloatTensor<B>; 3]) -> FloatTensor<B> {
    let (device, dims) = (x.device(), x.shape().to_vec());
    let elements = dims.iter().skip(1).product();
    let [a, b, c] = coefficients.map(read::<B>);
    let y = B::with_values(&x, |x| quadratic::forward(x, elements, [&a, &b, &c]));
    write::<B>(y, dims, &device)
}

fn channel_moments<B: CpuBackend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let (device, extent) = (x.device(), extent(&x.shape().to_vec()));
    let moments = B::with_values(&x, |x| norm::moments(x, extent));
    let dims = vec![moments.len()];
    write::<B>(moments, dims, &device)
}

fn normalised<B: CpuBackend>(
    x: FloatTensor<B>,
    moments: FloatTensor<B>,
    affine: [FloatTensor<B>; 2],
    epsilon: f32,
) -> FloatTensor<B> {
    let (device, dims) = (x.device(), x.shape().to_vec());
    let [gamma, beta] = affine.map(read::<B>);
    let moments = read::<B>(moments);
    let moments = norm::Moments::new(&moments, epsilon);
    let y = B::with_values(&x, |x| norm::forward(x, extent(&dims), &moments, &gamma, &beta));
    write::<B>(y, dims, &device)
}

fn averages<B: CpuBackend>(x: FloatTensor<B>, shape: &PoolShape) -> FloatTensor<B> {
    let (device, dims) = (x.device(), x.shape().to_vec());
    let y = B::with_values(&x, |x| pool::forward(shape, x));
    write::<B>(y, resized(&dims, shape.output()), &device)
}

fn relu_forward<B: CpuBackend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let (device, dims) = (x.device(), x.shape().to_vec());
    let y = B::with_values(&x, relu::forward);
    write::<B>(y, dims, &device)
}

fn penalty<B: CpuBackend>(x: FloatTensor<B>, interval: &Interval) -> FloatTensor<B> {
    let device = x.device();
    let mean = B::with_values(&x, |x| range_penalty::forward(x, interval));
    write::<B>(vec![mean], vec![1], &device)
}

/// The dimensions of a batch with other rows and columns.
pub(super) fn resized(dims: &[usize], extent: [usize; 2]) -> Vec<usize> {
    dims.iter().take(2).copied().chain(extent).collect()
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
