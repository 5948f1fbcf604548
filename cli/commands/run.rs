//! `beaa run`: a program on ciphertexts, as a server does. There is no option for a secret key, and
//! a secret key given as evaluation key is refused by its kind;
//! `what_runs_on_a_server_knows_no_secret_key` holds it.

use std::path::PathBuf;

use anyhow::Result;
use beaa_evaluation::files;
use clap::Args;

use crate::any_program::{AnyProgram, RunFiles};
use crate::context::Context;
use crate::device_args::DeviceArgs;
use crate::memory_args::MemoryArgs;
use crate::outputs::{CIPHERTEXTS, Files, OutputKind, Replace};
use crate::security::InsecureArgs;

/// Options of `beaa run`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Compiled program.
    #[arg(value_name = "PROGRAM")]
    program: PathBuf,
    /// The client's evaluation key; programs that switch no keys need none.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Encrypted images.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The encrypted results to write.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Also write what took how long (JSON).
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    insecure: InsecureArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    replace: Replace,
}

/// What `--report` writes.
const REPORT: OutputKind = OutputKind::Json("report of `beaa run`", &["file", "run"]);

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    arguments.memory.apply();
    let Arguments { program: path, keys, input, out, report, replace, insecure, device, .. } = arguments;
    let files = |bytes| {
        Files::default()
            .reads("PROGRAM", path.as_path())
            .reads("--keys", keys.as_deref())
            .reads("--input", input.as_path())
            .writes("--out", out.as_path(), CIPHERTEXTS, bytes)
            .writes("--report", report.as_deref(), REPORT, 0)
            .check(replace)
    };
    files(0)?;
    let program = AnyProgram::open(path, context)?;
    files(program.output_bytes())?;
    let card = device.open_for(&program, context)?;
    let paths = RunFiles { keys: keys.as_deref(), input, out, insecure: *insecure };
    let output = program.run(&paths, card.as_ref(), context)?;
    if let Some(path) = report {
        files::write_json(path, &output.record)?;
    }
    context.print(&output.record, || output.text)
}
