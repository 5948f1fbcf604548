//! `beaa run`: a program on ciphertexts, as a server does. Must never accept a secret key; there is no option for one, and a
//! secret key given as evaluation key is refused by its kind.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use beaa_ir::ckks::load_program;
use beaa_lab::Reporter;
use beaa_lab::{files, memory};
use beaa_runtime::ckks::{self, EncryptedInput, ServerKey, schedule};
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::lookup;
use crate::progress::Work;

/// Options of `beaa run`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Compiled program.
    #[arg(value_name = "PROGRAM")]
    pub(crate) program: PathBuf,
    /// The client's evaluation key.
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: PathBuf,
    /// Encrypted images.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// The encrypted results to write.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Also write what took how long (JSON).
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    if lookup::is(&arguments.program)? {
        return lookup::run(arguments, context);
    }
    let program =
        load_program(&arguments.program).with_context(|| format!("reading program {}", arguments.program.display()))?;
    let key = ServerKey::load(&arguments.keys)
        .with_context(|| format!("reading evaluation key {}", arguments.keys.display()))?;
    let input =
        EncryptedInput::load(&arguments.input).with_context(|| format!("reading {}", arguments.input.display()))?;
    let planned = schedule(&program).peak_bytes;
    if let Some(available) = memory::available().filter(|a| *a < planned) {
        context.console.warn(format_args!(
            "running takes {} of memory, {} are available; a program compiled with --memory takes less",
            files::bytes(planned as f64),
            files::bytes(available as f64)
        ));
    }
    let work = Work::new(&context.console);
    let (output, report) = ckks::run(&program, &key, &input, &work)?;
    context.check_interrupted("running; nothing was written")?;
    files::parent(&arguments.out)?;
    let size = output.save(&arguments.out).with_context(|| format!("writing {}", arguments.out.display()))?;
    let slots = program.signature().parameters.degree;
    let result = json!({
        "file": arguments.out, "images": output.images(), "slots": slots, "bytes": size,
        "milliseconds_per_image": 1e3 * report.seconds / output.images() as f64,
        "milliseconds_per_slot": 1e3 * report.seconds / slots as f64,
        "threads": rayon::current_num_threads(),
        "run": report,
    });
    if let Some(path) = &arguments.report {
        files::write_json(path, &result)?;
    }
    context.print(&result, || {
        let mut text = String::new();
        for layer in &report.layers {
            text.push_str(&format!("{:9.3} s  {:40} {}\n", layer.seconds, layer.layer, layer.operation));
        }
        text + &format!(
            "{:9.3} s  in all: {:.3} ms for each of {} images, {:.3} ms for each of {slots} slots\n",
            report.seconds,
            1e3 * report.seconds / output.images() as f64,
            output.images(),
            1e3 * report.seconds / slots as f64
        )
    })
}
