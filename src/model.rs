//! Trained networks: from files, from other frameworks, in clear.

use std::path::Path;

use beaa_ir::LayerOp;
use beaa_ir::images::ImageMajor;

use crate::data::preprocess;
use crate::{Classes, Error, LabelledImages, Result};

pub use beaa_import::Options as ImportOptions;

/// A trained network. One with ReLU can be evaluated in clear; only one whose activations are
/// quadratics can be compiled for encrypted batches.
#[derive(Debug, Clone, PartialEq)]
pub struct Model(pub(crate) beaa_ir::Model);

/// A network that another framework trained.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ImportedModel {
    /// The network.
    pub model: Model,
    /// What the importer decided or left out, for people: a softmax at the end, for example.
    pub notes: Vec<String>,
}

impl Model {
    /// Reads a model file.
    ///
    /// # Errors
    /// If the file cannot be read, or is no model.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self(beaa_ir::load_model(path.as_ref())?))
    }

    /// Writes a model file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(beaa_ir::save_model(&self.0, path.as_ref())?)
    }

    /// Reads the bytes of a model file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(Self(beaa_ir::model_from_bytes(bytes)?))
    }

    /// Gives the bytes of the file that [`Self::save`] writes.
    ///
    /// # Errors
    /// If the network has no form in JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(beaa_ir::model_to_bytes(&self.0)?)
    }

    /// Reads a network that another framework wrote as ONNX.
    ///
    /// ```
    /// # fn main() -> beaa::Result<()> {
    /// let (mean, std) = (Some(vec![0.5]), Some(vec![0.25]));
    /// let options = beaa::ImportOptions { mean, std, ..Default::default() };
    /// let network = "tests/data/import/cryptonets.dynamo.onnx";
    /// let imported = beaa::Model::import_onnx(network, &options)?;
    /// imported.notes.iter().for_each(|note| println!("{note}"));
    /// assert_eq!((imported.model.image_shape(), imported.model.outputs()), ([1, 28, 28], 10));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read; [`Error::Unsupported`](crate::Error::Unsupported) lists every
    /// operator that has no counterpart.
    pub fn import_onnx(path: impl AsRef<Path>, options: &ImportOptions) -> Result<ImportedModel> {
        Ok(beaa_import::import_onnx(path.as_ref(), options)?.into())
    }

    /// Reads weights that PyTorch wrote as safetensors, with their architecture as JSON
    /// (docs/import.md).
    ///
    /// # Errors
    /// If a file cannot be read, or the weights do not fit the architecture.
    pub fn import_state_dict(
        weights: impl AsRef<Path>,
        architecture: impl AsRef<Path>,
        options: &ImportOptions,
    ) -> Result<ImportedModel> {
        Ok(beaa_import::import_state_dict(weights.as_ref(), architecture.as_ref(), options)?.into())
    }

    /// The same network, with the smallest and the largest input that each activation has over
    /// normalised images: [`compile`](crate::compile) sizes the modulus by them. Without images
    /// nothing changes.
    ///
    /// ```
    /// # fn main() -> beaa::Result<()> {
    /// let network = "tests/data/import/cryptonets.dynamo.onnx";
    /// let model = beaa::Model::import_onnx(network, &Default::default())?.model;
    /// let images = model.normalise(&beaa::ImageMajor::new(2, 784, vec![100; 2 * 784])?)?;
    /// assert_eq!((model.activations(), model.ranges()), (2, 0));
    /// assert_eq!(model.with_ranges(&images)?.ranges(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::ImageSize`](crate::Error::ImageSize) if the images are not of the network's size.
    pub fn with_ranges(self, images: &ImageMajor<f32>) -> Result<Self> {
        self.0.input().check_size("measuring ranges", images.elements())?;
        Ok(Self(beaa_import::measure_ranges(self.0, images)?))
    }

    /// The same network, for real numbers in place of pixels: values of each channel from `min` to
    /// `max`, before they are normalised. One number serves all channels; `names`, of columns or
    /// leads, may be none.
    ///
    /// ```
    /// # fn main() -> beaa::Result<()> {
    /// let network = "tests/data/import/cryptonets.dynamo.onnx";
    /// let model = beaa::Model::import_onnx(network, &Default::default())?.model;
    /// let signals = model.for_reals(&[-5.0], &[5.0], vec!["lead I".into()])?;
    /// assert!(signals.takes_reals());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BadFile`](crate::Error::BadFile) if there are other numbers of limits or names than
    /// channels, or limits that are no range.
    pub fn for_reals(self, min: &[f32], max: &[f32], names: Vec<String>) -> Result<Self> {
        let mut literal = self.0.into_literal();
        let channels = literal.input.shape[0];
        let each = |values: &[f32]| if let [one] = values { vec![*one; channels] } else { values.to_vec() };
        let values = beaa_ir::InputValues::Reals(beaa_ir::RealChannels { min: each(min), max: each(max), names });
        literal.input = beaa_ir::InputSpec { values, ..literal.input };
        Ok(Self(beaa_ir::Model::try_from(literal)?))
    }

    /// How many activations the network has.
    pub fn activations(&self) -> usize {
        self.0.layers().iter().filter(|l| matches!(l.op, LayerOp::Activation { .. })).count()
    }

    /// How many activations say between which numbers their input lies; where one does not, a deep
    /// network may have no program.
    pub fn ranges(&self) -> usize {
        self.0.layers().iter().filter(|l| matches!(l.op, LayerOp::Activation { range: Some(_), .. })).count()
    }

    /// Whether the network takes real numbers, rows of a table or signals, in place of pixels.
    pub fn takes_reals(&self) -> bool {
        self.0.input().reals().is_some()
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Channels, rows and columns of an image as the network sees it, after
    /// [`preprocess`](Self::preprocess).
    pub fn image_shape(&self) -> [usize; 3] {
        self.0.input().shape
    }

    /// The classes: their names, and how logits become one ([`classify`](crate::classify)).
    pub fn classes(&self) -> &Classes {
        self.0.classes()
    }

    /// Number of outputs: one for each class, or a single score.
    pub fn outputs(&self) -> usize {
        self.0.outputs()
    }

    /// Channels, rows and columns of a picture before [`preprocess`](Self::preprocess): what to
    /// give [`read_pictures`](crate::read_pictures).
    pub fn picture_shape(&self) -> [usize; 3] {
        self.0.input().picture_shape()
    }

    /// Crops, pads and resizes pictures as the network was trained to see them, and gives their
    /// pixels, `[image][channel, row, column]`. Images of a data set whose description has done so
    /// already are left alone, and so are all where the network says nothing.
    ///
    /// # Errors
    /// If the pictures are not of [`picture_shape`](Self::picture_shape), were preprocessed in
    /// another way, or are real numbers.
    pub fn preprocess(&self, pictures: &LabelledImages) -> Result<ImageMajor<u8>> {
        preprocess(self.0.input(), pictures)
    }

    /// Normalises pixels, `[image][channel, row, column]`, as the network was trained to see them.
    ///
    /// # Errors
    /// [`Error::ImageSize`](crate::Error::ImageSize) if an image has another number of pixels,
    /// [`Error::InputKind`](crate::Error::InputKind) if the network takes real numbers.
    pub fn normalise(&self, pixels: &ImageMajor<u8>) -> Result<ImageMajor<f32>> {
        Ok(self.0.input().normalise_all(pixels)?)
    }

    /// Normalises real numbers, `[sample][channel, row, column]`, as the network was trained to see
    /// them: rows of a table, signals.
    ///
    /// # Errors
    /// [`Error::InputKind`](crate::Error::InputKind) if the network takes pixels,
    /// [`Error::ImageSize`](crate::Error::ImageSize) if a sample has another number of numbers,
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) for the first number that is not allowed.
    pub fn normalise_reals(&self, samples: &ImageMajor<f32>) -> Result<ImageMajor<f32>> {
        normalise_reals(self.0.input(), samples)
    }

    /// Evaluates the network in clear, in double precision: one row of logits for each normalised
    /// image.
    ///
    /// # Errors
    /// [`Error::ImageSize`](crate::Error::ImageSize) if the images are not of the network's size.
    pub fn evaluate(&self, images: &ImageMajor<f32>) -> Result<ImageMajor<f64>> {
        self.0.input().check_size("evaluating a model", images.elements())?;
        let rows = images.rows().map(|image| beaa_ir::evaluate(&self.0, image));
        let rows = rows.collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(ImageMajor::from_rows(self.outputs(), rows)?)
    }
}

/// Real numbers as a network with this `input` takes them, all of them allowed.
pub(crate) fn normalise_reals(input: &beaa_ir::InputSpec, samples: &ImageMajor<f32>) -> Result<ImageMajor<f32>> {
    let normalised = input.normalise_all_reals(samples)?;
    match input.out_of_range(samples).into_iter().next() {
        None => Ok(normalised),
        Some(found) => Err(Error::OutOfRange {
            sample: found.sample,
            channel: input.channel_name(found.channel),
            value: found.value,
            min: found.allowed.min,
            max: found.allowed.max,
        }),
    }
}

impl From<beaa_import::Imported> for ImportedModel {
    fn from(imported: beaa_import::Imported) -> Self {
        Self { model: Model(imported.model), notes: imported.notes }
    }
}
