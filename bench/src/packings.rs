//! Packings side by side: one element of every image in a ciphertext, one image in each, all slots
//! shared by the images, and what the compiler takes, by the number of images that are answered
//! together. On one thread, in processor seconds; every program is prepared before it is timed.

use beaa_compiler::ckks::{Options, Packing, compile_for};
use beaa_ir::Model;
use beaa_ir::ckks::SignatureFile;
use beaa_ir::images::ImageMajor;
use beaa_runtime::Silent;
use beaa_runtime::ckks::{ArrangedWeights, KeyPair, PreparedProgram, ServerKey, encrypt, keygen};
use serde::Serialize;

use crate::timing::{on_threads, processor};
use crate::{BenchSettings, Result, random_images};

/// Images of the largest batch.
const MOST_IMAGES: usize = 8192;
/// Images that are packed at a time, at most: with more, every vector of constants is hardly used.
const MOST_PACKED: usize = 256;
/// Batches that are run where each takes as long as any other; more are a multiple.
const MOST_RUNS: usize = 2;

/// Packings by the images answered together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackingFigures {
    /// The network.
    pub name: String,
    /// In the order of packings, then of images.
    pub points: Vec<PackingPoint>,
}

/// One packing with so many images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackingPoint {
    /// The packing that was requested: `element`, `channel`, `auto`, or `block` with as many
    /// positions as there are slots for each image.
    pub requested: String,
    /// Images answered together.
    pub images: usize,
    /// Ring degree.
    pub degree: usize,
    /// Positions of an image in each ciphertext.
    pub positions: usize,
    /// Batches that the images take.
    pub batches: usize,
    /// Rotations of a run.
    pub rotations: usize,
    /// Processor seconds for all images; a multiple of one batch's where there are many.
    pub seconds: f64,
    /// Milliseconds for each image.
    pub milliseconds_per_image: f64,
    /// Processor seconds of preparing constants, once.
    pub prepare_seconds: f64,
    /// Bytes of the key that the server needs.
    pub key_bytes: u64,
    /// Bytes sent for all images.
    pub input_bytes: u64,
    /// Bytes answered for all images.
    pub output_bytes: u64,
}

/// Measures each packing with 1, 4, 16, ... 8192 images (1 and 64 if quick). `samples` are what
/// precision is predicted on; without them there can be no agreement to keep.
///
/// # Errors
///
/// If the model does not compile for a packing.
pub fn measure_packings(
    model: &Model,
    samples: Option<&ImageMajor<f32>>,
    settings: &BenchSettings,
) -> Result<PackingFigures> {
    let step = if settings.quick { 64 } else { 4 };
    let most = if settings.quick { 64 } else { MOST_IMAGES };
    let counts = std::iter::successors(Some(1), |n| Some(n * step)).take_while(|n| *n < most).chain([most]);
    let counts: Vec<usize> = counts.collect();
    let measured = |packing: Packing, images: usize| {
        let options = Options { packing, batch: images, ..settings.options.clone() };
        Workload::new(model, &options, samples, settings.seed)
    };
    let mut points: Vec<PackingPoint> = Vec::new();
    for &images in &counts {
        points.push(measured(Packing::Element, images)?.point(model, "element", images)?);
    }
    // A program for one image at a time is the same for any number of them.
    let channel = measured(Packing::Channel, 1)?;
    for &images in &counts {
        points.push(channel.point(model, "channel", images)?);
    }
    let slots = channel.program.program().signature().parameters.degree;
    for &images in counts.iter().filter(|n| **n <= MOST_PACKED) {
        let block = Packing::Block(slots / images.next_power_of_two());
        points.push(measured(block, images)?.point(model, "block", images)?);
    }
    for &images in &counts {
        points.push(measured(Packing::Auto, images)?.point(model, "auto", images)?);
    }
    Ok(PackingFigures { name: model.name().to_owned(), points })
}

/// A program ready to run.
struct Workload {
    program: PreparedProgram<beaa_ir::ckks::Program>,
    keys: KeyPair,
    prepare_seconds: f64,
    seed: u64,
    rotations: usize,
}

impl Workload {
    fn new(model: &Model, options: &Options, samples: Option<&ImageMajor<f32>>, seed: u64) -> Result<Self> {
        let compiled = compile_for(model, options, samples)?;
        let rotations = compiled.report.totals.rotations;
        let keys = keygen(compiled.program.signature(), Some(seed))?;
        let (program, prepare_seconds) = on_threads(1, || {
            let started = processor();
            let program = PreparedProgram::new(compiled.program, ArrangedWeights::Kept)?;
            Ok((program, processor() - started))
        })?;
        Ok(Self { program, keys, prepare_seconds, seed, rotations })
    }

    fn point(&self, model: &Model, requested: &str, images: usize) -> Result<PackingPoint> {
        let program = self.program.program();
        let signature = program.signature();
        let (degree, capacity) = (signature.parameters.degree, signature.capacity());
        let batches = images.div_ceil(capacity);
        let run = batches.min(MOST_RUNS);
        let sent = random_images(model, images.min(run * capacity), self.seed)?;
        let (file, client) = (SignatureFile::from(program), &self.keys.client);
        let (input, _) = encrypt(&file, client, &sent, Some(self.seed), &Silent)?;
        let (seconds, output_bytes) = on_threads(1, || {
            let started = processor();
            let (output, _) = self.program.run(&self.keys.server, &input, &Silent)?;
            Ok((processor() - started, output.bytes()))
        })?;
        let all = batches as f64 / run as f64;
        Ok(PackingPoint {
            requested: requested.into(),
            images,
            degree,
            positions: degree / capacity,
            batches,
            rotations: self.rotations,
            seconds: seconds * all,
            milliseconds_per_image: 1e3 * seconds * all / images as f64,
            prepare_seconds: self.prepare_seconds,
            key_bytes: self.keys.server.as_ref().map_or(0, ServerKey::bytes),
            input_bytes: (input.bytes() as f64 * all) as u64,
            output_bytes: (output_bytes as f64 * all) as u64,
        })
    }
}
