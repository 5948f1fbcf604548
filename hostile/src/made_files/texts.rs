//! Good texts: a matrix of two runs with its results, a log, rates, labels.

use std::collections::BTreeMap;

use anyhow::Result;
use beaa_compiler::Machine;
use beaa_lab::matrix::{ResultRow, RunOutcome};
use beaa_trainer::{EpochMetrics, Phase};
use serde_json::json;

use crate::files::keep;

/// Writes the files of every reader.
pub(super) fn make() -> Result<()> {
    let matrix = json!({
        "name": "small",
        "base": {
            "data": {"source": "pneumoniamnist"},
            "teacher": {"epochs": 1, "batch": 64, "optimiser": {"learning_rate": 0.002}},
            "student": {"epochs": 1, "batch": 64, "optimiser": {"learning_rate": 0.001}},
        },
        "axes": [{"name": "seed", "path": "seed", "values": [1, 2]}],
        "compare": [{"axis": "seed", "of": "2", "against": "1"}],
    });
    keep("matrix", "small.json", format!("{matrix:#}\n").as_bytes())?;
    let row = |seed: &str, outcome| ResultRow {
        key: format!("seed={seed}"),
        labels: BTreeMap::from([("seed".to_owned(), seed.to_owned())]),
        outcome,
        data: "checksum".to_owned(),
        version: "0.1.0".to_owned(),
        teacher: Some(0.875),
        seconds: 1.5,
    };
    let rows = [
        row("1", RunOutcome::Diverged { message: "the loss is no number".to_owned() }),
        row("2", RunOutcome::Diverged { message: "the loss is no number".to_owned() }),
    ];
    let lines = rows.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    keep("results", "results.jsonl", (lines.join("\n") + "\n").as_bytes())?;
    let epoch = |phase, epoch| EpochMetrics {
        phase,
        epoch,
        train_loss: 0.5,
        train_accuracy: 0.75,
        validation_loss: Some(0.625),
        validation_accuracy: None,
        learning_rate: 0.001,
        seconds: 2.5,
    };
    let epochs = [epoch(Phase::Teacher, 1), epoch(Phase::Student, 1)];
    let lines = epochs.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    keep("metrics", "metrics.jsonl", (lines.join("\n") + "\n").as_bytes())?;
    let rates = serde_json::to_string_pretty(Machine::reference().literal())?;
    keep("rates", "machine.json", rates.as_bytes())?;
    keep("labels", "array.json", b"[7, 2, 1, 0, 255]")?;
    let labels = json!({
        "batch": "0123456789abcdef0123456789abcdef", "data_set": "mnist", "split": "test",
        "class_names": ["a", "b"], "labels": [1, 0],
    });
    keep("labels", "object.json", labels.to_string().as_bytes())?;
    let digits = |digit: &str, count| digit.repeat(count);
    let shard = json!({
        "program": digits("1", 64), "key": digits("2", 32), "batches": [digits("3", 32), digits("4", 32)],
        "images": 5000, "checksum": digits("5", 64), "ciphertexts": "s3://images/1.ct",
    });
    keep("shard", "shard.json", shard.to_string().as_bytes())?;
    let answer = json!({"shard": digits("6", 64), "checksum": digits("7", 64), "answers": "answers/1.ct"});
    keep("shard", "answer.json", answer.to_string().as_bytes())
}
