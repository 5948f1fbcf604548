//! Batches of images on the device: augmented if they are learnt from, then normalised.

use beaa_datasets::{Images, Values};
use beaa_ir::{InputSpec, InputValues};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::augment::augment;
use super::cutmix::{Pasted, cutmix};
use crate::config::Augmentation;

/// Images per batch where nothing is learnt; 64 to 128 is fastest on CPUs.
const EVALUATION_BATCH: usize = 128;

/// A batch on the device.
pub(crate) struct ImageBatch {
    /// `[N, C, H, W]`, normalised, without autodiff.
    pub(crate) images: Tensor<4>,
    /// One per image.
    pub(crate) labels: Vec<u8>,
    /// What each image shows of another; none where images are not mixed.
    pub(crate) pasted: Option<Vec<Pasted>>,
}

/// How the training images of a batch are changed.
pub(crate) struct Changes<'a> {
    pub(crate) settings: &'a Augmentation,
    /// Bits that pixels are rounded to afterwards; none for all eight.
    pub(crate) pixel_bits: Option<u32>,
    pub(crate) rng: ChaCha8Rng,
}

/// The images at `indices`, changed by `changes` if there are any, then normalised.
pub(crate) fn batch(
    images: &Images,
    indices: &[usize],
    input: &InputSpec,
    changes: Option<Changes<'_>>,
    device: &Device,
) -> ImageBatch {
    let [c, h, w] = images.shape();
    let size = c * h * w;
    let mut pixels: Vec<f32> = Vec::with_capacity(indices.len() * size);
    for &i in indices {
        assert!(i < images.len(), "image {i} of {}", images.len());
        let numbers = i * size..(i + 1) * size;
        match images.values() {
            Values::Pixels(all) => pixels.extend(all[numbers].iter().map(|&v| f32::from(v))),
            Values::Reals(all) => pixels.extend_from_slice(&all.numbers[numbers]),
        }
    }
    let labels: Vec<u8> = indices.iter().map(|&i| images.labels()[i]).collect();
    assert_eq!([input.mean.len(), input.std.len()], [c; 2], "means and deviations, one per channel");
    let mut pasted = None;
    if let Some(Changes { settings, pixel_bits, mut rng }) = changes {
        let unit = if input.values.are_pixels() { 255.0 } else { 1.0 };
        let mean: Vec<f32> = input.mean.iter().map(|mean| mean * unit).collect();
        for image in pixels.chunks_mut(size) {
            augment(image, [c, h, w], settings, &mean, &mut rng);
        }
        if settings.cutmix > 0.0 {
            pasted = Some(cutmix(&mut pixels, [c, h, w], &labels, settings.cutmix, &mut rng));
        }
        if let Some(bits) = pixel_bits {
            let unit = 255.0 / ((1_u32 << bits.clamp(1, 8)) - 1) as f32;
            pixels.iter_mut().for_each(|v| *v = (*v / unit).round() * unit);
        }
    }
    assert_eq!(images.reals().is_none(), input.values.are_pixels(), "pixels or real numbers, in both");
    for image in pixels.chunks_mut(size) {
        for (plane, (&mean, &std)) in image.chunks_mut(h * w).zip(input.mean.iter().zip(&input.std)) {
            match input.values {
                InputValues::Pixels => plane.iter_mut().for_each(|v| *v = (*v / 255.0 - mean) / std),
                InputValues::Reals(_) => plane.iter_mut().for_each(|v| *v = (*v - mean) / std),
            }
        }
    }
    let data = TensorData::new(pixels, [labels.len(), c, h, w]);
    ImageBatch { images: Tensor::from_data(data, device), labels, pasted }
}

/// All images in order, in batches.
pub(crate) fn batches<'a>(
    images: &'a Images,
    input: &'a InputSpec,
    device: &'a Device,
) -> impl Iterator<Item = ImageBatch> + 'a {
    (0..images.len().div_ceil(EVALUATION_BATCH)).map(move |k| {
        let start = k * EVALUATION_BATCH;
        let indices: Vec<usize> = (start..(start + EVALUATION_BATCH).min(images.len())).collect();
        batch(images, &indices, input, None, device)
    })
}
