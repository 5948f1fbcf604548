//! Runs one stage on one block of images. Must never allocate.

use super::gemm::multiply;
use super::plan::{Conv, Op, Pool, Stage};

impl Stage {
    /// `values` are those before this stage, `[element][image]` of `block` images each.
    pub(super) fn run(&self, values: &[Vec<f32>], out: &mut [f32], gathered: &mut [f32], block: usize) {
        let input = values.get(self.input).map_or(&[][..], Vec::as_slice);
        match &self.op {
            Op::Dense(weights) => {
                multiply(weights, input, input.len() / block, block, block, out);
                self.finish(out, 0, block);
            }
            Op::Conv(conv) => self.convolve(conv, input, out, gathered, block),
            Op::Pool(p) => {
                pool(p, input, out, block);
                self.finish(out, 0, block);
            }
            Op::Add(other) => {
                let other = values.get(*other).map_or(&[][..], Vec::as_slice);
                out.iter_mut().zip(input).zip(other).for_each(|((o, a), b)| *o = a + b);
                self.finish(out, 0, block);
            }
            Op::Copy => {
                out.copy_from_slice(input);
                self.finish(out, 0, block);
            }
        }
    }

    /// The element-wise quadratics of the elements from `first` on.
    fn finish(&self, out: &mut [f32], first: usize, block: usize) {
        let Some(after) = &self.after else { return };
        for (row, &[a, b, c]) in out.chunks_exact_mut(block).zip(after.iter().skip(first)) {
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
            for group in 0..conv.groups {
                gather(conv, group, row, input, gathered, block);
                let weights = conv.weights.get(group * per_group * taps..(group + 1) * per_group * taps);
                let start = (group * per_group * height + row) * columns;
                let Some(out) = out.get_mut(start..) else { continue };
                multiply(weights.unwrap_or_default(), gathered, taps, columns, height * columns, out);
            }
            for o in 0..outs {
                let element = (o * height + row) * width;
                if let Some(done) = out.get_mut(element * block..element * block + columns) {
                    self.finish(done, element, block);
                }
            }
        }
    }
}

/// `[tap][column of the output][image]`, zeros where a tap falls into the padding.
fn gather(conv: &Conv, group: usize, row: usize, input: &[f32], gathered: &mut [f32], block: usize) {
    let [channels, height, width] = conv.input;
    let per_group = channels / conv.groups;
    let mut targets = gathered.chunks_exact_mut(block);
    for channel in group * per_group..(group + 1) * per_group {
        for u in 0..conv.kernel[0] {
            let source = (row * conv.stride[0] + u * conv.dilation[0]).checked_sub(conv.padding[0]);
            let source = source.filter(|&r| r < height).map(|r| (channel * height + r) * width);
            for v in 0..conv.kernel[1] {
                for column in 0..conv.output[2] {
                    let at = (column * conv.stride[1] + v * conv.dilation[1]).checked_sub(conv.padding[1]);
                    let from = source.zip(at.filter(|&c| c < width)).map(|(row, c)| (row + c) * block);
                    let Some(to) = targets.next() else { return };
                    match from.and_then(|at| input.get(at..at + block)) {
                        Some(from) => to.copy_from_slice(from),
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
                let from = input.get(at..at + block).unwrap_or_default();
                out.iter_mut().zip(from).for_each(|(o, x)| *o += share * x);
            }
        }
    }
}
