//! Convolution and its gradients on the CPU, on plain slices. Must never let the number of threads decide an order of
//! summation: images go in chunks of fixed size, and the sums of chunks are added in order.
//!
//! With channels last, the elements of a window's row are adjacent, so a convolution is a sum of products of rows of the
//! image itself with panels of weights: the matrix of windows (im2col) is never written. The gradient of the input is the
//! same sum over the output's gradient, for a stride `s` once per phase of the input modulo `s`.

use rayon::prelude::*;

use super::kernel::{ROWS, Tile, WIDTH, dot, outer};
use super::layout::{Frame, panels, phases, tiles};
use super::shape::ConvShape;

/// Images that are summed together.
pub(super) const CHUNK: usize = 8;

const ZERO: Tile = [[0.0; WIDTH]; ROWS];

/// The input of a convolution as its backward pass wants it: image by image in its [`Frame`].
#[derive(Debug)]
pub(super) struct Framed(Vec<f32>);

/// Gradients of a convolution.
pub(super) struct Gradients {
    /// `[images, channels, rows, columns]`; none unless asked for.
    pub(super) input: Option<Vec<f32>>,
    /// `[out, channels, rows, columns]`.
    pub(super) weight: Vec<f32>,
    /// `[out]`.
    pub(super) bias: Vec<f32>,
}

/// `images` in frames of `frame`, each of `extent`.
fn framed(images: &[f32], frame: &Frame, extent: [usize; 2], count: usize) -> Framed {
    // Vector loads and whole tiles may reach beyond the last element.
    let mut all = vec![0.0; count * frame.len() + ROWS + WIDTH];
    let size = frame.channels * extent[0] * extent[1];
    let places = all.par_chunks_mut(frame.len()).zip(images.par_chunks(size));
    places.for_each(|(place, image)| frame.fill(image, extent, place));
    Framed(all)
}

/// The convolution of `x` with `weight` plus `bias`, all row-major, and `x` in frames.
pub(super) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32], bias: &[f32]) -> (Vec<f32>, Framed) {
    let frame = Frame::input(shape);
    let framed = framed(x, &frame, shape.input, shape.images);
    let [kh, kw] = shape.kernel;
    let run = kw * frame.channels;
    let panels = panels(kh * run, shape.out, |line, o| {
        let (ky, kx, c) = (line / run, line % run / frame.channels, line % frame.channels);
        weight.get(((o * frame.channels + c) * kh + ky) * kw + kx).copied().unwrap_or(0.0)
    });
    let segments: Vec<usize> = (0..kh).map(|ky| ky * frame.row()).collect();
    let pixels = window_corners(shape, &frame);
    let area = pixels.len();
    let mut y = vec![0.0; shape.images * shape.elements()[1]];
    y.par_chunks_mut(shape.elements()[1]).enumerate().for_each(|(image, y)| {
        let source = framed.0.get(image * frame.len()..).unwrap_or(&[]);
        let mut tile = ZERO;
        for ((first, width), panel) in tiles(shape.out).into_iter().zip(&panels) {
            for (k, corners) in pixels.chunks(ROWS).enumerate() {
                let rows = rows(corners);
                dot(source, &rows, &segments, run, panel, width, &mut tile);
                for (column, o) in (first..shape.out.min(first + width)).enumerate() {
                    let plus = bias.get(o).copied().unwrap_or(0.0);
                    let place = o * area + k * ROWS;
                    let to = y.get_mut(place..place + corners.len()).unwrap_or(&mut []);
                    to.iter_mut().zip(&tile).for_each(|(to, sums)| *to = sums[column] + plus);
                }
            }
        }
    });
    (y, framed)
}

/// The gradients given that of the output, `dy`.
pub(super) fn backward(shape: &ConvShape, x: &Framed, weight: &[f32], dy: &[f32], of_input: bool) -> Gradients {
    let (frame_in, frame) = (Frame::input(shape), Frame::output(shape));
    let framed = framed(dy, &frame, shape.output(), shape.images);
    let input = of_input.then(|| input_gradient(shape, &frame, &framed, weight));
    let size = shape.weight_dims().iter().product::<usize>();
    let sums: Vec<(Vec<f32>, Vec<f32>)> = (0..shape.images.div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let images = CHUNK.min(shape.images - chunk * CHUNK);
            let x = x.0.get(chunk * CHUNK * frame_in.len()..).unwrap_or(&[]);
            let d = framed.0.get(chunk * CHUNK * frame.len()..).unwrap_or(&[]);
            let elements = shape.elements()[1];
            let dy = dy.get(chunk * CHUNK * elements..(chunk * CHUNK + images) * elements).unwrap_or(&[]);
            (weight_gradient(shape, [(&frame_in, x), (&frame, d)], images), bias_gradient(shape, dy))
        })
        .collect();
    let mut total = Gradients { input, weight: vec![0.0; size], bias: vec![0.0; shape.out] };
    for (weight, bias) in sums {
        total.weight.iter_mut().zip(weight).for_each(|(t, v)| *t += v);
        total.bias.iter_mut().zip(bias).for_each(|(t, v)| *t += v);
    }
    total
}

fn input_gradient(shape: &ConvShape, frame: &Frame, dy: &Framed, weight: &[f32]) -> Vec<f32> {
    let [kh, kw] = shape.kernel;
    let [h, w] = shape.input;
    let (rows_of, columns_of) = (phases(shape, 0), phases(shape, 1));
    // Per pair of phases: segments, run, panels, positions in and out.
    let mut parts = Vec::new();
    for down in &rows_of {
        for across in &columns_of {
            let run = across.window.len() * frame.channels;
            if down.window.is_empty() || run == 0 {
                continue;
            }
            let panels = panels(down.window.len() * run, shape.channels, |line, c| {
                let ky = down.window.get(line / run).copied().unwrap_or(0);
                let kx = across.window.get(line % run / frame.channels).copied().unwrap_or(0);
                let o = line % frame.channels;
                weight.get(((o * shape.channels + c) * kh + ky) * kw + kx).copied().unwrap_or(0.0)
            });
            let segments: Vec<usize> = (0..down.window.len()).map(|k| k * frame.row()).collect();
            let pairs = down.positions.iter().flat_map(|&(y, fy)| {
                across.positions.iter().map(move |&(x, fx)| (y * w + x, (fy * frame.width + fx) * frame.channels))
            });
            let (places, corners): (Vec<usize>, Vec<usize>) = pairs.unzip();
            parts.push((segments, run, panels, places, corners));
        }
    }
    let mut dx = vec![0.0; shape.images * shape.elements()[0]];
    dx.par_chunks_mut(shape.elements()[0]).enumerate().for_each(|(image, dx)| {
        let source = dy.0.get(image * frame.len()..).unwrap_or(&[]);
        let mut tile = ZERO;
        for (segments, run, panels, places, corners) in &parts {
            for ((first, width), panel) in tiles(shape.channels).into_iter().zip(panels) {
                for (places, corners) in places.chunks(ROWS).zip(corners.chunks(ROWS)) {
                    dot(source, &rows(corners), segments, *run, panel, width, &mut tile);
                    for (column, plane) in dx.chunks_mut(h * w).skip(first).take(width).enumerate() {
                        for (&place, sums) in places.iter().zip(&tile) {
                            if let Some(to) = plane.get_mut(place) {
                                *to = sums[column];
                            }
                        }
                    }
                }
            }
        }
    });
    dx
}

/// Of a chunk of images, `[out, channels, rows, columns]`.
fn weight_gradient(shape: &ConvShape, [(frame_in, x), (frame, dy)]: [(&Frame, &[f32]); 2], images: usize) -> Vec<f32> {
    let [kh, kw] = shape.kernel;
    let run = kw * frame_in.channels;
    let [oh, ow] = shape.output();
    let inside = (frame.top * frame.width + frame.left) * frame.channels;
    let corners = window_corners(shape, frame_in);
    let mut at = Vec::with_capacity(images * corners.len());
    let mut of = Vec::with_capacity(images * corners.len());
    for image in 0..images {
        at.extend(corners.iter().map(|c| (image * frame_in.len() + c) as u32));
        let pixels = (0..oh * ow).map(|p| (p / ow * frame.width + p % ow) * frame.channels);
        of.extend(pixels.map(|c| (image * frame.len() + inside + c) as u32));
    }
    let mut sums = vec![0.0; shape.out * frame_in.channels * kh * kw];
    let mut tile = ZERO;
    for (first, width) in tiles(shape.out) {
        for ky in 0..kh {
            for t in (0..run).step_by(ROWS) {
                outer(x, &at, dy, &of, [ky * frame_in.row() + t, first], width, &mut tile);
                for (t, sum) in (t..run).zip(&tile) {
                    let (kx, c) = (t / frame_in.channels, t % frame_in.channels);
                    for (o, sum) in (first..shape.out).zip(sum.iter().take(width)) {
                        if let Some(to) = sums.get_mut(((o * frame_in.channels + c) * kh + ky) * kw + kx) {
                            *to = *sum;
                        }
                    }
                }
            }
        }
    }
    sums
}

/// Of a chunk of images, `[out]`.
fn bias_gradient(shape: &ConvShape, dy: &[f32]) -> Vec<f32> {
    let area = shape.output().iter().product::<usize>();
    let mut sums = vec![0.0; shape.out];
    for (k, plane) in dy.chunks(area).enumerate() {
        if let Some(sum) = sums.get_mut(k % shape.out) {
            *sum += plane.iter().sum::<f32>();
        }
    }
    sums
}

/// Where each output pixel's window begins in the frame.
fn window_corners(shape: &ConvShape, frame: &Frame) -> Vec<usize> {
    let [oh, ow] = shape.output();
    let [sy, sx] = shape.stride;
    (0..oh * ow).map(|p| (p / ow * sy * frame.width + p % ow * sx) * frame.channels).collect()
}

/// As many offsets as a tile has rows; the last stands for those that are missing.
fn rows(corners: &[usize]) -> [usize; ROWS] {
    let last = corners.last().copied().unwrap_or(0);
    std::array::from_fn(|i| corners.get(i).copied().unwrap_or(last))
}
