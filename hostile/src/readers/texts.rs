//! Files that people and the toolchain write as JSON: configurations, matrices, results, logs,
//! rates, labels, shards.

use std::fmt::Display;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, ensure};
use beaa_compiler::Machine;
use beaa_compiler::ckks::{cost, explain};
use beaa_evaluation::labels::Labels;
use beaa_evaluation::{Reporter, files};
use beaa_ir::Classes;
use beaa_ir::ckks::load_program;
use beaa_lab::experiment::{Experiment, Overrides};
use beaa_lab::json_lines;
use beaa_lab::matrix::{Matrix, Results, markdown, plots, summarise};
use beaa_runtime::ckks::{Shard, ShardAnswer};
use beaa_trainer::EpochMetrics;

use crate::files::good_file;
use crate::scratch::Scratch;

pub(super) fn configuration(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let experiment = Experiment::read(&scratch.write("x.json", bytes)?, &Overrides::default())?;
    let resolved = experiment.resolved()?;
    let again = Experiment::parse(&resolved.to_string(), &Overrides::default())?;
    assert!(again.resolved()? == resolved, "settings that were written are read as others");
    Ok(())
}

pub(super) fn matrix(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let matrix = Matrix::read(&scratch.write("x.json", bytes)?, None)?;
    ensure!(matrix.runs.iter().all(|run| !run.title().is_empty()), "a run without a title");
    Ok(())
}

pub(super) fn results(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    scratch.write("results.jsonl", bytes)?;
    let listener = Listener::default();
    let results = Results::open(scratch.path(), &listener)?;
    let matrix = Matrix::read(&good_file("matrix", "small.json"), None)?;
    let rows: Vec<_> = results.rows().iter().collect();
    let summary = summarise(&matrix, &rows);
    let _ = (markdown(&summary), plots(&summary)?);
    listener.refused()
}

pub(super) fn metrics(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let lines = json_lines::read::<EpochMetrics>(&scratch.write("metrics.jsonl", bytes)?)?;
    ensure!(lines.problems.is_empty(), "{}", lines.problems.join("; "));
    Ok(())
}

pub(super) fn rates(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let machine = Machine::load(&scratch.write("x.json", bytes)?)?;
    let program = load_program(&good_file("program", "squared.beaa"))?;
    ensure!(!explain(&cost(&program).on(&program, &machine)).is_empty(), "a report without a word");
    scratch.same_again(&machine, |m, path| files::write_json(path, m.literal()), |path| Ok(Machine::load(path)?))
}

/// A shard or the record of its answer: what either is read as has the same name again.
pub(super) fn shard(_scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(bytes)?;
    let answer = match Shard::from_json(text) {
        Ok(shard) => {
            let again = Shard::from_json(&shard.to_json()?)?;
            assert!(again == shard && again.id() == shard.id(), "a shard that was written is read as another one");
            return Ok(());
        }
        Err(no_shard) => ShardAnswer::from_json(text).map_err(|_| no_shard)?,
    };
    assert!(ShardAnswer::from_json(&answer.to_json()?)? == answer, "a record that was written is read as another one");
    Ok(())
}

pub(super) fn labels(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let labels = Labels::read(&scratch.write("x.json", bytes)?)?;
    let network = Classes::new(vec!["b".to_owned(), "a".to_owned()], 2, None)?;
    let classes = labels.of_network(&network, &Listener::default());
    assert!(classes.is_err() || labels.labels.iter().all(|l| *l < 2), "a label that is no class of the network");
    scratch.same_again(&labels, |l, path| files::write_json(path, l), Labels::read)
}

/// Keeps warnings, each of which is about something that was left out.
#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

static NEVER: AtomicBool = AtomicBool::new(false);

impl Listener {
    fn refused(&self) -> Result<()> {
        let heard = self.0.lock().map_or_else(|e| e.into_inner().clone(), |h| h.clone());
        ensure!(heard.is_empty(), "{}", heard.join("; "));
        Ok(())
    }
}

impl Reporter for Listener {
    fn note(&self, _: &dyn Display) {}

    fn warn(&self, text: &dyn Display) {
        if let Ok(mut heard) = self.0.lock() {
            heard.push(text.to_string());
        }
    }

    fn progress(&self) -> Box<dyn beaa_runtime::Progress + '_> {
        Box::new(beaa_runtime::Silent)
    }

    fn stop(&self) -> &AtomicBool {
        &NEVER
    }
}
