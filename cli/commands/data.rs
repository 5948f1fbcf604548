//! `beaa data`: the named data sets, where they are, and where to get what is missing.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;
use beaa_base::words::count;
use beaa_datasets::{Entry, FileStatus, PublicFile, catalogue, locate};
use beaa_ir::text::bytes;
use clap::Args;
use serde_json::{Value, json};

use crate::context::Context;
use crate::dataset_args::DatasetRoots;

/// The set that is part of the program.
const EMBEDDED: &str = "pneumoniamnist";

/// Options of `beaa data`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only this set.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    roots: DatasetRoots,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let entries: Vec<&'static Entry> = match &arguments.name {
        Some(name) => vec![beaa_datasets::entry(name)?],
        None => catalogue().iter().collect(),
    };
    let roots = arguments.roots.paths();
    let found: Vec<Found> = entries.into_iter().map(|entry| look(entry, &roots)).collect();
    let values: Vec<Value> = found.iter().map(describe).collect();
    context.print(&values, || {
        let folders: Vec<String> = roots.iter().map(|r| r.display().to_string()).collect();
        let mut text = format!("Searched: {} (change with --data or BEAA_DATA)\n", folders.join(", "));
        found.iter().for_each(|f| text.push_str(&paragraph(f)));
        text
    })
}

struct Found {
    entry: &'static Entry,
    files: Vec<FileStatus>,
}

fn look(entry: &'static Entry, roots: &[PathBuf]) -> Found {
    Found { entry, files: locate(entry, roots).files }
}

impl Found {
    fn status(&self) -> &'static str {
        let there = self.files.iter().filter(|f| matches!(f, FileStatus::Found { .. })).count();
        match there {
            _ if there == self.files.len() => "found",
            _ if self.entry.name == EMBEDDED => "embedded",
            0 => "missing",
            _ => "incomplete",
        }
    }
}

fn describe(found: &Found) -> Value {
    let entry = found.entry;
    let files: Vec<Value> = found
        .files
        .iter()
        .map(|status| match status {
            FileStatus::Found { file, path, bytes } => json!({
                "name": file.names.first(), "found": true, "path": path, "bytes_on_disk": bytes,
                "address": file.address, "bytes": file.bytes, "sha256": file.sha256, "md5": file.md5,
            }),
            FileStatus::Missing { file } => json!({
                "name": file.names.first(), "found": false,
                "address": file.address, "bytes": file.bytes, "sha256": file.sha256, "md5": file.md5,
            }),
        })
        .collect();
    json!({
        "name": entry.name, "status": found.status(), "description": entry.description, "classes": entry.classes,
        "shape": entry.shape,
        "images": {"train": entry.sizes.train, "validation": entry.sizes.validation, "test": entry.sizes.test},
        "folders": entry.folders, "licence": entry.licence, "citation": entry.citation, "note": entry.note,
        "files": files,
    })
}

fn paragraph(found: &Found) -> String {
    let entry = found.entry;
    let [channels, height, width] = entry.shape;
    let validation = entry.sizes.validation.map_or_else(|| "a part of training".to_owned(), |n| n.to_string());
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n{} — {}\n  {}", entry.name, found.status(), entry.description);
    let _ = writeln!(
        text,
        "  {channels} x {height} x {width}, {}; {} training, {validation} validation, {} test images",
        count(entry.classes.len(), "class"),
        entry.sizes.train,
        entry.sizes.test
    );
    let _ = writeln!(text, "  licence: {}\n  cite: {}", entry.licence, entry.citation);
    if !entry.note.is_empty() {
        let _ = writeln!(text, "  note: {}", entry.note);
    }
    if found.status() == "embedded" {
        return text + "  built into beaa, nothing to fetch\n";
    }
    for status in &found.files {
        match status {
            FileStatus::Found { path, bytes: size, .. } => {
                let _ = writeln!(text, "  found    {} ({})", path.display(), bytes(*size as f64));
            }
            FileStatus::Missing { file } => {
                let _ = writeln!(text, "  missing  {}", file.names.join(" or "));
                let _ = writeln!(text, "           {}", address(file));
            }
        }
    }
    text
}

fn address(file: &PublicFile) -> String {
    let mut parts = vec![file.address.to_owned()];
    parts.extend(file.bytes.map(|b| format!("{b} bytes")));
    match (file.sha256, file.md5) {
        (Some(sum), _) => parts.push(format!("sha256 {sum}")),
        (None, Some(sum)) => parts.push(format!("md5 {sum}")),
        (None, None) => {}
    }
    parts.join(", ")
}
