//! The same network in plain `f32` on one core: what encryption is compared with, so it must be as fast as we can make it.
//! Values lie as `[element][image]`, every layer with weights is one matrix product per block of images (convolutions
//! row by row, gathered), and biases and activations are one pass right behind it. Must never be slower than it need be.

mod gemm;
mod plan;
mod stages;

use beaa_ir::Model;

use crate::Result;
use crate::error::setting;
use plan::Stage;

/// A network ready to run on blocks of images.
pub(crate) struct BaselineF32 {
    stages: Vec<Stage>,
    input: usize,
    outputs: usize,
}

/// Buffers for one block.
struct Scratch {
    values: Vec<Vec<f32>>,
    gathered: Vec<f32>,
}

impl BaselineF32 {
    /// For a model without ReLU.
    pub(crate) fn new(model: &Model) -> Result<Self> {
        let stages = plan::stages(model)?;
        Ok(Self { stages, input: model.input().shape().len(), outputs: model.outputs() })
    }

    /// Multiplications of weights per image, additions of nothing but padding included.
    pub(crate) fn products(&self) -> usize {
        self.stages.iter().map(Stage::products).sum()
    }

    /// Runs `[element][image]` values of `images` images, `block` at a time; the result has the same order.
    pub(crate) fn run(&self, input: &[f32], images: usize, block: usize) -> Result<Vec<f32>> {
        if images == 0 || block == 0 || input.len() != self.input * images || !images.is_multiple_of(block) {
            return Err(setting(
                "running in plain f32",
                format!("{} numbers for {images} images in blocks of {block}", input.len()),
                format!("{} numbers an image, whole blocks", self.input),
            ));
        }
        let mut scratch = Scratch {
            values: std::iter::once(self.input)
                .chain(self.stages.iter().map(|s| s.len))
                .map(|len| vec![0.0; len * block])
                .collect(),
            gathered: vec![0.0; self.stages.iter().map(Stage::gathered).max().unwrap_or(0) * block],
        };
        let mut result = vec![0.0; self.outputs * images];
        for first in (0..images).step_by(block) {
            if let Some(to) = scratch.values.first_mut() {
                for (to, from) in to.chunks_exact_mut(block).zip(input.chunks_exact(images)) {
                    to.copy_from_slice(from.get(first..first + block).unwrap_or_default());
                }
            }
            for (i, stage) in self.stages.iter().enumerate() {
                let (before, rest) = scratch.values.split_at_mut(i + 1);
                let Some(out) = rest.first_mut() else { continue };
                stage.run(before, out, &mut scratch.gathered, block);
            }
            let last = scratch.values.last().map_or(&[][..], Vec::as_slice);
            for (to, from) in result.chunks_exact_mut(images).zip(last.chunks_exact(block)) {
                if let Some(to) = to.get_mut(first..first + block) {
                    to.copy_from_slice(from);
                }
            }
        }
        Ok(result)
    }
}

/// `[image][element]` to `[element][image]`.
pub(crate) fn by_element(images: &[Vec<f32>]) -> Vec<f32> {
    let len = images.first().map_or(0, Vec::len);
    (0..len).flat_map(|e| images.iter().map(move |image| image.get(e).copied().unwrap_or(0.0))).collect()
}

#[cfg(test)]
mod tests;
