//! Compiled programs, and the signature that a client needs of one.

use std::path::Path;

use beaa_compiler::ckks as compiler;
use beaa_ir::ckks;
use beaa_ir::images::ImageMajor;
use beaa_runtime::ckks::{Standing, standing};

use crate::data::preprocess;
use crate::model::normalise_reals;
use crate::{Classes, LabelledImages, Model, Result};

pub use beaa_compiler::ckks::Options as CompileOptions;

/// A network compiled into homomorphic operations. A server needs it; it holds the network's
/// weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Program(pub(crate) ckks::Program);

/// What a client knows of a program: sizes, scales and the parameters of the scheme, but no weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature(pub(crate) ckks::SignatureFile);

/// Compiles a network for encrypted batches.
///
/// ```
/// # fn main() -> beaa::Result<()> {
/// let model = beaa::Model::load("tests/data/v2/model.safetensors")?;
/// let options = beaa::CompileOptions { batch: 16, logit_error: 0.01, ..Default::default() };
/// let program = beaa::compile(&model, &options)?;
/// println!("{}", program.explain());
/// assert!(program.signature().slots() >= 16);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Unsupported`](crate::Error::Unsupported) lists every layer that cannot be evaluated
/// under encryption; [`Error::NoProgram`](crate::Error::NoProgram) says which option asks for too
/// much.
pub fn compile(model: &Model, options: &CompileOptions) -> Result<Program> {
    Ok(Program(compiler::compile(&model.0, options)?.program))
}

/// Compiles a network with errors and margins predicted on `samples`, normalised training images:
/// better predictions, and often a shorter modulus. [`CompileOptions::agreement`] needs them.
///
/// # Errors
/// As [`compile`]; [`Error::BadOption`](crate::Error::BadOption) if there is no sample, or if they
/// are not of the network's size.
pub fn compile_with_samples(model: &Model, options: &CompileOptions, samples: &ImageMajor<f32>) -> Result<Program> {
    Ok(Program(compiler::compile_for(&model.0, options, Some(samples))?.program))
}

impl Program {
    /// Reads a program file.
    ///
    /// # Errors
    /// If the file cannot be read, is no program, or has parameters below the security that it
    /// promises.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let program = ckks::load_program(path.as_ref())?;
        standing(&program.signature().parameters)?;
        Ok(Self(program))
    }

    /// Writes a program file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(ckks::save_program(&self.0, path.as_ref())?)
    }

    /// What clients need of the program.
    pub fn signature(&self) -> Signature {
        Signature(ckks::SignatureFile::from(&self.0))
    }

    /// Says what the program costs and how precise it is, for people.
    pub fn explain(&self) -> String {
        compiler::explain(&compiler::cost(&self.0))
    }

    /// Runs the program in clear: what encryption would answer without noise, one row of logits for
    /// each normalised image.
    ///
    /// # Errors
    /// If an image is not of the network's size.
    pub fn evaluate(&self, images: &ImageMajor<f32>) -> Result<ImageMajor<f64>> {
        Ok(beaa_runtime::plaintext::run(&self.0, images)?)
    }
}

impl Signature {
    /// Reads a signature file, or the signature in a program file.
    ///
    /// # Errors
    /// If the file cannot be read, is neither, or has parameters below the security that it
    /// promises.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let file = ckks::load_signature(path.as_ref())?;
        standing(&file.signature.parameters)?;
        Ok(Self(file))
    }

    /// Writes a signature file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(ckks::save_signature(&self.0, path.as_ref())?)
    }

    /// Images that one batch holds at most; a batch takes as long for fewer, and more images become
    /// several batches.
    pub fn slots(&self) -> usize {
        self.0.signature.parameters.degree
    }

    /// Bits of security that the parameters promise.
    pub fn security_bits(&self) -> u32 {
        self.0.signature.parameters.security
    }

    /// Whether only a superseded table of parameters grants that security; compile such a program
    /// again.
    ///
    /// # Errors
    /// If no table grants it, which no signature that was loaded has.
    pub fn is_security_superseded(&self) -> Result<bool> {
        Ok(standing(&self.0.signature.parameters)? != Standing::Current)
    }

    /// Channels, rows and columns of an image as the network sees it, after
    /// [`preprocess`](Self::preprocess).
    pub fn image_shape(&self) -> [usize; 3] {
        self.0.signature.input.shape
    }

    /// The classes: their names, and how logits become one ([`classify`](crate::classify)).
    pub fn classes(&self) -> &Classes {
        &self.0.signature.classes
    }

    /// Channels, rows and columns of a picture before [`preprocess`](Self::preprocess): what to
    /// give [`read_pictures`](crate::read_pictures).
    pub fn picture_shape(&self) -> [usize; 3] {
        self.0.signature.input.picture_shape()
    }

    /// Crops, pads and resizes pictures as the network was trained to see them, and gives their
    /// pixels, `[image][channel, row, column]`. Images of a data set whose description has done so
    /// already are left alone, and so are all where the network says nothing.
    ///
    /// # Errors
    /// If the pictures are not of [`picture_shape`](Self::picture_shape), were preprocessed in
    /// another way, or are real numbers.
    pub fn preprocess(&self, pictures: &LabelledImages) -> Result<ImageMajor<u8>> {
        preprocess(&self.0.signature.input, pictures)
    }

    /// Normalises pixels, `[image][channel, row, column]`, as the network was trained to see them.
    ///
    /// # Errors
    /// [`Error::ImageSize`](crate::Error::ImageSize) if an image has another number of pixels,
    /// [`Error::InputKind`](crate::Error::InputKind) if the network takes real numbers.
    pub fn normalise(&self, pixels: &ImageMajor<u8>) -> Result<ImageMajor<f32>> {
        Ok(self.0.signature.input.normalise_all(pixels)?)
    }

    /// Normalises real numbers, `[sample][channel, row, column]`, as the network was trained to see
    /// them: rows of a table, signals.
    ///
    /// # Errors
    /// [`Error::InputKind`](crate::Error::InputKind) if the network takes pixels,
    /// [`Error::ImageSize`](crate::Error::ImageSize) if a sample has another number of numbers,
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) for the first number that is not allowed.
    pub fn normalise_reals(&self, samples: &ImageMajor<f32>) -> Result<ImageMajor<f32>> {
        normalise_reals(&self.0.signature.input, samples)
    }
}
