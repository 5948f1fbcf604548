//! The operations against Burn's, and the independence of threads.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::AvgPool2dConfig;
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor, TensorData};

use half::bf16;

use super::{Interval, average_pool, distance, peak_penalty, polynomial, range_penalty, relu};
use crate::config::Precision;

fn convolution(conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    super::convolution(conv, x, Precision::Single)
}

fn numbers(n: usize, salt: usize) -> Vec<f32> {
    (0..n).map(|i| (((i + 1) * 7919 + salt * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
}

fn tensor<const D: usize>(dims: [usize; D], salt: usize, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers(dims.iter().product(), salt), dims), device)
}

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().try_into_vec_as::<f32>().unwrap()
}

/// `[input, out, kernel, stride, padding]` in short.
struct Case {
    input: [usize; 4],
    out: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
}

impl Case {
    fn conv(&self, dilation: usize, groups: usize, bias: bool, device: &Device) -> Conv2d {
        let [py, px] = self.padding;
        let mut conv = Conv2dConfig::new([self.input[1], self.out], self.kernel)
            .with_stride(self.stride)
            .with_padding(PaddingConfig2d::Explicit(py, px, py, px))
            .with_dilation([dilation; 2])
            .with_groups(groups)
            .with_bias(bias)
            .init(device);
        let learns = device.is_autodiff();
        conv.weight = conv.weight.map(|w| tensor(w.dims(), 3, device).set_require_grad(learns));
        conv.bias = conv.bias.map(|b| b.map(|b| tensor(b.dims(), 4, device).set_require_grad(learns)));
        conv
    }

    /// Output and the gradients of input, weight and bias, for fixed weights of the outputs.
    fn gradients(&self, device: &Device, forward: impl Fn(&Conv2d, Tensor<4>) -> Tensor<4>) -> Vec<Vec<f32>> {
        let conv = self.conv(1, 1, true, device);
        let x = tensor(self.input, 5, device).require_grad();
        let y = forward(&conv, x.clone());
        let gradients = (y.clone() * tensor(y.dims(), 6, device)).sum().backward();
        let of = |t: Option<Tensor<4>>| host(t.unwrap());
        let bias = conv.bias.as_ref().unwrap().val().grad(&gradients).unwrap();
        vec![host(y), of(x.grad(&gradients)), of(conv.weight.val().grad(&gradients)), host(bias)]
    }
}

fn cases() -> Vec<Case> {
    let case = |input, out, kernel, stride, padding| Case { input, out, kernel, stride, padding };
    vec![
        case([3, 1, 28, 28], 5, [5, 5], [2, 2], [1, 1]),
        case([2, 3, 12, 12], 32, [5, 5], [2, 2], [2, 2]),
        case([17, 4, 6, 6], 40, [3, 3], [1, 1], [1, 1]),
        case([9, 33, 5, 4], 7, [3, 3], [2, 2], [1, 1]),
        case([2, 3, 9, 8], 17, [3, 2], [2, 1], [1, 0]),
        case([2, 5, 7, 7], 64, [1, 1], [1, 1], [0, 0]),
        case([2, 5, 7, 7], 6, [1, 1], [3, 3], [0, 0]),
        case([2, 2, 11, 10], 3, [2, 3], [3, 5], [1, 2]),
        case([1, 3, 4, 4], 50, [4, 4], [4, 4], [0, 0]),
        case([2, 2, 6, 7], 4, [4, 4], [2, 2], [1, 1]),
        case([2, 2, 3, 3], 4, [5, 5], [1, 1], [4, 3]),
    ]
}

/// Sums of up to a few thousand products of numbers in -1..1 in another order: a few units in the
/// last place of the sum of magnitudes.
#[test]
#[allow(deprecated)]
fn convolution_and_its_gradients_equal_burns_on_both_devices() {
    for (k, case) in cases().iter().enumerate() {
        let expected = case.gradients(&Device::flex().autodiff(), |c, x| c.forward(x));
        for device in [Device::flex(), Device::ndarray()] {
            let found = case.gradients(&device.autodiff(), convolution);
            for (part, (f, e)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(f.len(), e.len());
                let largest = e.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
                let off = f.iter().zip(e).fold(0.0_f32, |m, (f, e)| m.max((f - e).abs()));
                assert!(off <= 1e-5 * largest, "case {k}, part {part}: {off} of {largest}");
            }
        }
    }
}

/// The same with images, weights and gradients rounded before: then both have the same products.
#[test]
fn bfloat16_rounds_what_is_multiplied_and_nothing_else() {
    let device = Device::flex().autodiff();
    let rounded = |n: Vec<f32>| n.into_iter().map(|v| bf16::from_f32(v).to_f32()).collect::<Vec<f32>>();
    for (k, case) in cases().iter().enumerate() {
        let of = |precision: Option<Precision>| {
            let again = |t: Tensor<4>| Tensor::from_data(TensorData::new(rounded(host(t.clone())), t.dims()), &device);
            let mut conv = case.conv(1, 1, true, &device);
            let mut x: Tensor<4> = tensor(case.input, 5, &device);
            if precision.is_none() {
                conv.weight = conv.weight.map(|w| again(w).require_grad());
                x = again(x);
            }
            let x = x.require_grad();
            let y = precision.map_or_else(|| conv.forward(x.clone()), |p| super::convolution(&conv, x.clone(), p));
            let back = tensor(y.dims(), 6, &device);
            let back = if precision.is_none() { again(back) } else { back };
            let gradients = (y.clone() * back).sum().backward();
            let bias = host(conv.bias.as_ref().unwrap().val().grad(&gradients).unwrap());
            let [of_x, of_weight] = [x, conv.weight.val()].map(|t| host(t.grad(&gradients).unwrap()));
            [host(y), of_x, of_weight, bias]
        };
        let (found, expected, single) = (of(Some(Precision::Bfloat16)), of(None), of(Some(Precision::Single)));
        assert_eq!(found[3], single[3], "case {k}: gradients of biases are sums, of which nothing is rounded");
        for (part, ((f, e), s)) in found.iter().zip(&expected).zip(&single).take(3).enumerate() {
            assert_eq!(f.len(), e.len());
            let largest = e.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
            let off = |g: &[f32]| g.iter().zip(e).fold(0.0_f32, |m, (g, e)| m.max((g - e).abs())) / largest;
            assert!(off(f) <= 1e-5, "case {k}, part {part}: {}", off(f));
            assert!(off(s) > 1e-5, "case {k}, part {part}: rounding makes no difference");
        }
    }
}

/// What the kernel reads lies inside, whatever the extent, kernel, stride and padding.
#[test]
fn every_small_convolution_equals_burns() {
    let device = Device::flex().autodiff();
    let mut count = 0;
    for width in 1..=6 {
        for kernel in 1..=4 {
            for stride in 1..=3 {
                for padding in (0..kernel).filter(|p| width + 2 * p >= kernel) {
                    let case = Case {
                        input: [2, 1 + width % 3, width, 2],
                        out: 1 + kernel * 7,
                        kernel: [kernel, 1],
                        stride: [stride, 1],
                        padding: [padding, 0],
                    };
                    let expected = case.gradients(&device, |c, x| c.forward(x));
                    // Two factors up to 1, each off by 2^-9: their product is off by 2^-8.
                    for (precision, allowed) in [(Precision::Single, 1e-4), (Precision::Bfloat16, 0.05)] {
                        let found = case.gradients(&device, |c, x| super::convolution(c, x, precision));
                        for (f, e) in found.iter().zip(&expected) {
                            let near = f.iter().zip(e).all(|(f, e)| (f - e).abs() < allowed);
                            assert!(f.len() == e.len() && near, "{width} {kernel} {stride} {padding} {precision:?}");
                        }
                    }
                    count += 1;
                }
            }
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn without_bias_and_without_gradients() {
    let case = &cases()[1];
    for device in [Device::flex(), Device::flex().autodiff()] {
        let conv = case.conv(1, 1, false, &device);
        let x = tensor(case.input, 5, &device);
        let (found, expected) = (host(convolution(&conv, x.clone())), host(conv.forward(x)));
        assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-4));
    }
}

#[test]
fn dilation_and_groups_are_left_to_burn() {
    let device = Device::flex();
    let case = Case { input: [2, 4, 9, 9], out: 6, kernel: [3, 3], stride: [1, 1], padding: [1, 1] };
    for (dilation, groups) in [(2, 1), (1, 2)] {
        let conv = case.conv(dilation, groups, true, &device);
        let x = tensor(case.input, 5, &device);
        assert_eq!(host(convolution(&conv, x.clone())), host(conv.forward(x)));
    }
}

#[test]
fn quadratics_equal_burns_with_any_granularity() {
    let device = Device::flex().autodiff();
    for (dims, counts) in [([19, 3, 4, 2], [1, 3, 24]), ([5, 2, 1, 1], [1, 2, 2])] {
        for count in counts {
            let of = |ours: bool| {
                let x = tensor(dims, 1, &device).require_grad();
                let k: [Tensor<1>; 3] = [2, 3, 4].map(|salt| tensor([count], salt, &device).require_grad());
                let y = if ours {
                    polynomial(&x, k.clone()).unwrap()
                } else {
                    let per = dims[1] * dims[2] * dims[3] / count;
                    let flat = x.clone().reshape([dims[0], count, per]);
                    let [a, b, c] = k.clone().map(|k| k.reshape([1, count, 1]));
                    (flat.clone().square() * a + flat * b + c).reshape(dims)
                };
                let gradients = (y.clone() * tensor(dims, 6, &device)).sum().backward();
                let mut all = vec![host(y), host(x.grad(&gradients).unwrap())];
                all.extend(k.map(|k| host(k.grad(&gradients).unwrap())));
                all
            };
            for (found, expected) in of(true).iter().zip(of(false)) {
                assert_eq!(found.len(), expected.len());
                assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-4), "{count}");
            }
        }
    }
}

fn norm(device: &Device) -> BatchNorm {
    let mut norm = BatchNormConfig::new(6).with_epsilon(1e-3).init(device);
    let learns = device.is_autodiff();
    norm.gamma = norm.gamma.map(|g| tensor(g.dims(), 11, device).set_require_grad(learns));
    norm.beta = norm.beta.map(|g| tensor(g.dims(), 12, device).set_require_grad(learns));
    norm
}

/// Output, gradients and running moments after two batches, then the output without learning.
fn normalised(device: &Device, forward: impl Fn(&BatchNorm, Tensor<4>) -> Tensor<4>) -> Vec<Vec<f32>> {
    let norm = norm(device);
    let mut all = Vec::new();
    for salt in [1, 2] {
        let x = (tensor([7, 6, 3, 7], salt, device) + tensor([1, 6, 1, 1], 5, device).mul_scalar(3)).require_grad();
        let y = forward(&norm, x.clone());
        let gradients = (y.clone() * tensor([7, 6, 3, 7], 9, device)).sum().backward();
        all.extend([host(y), host(x.grad(&gradients).unwrap())]);
        all.extend([&norm.gamma, &norm.beta].map(|p| host(p.val().grad(&gradients).unwrap())));
        all.extend([&norm.running_mean, &norm.running_var].map(|r| host(r.value_sync())));
    }
    all.push(host(forward(&norm.valid(), tensor([2, 6, 3, 7], 3, &device.clone().inner()))));
    all
}

fn batch_norm(norm: &BatchNorm, x: Tensor<4>) -> Tensor<4> {
    super::batch_norm(norm, x, false)
}

/// To the last bit, forward and backward, whether moments are the batch's or fixed.
#[test]
fn normalisation_with_a_relu_is_the_one_and_then_the_other() {
    let device = Device::flex().autodiff();
    for learns in [true, false] {
        let of = |forward: fn(&BatchNorm, Tensor<4>) -> Tensor<4>| {
            normalised(&device, |norm, x| {
                let mut norm = norm.clone();
                norm.training = Param::from_bool(learns);
                forward(&norm, x)
            })
        };
        let found = of(|norm, x| super::batch_norm(norm, x, true));
        assert_eq!(found, of(|norm, x| relu(super::batch_norm(norm, x, false))));
        assert!(found[0].contains(&0.0) && found[0].iter().any(|y| *y > 0.0));
    }
    let odd = Tensor::<4>::from_data([[[[f32::NAN]]]], &device);
    let one = BatchNormConfig::new(1).init(&device);
    assert!(host(super::batch_norm(&one.valid(), odd.inner(), true))[0].is_nan());
}

#[test]
#[allow(deprecated)]
fn batch_normalisation_equals_burns_learning_and_not() {
    for learns in [true, false] {
        let of = |forward: fn(&BatchNorm, Tensor<4>) -> Tensor<4>, device: Device| {
            normalised(&device.autodiff(), |norm, x| {
                let mut norm = norm.clone();
                norm.training = Param::from_bool(learns);
                forward(&norm, x)
            })
        };
        let expected = of(BatchNorm::forward, Device::flex());
        for device in [Device::flex(), Device::ndarray()] {
            let found = of(batch_norm, device);
            assert_eq!(found.len(), expected.len());
            for (k, (f, e)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(f.len(), e.len());
                assert!(f.iter().zip(e).all(|(f, e)| (f - e).abs() < 2e-5 * (1.0 + e.abs())), "{k}: {f:?} {e:?}");
            }
        }
    }
}

#[test]
#[allow(deprecated)]
fn average_pooling_equals_burns_on_both_devices() {
    let cases =
        [([2, 2], [2, 2], [6, 8]), ([2, 2], [2, 2], [5, 7]), ([3, 2], [1, 3], [7, 9]), ([4, 4], [4, 4], [4, 4])];
    for (kernel, stride, [h, w]) in cases {
        let pool = AvgPool2dConfig::new(kernel).with_strides(stride).init();
        for device in [Device::flex(), Device::ndarray()].map(Device::autodiff) {
            let of = |ours: bool| {
                let x = tensor([3, 20, h, w], 1, &device).require_grad();
                let y = if ours { average_pool(&pool, x.clone()) } else { pool.forward(x.clone()) };
                let gradients = (y.clone() * tensor(y.dims(), 2, &device)).sum().backward();
                (y.dims(), host(y), host(x.grad(&gradients).unwrap()))
            };
            let (found, expected) = (of(true), of(false));
            assert_eq!(found.0, expected.0);
            for (f, e) in [(&found.1, &expected.1), (&found.2, &expected.2)] {
                assert!(f.len() == e.len() && f.iter().zip(e).all(|(f, e)| (f - e).abs() < 1e-5));
            }
        }
    }
}

#[test]
#[allow(deprecated)]
fn relu_equals_burns_on_both_devices() {
    for device in [Device::flex(), Device::ndarray()].map(Device::autodiff) {
        let of = |forward: fn(Tensor<3>) -> Tensor<3>| {
            let x = tensor([5, 70, 101], 1, &device).require_grad();
            let y = forward(x.clone());
            let gradients = (y.clone() * tensor(y.dims(), 2, &device)).sum().backward();
            (host(y), host(x.grad(&gradients).unwrap()))
        };
        assert_eq!(of(relu), of(burn::tensor::activation::relu));
        let odd = Tensor::<1>::from_data([f32::NAN, f32::NEG_INFINITY, f32::INFINITY, -0.0], &device);
        let y = host(relu(odd));
        assert!(y[0].is_nan() && y[1..] == [0.0, f32::INFINITY, 0.0], "{y:?}");
    }
}

#[test]
#[allow(deprecated)]
fn excursions_and_their_gradient_equal_burns() {
    let interval = Interval { min: -0.5, max: 0.75, unit: 1.5 };
    for device in [Device::flex(), Device::ndarray()].map(Device::autodiff) {
        let x = tensor([7, 5003], 1, &device).require_grad();
        let mean = range_penalty(x.clone(), interval);
        let gradient = host(x.grad(&mean.clone().mul_scalar(3.0).backward()).unwrap());
        let distance = host(x.clone().inner() - x.inner().clamp(-0.5, 0.75));
        let expected = distance.iter().map(|d| f64::from(d / 1.5).powi(2)).sum::<f64>() / distance.len() as f64;
        assert!((f64::from(host(mean)[0]) - expected).abs() < 1e-6 * expected);
        for (g, d) in gradient.iter().zip(&distance) {
            assert!((g - 3.0 * 2.0 * d / (1.5 * 1.5 * distance.len() as f32)).abs() < 1e-9, "{g} {d}");
        }
    }
}

#[test]
#[allow(deprecated)]
fn peaks_and_their_gradient_equal_burns() {
    let interval = Interval { min: -0.5, max: 0.75, unit: 1.5 };
    for device in [Device::flex(), Device::ndarray()].map(Device::autodiff) {
        let of = |penalty: fn(Tensor<2>, Interval) -> Tensor<1>| {
            let x = tensor([7, 503], 1, &device);
            // The last image is inside.
            let x = Tensor::cat(vec![x, Tensor::zeros([1, 503], &device)], 0).require_grad();
            let mean = penalty(x.clone(), interval);
            let gradient = host(x.grad(&mean.clone().mul_scalar(3.0).backward()).unwrap());
            (host(mean)[0], gradient)
        };
        let (found, expected) = (
            of(peak_penalty),
            of(|x, i| distance(x, i).square().max_dim(1).add_scalar(1.0).sqrt().sub_scalar(1.0).mean()),
        );
        assert!(found.0 > 0.0 && (found.0 - expected.0).abs() < 1e-6 * expected.0, "{found:?} {expected:?}");
        assert_eq!(found.1.iter().filter(|g| **g != 0.0).count(), 7, "one element of each image outside");
        assert!(found.1.iter().zip(&expected.1).all(|(f, e)| (f - e).abs() < 1e-7));
        let odd = Tensor::<2>::from_data([[f32::NAN, 9.0], [1.0, 0.0]], &device);
        assert!(host(peak_penalty(odd, interval))[0].is_nan());
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let device = Device::flex().autodiff();
    let case = Case { input: [37, 3, 10, 10], out: 20, kernel: [3, 3], stride: [2, 2], padding: [1, 1] };
    let all = || {
        let mut all = case.gradients(&device, convolution);
        all.extend(case.gradients(&device, |c, x| super::convolution(c, x, Precision::Bfloat16)));
        all.extend(normalised(&device, batch_norm));
        let x = tensor([37, 3, 10, 10], 8, &device).require_grad();
        let k: [Tensor<1>; 3] = [2, 3, 4].map(|salt| tensor([3], salt, &device).require_grad());
        let gradients = (polynomial(&x, k.clone()).unwrap() * x).sum().backward();
        all.extend(k.map(|k| host(k.grad(&gradients).unwrap())));
        let interval = Interval { min: -0.5, max: 0.25, unit: 3.0 };
        all.push(host(range_penalty(tensor([37, 3001], 8, &device), interval)));
        all.push(host(peak_penalty(tensor([37, 3001], 8, &device), interval)));
        all
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all);
    let one = with(1);
    assert!(one.iter().flatten().any(|v| *v != 0.0));
    assert_eq!(one, with(2));
    assert_eq!(one, with(5));
}
