//! Trained networks: from files, from other frameworks, in clear.

use std::path::Path;

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
