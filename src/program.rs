//! Compiled programs, and the signature that a client needs of one.

use std::path::Path;
use std::sync::Arc;

use beaa_compiler::ckks as compiler;
use beaa_ir::ckks;
use beaa_ir::images::ImageMajor;
use beaa_runtime::ckks::{Standing, standing};

use crate::data::preprocess;
use crate::model::normalise_reals;
use crate::{Classes, LabelledImages, Model, Progress, Result, Silent};

pub use beaa_compiler::ckks::{Options as CompileOptions, Packing, Report, Samples};

/// A network compiled into homomorphic operations. A server needs it; it holds the network's
/// weights. A clone shares them.
#[derive(Debug, Clone, PartialEq)]
pub struct Program(pub(crate) Arc<ckks::Program>);

/// A program, and what is known of it right after compiling.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Compiled {
    /// The program.
    pub program: Program,
    /// What it costs and how precise it is, with the predicted agreement where it was asked for.
    pub report: Report,
}

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
    Ok(compile_with_report(model, options, None)?.program)
}

/// Compiles a network with errors and margins predicted on `samples`, normalised training images
/// or [`Samples`]: better predictions, and often a shorter modulus. [`CompileOptions::agreement`]
/// needs them, and is measured on images that were held out of training where there are any.
///
/// # Errors
/// As [`compile`]; [`Error::BadOption`](crate::Error::BadOption) if there is no sample, or if they
/// are not of the network's size.
pub fn compile_with_samples<'a>(
    model: &Model,
    options: &CompileOptions,
    samples: impl Into<Samples<'a>>,
) -> Result<Program> {
    Ok(compile_with_report(model, options, Some(samples.into()))?.program)
}

/// Compiles a network as [`compile`] does, or as [`compile_with_samples`] where there are samples,
/// and says what else is known: [`Program::report`] does not tell it later.
///
/// ```
/// # fn main() -> beaa::Result<()> {
/// let model = beaa::Model::load("tests/data/v2/model.safetensors")?;
/// let options = beaa::CompileOptions { batch: 16, logit_error: 0.01, ..Default::default() };
/// let compiled = beaa::compile_with_report(&model, &options, None)?;
/// assert!(compiled.report.totals.made_up_images, "there were no samples");
/// assert_eq!(compiled.report.layers.len(), compiled.program.report().layers.len());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`compile_with_samples`].
pub fn compile_with_report(model: &Model, options: &CompileOptions, samples: Option<Samples<'_>>) -> Result<Compiled> {
    compile_watched(model, options, samples, &Silent)
}

/// Compiles a network as [`compile_with_report`] does, and ends before it is done where `progress`
/// says so ([`Progress::is_stopped`]), which is asked between two passes and two attempts at a
/// plan. It is told of no steps: how many attempts it takes is not known.
///
/// # Errors
/// As [`compile_with_samples`]; [`Error::Stopped`](crate::Error::Stopped).
pub fn compile_watched(
    model: &Model,
    options: &CompileOptions,
    samples: Option<Samples<'_>>,
    progress: &dyn Progress,
) -> Result<Compiled> {
    let compiled = compiler::compile_until(&model.0, options, samples, &|| progress.is_stopped())?;
    let compiler::Compiled { program, report } = compiled;
    Ok(Compiled { program: Program(Arc::new(program)), report })
}

/// Says what a report holds, for people: a line for each layer, then the totals.
pub fn explain(report: &Report) -> String {
    compiler::explain(report)
}

impl Program {
    /// Reads a program file.
    ///
    /// # Errors
    /// If the file cannot be read, is no program, or has parameters below the security that it
    /// promises.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::checked(ckks::load_program(path.as_ref())?)
    }

    /// Reads the bytes of a program file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::checked(ckks::program_from_bytes(bytes)?)
    }

    fn checked(program: ckks::Program) -> Result<Self> {
        standing(&program.signature().parameters)?;
        Ok(Self(Arc::new(program)))
    }

    /// Gives the bytes of the file that [`Self::save`] writes.
    ///
    /// # Errors
    /// If the program has no form in JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(ckks::program_to_bytes(&self.0)?)
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
        Signature(ckks::SignatureFile::from(&*self.0))
    }

    /// What the program costs, layer by layer, and how precise it is; [`explain`] says it in words.
    pub fn report(&self) -> Report {
        compiler::cost(&self.0)
    }

    /// Says what the program costs and how precise it is, for people.
    pub fn explain(&self) -> String {
        explain(&self.report())
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
        Self::checked(ckks::load_signature(path.as_ref())?)
    }

    /// Reads the bytes of a signature file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        Self::checked(ckks::signature_from_bytes(bytes)?)
    }

    fn checked(file: ckks::SignatureFile) -> Result<Self> {
        standing(&file.signature.parameters)?;
        Ok(Self(file))
    }

    /// Gives the bytes of the file that [`Self::save`] writes.
    ///
    /// # Errors
    /// If the signature has no form in JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(ckks::signature_to_bytes(&self.0)?)
    }

    /// The fingerprint of the program, hexadecimal, by which ciphertexts say for which they are.
    pub fn program(&self) -> &str {
        &self.0.program
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

    /// Whether the program switches keys, so that a server needs the evaluation key.
    pub fn needs_evaluation_key(&self) -> bool {
        self.0.signature.switches_keys
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

    /// Images that one batch holds: as many as slots, or fewer where each has several positions in
    /// a ciphertext.
    pub fn capacity(&self) -> usize {
        self.0.signature.capacity()
    }

    /// Whether the network takes real numbers, rows of a table or signals, in place of pixels.
    pub fn takes_reals(&self) -> bool {
        self.0.signature.input.reals().is_some()
    }

    /// Channels, rows and columns of an image as the network sees it, after
    /// [`preprocess`](Self::preprocess).
    pub fn image_shape(&self) -> [usize; 3] {
        self.0.signature.input.shape
    }

    /// Elements of an image that the program reads, which alone are encrypted and sent.
    pub fn elements_read(&self) -> usize {
        self.0.signature.reads.count()
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
