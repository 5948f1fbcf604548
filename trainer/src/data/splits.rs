//! The images of a run: limits applied, batches normalised. Must never let a test image into training.

use beaa_datasets::{Dataset, Images, Split, shuffled};
use beaa_ir::InputSpec;
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::augment::augment;
use crate::config::{Augmentation, DataConfig};
use crate::random::order;

/// Images per batch where nothing is learnt; 64 to 128 is fastest on CPUs.
const EVALUATION_BATCH: usize = 128;

/// The three parts of a run's images, and how their pixels become numbers.
pub(crate) struct Splits {
    pub(crate) train: Images,
    pub(crate) validation: Images,
    pub(crate) test: Images,
    pub(crate) input: InputSpec,
    pub(crate) classes: Vec<String>,
    pub(crate) pixel_bits: Option<u32>,
}

impl Splits {
    /// Applies the limits of `config`, choosing by `seed`.
    pub(crate) fn new(dataset: &Dataset, config: &DataConfig, seed: u64) -> Self {
        let limited = |images: &Images, limit: Option<usize>| match limit {
            Some(n) if n < images.len() => {
                let chosen: Vec<usize> = shuffled(images.len(), seed, order::LIMIT).into_iter().take(n).collect();
                images.subset(&chosen)
            }
            _ => images.clone(),
        };
        let limited = |images: &Images, limit: Option<usize>| match config.pixel_bits {
            Some(bits) => limited(images, limit).rounded(bits),
            None => limited(images, limit),
        };
        Self {
            train: limited(dataset.split(Split::Train), config.train),
            validation: limited(dataset.split(Split::Validation), config.validation),
            test: limited(dataset.split(Split::Test), config.test),
            input: InputSpec { shape: dataset.shape(), mean: dataset.mean().to_vec(), std: dataset.std().to_vec() },
            classes: dataset.classes().to_vec(),
            pixel_bits: config.pixel_bits,
        }
    }
}

/// A batch on the device.
pub(crate) struct ImageBatch {
    /// `[N, C, H, W]`, normalised, without autodiff.
    pub(crate) images: Tensor<4>,
    /// One per image.
    pub(crate) labels: Vec<u8>,
}

/// What changes a training image: settings, the bits that its pixels are rounded to afterwards, random numbers.
pub(crate) type Changes<'a> = (&'a Augmentation, Option<u32>, &'a mut ChaCha8Rng);

/// The images at `indices`, augmented with `augmentation` if given.
pub(crate) fn batch(
    images: &Images,
    indices: &[usize],
    input: &InputSpec,
    augmentation: Option<Changes<'_>>,
    device: &Device,
) -> ImageBatch {
    let [c, h, w] = images.shape();
    let size = c * h * w;
    let mut pixels: Vec<f32> = Vec::with_capacity(indices.len() * size);
    let mut labels = Vec::with_capacity(indices.len());
    for &i in indices {
        if let (Some(image), Some(label)) = (images.image(i), images.label(i)) {
            pixels.extend(image.iter().map(|&v| f32::from(v)));
            labels.push(label);
        }
    }
    if let Some((settings, bits, rng)) = augmentation {
        for image in pixels.chunks_mut(size) {
            augment(image, [c, h, w], settings, rng);
        }
        if let Some(bits) = bits {
            let unit = 255.0 / ((1_u32 << bits.clamp(1, 8)) - 1) as f32;
            pixels.iter_mut().for_each(|v| *v = (*v / unit).round() * unit);
        }
    }
    for image in pixels.chunks_mut(size) {
        for (plane, (&mean, &std)) in image.chunks_mut(h * w).zip(input.mean.iter().zip(&input.std)) {
            plane.iter_mut().for_each(|v| *v = (*v / 255.0 - mean) / std);
        }
    }
    let data = TensorData::new(pixels, [labels.len(), c, h, w]);
    ImageBatch { images: Tensor::from_data(data, device), labels }
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
