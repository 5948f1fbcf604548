//! Runs one stage on one block of images, without allocating.

use super::gemm::{Product, multiply};
use super::plan::{Conv, Pool, Stage, StageOp};

impl Stage {
    /// Writes this stage's result to `out`; `values` are those before it, `[element][image]` of
    /// `block` images each.
    pub(super) fn run(&self, values: &[Vec<f32>], out: &mut [f32], gathered: &mut [f32], block: usize) {
        assert_eq!(out.len(), self.len * block, "a stage of {} elements", self.len);
        let input = values[self.input].as_slice();
        match &self.op {
            StageOp::Dense(weights) => {
                let product = Product { weights, values: input, depth: input.len() / block, columns: block };
                multiply(&product, out, block);
                self.finish(out, 0, block);
            }
            StageOp::Conv(conv) => self.convolve(conv, input, out, gathered, block),
            StageOp::Pool(p) => {
                pool(p, input, out, block);
                self.finish(out, 0, block);
            }
            StageOp::Add(other) => {
                out.iter_mut().zip(input).zip(&values[*other]).for_each(|((o, a), b)| *o = a + b);
                self.finish(out, 0, block);
            }
            StageOp::Copy => {
                out.copy_from_slice(input);
                self.finish(out, 0, block);
            }
        }
    }

    /// Applies the element-wise quadratics to the rows of `out`, which are the elements from
    /// `first` on.
    fn finish(&self, out: &mut [f32], first: usize, block: usize) {
        let Some(after) = &self.after else { return };
        for (row, &[a, b, c]) in out.chunks_exact_mut(block).zip(&after[first..]) {
            if a == 0.0 {
                row.iter_mut().for_each(|v| *v = b * *v + c);
            } else {
                row.iter_mut().for_each(|v| *v = (a * *v + b) * *v + c);
            }
        }
    }

    /// Row by row of the output: what the row reads is gathered, small enough to stay in the cache.
    fn convolve(&self, conv: &Conv, input: &[f32], out: &mut [f32], gathered: &mut [f32], block: usize) {
        let [outs, height, width] = conv.output;
        let (taps, columns) = (conv.taps(), width * block);
        let per_group = outs / conv.groups;
        for row in 0..height {
            for (group, weights) in conv.weights.chunks_exact(per_group * taps).enumerate() {
                gather(conv, group, row, input, gathered, block);
                let start = (group * per_group * height + row) * columns;
                let product = Product { weights, values: gathered, depth: taps, columns };
                multiply(&product, &mut out[start..], height * columns);
            }
            for o in 0..outs {
                let element = (o * height + row) * width;
                self.finish(&mut out[element * block..element * block + columns], element, block);
            }
        }
    }
}

/// Gathers `[tap][column of the output][image]` for one row, zeros where a tap falls into the
/// padding.
fn gather(conv: &Conv, group: usize, row: usize, input: &[f32], gathered: &mut [f32], block: usize) {
    let [channels, height, width] = conv.input;
    let per_group = channels / conv.groups;
    let mut targets = gathered.chunks_exact_mut(block);
    for channel in group * per_group..(group + 1) * per_group {
        for u in 0..conv.kernel[0] {
            let source = (row * conv.stride[0] + u * conv.dilation[0]).checked_sub(conv.padding[0]);
            let source = source.filter(|&r| r < height).map(|r| (channel * height + r) * width);
            for v in 0..conv.kernel[1] {
                // As many targets as this iterator gives; the zip takes no more of them.
                for (column, to) in (0..conv.output[2]).zip(targets.by_ref()) {
                    let at = (column * conv.stride[1] + v * conv.dilation[1]).checked_sub(conv.padding[1]);
                    match source.zip(at.filter(|&c| c < width)) {
                        Some((row, c)) => to.copy_from_slice(&input[(row + c) * block..(row + c + 1) * block]),
                        None => to.fill(0.0),
                    }
                }
            }
        }
    }
}

fn pool(p: &Pool, input: &[f32], out: &mut [f32], block: usize) {
    let [_, height, width] = p.input;
    let [_, rows, columns] = p.output;
    let share = 1.0 / (p.kernel[0] * p.kernel[1]) as f32;
    for (i, out) in out.chunks_exact_mut(block).enumerate() {
        let (channel, row, column) = (i / (rows * columns), i / columns % rows, i % columns);
        out.fill(0.0);
        for u in 0..p.kernel[0] {
            for v in 0..p.kernel[1] {
                let at = ((channel * height + row * p.stride[0] + u) * width + column * p.stride[1] + v) * block;
                out.iter_mut().zip(&input[at..at + block]).for_each(|(o, x)| *o += share * x);
            }
        }
    }
}
