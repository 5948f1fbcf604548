//! `beaa verify`: clear and encrypted side by side, the error of every layer against its prediction. For the owner of the
//! model and of the images; must never say that something holds which was not measured.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use beaa_datasets::SourceSpec;
use beaa_ir::ckks::{Program, load_program};
use beaa_ir::{Model, container, load_model};
use beaa_lab::Reporter;
use beaa_lab::metrics::{agreeing, largest_difference, predictions};
use beaa_lab::model_images::normalise;
use beaa_lab::model_images::trained_on;
use beaa_lab::report::tables;
use beaa_runtime::ckks::{self, Verification};
use beaa_runtime::plaintext;
use beaa_trainer::DeviceKind;
use clap::Args;
use serde::Serialize;

use super::compile::Target;
use crate::context::Context;
use crate::dataset_args::{Part, Roots, parse_set};
use crate::exit::Exit;
use crate::lookup;
use crate::progress::Work;

/// Options of `beaa verify`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A model, which is compiled first, or a program.
    #[arg(value_name = "MODEL|PROGRAM")]
    pub(crate) file: PathBuf,
    /// Name of a data set, or its description in JSON; by default the one that the model was trained on.
    #[arg(long, value_name = "NAME", value_parser = parse_set, help_heading = "Data")]
    pub(crate) data_set: Option<SourceSpec>,
    #[command(flatten)]
    pub(crate) part: Part,
    #[command(flatten)]
    pub(crate) roots: Roots,
    #[command(flatten)]
    target: Target,
    /// INSECURE: derive the throw-away keys from a number, to repeat a verification exactly.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

#[derive(Serialize)]
struct Verified {
    verification: Verification,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<AgainstModel>,
}

/// The compiled program in clear against the model it was compiled from.
#[derive(Serialize)]
struct AgainstModel {
    largest_logit_difference: f64,
    agreeing: usize,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    if lookup::is(&arguments.file)? {
        return lookup::verify(arguments, context);
    }
    let (model, program) = load(arguments)?;
    let spec = match (&arguments.data_set, &model) {
        (Some(spec), _) => spec.clone(),
        (None, Some(model)) => trained_on(model)?,
        (None, None) => {
            return Err(Exit::Usage.because("verifying a program: no images; give --data-set"));
        }
    };
    context.warn_of_seed(arguments.seed, "throw-away keys and ciphertexts are");
    let slots = program.signature().parameters.degree;
    let dataset = arguments.roots.open(&spec)?;
    let images = arguments.part.of(&dataset)?.take(slots);
    let inputs = normalise(&images, &program.signature().input)?;
    let against_model = match &model {
        None => None,
        Some(model) => {
            let of_model = beaa_trainer::predict(model, &images, DeviceKind::default())?;
            let of_program = plaintext::run(&program, &inputs)?;
            Some(AgainstModel {
                largest_logit_difference: largest_difference(&of_model, &of_program),
                agreeing: agreeing(&predictions(&of_model), &predictions(&of_program)),
            })
        }
    };
    let keys = ckks::keygen(&program.signature().parameters, arguments.seed)?;
    context.check_interrupted("making keys")?;
    let work = Work::new(&context.console);
    let verification = ckks::verify(&program, &keys, &inputs, arguments.seed, &work)?;
    let result = Verified { verification, model: against_model };
    context.print(&result, || text(&result))?;
    match result.verification.holds {
        true => Ok(()),
        false => Err(Exit::NotVerified.because(
            "verifying: at least one layer has a larger error or larger values than the compiler promised (see the table)",
        )),
    }
}

fn load(arguments: &Arguments) -> Result<(Option<Model>, Program)> {
    let path = &arguments.file;
    if container::kind(path)?.is_none() {
        let model = load_model(path).with_context(|| format!("reading model {}", path.display()))?;
        let options = arguments.target.options()?;
        let program = arguments.target.compile(&model, &options, &arguments.roots)?.program;
        return Ok((Some(model), program));
    }
    Ok((None, load_program(path).with_context(|| format!("reading program {}", path.display()))?))
}

fn text(result: &Verified) -> String {
    let v = &result.verification;
    let mut text = tables::verification(v);
    text.push_str(&format!("encrypted and clear predict the same for {} of {} images\n", v.agreeing, v.images));
    if let Some(m) = &result.model {
        text.push_str(&format!(
            "compiled program against the model, both in clear: same prediction for {} of {} images, largest logit difference {:.2e}\n",
            m.agreeing, v.images, m.largest_logit_difference
        ));
    }
    text + if v.holds { "holds\n" } else { "DOES NOT HOLD\n" }
}
