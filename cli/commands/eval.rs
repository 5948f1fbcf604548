//! `beaa eval`: accuracy in clear, of a model and of the program compiled from it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use beaa_base::words::count;
use beaa_datasets::SourceSpec;
use beaa_evaluation::classes::{classes, remarks};
use beaa_evaluation::labels;
use beaa_evaluation::metrics::{Classification, agreeing, classification, fraction, largest_difference, percent};
use beaa_evaluation::model_images::{as_taken_by, trained_on};
use beaa_ir::images::ImageMajor;
use beaa_ir::{Classes, load_model};
use beaa_trainer::DeviceKind;
use clap::Args;
use serde::Serialize;

use crate::any_program::AnyProgram;
use crate::context::Context;
use crate::dataset_args::{DatasetRoots, Part, parse_set};
use crate::exit::Exit;
use crate::memory_args::MemoryArgs;
use crate::training_args::Device;

/// Options of `beaa eval`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Model file (.safetensors).
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// A program compiled from the model: run it in clear as well and compare.
    #[arg(long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// Name of a data set, or its description in JSON; by default the one that the model was
    /// trained on.
    #[arg(long, value_name = "NAME", value_parser = parse_set, help_heading = "Data")]
    data_set: Option<SourceSpec>,
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    roots: DatasetRoots,
    /// Where to compute.
    #[arg(long, value_name = "DEVICE", default_value = "flex")]
    device: Device,
    #[command(flatten)]
    memory: MemoryArgs,
}

#[derive(Serialize)]
struct Evaluation {
    model: String,
    data_set: String,
    split: String,
    #[serde(flatten)]
    figures: Classification,
    /// What the figures do not say of themselves.
    remarks: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<ProgramEvaluation>,
}

#[derive(Serialize)]
struct ProgramEvaluation {
    #[serde(flatten)]
    figures: Classification,
    agreement: Option<f64>,
    largest_logit_difference: f64,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    arguments.memory.apply();
    let model = load_model(&arguments.model).with_context(|| format!("reading model {}", arguments.model.display()))?;
    let spec = match &arguments.data_set {
        Some(spec) => spec.clone(),
        None => trained_on(&model)?,
    };
    let part = arguments.roots.open_part(&spec, &arguments.part)?;
    if !part.labelled {
        return Err(Exit::BadInput.because(format!(
            "evaluating {}: found images of {} without labels, expected a file of labels beside them; describe it as \
             \"labels\"",
            model.name(),
            part.name
        )));
    }
    let labels = labels::of_network(model.classes(), &part.classes, part.images.labels(), context)?;
    let images = as_taken_by(&part.images, model.input())?;
    let logits = beaa_trainer::predict(&model, &images, DeviceKind::from(arguments.device))?;
    let predicted = model.classes().of(&logits);
    let program = match &arguments.program {
        None => None,
        Some(path) => {
            let program = AnyProgram::open(path, context)?;
            program.expect_classes_of(&model)?;
            let of_program = program.evaluate(&images)?;
            let predicted_by_program = program.classes().of(&of_program);
            Some(ProgramEvaluation {
                figures: judged(program.classes(), &of_program, &labels),
                agreement: fraction(agreeing(&predicted, &predicted_by_program), images.len()),
                largest_logit_difference: largest_difference(logits.rows(), of_program.rows()),
            })
        }
    };
    let figures = judged(model.classes(), &logits, &labels);
    let result = Evaluation {
        model: model.name().to_owned(),
        data_set: part.name,
        split: arguments.part.split.clone(),
        remarks: remarks(&figures),
        figures,
        program,
    };
    context.print(&result, || text(&result))
}

/// The figures of images, of which there are some.
fn judged<T: Copy + Into<f64>>(classes: &Classes, logits: &ImageMajor<T>, labels: &[usize]) -> Classification {
    classification(classes, logits, labels).unwrap_or_else(|| unreachable!("no image was chosen"))
}

fn text(result: &Evaluation) -> String {
    let mut text = format!(
        "{}: {} on {} of {}\n{}",
        result.model,
        percent(Some(result.figures.accuracy)),
        count(result.figures.images, &format!("{} image", result.split)),
        result.data_set,
        classes(&result.figures)
    );
    if let Some(program) = &result.program {
        text.push_str(&format!(
            "program in clear: {} (balanced {}), same prediction for {}, largest logit difference {:.2e}\n",
            percent(Some(program.figures.accuracy)),
            percent(Some(program.figures.balanced_accuracy)),
            percent(program.agreement),
            program.largest_logit_difference
        ));
    }
    text
}
