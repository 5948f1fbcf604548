//! `beaa import`: a network trained elsewhere into a model.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use beaa_base::json;
use beaa_base::preprocessing::Preprocessing;
use beaa_base::words::count;
use beaa_datasets::{Dataset, SourceSpec, Split};
use beaa_evaluation::files;
use beaa_evaluation::model_images::normalise;
use beaa_import::{Imported, Options, import_onnx, import_state_dict, measure_ranges};
use beaa_ir::{InputSpec, InputValues, LayerOp, Model, RealChannels, save_model};
use clap::Args;

use crate::context::Context;
use crate::dataset_args::{DatasetRoots, Part, parse_set};
use crate::exit::Exit;
use crate::memory_args::MemoryArgs;
use crate::outputs::{Files, OutputKind, Replace};

/// Options of `beaa import`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// An ONNX file (.onnx), or a PyTorch state dictionary (.safetensors) with --architecture.
    #[arg(value_name = "NETWORK")]
    network: PathBuf,
    /// The model to write (.safetensors).
    #[arg(short, long, value_name = "MODEL")]
    out: PathBuf,
    /// The layers of a state dictionary in order, as JSON (docs/import.md).
    #[arg(long, value_name = "JSON")]
    architecture: Option<PathBuf>,
    /// A short name; by default the file's.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What was subtracted from pixels scaled to 0..1, one number per channel or one for all
    /// [default: 0].
    #[arg(long, value_name = "M,..", value_delimiter = ',', allow_negative_numbers = true, help_heading = "Images")]
    mean: Option<Vec<f32>>,
    /// What pixels were divided by after that, one number per channel or one for all [default: 1].
    #[arg(long, value_name = "S,..", value_delimiter = ',', help_heading = "Images")]
    std: Option<Vec<f32>>,
    /// The shape of an image, for ONNX networks that take a plain vector; a single number is that
    /// of the columns of a row.
    #[arg(long, value_name = "CxHxW", value_parser = parse_shape, help_heading = "Images")]
    shape: Option<[usize; 3]>,
    /// What is done to pictures before the network sees them, as JSON: {"from": [1, 28, 28],
    /// "steps": [{"crop": {"top": 3, "left": 3, "height": 22, "width": 22}}]}
    /// [default: that of --samples].
    #[arg(long, value_name = "JSON", value_parser = parse_preprocessing, help_heading = "Images")]
    preprocess: Option<Preprocessing>,
    /// The smallest value of real numbers (rows, signals), one per channel or one for all: the
    /// network takes these instead of pixels, and they are not scaled before --mean is subtracted.
    #[arg(long, value_name = "V,..", value_delimiter = ',', allow_negative_numbers = true, requires = "max")]
    #[arg(help_heading = "Rows and signals")]
    min: Option<Vec<f32>>,
    /// The largest value of real numbers, one per channel or one for all.
    #[arg(long, value_name = "V,..", value_delimiter = ',', allow_negative_numbers = true, requires = "min")]
    #[arg(help_heading = "Rows and signals")]
    max: Option<Vec<f32>>,
    /// The name of each channel of real numbers (column, lead), by which `beaa encrypt --rows`
    /// finds them [default: those of --samples].
    #[arg(long, value_name = "A,B,..", value_delimiter = ',', help_heading = "Rows and signals")]
    columns: Option<Vec<String>>,
    /// The output of an ONNX network that holds the scores, where it has several.
    #[arg(long, value_name = "NAME")]
    output: Option<String>,
    /// One name per output; two for a single output, first that of low scores.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',', help_heading = "Images")]
    classes: Option<Vec<String>>,
    /// For a single output: the probability above which an image is of the second class
    /// [default: 0.5, a score of 0].
    #[arg(long, value_name = "P", help_heading = "Images")]
    threshold: Option<f64>,
    /// A data set, by name or described in JSON: measure on its training images how far the inputs
    /// of activations reach.
    #[arg(long, value_name = "SET", value_parser = parse_set, help_heading = "Data")]
    samples: Option<SourceSpec>,
    /// At most so many of its images.
    #[arg(long, value_name = "N", default_value_t = 256, requires = "samples", help_heading = "Data")]
    limit: usize,
    #[command(flatten)]
    roots: DatasetRoots,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    replace: Replace,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    arguments.memory.apply();
    Files::default()
        .reads("NETWORK", arguments.network.as_path())
        .reads("--architecture", arguments.architecture.as_deref())
        .writes("--out", arguments.out.as_path(), OutputKind::Model, 0)
        .check(&arguments.replace)?;
    let samples = arguments.samples.as_ref().map(|set| arguments.roots.open(set)).transpose()?;
    let Imported { model, mut notes } = read(arguments, samples.as_ref())?;
    let model = with_real_numbers(model, arguments, samples.as_ref())?;
    let model = match &samples {
        Some(samples) => measured(arguments, samples, model, context)?,
        None => model,
    };
    let activations = |model: &Model, ranged: bool| {
        let wanted = |op: &LayerOp| matches!(op, LayerOp::Activation { range, .. } if range.is_some() || !ranged);
        model.layers().iter().filter(|l| wanted(&l.op)).count()
    };
    let (ranged, all) = (activations(&model, true), activations(&model, false));
    if ranged < all {
        notes.push(format!(
            "{} of {} without a range: the compiler bounds values by interval arithmetic, which is \
             safe but soon \
             too wide for a deep network; measure ranges with --samples",
            all - ranged,
            count(all, "activation")
        ));
    }
    let input = model.input();
    if input.mean.iter().all(|m| *m == 0.0) && input.std.iter().all(|s| *s == 1.0) {
        notes.push(match input.reals() {
            None => "pixels are taken as 0..1; if the network was trained on normalised images, give --mean and --std"
                .to_owned(),
            Some(_) => "numbers are taken as they are; if the network was trained on standardised ones (a scaler that \
                        is not in the file), give --mean and --std"
                .to_owned(),
        });
    }
    notes.iter().for_each(|note| context.console.note(format_args!("note: {note}")));
    files::create_parent(&arguments.out)?;
    save_model(&model, &arguments.out).with_context(|| format!("writing model {}", arguments.out.display()))?;
    context.console.note(format_args!("model written to {}", arguments.out.display()));
    let [channels, height, width] = input.shape;
    let record = serde_json::json!({
        "model": arguments.out, "name": model.name(), "input": input, "outputs": model.outputs(),
        "threshold": model.classes().threshold(), "classes": model.classes().names(),
        "layers": model.layers().len(), "activations": all, "ranges": ranged, "notes": notes,
    });
    context.print(&record, || {
        format!(
            "{}: {channels} x {height} x {width} in, {} out, {}, {ranged} of {} with a range\n",
            model.name(),
            model.outputs(),
            count(model.layers().len(), "layer"),
            count(all, "activation")
        )
    })
}

fn read(arguments: &Arguments, samples: Option<&Dataset>) -> Result<Imported> {
    let options = Options {
        name: arguments.name.clone(),
        mean: arguments.mean.clone(),
        std: arguments.std.clone(),
        classes: arguments.classes.clone(),
        shape: arguments.shape,
        preprocessing: arguments.preprocess.as_ref().or(samples.and_then(Dataset::preprocessing)).cloned(),
        output: arguments.output.clone(),
        threshold: arguments.threshold,
    };
    let ending = arguments.network.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let imported = match (ending, &arguments.architecture) {
        ("onnx", None) => import_onnx(&arguments.network, &options),
        ("safetensors", Some(architecture)) => import_state_dict(&arguments.network, architecture, &options),
        _ => {
            return Err(Exit::Usage.because(format!(
                "importing {}: expected an .onnx file, or a .safetensors file with --architecture JSON",
                arguments.network.display()
            )));
        }
    };
    imported.with_context(|| format!("importing {}", arguments.network.display()))
}

/// `model` with the ranges that training images of a data set show.
fn measured(arguments: &Arguments, samples: &Dataset, model: Model, context: &Context) -> Result<Model> {
    let images = Part { split: "train".to_owned(), limit: Some(arguments.limit) }.of(samples)?;
    let inputs = normalise(&images, model.input())?;
    context.console.note(format_args!("measuring ranges on {}", count(inputs.images(), "image")));
    Ok(measure_ranges(model, &inputs)?)
}

/// `model`, taking real numbers if the options or the samples say so: their range is as stated, or
/// what the set allows.
fn with_real_numbers(model: Model, arguments: &Arguments, samples: Option<&Dataset>) -> Result<Model> {
    let of_set = samples.and_then(|set| set.allowed().zip(set.split(Split::Train).reals()));
    let (min, max) = match (&arguments.min, &arguments.max, of_set) {
        (Some(min), Some(max), _) => (min.clone(), max.clone()),
        (_, _, Some((allowed, _))) => allowed.iter().map(|&[min, max]| (min, max)).unzip(),
        _ if arguments.columns.is_some() => {
            return Err(Exit::Usage.because(
                "--columns: found names of columns and no range of their values; give --min and --max, or a set of \
                 rows as --samples",
            ));
        }
        _ => return Ok(model),
    };
    let names = match (&arguments.columns, of_set) {
        (Some(names), _) => names.clone(),
        (None, Some((_, reals))) => reals.channels.clone(),
        (None, None) => Vec::new(),
    };
    let mut literal = model.into_literal();
    let channels = literal.input.shape[0];
    let each = |values: Vec<f32>| if let [one] = values[..] { vec![one; channels] } else { values };
    let values = InputValues::Reals(RealChannels { min: each(min), max: each(max), names });
    literal.input = InputSpec { values, ..literal.input };
    Ok(Model::try_from(literal)?)
}

/// The JSON of a model's preprocessing.
fn parse_preprocessing(text: &str) -> Result<Preprocessing, String> {
    json::parse(text).map_err(|error| error.to_string())
}

/// `1x28x28`; `30` is a row of 30 columns.
fn parse_shape(text: &str) -> Result<[usize; 3], String> {
    let sizes: Option<Vec<usize>> = text.split('x').map(|s| s.parse().ok().filter(|n| *n > 0)).collect();
    match sizes.as_deref() {
        Some(&[channels, height, width]) => Ok([channels, height, width]),
        Some(&[columns]) => Ok([columns, 1, 1]),
        _ => Err("expected channels, rows and columns, like 1x28x28, or the columns of a row, like 30".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_three_sizes() {
        assert_eq!(parse_shape("1x28x28"), Ok([1, 28, 28]));
        assert_eq!(parse_shape("30"), Ok([30, 1, 1]));
        for wrong in ["28x28", "1x0x2", "1x2x3x4", "axbxc", ""] {
            assert!(parse_shape(wrong).unwrap_err().contains("1x28x28"), "{wrong}");
        }
    }
}
