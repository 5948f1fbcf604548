//! `beaa import`: a network trained elsewhere into a model.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use beaa_base::words::count;
use beaa_datasets::SourceSpec;
use beaa_import::{Imported, Options, import_onnx, import_state_dict, measure_ranges};
use beaa_ir::{LayerOp, Model, save_model};
use beaa_lab::files;
use beaa_lab::model_images::normalise;
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::dataset_args::{DatasetRoots, Part, parse_set};
use crate::exit::Exit;
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
    /// The shape of an image, for ONNX networks that take a plain vector.
    #[arg(long, value_name = "CxHxW", value_parser = parse_shape, help_heading = "Images")]
    shape: Option<[usize; 3]>,
    /// One name per output.
    #[arg(long, value_name = "A,B,..", value_delimiter = ',', help_heading = "Images")]
    classes: Option<Vec<String>>,
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
    replace: Replace,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    Files::default()
        .reads("NETWORK", arguments.network.as_path())
        .reads("--architecture", arguments.architecture.as_deref())
        .writes("--out", arguments.out.as_path(), OutputKind::Model, 0)
        .check(&arguments.replace)?;
    let Imported { model, mut notes } = read(arguments)?;
    let model = match &arguments.samples {
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
        notes.push(
            "pixels are taken as 0..1; if the network was trained on normalised images, give --mean and --std"
                .to_owned(),
        );
    }
    notes.iter().for_each(|note| context.console.note(format_args!("note: {note}")));
    files::create_parent(&arguments.out)?;
    save_model(&model, &arguments.out).with_context(|| format!("writing model {}", arguments.out.display()))?;
    context.console.note(format_args!("model written to {}", arguments.out.display()));
    let [channels, height, width] = input.shape;
    let record = json!({
        "model": arguments.out, "name": model.name(), "input": input, "outputs": model.outputs(),
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

fn read(arguments: &Arguments) -> Result<Imported> {
    let options = Options {
        name: arguments.name.clone(),
        mean: arguments.mean.clone(),
        std: arguments.std.clone(),
        classes: arguments.classes.clone(),
        shape: arguments.shape,
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
fn measured(arguments: &Arguments, samples: &SourceSpec, model: Model, context: &Context) -> Result<Model> {
    let dataset = arguments.roots.open(samples)?;
    let images = Part { split: "train".to_owned(), limit: Some(arguments.limit) }.of(&dataset)?;
    let inputs = normalise(&images, model.input())?;
    context.console.note(format_args!("measuring ranges on {}", count(inputs.images(), "image")));
    Ok(measure_ranges(model, &inputs)?)
}

/// `1x28x28`.
fn parse_shape(text: &str) -> Result<[usize; 3], String> {
    let sizes: Option<Vec<usize>> = text.split('x').map(|s| s.parse().ok().filter(|n| *n > 0)).collect();
    match sizes.as_deref() {
        Some(&[channels, height, width]) => Ok([channels, height, width]),
        _ => Err("expected channels, rows and columns, like 1x28x28".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_three_sizes() {
        assert_eq!(parse_shape("1x28x28"), Ok([1, 28, 28]));
        for wrong in ["28x28", "1x0x2", "1x2x3x4", "axbxc", ""] {
            assert!(parse_shape(wrong).unwrap_err().contains("1x28x28"), "{wrong}");
        }
    }
}
