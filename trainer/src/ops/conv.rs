//! Convolution and its gradients on the CPU, on plain slices. Must never let the number of threads decide an order of
//! summation: images go in chunks of fixed size, and the sums of chunks are added in order.
//!
//! With channels last, the elements of a window's row are adjacent, so a convolution is a sum of products of rows of the
//! image itself with panels of weights: the matrix of windows (im2col) is never written. The gradient of the input is the
//! same sum over the output's gradient, for a stride `s` once per phase of the input modulo `s`.

use rayon::prelude::*;

use super::kernel::{Offsets, ROWS, Tile, WIDTH, dot, outer};
use super::layout::{PaddedNhwc, panels, phases, tiles};
use super::norm::{self, Extent};
use super::parallel::chunks;
use super::shape::ConvShape;

/// Images that are summed together.
pub(super) const CHUNK: usize = 8;

const ZERO: Tile = [[0.0; WIDTH]; ROWS];

/// The input of a convolution as its backward pass wants it: image by image in its [`PaddedNhwc`].
#[derive(Debug)]
pub(super) struct PaddedImages(Vec<f32>);

/// Gradients of a convolution.
pub(super) struct Gradients {
    /// `[images, channels, rows, columns]`; none unless asked for.
    pub(super) input: Option<Vec<f32>>,
    /// `[out, channels, rows, columns]`.
    pub(super) weight: Vec<f32>,
    /// `[out]`; empty unless asked for.
    pub(super) bias: Vec<f32>,
}

/// `images` in frames of `frame`, each of `extent`.
fn padded(images: &[f32], layout: &PaddedNhwc, extent: [usize; 2], count: usize) -> PaddedImages {
    let size = layout.channels * extent[0] * extent[1];
    // Vector loads and whole tiles may reach beyond the last element.
    let all = chunks(count * layout.len() + ROWS + WIDTH, layout.len(), |k, image_out| {
        if let Some(image) = images.get(k * size..(k + 1) * size) {
            layout.fill(image, extent, image_out);
        }
    });
    PaddedImages(all)
}

/// The convolution of `x` with `weight` plus `bias`, all row-major, and `x` in frames.
pub(super) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32], bias: &[f32]) -> (Vec<f32>, PaddedImages) {
    let layout = PaddedNhwc::input(shape);
    let padded = padded(x, &layout, shape.input, shape.images);
    let [kh, kw] = shape.kernel;
    let run = kw * layout.channels;
    let panels = panels(weight, &window_lines(shape), layout.channels * kh * kw, shape.out);
    let segments: Vec<usize> = (0..kh).map(|ky| ky * layout.row()).collect();
    let pixels = window_corners(shape, &layout);
    let area = pixels.len();
    let y = chunks(shape.images * shape.elements()[1], shape.elements()[1], |image, y| {
        let source = padded.0.get(image * layout.len()..).unwrap_or(&[]);
        let mut tile = ZERO;
        for ((first, width), panel) in tiles(shape.out).into_iter().zip(&panels) {
            for (k, corners) in pixels.chunks(ROWS).enumerate() {
                let rows = rows(corners);
                dot(source, &rows, &segments, run, panel, width, &mut tile);
                for (column, o) in (first..shape.out.min(first + width)).enumerate() {
                    let plus = bias.get(o).copied().unwrap_or(0.0);
                    let start = o * area + k * ROWS;
                    let to = y.get_mut(start..start + corners.len()).unwrap_or(&mut []);
                    to.iter_mut().zip(&tile).for_each(|(to, sums)| *to = sums[column] + plus);
                }
            }
        }
    });
    (y, padded)
}

/// The gradients given that of the output, `dy`.
pub(super) fn backward(
    shape: &ConvShape,
    x: &PaddedImages,
    weight: &[f32],
    dy: &[f32],
    [wants_input, wants_bias]: [bool; 2],
) -> Gradients {
    let (layout_in, layout) = (PaddedNhwc::input(shape), PaddedNhwc::output(shape));
    let padded = padded(dy, &layout, shape.output(), shape.images);
    let input = wants_input.then(|| input_gradient(shape, &layout, &padded, weight));
    let parts: Vec<Vec<f32>> = (0..shape.images.div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let images = CHUNK.min(shape.images - chunk * CHUNK);
            let x = x.0.get(chunk * CHUNK * layout_in.len()..).unwrap_or(&[]);
            let d = padded.0.get(chunk * CHUNK * layout.len()..).unwrap_or(&[]);
            weight_gradient(shape, [(&layout_in, x), (&layout, d)], images)
        })
        .collect();
    let bias = if wants_bias { bias_gradient(shape, dy) } else { Vec::new() };
    Gradients { input, weight: from_panels(shape, &in_order(&parts)), bias }
}

/// The sum of lists of equal length, those of earlier chunks first.
fn in_order(parts: &[Vec<f32>]) -> Vec<f32> {
    const PIECE: usize = 4096;
    chunks(parts.first().map_or(0, Vec::len), PIECE, |k, sums| {
        for part in parts {
            let values = part.get(k * PIECE..).unwrap_or(&[]);
            sums.iter_mut().zip(values).for_each(|(s, v)| *s += v);
        }
    })
}

/// Panels, one after the other, as weights `[out, channels, rows, columns]`.
fn from_panels(shape: &ConvShape, panels: &[f32]) -> Vec<f32> {
    let lines = window_lines(shape);
    let [kh, kw] = shape.kernel;
    let size = shape.channels * kh * kw;
    let tiles = tiles(shape.out);
    chunks(shape.out * size, size, |o, weight| {
        let Some(&(first, width)) = tiles.get(o / WIDTH) else { return };
        let panel = panels.get(first * size..).unwrap_or(&[]);
        let values = panel.iter().skip(o - first).step_by(width);
        for (&line, v) in lines.iter().zip(values) {
            if let Some(to) = weight.get_mut(line) {
                *to = *v;
            }
        }
    })
}

/// Where in an output's weights `[channels, rows, columns]` each line of its panel comes from: as the frame has it, channels last.
fn window_lines(shape: &ConvShape) -> Vec<usize> {
    let [kh, kw] = shape.kernel;
    (0..kh * kw).flat_map(|k| (0..shape.channels).map(move |c| c * kh * kw + k)).collect()
}

fn input_gradient(shape: &ConvShape, layout: &PaddedNhwc, dy: &PaddedImages, weight: &[f32]) -> Vec<f32> {
    let [kh, kw] = shape.kernel;
    let [h, w] = shape.input;
    let (rows_of, columns_of) = (phases(shape, 0), phases(shape, 1));
    // Per pair of phases: segments, run, panels, positions in and out.
    let mut parts = Vec::new();
    for down in &rows_of {
        for across in &columns_of {
            let run = across.window.len() * layout.channels;
            if down.window.is_empty() || run == 0 {
                continue;
            }
            let windows = down.window.iter().flat_map(|ky| across.window.iter().map(move |kx| ky * kw + kx));
            let lines: Vec<usize> =
                windows.flat_map(|k| (0..layout.channels).map(move |o| o * shape.channels * kh * kw + k)).collect();
            let panels = panels(weight, &lines, kh * kw, shape.channels);
            let segments: Vec<usize> = (0..down.window.len()).map(|k| k * layout.row()).collect();
            let pairs = down.positions.iter().flat_map(|&(y, fy)| {
                across.positions.iter().map(move |&(x, fx)| (y * w + x, (fy * layout.width + fx) * layout.channels))
            });
            let (pixels_in, corners): (Vec<usize>, Vec<usize>) = pairs.unzip();
            parts.push((segments, run, panels, pixels_in, corners));
        }
    }
    chunks(shape.images * shape.elements()[0], shape.elements()[0], |image, dx| {
        let source = dy.0.get(image * layout.len()..).unwrap_or(&[]);
        let mut tile = ZERO;
        for (segments, run, panels, pixels_in, corners) in &parts {
            for ((first, width), panel) in tiles(shape.channels).into_iter().zip(panels) {
                for (pixels_in, corners) in pixels_in.chunks(ROWS).zip(corners.chunks(ROWS)) {
                    dot(source, &rows(corners), segments, *run, panel, width, &mut tile);
                    for (column, plane) in dx.chunks_mut(h * w).skip(first).take(width).enumerate() {
                        for (&pixel, sums) in pixels_in.iter().zip(&tile) {
                            if let Some(to) = plane.get_mut(pixel) {
                                *to = sums[column];
                            }
                        }
                    }
                }
            }
        }
    })
}

/// Of a chunk of images, in panels.
fn weight_gradient(
    shape: &ConvShape,
    [(layout_in, x), (layout, dy)]: [(&PaddedNhwc, &[f32]); 2],
    images: usize,
) -> Vec<f32> {
    let [kh, kw] = shape.kernel;
    let run = kw * layout_in.channels;
    let [oh, ow] = shape.output();
    let inside = (layout.top * layout.width + layout.left) * layout.channels;
    let corners = window_corners(shape, layout_in);
    let mut at = Vec::with_capacity(images * corners.len());
    let mut of = Vec::with_capacity(images * corners.len());
    for image in 0..images {
        at.extend(corners.iter().map(|c| (image * layout_in.len() + c) as u32));
        let pixels = (0..oh * ow).map(|p| (p / ow * layout.width + p % ow) * layout.channels);
        of.extend(pixels.map(|c| (image * layout.len() + inside + c) as u32));
    }
    let (at, of) = (Offsets::new(at), Offsets::new(of));
    let tiles = tiles(shape.out);
    let mut panels = Vec::with_capacity(kh * run * tiles.iter().map(|t| t.1).sum::<usize>());
    let mut tile = ZERO;
    for (first, width) in tiles {
        for ky in 0..kh {
            for t in (0..run).step_by(ROWS) {
                outer(x, &at, dy, &of, [ky * layout_in.row() + t, first], width, &mut tile);
                for line in tile.iter().take(run - t) {
                    panels.extend_from_slice(line.get(..width).unwrap_or(line));
                }
            }
        }
    }
    panels
}

/// `[out]`, each channel summed by one thread, image by image.
fn bias_gradient(shape: &ConvShape, dy: &[f32]) -> Vec<f32> {
    let extent = Extent { channels: shape.out, positions: shape.output().iter().product() };
    (0..shape.out)
        .into_par_iter()
        .map(|o| norm::planes(dy, extent, o).map(|p| norm::sum(p, p, |d, _| d)).sum())
        .collect()
}

/// Where each output pixel's window begins in the frame.
fn window_corners(shape: &ConvShape, layout: &PaddedNhwc) -> Vec<usize> {
    let [oh, ow] = shape.output();
    let [sy, sx] = shape.stride;
    (0..oh * ow).map(|p| (p / ow * sy * layout.width + p % ow * sx) * layout.channels).collect()
}

/// As many offsets as a tile has rows; the last stands for those that are missing.
fn rows(corners: &[usize]) -> [usize; ROWS] {
    let last = corners.last().copied().unwrap_or(0);
    std::array::from_fn(|i| corners.get(i).copied().unwrap_or(last))
}
