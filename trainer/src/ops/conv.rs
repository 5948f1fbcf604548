//! Convolution and its gradients on the CPU, on plain slices. Images are summed in chunks of fixed
//! size, and the sums of chunks in order, so that the number of threads changes no bit.
//!
//! With channels last, the elements of a window's row are adjacent, so a convolution is a sum of
//! products of rows of the image itself with panels of weights: the matrix of windows (im2col) is
//! never written. The gradient of the input is the same sum over the output's gradient, for a
//! stride `s` once per phase of the input modulo `s`.

use rayon::prelude::*;

use super::kernel::{Dot, Offsets, Operand, Outer, ROWS, Tile, WIDTH};
use super::layout::{PaddedNhwc, panels, phases, tiles};
use super::norm::{self, Extent};
use super::parallel::chunks;
use super::shape::{CHUNK, ConvShape};

const ZERO: Tile = [[0.0; WIDTH]; ROWS];
/// Output pixels whose part of the gradient of weights is summed at a time, an even number: of maps
/// 16 wide with 64 channels they and what they see take 39 kB in `bf16`, 78 kB in `f32`.
const PIXELS: usize = 128;

/// The input of a convolution of `T` as its backward pass wants it: image by image in the layout
/// [`PaddedNhwc`], and some zeros behind the last.
#[derive(Debug)]
pub(super) struct PaddedImages<T>(Vec<T>);

/// Gradients of a convolution.
pub(super) struct Gradients {
    /// `[images, channels, rows, columns]`; none unless asked for.
    pub(super) input: Option<Vec<f32>>,
    /// `[out, channels, rows, columns]`.
    pub(super) weight: Vec<f32>,
    /// `[out]`; empty unless asked for.
    pub(super) bias: Vec<f32>,
}

/// `count` images, each of `extent`, in a layout.
fn padded<T: Operand>(images: &[f32], layout: &PaddedNhwc, extent: [usize; 2], count: usize) -> PaddedImages<T> {
    let size = layout.channels * extent[0] * extent[1];
    assert_eq!(images.len(), count * size, "elements of {count} images");
    // Vector loads and whole tiles may read beyond the last element, so there are a few zeros
    // behind it.
    let all = chunks(count * layout.len() + ROWS + WIDTH, layout.len(), |k, padded| {
        if k < count {
            layout.fill(&images[k * size..][..size], extent, padded);
        }
    });
    PaddedImages(all)
}

/// The convolution of `x` with `weight`, both rounded to `T`, plus `bias`, all row-major, and `x`
/// with its zeros.
pub(super) fn forward<T: Operand>(
    shape: &ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
) -> (Vec<f32>, PaddedImages<T>) {
    assert_eq!(weight.len(), shape.weight_dims().iter().product::<usize>(), "weights of {shape:?}");
    assert_eq!(bias.len(), shape.out, "biases of {shape:?}");
    let layout = PaddedNhwc::input::<T>(shape);
    let padded = padded(x, &layout, shape.input, shape.images);
    let [kh, kw] = shape.kernel;
    let run = kw * layout.pixel;
    let panels = panels::<T>(weight, &window_lines(shape, &layout), layout.channels * kh * kw, shape.out);
    let segments: Vec<usize> = (0..kh).map(|ky| ky * layout.row()).collect();
    let pixels = window_corners(shape, &layout);
    let area = pixels.len();
    let y = chunks(shape.images * shape.elements()[1], shape.elements()[1], |image, y| {
        let source = &padded.0[image * layout.len()..];
        let mut tile = ZERO;
        for ((first, width), panel) in tiles(shape.out).into_iter().zip(&panels) {
            for (k, corners) in pixels.chunks(ROWS).enumerate() {
                Dot { source, rows: &rows(corners), segments: &segments, run, panel, width }.compute(&mut tile);
                for (column, o) in (first..shape.out.min(first + width)).enumerate() {
                    let to = &mut y[o * area + k * ROWS..][..corners.len()];
                    to.iter_mut().zip(&tile).for_each(|(to, sums)| *to = sums[column] + bias[o]);
                }
            }
        }
    });
    (y, padded)
}

/// The gradients given that of the output, `dy`; the products of those of input and weight are of
/// numbers rounded to `T`.
pub(super) fn backward<T: Operand>(
    shape: &ConvShape,
    x: &PaddedImages<T>,
    weight: &[f32],
    dy: &[f32],
    [wants_input, wants_bias]: [bool; 2],
) -> Gradients {
    assert_eq!(weight.len(), shape.weight_dims().iter().product::<usize>(), "weights of {shape:?}");
    let (layout_in, layout) = (PaddedNhwc::input::<T>(shape), PaddedNhwc::output::<T>(shape));
    assert_eq!(x.0.len(), shape.images * layout_in.len() + ROWS + WIDTH, "elements of padded images of {shape:?}");
    let padded = padded(dy, &layout, shape.output(), shape.images);
    let input = wants_input.then(|| input_gradient(shape, &layout, &padded, weight));
    let parts: Vec<Vec<f32>> = (0..shape.images.div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let images = CHUNK.min(shape.images - chunk * CHUNK);
            let x = Laid { layout: &layout_in, values: &x.0[chunk * CHUNK * layout_in.len()..] };
            let dy = Laid { layout: &layout, values: &padded.0[chunk * CHUNK * layout.len()..] };
            weight_gradient(shape, x, dy, images)
        })
        .collect();
    let bias = if wants_bias { bias_gradient(shape, dy) } else { Vec::new() };
    Gradients { input, weight: from_panels(shape, &layout_in, &in_order(&parts)), bias }
}

/// The sum of lists of equal length, of which there is at least one: those of earlier chunks first.
fn in_order(parts: &[Vec<f32>]) -> Vec<f32> {
    const PIECE: usize = 4096;
    chunks(parts[0].len(), PIECE, |k, sums| {
        for part in parts {
            let values = &part[k * PIECE..][..sums.len()];
            sums.iter_mut().zip(values).for_each(|(s, v)| *s += v);
        }
    })
}

/// Panels, one after the other, as weights `[out, channels, rows, columns]`.
fn from_panels(shape: &ConvShape, layout: &PaddedNhwc, panels: &[f32]) -> Vec<f32> {
    let lines = window_lines(shape, layout);
    let size = shape.channels * shape.kernel[0] * shape.kernel[1];
    let tiles = tiles(shape.out);
    chunks(shape.out * size, size, |o, weight| {
        let (first, width) = tiles[o / WIDTH];
        let panel = &panels[first * lines.len()..][..lines.len() * width];
        for (line, v) in lines.iter().zip(panel.iter().skip(o - first).step_by(width)) {
            if let Some(line) = *line {
                weight[line] = *v;
            }
        }
    })
}

/// Where in an output's weights `[channels, rows, columns]` each line of its panel comes from:
/// channels last, and none for what fills up a pixel of `layout`.
fn window_lines(shape: &ConvShape, layout: &PaddedNhwc) -> Vec<Option<usize>> {
    let [kh, kw] = shape.kernel;
    let line = |k: usize, c: usize| (c < shape.channels).then_some(c * kh * kw + k);
    (0..kh * kw).flat_map(|k| (0..layout.pixel).map(move |c| line(k, c))).collect()
}

/// Input pixels that meet the same elements of the window: a convolution of the output's gradient
/// by itself.
struct PhasePair<T> {
    /// Where each row of the window begins, from its corner.
    segments: Vec<usize>,
    /// Elements of a row of the window.
    run: usize,
    panels: Vec<Vec<T>>,
    /// The pixels of the input.
    pixels: Vec<usize>,
    /// Where each pixel's window begins in the padded gradient.
    corners: Vec<usize>,
}

fn input_gradient<T: Operand>(
    shape: &ConvShape,
    layout: &PaddedNhwc,
    dy: &PaddedImages<T>,
    weight: &[f32],
) -> Vec<f32> {
    let [kh, kw] = shape.kernel;
    let [h, w] = shape.input;
    let (rows_of, columns_of) = (phases(shape, 0), phases(shape, 1));
    let mut pairs: Vec<PhasePair<T>> = Vec::new();
    for down in &rows_of {
        for across in &columns_of {
            let run = across.window.len() * layout.pixel;
            if down.window.is_empty() || run == 0 {
                // Pixels between the windows of a stride larger than the kernel: no output depends
                // on them.
                continue;
            }
            let windows = down.window.iter().flat_map(|ky| across.window.iter().map(move |kx| ky * kw + kx));
            let line = |k: usize, o: usize| (o < shape.out).then_some(o * shape.channels * kh * kw + k);
            let lines: Vec<Option<usize>> = windows.flat_map(|k| (0..layout.pixel).map(move |o| line(k, o))).collect();
            let panels = panels(weight, &lines, kh * kw, shape.channels);
            let segments: Vec<usize> = (0..down.window.len()).map(|k| k * layout.row()).collect();
            let positions = down.positions.iter().flat_map(|&(y, fy)| {
                across.positions.iter().map(move |&(x, fx)| (y * w + x, (fy * layout.width + fx) * layout.pixel))
            });
            let (pixels, corners) = positions.unzip();
            pairs.push(PhasePair { segments, run, panels, pixels, corners });
        }
    }
    chunks(shape.images * shape.elements()[0], shape.elements()[0], |image, dx| {
        let source = &dy.0[image * layout.len()..];
        let mut tile = ZERO;
        for PhasePair { segments, run, panels, pixels, corners } in &pairs {
            for ((first, width), panel) in tiles(shape.channels).into_iter().zip(panels) {
                for (pixels, corners) in pixels.chunks(ROWS).zip(corners.chunks(ROWS)) {
                    Dot { source, rows: &rows(corners), segments, run: *run, panel, width }.compute(&mut tile);
                    for (column, plane) in dx.chunks_mut(h * w).skip(first).take(width).enumerate() {
                        pixels.iter().zip(&tile).for_each(|(&pixel, sums)| plane[pixel] = sums[column]);
                    }
                }
            }
        }
    })
}

/// Some images in their layout, and what lies behind them.
#[derive(Clone, Copy)]
struct Laid<'a, T> {
    layout: &'a PaddedNhwc,
    values: &'a [T],
}

/// The gradient of a chunk of images, in panels.
fn weight_gradient<T: Operand>(shape: &ConvShape, x: Laid<'_, T>, dy: Laid<'_, T>, images: usize) -> Vec<f32> {
    let (layout_in, layout) = (x.layout, dy.layout);
    let [kh, kw] = shape.kernel;
    let run = kw * layout_in.pixel;
    let [oh, ow] = shape.output();
    let inside = (layout.top * layout.width + layout.left) * layout.pixel;
    let corners = window_corners(shape, layout_in);
    let mut at = Vec::with_capacity(images * corners.len());
    let mut of = Vec::with_capacity(images * corners.len());
    for image in 0..images {
        at.extend(corners.iter().map(|c| (image * layout_in.len() + c) as u32));
        let pixels = (0..oh * ow).map(|p| (p / ow * layout.width + p % ow) * layout.pixel);
        of.extend(pixels.map(|c| (image * layout.len() + inside + c) as u32));
    }
    let tiles = tiles(shape.out);
    let steps = kh * run.div_ceil(ROWS);
    let mut sums = vec![ZERO; tiles.len() * steps];
    // A few pixels at a time, so that what all tiles read of them stays near the processor; the
    // order of a tile's sum stays that of the pixels.
    for (at, of) in at.chunks(PIXELS).zip(of.chunks(PIXELS)) {
        let (left_at, right_at) = (&Offsets::new(at.to_vec()), &Offsets::new(of.to_vec()));
        for (&(right_from, width), sums) in tiles.iter().zip(sums.chunks_mut(steps)) {
            let rows = (0..kh).flat_map(|ky| (0..run).step_by(ROWS).map(move |t| ky * layout_in.row() + t));
            for (left_from, tile) in rows.zip(sums) {
                let (left, right) = (x.values, dy.values);
                Outer { left, left_at, left_from, right, right_at, right_from, width }.add_to(tile);
            }
        }
    }
    let mut panels = Vec::with_capacity(kh * run * tiles.iter().map(|t| t.1).sum::<usize>());
    for (&(_, width), sums) in tiles.iter().zip(sums.chunks(steps)) {
        for row in sums.chunks(run.div_ceil(ROWS)) {
            row.iter().flatten().take(run).for_each(|line| panels.extend_from_slice(&line[..width]));
        }
    }
    panels
}

/// The gradient of the bias, `[out]`: each channel summed by one thread, image by image.
fn bias_gradient(shape: &ConvShape, dy: &[f32]) -> Vec<f32> {
    let extent = Extent { channels: shape.out, positions: shape.output().iter().product() };
    (0..shape.out)
        .into_par_iter()
        .map(|o| norm::planes(dy, extent, o).map(|p| norm::sum(p, p, |d, _| d)).sum())
        .collect()
}

/// Where each output pixel's window begins in the padded image.
fn window_corners(shape: &ConvShape, layout: &PaddedNhwc) -> Vec<usize> {
    let [oh, ow] = shape.output();
    let [sy, sx] = shape.stride;
    (0..oh * ow).map(|p| (p / ow * sy * layout.width + p % ow * sx) * layout.pixel).collect()
}

/// As many offsets as a tile has rows; the last of `corners` stands for those that are missing.
fn rows(corners: &[usize]) -> [usize; ROWS] {
    std::array::from_fn(|i| corners[i.min(corners.len() - 1)])
}
