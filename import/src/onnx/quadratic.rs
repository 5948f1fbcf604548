//! `a x^2 + b x + c` with coefficients per layer, channel or element, and its arithmetic: in
//! whatever way a network writes its quadratics, they come out in this form. A power above the
//! second is refused.

use beaa_ir::{Activation, Polynomial, Shape, Tensor};

use super::budget::{Budget, spread};
use super::constant::Constant;
use super::layout::{Layout, ZERO};
use crate::error::{Checked, defect};

/// One number for a whole feature map, one per channel, or one per element, by its length.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Coefficient(Vec<f64>);

impl Coefficient {
    /// The same number for all elements.
    pub(crate) fn number(value: f64) -> Self {
        Self(vec![value])
    }

    /// A constant beside a feature map of `shape`, as coarse as its extents allow. The map must not
    /// grow by it.
    pub(crate) fn of(constant: &Constant, shape: Shape, budget: &mut Budget) -> Checked<Self> {
        if let Some(value) = constant.single() {
            let rank = if matches!(shape, Shape::Map { .. }) { 4 } else { 2 };
            if constant.dims.len() <= rank {
                return Ok(Self::number(value));
            }
        }
        let (dims, channels) = match shape {
            Shape::Map { channels, height, width } => (vec![1, channels, height, width], channels),
            Shape::Flat { features } => (vec![1, features], features),
        };
        let per_channel = match constant.dims.as_slice() {
            [1, c, 1, 1] | [c, 1, 1] if matches!(shape, Shape::Map { .. }) => *c == channels,
            _ => false,
        };
        if per_channel { Ok(Self(constant.values.clone())) } else { Ok(Self(spread(constant, &dims, budget)?)) }
    }

    /// A constant beside a tensor that reads the elements of a feature map of `shape` in the order
    /// of `layout`, as coarse as its numbers are; none if an element would need two of them, or one
    /// that is zero any. The constant has the extents of the tensor, or fewer.
    pub(crate) fn scattered(
        constant: &Constant,
        layout: &Layout,
        shape: Shape,
        budget: &mut Budget,
    ) -> Checked<Option<Self>> {
        // What is zero stays so under a factor only, and has no element to be shifted.
        if let Some(value) = constant.single() {
            return Ok((!layout.has_zeros()).then(|| Self::number(value)));
        }
        let spread = spread(constant, &layout.dims, budget)?;
        budget.take(shape.len())?;
        let mut found: Vec<Option<f64>> = vec![None; shape.len()];
        for (position, &value) in spread.iter().enumerate() {
            let element = layout.at(position);
            if element == ZERO {
                return Ok(None);
            }
            match &mut found[element as usize] {
                Some(other) if *other != value => return Ok(None),
                entry => *entry = Some(value),
            }
        }
        let channels = match shape {
            Shape::Map { channels, .. } => channels,
            Shape::Flat { features } => features,
        };
        // Elements that the tensor leaves out may have any number.
        let same = |values: &[Option<f64>]| {
            let first = values.iter().flatten().next().copied();
            values.iter().flatten().all(|v| Some(*v) == first).then(|| first.unwrap_or(0.0))
        };
        if let Some(one) = same(&found) {
            return Ok(Some(Self::number(one)));
        }
        let per_channel: Option<Vec<f64>> = found.chunks(shape.len() / channels).map(same).collect();
        let all = || found.iter().map(|v| v.unwrap_or(0.0)).collect();
        Ok(Some(Self(per_channel.unwrap_or_else(all))))
    }

    /// Whether every number is `value`.
    pub(crate) fn is(&self, value: f64) -> bool {
        self.0.iter().all(|v| *v == value)
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self(self.0.iter().map(|&v| f(v)).collect())
    }

    fn zip(&self, other: &Self, shape: Shape, f: impl Fn(f64, f64) -> f64) -> Self {
        let count = self.0.len().max(other.0.len());
        let at = |c: &Self, i: usize| match c.0.len() {
            1 => c.0[0],
            n if n == count => c.0[i],
            channels => c.0[i / (shape.len() / channels)],
        };
        Self((0..count).map(|i| f(at(self, i), at(other, i))).collect())
    }

    /// One number per channel (per feature of a vector), if it is no finer than that.
    pub(crate) fn per_channel(&self, shape: Shape) -> Option<Vec<f64>> {
        let channels = match shape {
            Shape::Map { channels, .. } => channels,
            Shape::Flat { features } => features,
        };
        match self.0.len() {
            1 => Some(vec![self.0[0]; channels]),
            n if n == channels => Some(self.0.clone()),
            _ => None,
        }
    }

    fn tensor(&self, shape: Shape) -> Checked<Tensor> {
        let dims = match (self.0.len(), shape) {
            (1, _) => Vec::new(),
            (n, Shape::Map { channels, .. }) if n == channels => vec![channels, 1, 1],
            (_, Shape::Map { channels, height, width }) => vec![channels, height, width],
            (_, Shape::Flat { features }) => vec![features],
        };
        Ok(Tensor::new(dims, self.0.iter().map(|&v| v as f32).collect())?)
    }
}

/// `a x^2 + b x + c`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quadratic {
    pub(crate) a: Coefficient,
    pub(crate) b: Coefficient,
    pub(crate) c: Coefficient,
}

impl Quadratic {
    /// `x` itself.
    pub(crate) fn identity() -> Self {
        Self { a: Coefficient::number(0.0), b: Coefficient::number(1.0), c: Coefficient::number(0.0) }
    }

    /// The same number for all `x`.
    pub(crate) fn constant(c: Coefficient) -> Self {
        Self { a: Coefficient::number(0.0), b: Coefficient::number(0.0), c }
    }

    /// Whether it is `x` itself.
    pub(crate) fn is_identity(&self) -> bool {
        self.a.is(0.0) && self.b.is(1.0) && self.c.is(0.0)
    }

    /// The highest power.
    pub(crate) fn degree(&self) -> usize {
        match (self.a.is(0.0), self.b.is(0.0)) {
            (false, _) => 2,
            (true, false) => 1,
            (true, true) => 0,
        }
    }

    pub(crate) fn plus(&self, other: &Self, shape: Shape) -> Self {
        let add = |x: &Coefficient, y: &Coefficient| x.zip(y, shape, |x, y| x + y);
        Self { a: add(&self.a, &other.a), b: add(&self.b, &other.b), c: add(&self.c, &other.c) }
    }

    pub(crate) fn negated(&self) -> Self {
        let negate = |c: &Coefficient| c.map(|v| -v);
        Self { a: negate(&self.a), b: negate(&self.b), c: negate(&self.c) }
    }

    /// The product, if it is still a quadratic.
    pub(crate) fn times(&self, other: &Self, shape: Shape) -> Checked<Self> {
        if self.degree() + other.degree() > 2 {
            return defect(
                format!("a polynomial of degree {}", self.degree() + other.degree()),
                "train with quadratics; a higher degree costs levels that nothing else needs",
            );
        }
        let mul = |x: &Coefficient, y: &Coefficient| x.zip(y, shape, |x, y| x * y);
        let sum = |x: Coefficient, y: Coefficient| x.zip(&y, shape, |x, y| x + y);
        Ok(Self {
            a: sum(mul(&self.b, &other.b), sum(mul(&self.a, &other.c), mul(&self.c, &other.a))),
            b: sum(mul(&self.b, &other.c), mul(&self.c, &other.b)),
            c: mul(&self.c, &other.c),
        })
    }

    /// As an activation on a feature map of `shape`; one with `a = 0` is affine.
    pub(crate) fn activation(&self, shape: Shape) -> Checked<Activation> {
        if self.a.is(1.0) && self.b.is(0.0) && self.c.is(0.0) {
            return Ok(Activation::Square);
        }
        let polynomial = Polynomial { a: self.a.tensor(shape)?, b: self.b.tensor(shape)?, c: self.c.tensor(shape)? };
        Ok(Activation::Polynomial(polynomial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: Shape = Shape::Map { channels: 2, height: 1, width: 3 };

    fn coefficient(dims: &[usize], values: &[f64]) -> Coefficient {
        let constant = Constant { dims: dims.to_vec(), values: values.to_vec(), integer: false };
        Coefficient::of(&constant, MAP, &mut Budget::new()).unwrap()
    }

    fn value(q: &Quadratic, x: f64, element: usize) -> f64 {
        let at = |c: &Coefficient| c.tensor(MAP).map(|t| f64::from(t.broadcast(MAP, element))).unwrap();
        (at(&q.a) * x + at(&q.b)) * x + at(&q.c)
    }

    #[test]
    fn constants_are_taken_as_coarse_as_they_are() {
        assert_eq!(coefficient(&[1, 1], &[5.0]).0, [5.0]);
        assert_eq!(coefficient(&[2, 1, 1], &[5.0, 6.0]).0, [5.0, 6.0]);
        assert_eq!(coefficient(&[3], &[1.0, 2.0, 3.0]).0, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        assert_eq!(coefficient(&[1, 2, 1, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).0, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        for (dims, count) in [(vec![2], 2), (vec![3, 1, 1], 3), (vec![2, 2, 1, 3], 12), (vec![1, 1, 1, 1, 1], 1)] {
            let constant = Constant { dims, values: vec![1.0; count], integer: false };
            assert!(Coefficient::of(&constant, MAP, &mut Budget::new()).is_err(), "{constant:?}");
        }
    }

    #[test]
    fn sums_and_products_are_those_of_the_values() {
        let x = Quadratic::identity();
        let part = |c: Coefficient| Quadratic::constant(c);
        let (scalar, channel, element) = (
            part(coefficient(&[], &[0.5])),
            part(coefficient(&[2, 1, 1], &[2.0, -3.0])),
            part(coefficient(&[2, 1, 3], &[1.0, -2.0, 3.0, -4.0, 5.0, -6.0])),
        );
        // x (channel x + element) + scalar, and (x - element)^2 scalar.
        let horner = channel.times(&x, MAP).unwrap().plus(&element, MAP).times(&x, MAP).unwrap().plus(&scalar, MAP);
        let shifted = x.plus(&element.negated(), MAP);
        let square = shifted.times(&shifted, MAP).unwrap().times(&scalar, MAP).unwrap();
        for e in 0..6 {
            let (k, w) = ([2.0, -3.0][e / 3], [1.0, -2.0, 3.0, -4.0, 5.0, -6.0][e]);
            for v in [-1.5, 0.0, 2.0] {
                assert_eq!(value(&horner, v, e), v * (k * v + w) + 0.5);
                assert_eq!(value(&square, v, e), (v - w) * (v - w) * 0.5);
            }
        }
        assert!(square.times(&x, MAP).is_err(), "a cubic");
        assert_eq!(x.times(&x, MAP).unwrap().activation(MAP).unwrap(), Activation::Square);
    }
}
