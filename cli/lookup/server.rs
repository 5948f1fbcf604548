//! The server's subcommand for look-up programs, and verification. `run` must never accept a secret key.

use anyhow::{Context as _, Result};
use beaa_ir::tfhe::load_program;
use beaa_lab::Reporter;
use beaa_lab::files;
use beaa_lab::metrics::{accuracy, percent, predictions};
use beaa_runtime::tfhe::{self, EncryptedInput, ServerKey};
use serde_json::json;

use crate::commands::{run, verify};
use crate::context::Context;
use crate::exit::Exit;
use crate::progress::Work;

pub(crate) fn run(arguments: &run::Arguments, context: &Context) -> Result<()> {
    let program =
        load_program(&arguments.program).with_context(|| format!("reading program {}", arguments.program.display()))?;
    let key = ServerKey::load(&arguments.keys)
        .with_context(|| format!("reading evaluation key {}", arguments.keys.display()))?;
    let input =
        EncryptedInput::load(&arguments.input).with_context(|| format!("reading {}", arguments.input.display()))?;
    let work = Work::new(&context.console);
    let (output, report) = tfhe::run(&program, &key, &input, &work)?;
    context.check_interrupted("running; nothing was written")?;
    files::parent(&arguments.out)?;
    let size = output.save(&arguments.out).with_context(|| format!("writing {}", arguments.out.display()))?;
    let each = report.seconds / output.images() as f64;
    let result = json!({
        "file": arguments.out, "images": output.images(), "bytes": size, "seconds_per_image": each,
        "bootstrappings_per_image": program.bootstrappings(), "threads": rayon::current_num_threads(), "run": report,
    });
    if let Some(path) = &arguments.report {
        files::write_json(path, &result)?;
    }
    context.print(&result, || {
        let mut text = String::new();
        for stage in &report.stages {
            text.push_str(&format!(
                "{:9.3} s  {:12} {} bootstrappings\n",
                stage.seconds, stage.layer, stage.bootstrappings
            ));
        }
        text + &format!(
            "{:9.3} s  in all: {each:.3} s for each of {} images; keys expanded in {:.3} s before\n",
            report.seconds,
            output.images(),
            report.keys_seconds
        )
    })
}

pub(crate) fn verify(arguments: &verify::Arguments, context: &Context) -> Result<()> {
    let program =
        load_program(&arguments.file).with_context(|| format!("reading program {}", arguments.file.display()))?;
    let Some(spec) = &arguments.data_set else {
        return Err(Exit::Usage.because("verifying a program: no images; give --data-set"));
    };
    context.warn_of_seed(arguments.seed, "throw-away keys and ciphertexts are");
    let images = arguments.part.of(&arguments.roots.open(spec)?)?;
    // One image unless more are asked for: each takes seconds.
    let images = images.take(arguments.part.limit.unwrap_or(1));
    let pixels: Vec<&[u8]> = (0..images.len()).filter_map(|i| images.image(i)).collect();
    let keys = tfhe::keygen(&program.signature().parameters, arguments.seed)?;
    let work = Work::new(&context.console);
    let found = tfhe::verify(&program, &keys, &pixels, arguments.seed, &work)?;
    let logits: Vec<Vec<f64>> = found.outputs.iter().map(|o| program.signature().logits(o)).collect();
    let right = accuracy(&predictions(&logits), images.labels());
    let result = json!({"verification": found, "accuracy": right});
    context.print(&result, || {
        format!(
            "{} images, {} integers compared with the program in clear: {} differ; {} sums left their slots\n\
             noise after bootstrapping 2^{:.2} of the torus, predicted 2^{:.2}\n\
             {} of the images right; {:.3} s for each\n",
            found.images,
            found.integers,
            found.wrong,
            found.wrapped,
            found.log2_noise,
            found.log2_noise_predicted,
            percent(right),
            found.seconds / found.images.max(1) as f64
        )
    })?;
    match found.wrong {
        0 => Ok(()),
        n => Err(Exit::NotVerified.because(format!("verifying: {n} integers differ from the program in clear"))),
    }
}
