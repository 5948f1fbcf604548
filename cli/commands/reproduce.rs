//! `beaa reproduce`: a matrix of experiments into tables and plots.

use std::path::{Path, PathBuf};

use anyhow::Result;
use beaa_evaluation::Reporter;
use beaa_evaluation::files;
use beaa_lab::matrix::{
    Matrix, PackingResults, PlannedRun, Results, RunFilter, Runner, Summary, claim, finished_rows, markdown,
    measure_packings, packing_outputs, plots, summarise,
};
use beaa_lab::run_folder::Start;
use beaa_trainer::DeviceKind;
use clap::Args;

use crate::context::Context;
use crate::dataset_args::DatasetRoots;
use crate::memory_args::MemoryArgs;
use crate::training_args::Device;

/// Options of `beaa reproduce`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Matrix of experiments (JSON), see configs/experiments/.
    #[arg(value_name = "MATRIX")]
    matrix: PathBuf,
    /// Folder for results, tables, plots and models; default runs/<name of the matrix>.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only the runs with these variations, as `activation=element|channel,seed=1`; may be repeated
    /// for more.
    #[arg(long, value_name = "AXIS=NAME,...")]
    only: Vec<RunFilter>,
    /// Go on: keep finished runs, take up an interrupted one where it stopped.
    #[arg(long)]
    resume: bool,
    /// Throw away what is in the folder and start anew.
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Only list the runs, in their order.
    #[arg(long)]
    list: bool,
    /// Where to compute; ndarray is Burn's older CPU backend, and slower; wgpu and cuda are GPUs.
    #[arg(long, value_name = "DEVICE")]
    device: Option<Device>,
    #[command(flatten)]
    roots: DatasetRoots,
    #[command(flatten)]
    memory: MemoryArgs,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    arguments.memory.apply();
    let matrix = Matrix::read(&arguments.matrix, arguments.device.map(DeviceKind::from))?;
    let chosen = RunFilter::select(&arguments.only, "--only", &matrix.axes, &matrix.runs)?;
    if arguments.list {
        let titles: Vec<String> = chosen.iter().map(|run| run.title()).collect();
        return context.print(&titles, || titles.iter().map(|t| format!("{t}\n")).collect());
    }
    let folder = arguments.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&matrix.name));
    let start = match (arguments.resume, arguments.force) {
        (true, _) => Start::Resume,
        (false, true) => Start::Replace,
        (false, false) => Start::New,
    };
    let _lock = claim(&folder, start)?;
    let mut results = if arguments.resume { Results::open(&folder, context)? } else { Results::empty(&folder) };
    let mut packings =
        if arguments.resume { PackingResults::open(&folder, context)? } else { PackingResults::empty(&folder) };
    let mut written = None;
    let mut runner = Runner::new(&folder, arguments.roots.paths(), context);
    for (i, run) in chosen.iter().enumerate() {
        let finished = results.rows().iter().any(|row| row.key == run.key);
        let already = if finished { ": finished already" } else { "" };
        context.console.note(format_args!("[{}/{}] {}{already}", i + 1, chosen.len(), run.title()));
        if !finished {
            results.add(runner.run(run)?)?;
            written = Some(write(&matrix, &results, &folder)?);
            context
                .check_interrupted("a run; all finished runs are saved, go on with the same command and --resume")?;
        }
    }
    let (summary, mut text) = match written {
        Some(written) => written,
        None => write(&matrix, &results, &folder)?,
    };
    if let Some(study) = &matrix.packings {
        let finished = |run: &&&PlannedRun| study.keys.contains(&run.key) && has_program(&results, run);
        for run in chosen.iter().filter(finished) {
            if packings.rows().iter().any(|row| row.key == run.key) {
                continue;
            }
            context.console.note(format_args!("packings of {}", run.title()));
            packings.add(measure_packings(study, run, &folder, &arguments.roots.paths(), context)?)?;
            context.check_interrupted("packings; go on with the same command and --resume")?;
        }
        for (name, content) in packing_outputs(study, packings.rows(), &summary)? {
            files::write(&folder.join(name), content.as_bytes())?;
            if name.ends_with(".md") {
                text = format!("{text}\n{content}");
            }
        }
    }
    context.print(&summary, || text)?;
    context.console.note(format_args!("table and plots: {}", folder.display()));
    Ok(())
}

fn has_program(results: &Results, run: &PlannedRun) -> bool {
    results.rows().iter().any(|row| row.key == run.key && row.encrypted().is_some())
}

/// Table and plots of all rows so far, runs that --only leaves out included. Gives the figures
/// and the table's text.
fn write(matrix: &Matrix, results: &Results, folder: &Path) -> Result<(Summary, String)> {
    let summary = summarise(matrix, &finished_rows(&matrix.runs, results.rows()));
    let text = markdown(&summary);
    files::write(&folder.join("table.md"), text.as_bytes())?;
    files::write_json(&folder.join("table.json"), &summary)?;
    for (name, svg) in plots(&summary)? {
        files::write(&folder.join(name), svg.as_bytes())?;
    }
    Ok((summary, text))
}
