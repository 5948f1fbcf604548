//! A whole program on a graphics card, beside the same on the processor's threads.

use std::time::Instant;

use beaa_cuda::Device;
use beaa_ir::Model;
use beaa_runtime::Silent;
use beaa_runtime::ckks::{ArrangedWeights, PreparedProgram};
use serde::Serialize;

use crate::timing::{Repetitions, TimeSample, on_threads};
use crate::workloads::program::ProgramWorkload;
use crate::{BenchSettings, Error, Result, random_images};

/// Figures of one network on a card.
#[derive(Debug, Clone, Serialize)]
pub struct CardFigures {
    /// The card.
    pub card: String,
    /// Its name of the network.
    pub model: String,
    /// Images in the batch: all slots.
    pub images: usize,
    /// Wall-clock seconds from images in the processor's memory to packed answers there: tables,
    /// keys and images copied, weights arranged, computing, and packing.
    pub run: TimeSample,
    /// Of the fastest of these, the seconds of steps on the card, weights and all.
    pub steps_seconds: f64,
    /// The same run on all threads of the processor.
    pub processor: TimeSample,
    /// Threads of that.
    pub threads: usize,
    /// Bytes of the card's memory at the worst moment, as planned.
    pub planned_bytes: u64,
}

/// Measures `model` on a card of that name with all slots in use. Answers that differ from the
/// processor's in a bit are an error, and give no figure.
///
/// # Errors
/// If the network does not compile, the card fails, or an answer is another one.
pub fn measure_card(device: &impl Device, name: &str, model: &Model, settings: &BenchSettings) -> Result<CardFigures> {
    let workload = ProgramWorkload::new(model, &settings.options, settings.seed)?;
    let images = workload.program.signature().capacity();
    let input = workload.encrypt(&random_images(model, images, settings.seed)?)?;
    let prepared = PreparedProgram::new(&workload.program, ArrangedWeights::PerPart)?;
    let repetitions = Repetitions::large(settings.quick);
    let on_card = || Ok(beaa_cuda::run(device, &prepared, workload.server.as_ref(), &input, &Silent)?);
    let on_processor =
        || on_threads(settings.threads, || Ok(prepared.run(workload.server.as_ref(), &input, &Silent)?));
    let ((answers, report), run) = fastest(repetitions, on_card)?;
    let ((expected, _), processor) = fastest(repetitions, on_processor)?;
    if answers.to_bytes()? != expected.to_bytes()? {
        return Err(Error::OtherBits);
    }
    Ok(CardFigures {
        card: name.to_owned(),
        model: workload.program.signature().model.clone(),
        images,
        run,
        steps_seconds: report.layers.iter().map(|layer| layer.seconds).sum(),
        processor,
        threads: settings.threads,
        planned_bytes: report.peak_bytes_planned,
    })
}

/// Repeats a run; the result of the fastest, and all times.
fn fastest<T>(repetitions: Repetitions, mut run: impl FnMut() -> Result<T>) -> Result<(T, TimeSample)> {
    let mut measure = || {
        let started = Instant::now();
        let result = run()?;
        Ok::<_, Error>((result, started.elapsed().as_secs_f64()))
    };
    let started = Instant::now();
    let (mut best, first) = measure()?;
    let (mut least, mut times) = (first, vec![first]);
    while times.len() < repetitions.least || started.elapsed().as_secs_f64() < repetitions.seconds {
        let (result, seconds) = measure()?;
        times.push(seconds);
        if seconds < least {
            (best, least) = (result, seconds);
        }
    }
    Ok((best, TimeSample::of(times)))
}

#[cfg(test)]
mod tests {
    use beaa_compiler::ckks::Options;
    use beaa_cuda_shim::{Shim, ThreadOrder};

    use super::*;
    use crate::{MemoryProbe, NetworkRecipe, random_network};

    #[test]
    fn a_program_is_measured_on_a_device() {
        let recipe = NetworkRecipe { squares: 1, density: 0.05, ..NetworkRecipe::default() };
        let model = random_network(recipe).unwrap();
        let memory = MemoryProbe { reset: || false, peak: || None };
        let options = Options { logit_error: 0.5, ..Options::default() };
        let settings = BenchSettings { options, threads: 1, quick: true, seed: 1, memory };
        let device = Shim { order: ThreadOrder::Ascending };
        let figures = measure_card(&device, "the shim", &model, &settings).unwrap();
        assert_eq!((figures.card.as_str(), figures.threads), ("the shim", 1));
        assert!(figures.steps_seconds > 0.0 && figures.steps_seconds <= figures.run.minimum, "{figures:?}");
        assert!(figures.planned_bytes > 0);
    }
}
