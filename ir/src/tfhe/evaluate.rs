//! What a look-up program means: integers, in clear. The encrypted run must give the same, bit for
//! bit; nothing here may round, saturate or depend on order.

use super::program::{Program, Signature};
use crate::SparseMatrix;

/// The integers of one image: what every stage hands on, and the outputs, centred modulo
/// `2^output_bits`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainOutputs {
    /// After each stage.
    pub stages: Vec<Vec<i64>>,
    /// The outputs.
    pub outputs: Vec<i64>,
    /// Sums that left the lower half, where a table's entry is negated: of all stages.
    pub wrapped: usize,
}

/// Pixels of one image to integers `0..=steps`.
pub fn quantise_pixels(steps: u32, pixels: &[u8]) -> Vec<i64> {
    let steps = i64::from(steps);
    // Rounds half up: 127.5 of 255 is the border between 0 and 1 for one step.
    pixels.iter().map(|&p| (2 * i64::from(p) * steps + 255) / 510).collect()
}

/// Runs the program on the integers of one image, one per element of the input.
///
/// # Panics
/// If there are more or fewer.
pub fn evaluate(program: &Program, pixels: &[i64]) -> PlainOutputs {
    let elements = program.signature().input.shape().len();
    assert_eq!(pixels.len(), elements, "pixels, and elements of the program's input");
    let mut value = pixels.to_vec();
    let mut stages = Vec::with_capacity(program.stages().len());
    let mut wrapped = 0;
    for stage in program.stages() {
        let turn = 2 * stage.slots() as i64;
        let half = i64::from(stage.levels);
        value = sums(&stage.weights, &value, &stage.bias)
            .into_iter()
            .enumerate()
            .map(|(j, sum)| {
                let level = sum.rem_euclid(turn) >> stage.dropped_bits;
                wrapped += usize::from(sum < 0 || sum >= turn / 2);
                let entry = |l: i64| i64::from(stage.table(j)[l as usize]);
                if level < half { entry(level) } else { -entry(level - half) }
            })
            .collect();
        stages.push(value.clone());
    }
    let modulus = 1_i64 << program.signature().output_bits;
    let outputs = sums(program.last(), &value, program.last_bias())
        .into_iter()
        .map(|v| (v + modulus / 2).rem_euclid(modulus) - modulus / 2)
        .collect();
    PlainOutputs { stages, outputs, wrapped }
}

impl Signature {
    /// The real numbers that output integers stand for.
    pub fn logits(&self, outputs: &[i64]) -> Vec<f64> {
        let affine = self.output_scale.iter().zip(&self.output_offset);
        outputs.iter().zip(affine).map(|(&v, (s, o))| s * v as f64 + o).collect()
    }
}

fn sums(weights: &SparseMatrix, x: &[i64], bias: &[i64]) -> Vec<i64> {
    bias.iter()
        .enumerate()
        .map(|(r, &b)| {
            let (columns, values) = weights.row(r);
            let term = |(&c, &w): (&u32, &i32)| x[c as usize].wrapping_mul(i64::from(w));
            columns.iter().zip(values).map(term).fold(b, i64::wrapping_add)
        })
        .collect()
}
