//! `beaa inspect`: what a file holds.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use beaa_base::words::count;
use beaa_compiler::ckks::{Report, cost, explain, explain_choices};
use beaa_evaluation::metrics::percent;
use beaa_ir::ckks::{ParameterSet, Program, dump, load_program, program_hash};
use beaa_ir::container::{self, Kind};
use beaa_ir::text::{self, Align, table};
use beaa_ir::{Activation, Classes, LayerOp, Model, Range, Shape, load_model};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::console;
use crate::context::Context;
use crate::exit::Exit;
use crate::rates_file::Rates;
use crate::security;

/// Options of `beaa inspect`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A model, program, key or ciphertext file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Of a program: print every step, in the compiler's stable text form.
    #[arg(long, conflicts_with = "json")]
    dump: bool,
    /// Of a program: for each choice of the compiler, what others would have cost.
    #[arg(long, conflicts_with_all = ["dump", "json"])]
    why: bool,
    #[command(flatten)]
    rates: Rates,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let path = &arguments.file;
    let doing = || format!("reading {}", path.display());
    match container::kind(path).with_context(doing)? {
        // Whatever has no kind of ours can only be a model.
        None => {
            let model = load_model(path).with_context(doing)?;
            refuse_dump(arguments, "a model")?;
            context.print(&describe_model(&model), || model_text(&model))
        }
        Some(Kind::Program) => {
            let program = load_program(path).with_context(doing)?;
            if arguments.dump {
                return console::print(&dump(&program));
            }
            let report = cost(&program).on(&program, &arguments.rates.load()?);
            if arguments.why {
                return console::print(&format!("{}\n{}", program_text(&program, &report), explain_choices(&program)));
            }
            context.print(&describe_program(&program, &report), || program_text(&program, &report))
        }
        Some(kind) => {
            let header = container::open::<Value>(path, kind).with_context(doing)?.header;
            refuse_dump(arguments, kind.name())?;
            let bytes = std::fs::metadata(path).map(|m| m.len()).with_context(doing)?;
            let parameters = parameters(kind, &header).map_err(|e| Exit::BadInput.because(e)).with_context(doing)?;
            let security = parameters.as_ref().map(security::record);
            let from_seed = header.get("from_seed") == Some(&Value::Bool(true));
            let value = json!({
                "kind": kind.name(), "bytes": bytes, "header": header, "security": security, "insecure": from_seed,
            });
            context.print(&value, || {
                let mut text = format!("{} file, {}\n", kind.name(), text::bytes(bytes as f64));
                let fields = header.as_object().into_iter().flatten();
                // Seeds are public and long; they say nothing to a reader.
                fields.filter(|(name, _)| !["seed", "seeds"].contains(&name.as_str())).for_each(|(name, value)| {
                    if let ("batches", Value::Array(batches)) = (name.as_str(), value) {
                        batches.iter().zip(1..).for_each(|(b, k)| text.push_str(&batch_text(b, k, batches.len())));
                        return;
                    }
                    let _ = writeln!(text, "  {name}: {value}");
                });
                if let Some(parameters) = &parameters {
                    let _ = writeln!(text, "  security: {}", security::describe(parameters));
                }
                if from_seed {
                    let _ = writeln!(text, "  INSECURE: {}", security::SEEDED);
                }
                text
            })
        }
    }
}

/// One of the batches of ciphertexts or of a receipt.
fn batch_text(batch: &Value, number: usize, of: usize) -> String {
    let images = batch.get("images").and_then(Value::as_u64).map_or_else(String::new, |n| count(n as usize, "image"));
    let copies = match batch.get("copies").and_then(Value::as_array) {
        Some(copies) => format!(" and {} copies", copies.len()),
        None => String::new(),
    };
    let name = batch.get("batch").and_then(Value::as_str).map_or_else(String::new, |name| format!(", {name}"));
    format!("  batch {number} of {of}: {images}{copies}{name}\n")
}

/// The parameters in the header of a key or a signature for batches; other files have none.
fn parameters(kind: Kind, header: &Value) -> Result<Option<ParameterSet>, String> {
    let found = match kind {
        Kind::SecretKey | Kind::EvaluationKey => header.get("parameters"),
        Kind::Signature => header.get("signature").and_then(|s| s.get("parameters")),
        _ => return Ok(None),
    };
    let set = found.map(ParameterSet::deserialize).transpose().map_err(|e| format!("its parameters: {e}"))?;
    set.map(Some).ok_or_else(|| "a header without parameters".to_owned())
}

fn refuse_dump(arguments: &Arguments, what: &str) -> Result<()> {
    match (arguments.dump, arguments.why) {
        (true, _) => Err(Exit::Usage.because(format!("--dump: found {what}, expected a program"))),
        (_, true) => Err(Exit::Usage.because(format!("--why: found {what}, expected a program"))),
        _ => Ok(()),
    }
}

fn describe_model(model: &Model) -> Value {
    let layers: Vec<Value> = model
        .layers()
        .iter()
        .zip(model.shapes())
        .map(|(layer, &shape)| {
            let (detail, parameters, range) = details(&layer.op);
            json!({
                "name": layer.name, "kind": layer.op.kind(), "detail": detail, "output": dimensions(shape),
                "parameters": parameters, "range": range,
            })
        })
        .collect();
    json!({
        "kind": "model", "name": model.name(), "input": model.input(), "classes": model.classes().names(),
        "threshold": model.classes().threshold(),
        "outputs": model.outputs(), "accuracy": model.accuracy(), "layers": layers, "provenance": model.provenance(),
    })
}

fn model_text(model: &Model) -> String {
    let mut rows = vec![["layer", "kind", "output", "parameters", "input range", "detail"].map(String::from).to_vec()];
    let mut total = 0;
    for (layer, &shape) in model.layers().iter().zip(model.shapes()) {
        let (detail, parameters, range) = details(&layer.op);
        total += parameters;
        rows.push(vec![
            layer.name.clone(),
            layer.op.kind().to_owned(),
            shape.to_string(),
            parameters.to_string(),
            range.map_or_else(String::new, |r| format!("{:.3} .. {:.3}", r.min, r.max)),
            detail,
        ]);
    }
    let input = model.input();
    let accuracy = model.accuracy().map_or_else(String::new, |a| {
        format!("accuracy: validation {}, test {}\n", percent(a.validation), percent(a.test))
    });
    format!(
        "model {}: {} x {} x {} in (mean {:?}, std {:?}), {} out, {}\n{accuracy}classes: {}\n\n{}",
        model.name(),
        input.shape[0],
        input.shape[1],
        input.shape[2],
        input.mean,
        input.std,
        model.outputs(),
        count(total, "parameter"),
        classes_text(model.classes()),
        table(&rows, &[Align::Left, Align::Left, Align::Left, Align::Right, Align::Right, Align::Left])
    )
}

/// The names, and what a single output says.
fn classes_text(classes: &Classes) -> String {
    match classes.threshold() {
        Some(threshold) => {
            format!("{} where the score is above {threshold}, else {}", classes.word(1), classes.word(0))
        }
        None if classes.names().is_empty() => "not named".to_owned(),
        None => classes.names().join(", "),
    }
}

/// What else there is to say of a layer, its number of parameters, and the range of an activation's
/// input.
fn details(op: &LayerOp) -> (String, usize, Option<Range>) {
    let parameters = op.tensors().iter().map(|(_, t)| t.data().len()).sum();
    let mut input_range = None;
    let detail = match op {
        LayerOp::Conv2d(c) => format!(
            "{:?}, stride {:?}, padding {:?}, dilation {:?}, {} groups",
            c.weight.shape(),
            c.stride,
            c.padding,
            c.dilation,
            c.groups
        ),
        LayerOp::Linear(l) => format!("{:?}", l.weight.shape()),
        LayerOp::BatchNorm { eps, .. } => format!("eps {eps}"),
        LayerOp::AvgPool(p) => format!("kernel {:?}, stride {:?}", p.kernel, p.stride),
        LayerOp::Add { with } => format!("with {with}"),
        LayerOp::Branch { from } => format!("from {from}"),
        LayerOp::Activation { function, range } => {
            input_range = *range;
            match function {
                Activation::Relu => "relu".to_owned(),
                Activation::Square => "square".to_owned(),
                Activation::Polynomial(p) => format!("quadratic, coefficients of shape {:?}", p.a.shape()),
            }
        }
        _ => String::new(),
    };
    (detail, parameters, input_range)
}

fn dimensions(shape: Shape) -> Vec<usize> {
    match shape {
        Shape::Map { channels, height, width } => vec![channels, height, width],
        Shape::Flat { features } => vec![features],
    }
}

fn describe_program(program: &Program, report: &Report) -> Value {
    json!({
        "kind": "program", "hash": program_hash(program), "signature": program.signature(),
        "security": security::record(&program.signature().parameters),
        "steps": program.steps().len(), "report": report, "notes": program.notes(),
        "alternatives": program.alternatives(),
    })
}

fn program_text(program: &Program, report: &Report) -> String {
    let signature = program.signature();
    let [channels, height, width] = signature.input.shape;
    let reads = &signature.reads;
    let read = if reads.is_all() {
        String::new()
    } else {
        format!(" ({} of {} elements are read and sent)", reads.count(), reads.elements())
    };
    format!(
        "program {}\ninput {channels} x {height} x {width}{read} at scale 2^{:.2}, {} at scale 2^{:.2} in {}\n\
         security: {}\n\n{}",
        program_hash(program),
        signature.input_scale.log2(),
        count(signature.classes.outputs(), "output"),
        signature.output_scale.log2(),
        count(signature.output_components, "component"),
        security::describe(&signature.parameters),
        explain(report)
    )
}
