//! The images of a run: training, validation and test, with the limits of the configuration.

use beaa_datasets::{Dataset, Images, Split, shuffled};
use beaa_ir::{ClassMap, Classes, InputSpec, InputValues, RealChannels};

use crate::config::DataConfig;
use crate::random::order;

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
    /// The same images with the classes of `network` for labels, as `map` says.
    pub(crate) fn of_network(&self, network: &Classes, map: &ClassMap) -> Self {
        // A network of a run has as many classes as the data set, which has at most 256.
        let class = |label: u8| map.class(usize::from(label)) as u8;
        Self {
            train: self.train.relabelled(class),
            validation: self.validation.relabelled(class),
            test: self.test.relabelled(class),
            input: self.input.clone(),
            classes: network.names().to_vec(),
            pixel_bits: self.pixel_bits,
        }
    }

    /// Applies the limits of `config`, choosing by `seed`; pixels become numbers as `input` says.
    pub(crate) fn new(dataset: &Dataset, config: &DataConfig, seed: u64, input: InputSpec) -> Self {
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
            input,
            classes: dataset.classes().to_vec(),
            pixel_bits: config.pixel_bits,
        }
    }
}

/// What the numbers of a set are, and which are allowed.
pub(crate) fn input_values(dataset: &Dataset) -> InputValues {
    let (Some(allowed), Some(reals)) = (dataset.allowed(), dataset.split(Split::Train).reals()) else {
        return InputValues::Pixels;
    };
    let (min, max) = allowed.iter().map(|&[min, max]| (min, max)).unzip();
    InputValues::Reals(RealChannels { min, max, names: reals.channels.clone() })
}
