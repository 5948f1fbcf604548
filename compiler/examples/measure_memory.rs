//! Compiles a model, runs it on encrypted random images, and says what memory and time that took
//! against what was planned: `cargo run --release -p beaa-compiler --example measure_memory --
//! MODEL FOLDER [GIBIBYTES] [IMAGES] [LOGIT_ERROR]`. The folder takes the encrypted images.
//! Resident memory is that of the run alone, from Linux' own account.

#![allow(clippy::unwrap_used)]

#[path = "../tests/kit/mod.rs"]
#[allow(dead_code, reason = "shared")]
mod kit;

use std::path::Path;
use std::time::Instant;

use beaa_compiler::ckks::{Options, compile, explain};
use beaa_ir::ckks::SignatureFile;
use beaa_ir::images::ImageMajor;
use beaa_ir::{Model, load_model};
use beaa_runtime::Silent;
use beaa_runtime::ckks::{EncryptedInput, KeyPair, decrypt, encrypt, keygen, run};

const GIB: f64 = (1_u64 << 30) as f64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| arguments.get(i).map(|a: &String| a.parse::<f64>().unwrap()).filter(|v| *v > 0.0);
    let model = load_model(Path::new(&arguments[0])).unwrap();
    let path = Path::new(&arguments[1]).join("images.ct");
    let default = Options::default();
    let options = Options {
        memory: number(2).map(|g| (g * GIB) as u64),
        batch: number(3).map_or(default.batch, |n| n as usize),
        logit_error: number(4).unwrap_or(default.logit_error),
        ..default
    };
    let started = Instant::now();
    let compiled = compile(&model, &options).unwrap();
    let program = compiled.program;
    println!("{}compiled in {:.2?}, {} steps", explain(&compiled.report), started.elapsed(), program.steps().len());

    let images = kit::images(&model, 7, options.batch);
    let KeyPair { client, server } = keygen(program.signature(), Some(1)).unwrap();
    let file = SignatureFile::from(&program);
    let started = Instant::now();
    let (input, receipt) = encrypt(&file, &client, &images, Some(2), &Silent).unwrap();
    input.save(&path).unwrap();
    println!("encrypted in {:.2?}", started.elapsed());

    let input = EncryptedInput::load(&path).unwrap();
    // Forgets earlier peaks.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    let (output, report) = run(&program, &server, &input, &Silent).unwrap();
    println!(
        "before {:.2} GiB, resident at most {:.2} GiB, of which files {:.2} GiB now; planned {:.2} GiB; {:.1} s",
        before,
        status("VmHWM:"),
        status("RssFile:"),
        report.peak_bytes_planned as f64 / GIB,
        report.seconds
    );
    for layer in &report.layers {
        println!("{:10.2} s {:30} {}", layer.seconds, layer.layer, layer.operation);
    }
    let found = decrypt(&file, &client, &output, &receipt).unwrap();
    compare(&model, &images, found.exact());
}

/// The model itself, in `f64`, on a few of the images.
fn compare(model: &Model, images: &ImageMajor<f32>, found: &ImageMajor<f64>) {
    let few = images.rows().zip(found.rows()).take(64);
    let errors: Vec<f64> = few
        .flat_map(|(image, found)| {
            let expected = beaa_ir::evaluate(model, image).unwrap();
            found.iter().zip(expected).map(|(f, e)| f - e).collect::<Vec<_>>()
        })
        .collect();
    let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
    let largest = errors.iter().fold(0.0_f64, |m, e| m.max(e.abs()));
    println!("against the model in f64: root mean square {rms:.2e}, largest {largest:.2e}");
}

fn status(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0 / GIB
}
