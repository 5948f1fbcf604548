//! Packings side by side: one element of every image in a ciphertext, one image in each, all slots
//! shared by the images, and what the compiler takes, by the number of images that are answered
//! together. On one thread, in processor seconds; every program is prepared before it is timed.

use beaa_compiler::ckks::{Options, Packing, Samples, compile_for};
use beaa_ir::Model;
use beaa_ir::ckks::SignatureFile;
use beaa_runtime::Silent;
use beaa_runtime::ckks::{ArrangedWeights, KeyPair, PreparedProgram, ServerKey, encrypt, keygen};

use super::figures::{PackingFigures, PackingMethod, PackingPoint};
use crate::timing::{on_threads, processor};
use crate::{Result, random_images};

/// Images that are packed at a time, at most: with more, every vector of constants is hardly used.
const MOST_PACKED: usize = 256;
/// Batches that are run where each takes as long as any other; more are a multiple.
const MOST_RUNS: usize = 2;
/// A run is repeated, and the least time counts, as long as all together take less.
const REPEAT_SECONDS: f64 = 3.0;
/// The most repetitions.
const REPETITIONS: usize = 5;

/// What to measure packings of.
#[derive(Clone, Copy)]
pub struct PackingTask<'a> {
    /// The network.
    pub model: &'a Model,
    /// What precision is predicted on; without them there can be no agreement to keep.
    pub samples: Option<Samples<'a>>,
    /// Options of the compiler; packing and batch are set for each point.
    pub options: &'a Options,
    /// Numbers of images that are answered together.
    pub images: &'a [usize],
    /// Of images and keys, which protect nothing here.
    pub seed: u64,
}

/// Measures each packing with so many images.
///
/// # Errors
///
/// If the model does not compile for a packing.
pub fn measure_packings(task: PackingTask<'_>) -> Result<PackingFigures> {
    let PackingTask { model, images: counts, .. } = task;
    let measured = |packing: Packing, images: usize| {
        let options = Options { packing, batch: images, ..task.options.clone() };
        Workload::new(task, &options)
    };
    let mut points: Vec<PackingPoint> = Vec::new();
    for &images in counts {
        points.push(measured(Packing::Element, images)?.point(model, PackingMethod::Element, images)?);
    }
    // A program for one image at a time is the same for any number of them.
    let channel = measured(Packing::Channel, 1)?;
    for &images in counts {
        points.push(channel.point(model, PackingMethod::Channel, images)?);
    }
    let slots = channel.program.program().signature().parameters.degree;
    for &images in counts.iter().filter(|n| **n <= MOST_PACKED) {
        let block = Packing::Block(slots / images.next_power_of_two());
        points.push(measured(block, images)?.point(model, PackingMethod::Block, images)?);
    }
    for &images in counts {
        points.push(measured(Packing::Auto, images)?.point(model, PackingMethod::Auto, images)?);
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
    fn new(PackingTask { model, samples, seed, .. }: PackingTask<'_>, options: &Options) -> Result<Self> {
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

    fn point(&self, model: &Model, method: PackingMethod, images: usize) -> Result<PackingPoint> {
        let program = self.program.program();
        let signature = program.signature();
        let (degree, capacity) = (signature.parameters.degree, signature.capacity());
        let batches = images.div_ceil(capacity);
        let run = batches.min(MOST_RUNS);
        let sent = random_images(model, images.min(run * capacity), self.seed)?;
        let (file, client) = (SignatureFile::from(program), &self.keys.client);
        let (input, _) = encrypt(&file, client, &sent, Some(self.seed), &Silent)?;
        let (seconds, output_bytes) = on_threads(1, || {
            let (mut least, mut spent, mut bytes) = (f64::INFINITY, 0.0, 0);
            for _ in 0..REPETITIONS {
                let started = processor();
                let (output, _) = self.program.run(&self.keys.server, &input, &Silent)?;
                let seconds = processor() - started;
                (least, spent, bytes) = (seconds.min(least), spent + seconds, output.bytes());
                if spent + seconds > REPEAT_SECONDS {
                    break;
                }
            }
            Ok((least, bytes))
        })?;
        let all = batches as f64 / run as f64;
        Ok(PackingPoint {
            method,
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
