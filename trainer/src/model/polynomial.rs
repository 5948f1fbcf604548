//! The trainable activation `a x² + b x + c`, with coefficients per layer, channel or element.
//! Coefficients broadcast over the images of a batch, and their gradients sum over them.

use burn::module::{Module, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};

use crate::ops::polynomial;

/// Quadratic activation with trainable coefficients.
///
/// There are 1 (layer), `C` (channel) or `C H W` (element; `F` after flatten) coefficients of each
/// kind, in index order.
#[derive(Module, Debug)]
pub(crate) struct TrainablePolynomial {
    /// Coefficients of `x²`.
    pub(crate) a: Param<Tensor<1>>,
    /// Coefficients of `x`.
    pub(crate) b: Param<Tensor<1>>,
    /// Constants.
    pub(crate) c: Param<Tensor<1>>,
}

impl TrainablePolynomial {
    /// Takes coefficients `[a, b, c]`, three lists of one length; `ids` identify them to the
    /// optimiser.
    pub(crate) fn new(coefficients: [&[f32]; 3], ids: [ParamId; 3], device: &Device, trainable: bool) -> Self {
        let [a, b, c] = coefficients;
        let [ia, ib, ic] = ids;
        let param = |id, values: &[f32]| {
            let tensor = Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), device);
            Param::initialized(id, tensor).set_require_grad(trainable)
        };
        Self { a: param(ia, a), b: param(ib, b), c: param(ic, c) }
    }

    /// Applies the polynomials to a batch of feature maps, `[N, C, H, W]`. The number of
    /// coefficients must be 1, `C` or `C H W`.
    pub(crate) fn forward_map(&self, x: Tensor<4>) -> Tensor<4> {
        let [n, c, h, w] = x.dims();
        let count = self.a.dims()[0];
        if let Some(y) = polynomial(&x, [&self.a, &self.b, &self.c].map(Param::val)) {
            return y;
        }
        if count == c * h * w {
            // A view as vectors: broadcasting over one leading dimension is the cheapest.
            self.forward_flat(x.reshape([n, count])).reshape([n, c, h, w])
        } else {
            let as_map = |p: &Param<Tensor<1>>| p.val().reshape([1, count, 1, 1]);
            x.clone() * (x * as_map(&self.a) + as_map(&self.b)) + as_map(&self.c)
        }
    }

    /// Applies the polynomials to a batch of vectors, `[N, F]`. The number of coefficients must be
    /// 1 or `F`.
    pub(crate) fn forward_flat(&self, x: Tensor<2>) -> Tensor<2> {
        let count = self.a.dims()[0];
        if let Some(y) = polynomial(&x, [&self.a, &self.b, &self.c].map(Param::val)) {
            return y;
        }
        let as_row = |p: &Param<Tensor<1>>| p.val().reshape([1, count]);
        x.clone() * (x * as_row(&self.a) + as_row(&self.b)) + as_row(&self.c)
    }

    /// Raises `|a|` where needed, sign kept, so that the vertex `-b / 2a` is within `bound` of zero
    /// and `|a| >= floor`.
    pub(crate) fn bounded(self, bound: f32, floor: f32) -> Self {
        let (ia, a, _) = self.a.consume();
        let tracked = a.is_require_grad();
        let a = a.inner();
        let least = self.b.val().inner().abs().div_scalar(2.0 * bound).clamp_min(floor);
        let negative = a.clone().lower_elem(0.0);
        let signed = least.clone().mask_where(negative, least.clone().neg());
        let short = a.clone().abs().lower(least);
        let a = a.mask_where(short, signed);
        let a = if tracked { Tensor::from_inner(a).require_grad() } else { a };
        Self { a: Param::initialized(ia, a), b: self.b, c: self.c }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> [ParamId; 3] {
        [1, 2, 3].map(ParamId::from)
    }

    /// Fixed numbers in -1..1 without a pattern.
    fn numbers(n: usize, salt: usize) -> Vec<f32> {
        (0..n).map(|i| (((i + 1) * 7919 + salt * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    /// `sum(w * p(x))` for weights `w`, in the layer's own arithmetic.
    fn weighted(
        x: &[f32],
        coefficients: [&[f32]; 3],
        w: &[f32],
        shape: [usize; 4],
    ) -> (Tensor<1>, Tensor<4>, TrainablePolynomial) {
        let device = Device::flex().autodiff();
        let p = TrainablePolynomial::new(coefficients, ids(), &device, true);
        let x = Tensor::<4>::from_data(TensorData::new(x.to_vec(), shape), &device).require_grad();
        let w = Tensor::<4>::from_data(TensorData::new(w.to_vec(), shape), &device);
        ((p.forward_map(x.clone()) * w).sum(), x, p)
    }

    /// The loss is at most quadratic in each variable, so central differences are exact for any
    /// step but for rounding: with a step of 1/2 that is a few units in the last place of a sum
    /// below 100 (8e-6), so 1e-3 is ample and no gradient here is so small that it could hide (a
    /// wrong sign or factor shows at 1e-1).
    #[test]
    fn gradients_equal_finite_differences() {
        let shape = [3, 2, 2, 3];
        let n: usize = shape.iter().product();
        for count in [1, 2, 12] {
            let [x, w] = [numbers(n, 1), numbers(n, 2)];
            let coefficients = [numbers(count, 3), numbers(count, 4), numbers(count, 5)];
            let loss =
                |x: &[f32], k: &[Vec<f32>; 3]| weighted(x, [&k[0], &k[1], &k[2]], &w, shape).0.into_scalar::<f32>();
            let (value, x_tensor, p) = weighted(&x, [&coefficients[0], &coefficients[1], &coefficients[2]], &w, shape);
            let gradients = value.backward();
            let of_x = x_tensor.grad(&gradients).unwrap().try_into_vec_as::<f32>().unwrap();
            for i in 0..n {
                let (mut up, mut down) = (x.clone(), x.clone());
                up[i] += 0.5;
                down[i] -= 0.5;
                let difference = loss(&up, &coefficients) - loss(&down, &coefficients);
                assert!((difference - of_x[i]).abs() < 1e-3, "x[{i}]: {difference} {}", of_x[i]);
            }
            for (which, param) in [&p.a, &p.b, &p.c].into_iter().enumerate() {
                let found = param.val().grad(&gradients).unwrap().try_into_vec_as::<f32>().unwrap();
                assert_eq!(found.len(), count);
                for i in 0..count {
                    let (mut up, mut down) = (coefficients.clone(), coefficients.clone());
                    up[which][i] += 0.5;
                    down[which][i] -= 0.5;
                    let difference = loss(&x, &up) - loss(&x, &down);
                    assert!((difference - found[i]).abs() < 1e-3, "{which}[{i}]: {difference} {}", found[i]);
                }
            }
        }
    }

    #[test]
    fn coefficients_apply_to_their_layer_channel_or_element() {
        let device = Device::flex();
        let (n, c, plane) = (2, 3, 4);
        let x = numbers(n * c * plane, 9);
        for count in [1, c, c * plane] {
            let [a, b, d] = [numbers(count, 6), numbers(count, 7), numbers(count, 8)];
            let p = TrainablePolynomial::new([&a, &b, &d], ids(), &device, true);
            let y = p.forward_map(Tensor::from_data(TensorData::new(x.clone(), [n, c, 2, 2]), &device));
            let y = y.try_into_vec_as::<f32>().unwrap();
            for (i, (x, y)) in x.iter().zip(y).enumerate() {
                let k = i % (c * plane) * count / (c * plane);
                assert!((a[k] * x * x + b[k] * x + d[k] - y).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn bounded_moves_the_vertex_only_where_it_is_too_far() {
        let p = TrainablePolynomial::new(
            [&[1.0, 0.01, -0.01, 0.0, 0.0], &[1.0, 1.0, 1.0, -1.0, 0.0], &[0.0; 5]],
            ids(),
            &Device::flex().autodiff(),
            true,
        );
        let p = p.bounded(5.0, 0.002);
        assert!(p.a.is_require_grad() && p.a.id == ParamId::from(1));
        assert_eq!(p.a.val().inner().try_into_vec_as::<f32>().unwrap(), [1.0, 0.1, -0.1, 0.1, 0.002]);
    }
}
