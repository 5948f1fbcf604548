//! The operations as an extension of Burn's CPU backends: tensors in, slices to compute on, tensors
//! out. Written once for all backends whose numbers can be read.
#![allow(deprecated, reason = "burn-ndarray is deprecated by Burn, and kept because users name it")]

use burn::backend::tensor::{Device, FloatTensor};
use burn::backend::{Backend, Flex, NdArray, TensorMetadata, backend_extension, try_read_sync};
use burn::tensor::TensorData;

use super::pool::{self, PoolShape};
use super::range_penalty::{self, Interval};
use super::shape::ConvShape;
use super::{norm, precision, quadratic, relu};
use crate::config::Precision;

/// Operations beyond those of a backend, all on `f32`.
#[backend_extension(Autodiff, Flex, NdArray)]
pub(super) trait CpuOperations: Backend {
    /// The convolution of `shape`, its products of numbers of `precision`, plus a bias per channel.
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        shape: ConvShape,
        precision: Precision,
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

    /// `x` normalised by `moments`, times `gamma`, plus `beta`, and what a ReLU makes of that if
    /// one follows.
    fn normalise(
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        affine: Affine,
    ) -> FloatTensor<Self>;

    /// The means of the windows of `[N, C, H, W]`.
    fn average(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self>;

    /// The larger of 0 and `x`.
    fn cpu_relu(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The mean square of the distances of `x` to a range, `[1]`.
    fn range_penalty(x: FloatTensor<Self>, interval: Interval) -> FloatTensor<Self>;

    /// The mean over images of the square of the largest distance of `x`, `[N, ...]`, to a range,
    /// `[1]`.
    fn peak_penalty(x: FloatTensor<Self>, interval: Interval) -> FloatTensor<Self>;
}

impl<B: CpuBackend> CpuOperations for B {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        shape: ConvShape,
        precision: Precision,
    ) -> FloatTensor<Self> {
        convolution::<Self>(x, weight, bias, &shape, precision).0
    }

    fn quadratic(
        x: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (device, dims) = (x.device(), x.shape().to_vec());
        let elements = elements(&dims);
        let [a, b, c] = [a, b, c].map(read::<Self>);
        let y = Self::with_values(&x, |x| quadratic::forward(x, elements, [&a, &b, &c]));
        write::<Self>(y, dims, &device)
    }

    fn moments(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (device, extent) = (x.device(), extent(&x.shape().to_vec()));
        let moments = Self::with_values(&x, |x| norm::moments(x, extent));
        let dims = vec![moments.len()];
        write::<Self>(moments, dims, &device)
    }

    fn normalise(
        x: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        affine: Affine,
    ) -> FloatTensor<Self> {
        let (device, dims) = (x.device(), x.shape().to_vec());
        let [gamma, beta, moments] = [gamma, beta, moments].map(read::<Self>);
        let moments = norm::Moments::new(&moments, affine.epsilon);
        let scaling = norm::Scaling { gamma: &gamma, beta: &beta, relu: affine.relu };
        let y = Self::with_values(&x, |x| norm::forward(x, extent(&dims), &moments, scaling));
        write::<Self>(y, dims, &device)
    }

    fn average(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self> {
        let (device, dims) = (x.device(), x.shape().to_vec());
        let y = Self::with_values(&x, |x| pool::forward(&shape, x));
        write::<Self>(y, resized(&dims, shape.output()), &device)
    }

    fn cpu_relu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (device, dims) = (x.device(), x.shape().to_vec());
        write::<Self>(Self::with_values(&x, relu::forward), dims, &device)
    }

    fn range_penalty(x: FloatTensor<Self>, interval: Interval) -> FloatTensor<Self> {
        let device = x.device();
        let mean = Self::with_values(&x, |x| range_penalty::forward(x, &interval));
        write::<Self>(vec![mean], vec![1], &device)
    }

    fn peak_penalty(x: FloatTensor<Self>, interval: Interval) -> FloatTensor<Self> {
        let (device, elements) = (x.device(), elements(&x.shape().to_vec()));
        let mean = Self::with_values(&x, |x| range_penalty::forward_peaks(x, elements, &interval));
        write::<Self>(vec![mean], vec![1], &device)
    }
}

/// How batch normalisation treats its moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Affine {
    /// What is added to variances.
    pub(super) epsilon: f32,
    /// Whether moments are constants; otherwise backward takes them for those of the input itself.
    pub(super) fixed: bool,
    /// Whether a ReLU follows.
    pub(super) relu: bool,
}

/// A backend whose numbers lie in this machine's memory.
pub(super) trait CpuBackend: Backend {
    /// Calls `f` with the numbers of `tensor`, row-major; copies them only where it must.
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
    precision: Precision,
) -> (FloatTensor<B>, precision::Kept) {
    let device = x.device();
    let (weight, bias) = (read::<B>(weight), read::<B>(bias));
    let (y, kept) = B::with_values(&x, |x| precision::forward(shape, precision, x, &weight, &bias));
    (write::<B>(y, shape.output_dims().to_vec(), &device), kept)
}

/// The dimensions of a batch with other rows and columns.
pub(super) fn resized(dims: &[usize], extent: [usize; 2]) -> Vec<usize> {
    dims.iter().take(2).copied().chain(extent).collect()
}

/// Elements of an image of a batch `[N, ...]`.
pub(super) fn elements(dims: &[usize]) -> usize {
    dims.iter().skip(1).product()
}

/// The extent of an image of a batch `[N, C, ...]`.
pub(super) fn extent(dims: &[usize]) -> norm::Extent {
    norm::Extent { channels: dims[1], positions: dims.iter().skip(2).product() }
}

/// The numbers of a tensor, moved out where nobody else holds them.
#[expect(clippy::expect_used, reason = "only f32 tensors of CPU devices are admitted, and these can always be read")]
pub(super) fn read<B: Backend>(tensor: FloatTensor<B>) -> Vec<f32> {
    let data = try_read_sync(B::float_into_data(tensor)).expect("a CPU tensor is read at once");
    data.expect("a CPU tensor is in memory").try_into_vec().expect("the front end has checked the type")
}

/// A tensor of these numbers.
pub(super) fn write<B: Backend>(numbers: Vec<f32>, dims: Vec<usize>, device: &Device<B>) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(numbers, dims), device)
}
