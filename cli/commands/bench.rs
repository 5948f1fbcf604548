//! `beaa bench`: what this machine does: kernels against the processor's peak, a whole network
//! against the same in plain f32, sweeps, and the rates that predictions use.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use beaa_base::words::count;
use beaa_bench::{
    BackendFigures, BenchSettings, CardFigures, KernelFigures, MemoryProbe, NetworkFigures, NetworkRecipe,
    PackingFigures, PackingTask, SweepFigures, Table, backend_plots, backend_tables, card_tables, check_table, checks,
    fill_page, kernel_tables, network_tables, packing_plot, packing_tables, plots, random_network, sweep_tables,
};
#[cfg(feature = "tfhe")]
use beaa_bench::{BreakEvenCase, compare_backends, random_pixels};
use beaa_compiler::Machine;
#[cfg(feature = "tfhe")]
use beaa_compiler::{ckks, tfhe};
use beaa_cuda::RunDevice;
use beaa_evaluation::{Reporter, files};
use beaa_ir::{Model, load_model};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::compile_args::{self, CompileArgs};
use crate::context::Context;
use crate::dataset_args::DatasetRoots;
use crate::device_args;
use crate::exit::Exit;
use crate::outputs::Replace;
use crate::rates_file::Rates;

/// Random images that the program of a random network is calibrated on.
#[cfg(feature = "tfhe")]
const RANDOM_IMAGES: usize = 1000;

/// Numbers of images that packings are measured with.
const PACKED_IMAGES: [usize; 8] = [1, 4, 16, 64, 256, 1024, 4096, 8192];

/// Options of `beaa bench`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What to measure; by default all but `calibrate`, `backends` and `packings`.
    #[arg(value_name = "WHAT", value_enum)]
    what: Vec<What>,
    /// Measure this model (.safetensors) instead of a random CryptoNets network.
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Of random weights, images and keys; nothing here is secret.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Repeat less and sweep over less: rough figures, sooner.
    #[arg(long)]
    quick: bool,
    /// Fail (exit code 4) when a ratio within this run is worse than it should be.
    #[arg(long)]
    check: bool,
    /// Also write the tables into this page, between its marks, and the plots beside it.
    #[arg(long, value_name = "FILE")]
    docs: Option<PathBuf>,
    #[command(flatten)]
    target: CompileArgs,
    #[command(flatten)]
    roots: DatasetRoots,
    /// Measure the network on this device, too: `cuda` (the first graphics card) or `cuda:N`.
    #[arg(long, value_name = "DEVICE", default_value_t = RunDevice::Processor)]
    device: RunDevice,
    #[command(flatten)]
    rates: Rates,
    #[command(flatten)]
    replace: Replace,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The rates that predictions use; kept in a file for `compile`, `inspect` and later runs of
    /// `bench`.
    Calibrate,
    /// Each arithmetic path against the peak of its multiply instruction.
    Kernels,
    /// The whole way of one network, against the same in plain f32 on one core.
    Network,
    /// Over batch size, depth, ring and limbs, and pruned weights.
    Sweep,
    /// `ckks` and `tfhe` side by side, by the number of images that wait.
    Backends,
    /// Packings side by side, by the number of images that are answered together.
    Packings,
}

/// What was measured.
#[derive(Default)]
struct Figures {
    kernels: Vec<KernelFigures>,
    network: Option<NetworkFigures>,
    card: Option<CardFigures>,
    sweep: Option<SweepFigures>,
    backends: Option<BackendFigures>,
    packings: Option<PackingFigures>,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let options = arguments.target.options()?;
    let model = match &arguments.model {
        Some(path) => load_model(path).with_context(|| format!("reading model {}", path.display()))?,
        None => random_network(NetworkRecipe { seed: arguments.seed, ..NetworkRecipe::default() })?,
    };
    let mut machine =
        if arguments.what.contains(&What::Calibrate) { Machine::reference() } else { arguments.rates.load()? };
    let setting = BenchSettings {
        options,
        threads: rayon::current_num_threads(),
        quick: arguments.quick,
        seed: arguments.seed,
        memory: MemoryProbe { reset: beaa_memory::reset_peak, peak: beaa_memory::peak },
    };
    let wanted = |what: What| {
        if arguments.what.is_empty() {
            !matches!(what, What::Calibrate | What::Backends | What::Packings)
        } else {
            arguments.what.contains(&what)
        }
    };
    if arguments.device != RunDevice::Processor && !wanted(What::Network) {
        return Err(Exit::Usage.because("--device: found no `network`, expected it among what is measured"));
    }
    let card = device_args::open(arguments.device, context)?;
    let note = |text: &str| {
        context.console.note(text);
        context.check_interrupted("an earlier measurement")
    };
    if wanted(What::Calibrate) {
        note("calibrating")?;
        machine = beaa_bench::calibrate(&setting)?;
        let path = arguments.rates.save(&machine, arguments.replace.force)?;
        context.console.note(format_args!("rates written to {}", path.display()));
    }
    let mut figures = Figures::default();
    if wanted(What::Kernels) {
        note("measuring kernels")?;
        figures.kernels = beaa_bench::measure_kernels(arguments.quick)?;
    }
    if wanted(What::Network) {
        note("measuring a network")?;
        figures.network = Some(beaa_bench::measure_network(&model, &setting, &machine)?);
        if let Some(card) = &card {
            note("measuring the network on the graphics card")?;
            figures.card = Some(beaa_bench::measure_card(card, card.name(), &model, &setting)?);
        }
    }
    if wanted(What::Sweep) {
        note("sweeping over batch, depth, ring and pruned weights")?;
        figures.sweep = Some(beaa_bench::measure_sweeps(&model, arguments.quick)?);
    }
    if wanted(What::Backends) {
        note("measuring both backends side by side")?;
        figures.backends = Some(backends(arguments, &model, &setting, &machine)?);
    }
    if wanted(What::Packings) {
        note("measuring packings side by side")?;
        let samples = arguments.target.sample_images(&model, &setting.options, &arguments.roots)?;
        let images: &[usize] = if arguments.quick { &[1, 64] } else { &PACKED_IMAGES };
        let (options, samples, seed) = (&setting.options, samples.as_ref().map(compile_args::samples), arguments.seed);
        let task = PackingTask { model: &model, samples, options, images, seed };
        figures.packings = Some(beaa_bench::measure_packings(task)?);
    }
    finish(arguments, context, &machine, &figures)
}

/// Compares both backends on the model of the command line, or on the random `model`.
#[cfg(feature = "tfhe")]
fn backends(
    arguments: &Arguments,
    model: &Model,
    settings: &BenchSettings,
    machine: &Machine,
) -> Result<BackendFigures> {
    let (images, options) = if arguments.model.is_some() {
        let target = &arguments.target;
        (target.tfhe_calibration(model, &arguments.roots)?, target.tfhe_options(model))
    } else {
        // A random network has no classes worth keeping: the cheapest integers will do.
        let options = tfhe::Options { agreement: 0.0, ..tfhe::Options::default() };
        (random_pixels(model, RANDOM_IMAGES, settings.seed)?, options)
    };
    // Without samples there are no margins that ckks could keep classes by.
    let settings =
        BenchSettings { options: ckks::Options { agreement: None, ..settings.options.clone() }, ..*settings };
    Ok(compare_backends(&BreakEvenCase { model, images: &images, options }, &settings, machine)?)
}

#[cfg(not(feature = "tfhe"))]
fn backends(_: &Arguments, _: &Model, _: &BenchSettings, _: &Machine) -> Result<BackendFigures> {
    crate::any_program::without_tfhe()
}

fn finish(arguments: &Arguments, context: &Context, machine: &Machine, figures: &Figures) -> Result<()> {
    let checks = checks(&figures.kernels, figures.network.as_ref(), figures.sweep.as_ref());
    let mut tables: Vec<Table> = Vec::new();
    if !figures.kernels.is_empty() {
        tables.extend(kernel_tables(&figures.kernels));
    }
    tables.extend(figures.network.iter().flat_map(network_tables));
    tables.extend(figures.card.iter().flat_map(card_tables));
    tables.extend(figures.sweep.iter().flat_map(sweep_tables));
    tables.extend(figures.backends.iter().flat_map(backend_tables));
    tables.extend(figures.packings.iter().flat_map(packing_tables));
    if !checks.is_empty() {
        tables.push(check_table(&checks));
    }
    if let Some(page) = &arguments.docs {
        write(page, &tables, figures)?;
    }
    let value = json!({
        "machine": machine.literal(), "calibrated": machine.calibrated(), "kernels": figures.kernels,
        "network": figures.network, "card": figures.card, "sweep": figures.sweep, "backends": figures.backends,
        "packings": figures.packings, "checks": checks,
    });
    context.print(&value, || {
        let mut texts = vec![machine_text(machine)];
        texts.extend(tables.iter().filter(|t| t.rows.len() > 1).map(Table::plain));
        texts.join("\n")
    })?;
    let failed: Vec<&str> = checks.iter().filter(|c| !c.holds).map(|c| c.what.as_str()).collect();
    if arguments.check && !failed.is_empty() {
        return Err(Exit::NotVerified.because(format!("checking ratios within this run: {}", failed.join("; "))));
    }
    Ok(())
}

fn machine_text(machine: &Machine) -> String {
    let literal = machine.literal();
    let (threads, factor) = literal.speed_up;
    let calibrated = if machine.calibrated() { "measured" } else { "not calibrated: `beaa bench calibrate`" };
    format!(
        "rates for predictions: {} ({calibrated}); {} {factor:.2} times one\n",
        literal.name,
        count(threads, "thread")
    )
}

/// Tables into the page, plots into its folder.
fn write(page: &Path, tables: &[Table], figures: &Figures) -> Result<()> {
    let text = beaa_base::text::read_text("reading", page)?;
    files::write(page, fill_page(&text, tables)?.as_bytes())?;
    let sweeps = figures.sweep.as_ref().map(plots).transpose()?.unwrap_or_default();
    let backends = figures.backends.as_ref().map(backend_plots).transpose()?.unwrap_or_default();
    let packings = figures.packings.as_ref().map(|f| packing_plot(std::slice::from_ref(f))).transpose()?;
    let packings = packings.map(|svg| ("performance-packings.svg", svg));
    for (name, svg) in sweeps.into_iter().chain(backends).chain(packings) {
        files::write(&page.with_file_name(name), svg.as_bytes())?;
    }
    Ok(())
}
