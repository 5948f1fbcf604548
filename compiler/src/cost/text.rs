//! A report, and the alternatives to its choices, as text for people.

use std::fmt::Write;

use beaa_base::words::count;
use beaa_ckks::security::Table;
use beaa_ir::ckks::{Alternative, AlternativeCost, Program};
use beaa_ir::text::{Align, bytes, table};

use crate::cost::report::{Agreement, LayerCost, PlannedImages, Report, Totals};

const HEAD: [&str; 14] = [
    "layer", "entries", "products", "squares", "relin", "rescale", "limbs", "scale", "modulus", "bound", "error",
    "rounding", "ms", "remark",
];

/// Outputs that a message lists, at most.
const MAX_LISTED: usize = 8;

/// The security table by which the parameters keep what they promise.
fn by_table(totals: &Totals) -> &'static str {
    let bits = (totals.log_qp - 1e-9).ceil() as u32;
    let keeps = |table: &Table| table.max_log_qp(totals.degree, totals.security).is_some_and(|most| bits <= most);
    // The strictest first: what keeps it against quantum attacks keeps it against all others.
    let tables = [Table::Quantum2024, Table::IN_FORCE, Table::Standard2018];
    tables.into_iter().find(keeps).map_or("NOT by any table", Table::name)
}

/// The report as text: one line for each layer, then the totals.
pub fn explain(report: &Report) -> String {
    let mut rows = vec![HEAD.map(String::from)];
    rows.extend(report.layers.iter().map(row));
    let t = &report.totals;
    let mut out = format!(
        "{}: N = {} slots, {} limbs, log2 Q = {:.1}, log2 QP = {:.1}, {} bits security ({})\n",
        report.model,
        t.degree,
        t.limbs,
        t.log_q,
        t.log_qp,
        t.security,
        by_table(t)
    );
    if t.images < t.degree {
        let _ = writeln!(
            out,
            "packing block:{}: {} of an image in each ciphertext, {} in a batch, {} in all",
            t.degree / t.images,
            count(t.degree / t.images, "position"),
            count(t.images, "image"),
            count(t.rotations, "rotation")
        );
    }
    let mut align = [Align::Right; HEAD.len()];
    (align[0], align[HEAD.len() - 1]) = (Align::Left, Align::Left);
    out.push_str(&table(&rows, &align));
    let error = |e: Option<f64>| e.map_or_else(|| "unknown".into(), |e| format!("{e:.1e}"));
    let _ = writeln!(
        out,
        "total: {} products per image, {} relinearisations, {:.1} ms predicted on one core for {} images ({:.4} ms \
         each; {})",
        t.products,
        t.relinearisations,
        t.seconds * 1e3,
        t.images,
        t.seconds * 1e3 / t.images as f64,
        if t.calibrated { t.machine.as_str() } else { "not calibrated" }
    );
    if t.prepare_seconds > 0.0 {
        let ms = t.prepare_seconds * 1e3;
        let _ = writeln!(out, "before its first run a process encodes the constants: {ms:.1} ms predicted on one core");
    }
    if let Some(PlannedImages { images, batches }) = t.planned.filter(|p| p.batches > 1) {
        let slots = (t.images * batches) as f64;
        let _ = writeln!(
            out,
            "for {images} images: {batches} batches of {}, {:.1} ms predicted on one core, upload {}",
            if t.images == t.degree { format!("{} slots", t.degree) } else { count(t.images, "image") },
            t.seconds * 1e3 * batches as f64,
            bytes(t.input_bytes_per_image * slots)
        );
    }
    let _ = writeln!(
        out,
        "output error: {} from encryption, {} from rounding weights",
        error(t.output_error),
        error(t.output_rounding)
    );
    if let Some(Agreement { predicted, at_least, held_out, samples }) = t.agreement {
        let _ = writeln!(
            out,
            "agreement: {:.3} % of images keep the class that the model gives them, at least {:.3} % with 95 % \
             confidence, by {}",
            predicted * 100.0,
            at_least * 100.0,
            match (held_out, samples) {
                (0, samples) => count(samples, "sample"),
                (held_out, 0) => format!("{} that the model was not trained on", count(held_out, "image")),
                (held_out, samples) => {
                    let few = format!("{} that the model was not trained on", count(held_out, "image"));
                    format!("{few}, which are too few, and {}", count(samples, "sample"))
                }
            }
        );
    }
    if let Some(share) = t.out_of_range.filter(|s| *s > 0.0) {
        let _ = writeln!(
            out,
            "CAUTION: {:.2} % of the images given leave the ranges that the model promises; their answers may be \
             garbage",
            share * 100.0
        );
    }
    if let Some(coverage) = &t.coverage {
        let _ = writeln!(out, "{coverage}");
    }
    if let Some(warning) = constant_warning(&t.constant_outputs) {
        let _ = writeln!(out, "CAUTION: {warning}");
    }
    let _ = writeln!(
        out,
        "sizes: key {}, upload {} per image, answer {} per image, peak memory {}",
        bytes(t.key_bytes as f64),
        bytes(t.input_bytes_per_image),
        bytes(t.output_bytes_per_image),
        bytes(t.peak_bytes as f64)
    );
    if !report.passes.is_empty() {
        let passes: Vec<String> = report.passes.iter().map(|p| format!("{} {:.1}", p.pass, p.seconds * 1e3)).collect();
        let _ = writeln!(out, "passes (ms): {}", passes.join(", "));
    }
    out
}

/// What is to be said of outputs that do not depend on the image.
pub(crate) fn constant_warning(constant_outputs: &[usize]) -> Option<String> {
    let numbers: Vec<String> = constant_outputs.iter().take(MAX_LISTED).map(ToString::to_string).collect();
    let more = constant_outputs.len().saturating_sub(MAX_LISTED);
    let (noun, verb) = if constant_outputs.len() == 1 { ("output", "does") } else { ("outputs", "do") };
    (!numbers.is_empty()).then(|| {
        format!(
            "{noun} {}{} {verb} not depend on the image: their weights are zero or vanish; check the trained network",
            numbers.join(", "),
            if more > 0 { format!(" and {more} more") } else { String::new() }
        )
    })
}

/// Every choice of the compiler and what else could have been chosen, as text; nothing if the file
/// does not say.
pub fn explain_choices(program: &Program) -> String {
    let alternatives: Vec<&Alternative> = program.alternatives().iter().collect();
    if alternatives.is_empty() {
        return "the program does not say why: it was compiled by an older compiler; compile the model again\n".into();
    }
    let head = ["layer", "chosen", "instead", "ms", "limbs", "log2 QP", "error", "why not"];
    let mut rows = vec![head.map(String::from)];
    rows.extend(alternatives.into_iter().map(|a| {
        let number = |f: fn(&AlternativeCost) -> String| a.outcome.as_ref().map_or_else(|| "-".into(), f);
        [
            a.layer.clone(),
            a.chosen.clone(),
            a.instead.clone(),
            number(|o| format!("{:.1}", o.seconds * 1e3)),
            number(|o| o.limbs.to_string()),
            number(|o| format!("{:.1}", o.log_qp)),
            number(|o| format!("{:.1e}", o.error)),
            a.verdict.clone(),
        ]
    }));
    let mut align = [Align::Right; 8];
    [0, 1, 2, 7].into_iter().for_each(|c| align[c] = Align::Left);
    format!("one choice changed, all else being equal:\n{}", table(&rows, &align))
}

fn row(l: &LayerCost) -> [String; 14] {
    let count = |n: u64| if n == 0 { "-".into() } else { n.to_string() };
    let real = |v: Option<f64>| v.map_or_else(|| "-".into(), |v| format!("{v:.1e}"));
    [
        l.layer.clone(),
        count(l.entries as u64),
        count(l.products),
        count(l.squares as u64),
        count(l.relinearisations as u64),
        count(l.rescales as u64),
        l.limbs.to_string(),
        format!("2^{:.1}", l.log_scale),
        format!("2^{:.1}", l.log_modulus),
        real(l.bound),
        real(l.error),
        real(l.rounding),
        format!("{:.1}", l.seconds * 1e3),
        l.remark.clone(),
    ]
}
