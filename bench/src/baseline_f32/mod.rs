//! The same network in plain `f32` on one core: what encryption is compared with, so it is made as
//! fast as we can.
//!
//! Values lie as `[element][image]`. Every layer with weights is one matrix product per block of
//! images (convolutions row by row, gathered), and biases and activations are one pass right behind
//! it.

mod gemm;
mod plan;
mod stages;

use beaa_ir::Model;
use beaa_ir::images::ElementMajor;

use crate::Result;
use crate::error::setting;
use plan::Stage;

/// A network ready to run on blocks of images.
pub(crate) struct BaselineF32 {
    stages: Vec<Stage>,
    input: usize,
    outputs: usize,
}

/// Buffers for one block: the input and the result of every stage, and what a convolution gathers.
struct Buffers {
    values: Vec<Vec<f32>>,
    gathered: Vec<f32>,
}

impl BaselineF32 {
    /// Plans the stages of a model without ReLU.
    pub(crate) fn new(model: &Model) -> Result<Self> {
        let stages = plan::stages(model)?;
        Ok(Self { stages, input: model.input().shape().len(), outputs: model.outputs() })
    }

    /// Multiplications of weights per image, those with padding included.
    pub(crate) fn products(&self) -> usize {
        self.stages.iter().map(Stage::products).sum()
    }

    /// Runs the images of `input`, `block` at a time, and returns the outputs.
    pub(crate) fn run(&self, input: &ElementMajor<f32>, block: usize) -> Result<ElementMajor<f32>> {
        let images = input.images();
        if images == 0 || block == 0 || input.elements() != self.input || !images.is_multiple_of(block) {
            return Err(setting(
                "running in plain f32",
                format!("{} numbers for each of {images} images in blocks of {block}", input.elements()),
                format!("{} numbers an image, whole blocks", self.input),
            ));
        }
        let lengths = std::iter::once(self.input).chain(self.stages.iter().map(|s| s.len));
        let gathered = self.stages.iter().map(Stage::gathered).max().unwrap_or(0);
        let mut buffers = Buffers {
            values: lengths.map(|len| vec![0.0; len * block]).collect(),
            gathered: vec![0.0; gathered * block],
        };
        let mut result = ElementMajor::filled(self.outputs, images, 0.0);
        for first in (0..images).step_by(block) {
            for (to, from) in buffers.values[0].chunks_exact_mut(block).zip(input.rows()) {
                to.copy_from_slice(&from[first..first + block]);
            }
            for (i, stage) in self.stages.iter().enumerate() {
                let (before, rest) = buffers.values.split_at_mut(i + 1);
                stage.run(before, &mut rest[0], &mut buffers.gathered, block);
            }
            let last = &buffers.values[self.stages.len()];
            assert_eq!(last.len(), self.outputs * block, "the last stage has the network's outputs");
            for (to, from) in result.rows_mut().zip(last.chunks_exact(block)) {
                to[first..first + block].copy_from_slice(from);
            }
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests;
