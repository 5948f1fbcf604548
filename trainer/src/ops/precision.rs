//! The convolution in the numbers that the configuration asks for.

use half::bf16;

use super::conv::{self, Gradients, PaddedImages};
use super::shape::ConvShape;
use crate::config::Precision;

/// The input of a convolution as its backward pass wants it.
#[derive(Debug)]
pub(super) enum Kept {
    Single(PaddedImages<f32>),
    Bfloat16(PaddedImages<bf16>),
}

/// As [`conv::forward`].
pub(super) fn forward(
    shape: &ConvShape,
    precision: Precision,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
) -> (Vec<f32>, Kept) {
    match precision {
        Precision::Single => {
            let (y, padded) = conv::forward(shape, x, weight, bias);
            (y, Kept::Single(padded))
        }
        Precision::Bfloat16 => {
            let (y, padded) = conv::forward(shape, x, weight, bias);
            (y, Kept::Bfloat16(padded))
        }
    }
}

/// As [`conv::backward`], in the numbers of the forward pass.
pub(super) fn backward(shape: &ConvShape, x: &Kept, weight: &[f32], dy: &[f32], wants: [bool; 2]) -> Gradients {
    match x {
        Kept::Single(x) => conv::backward(shape, x, weight, dy, wants),
        Kept::Bfloat16(x) => conv::backward(shape, x, weight, dy, wants),
    }
}
