//! Figures as tables, for a terminal and for a page: the same cells in both.

use beaa_ir::text::{self, Align};

use crate::checks::RatioCheck;
use crate::{BackendFigures, CardFigures, KernelFigures, NetworkFigures, SweepFigures};

/// Rows of cells; the first row is the head, the first column is text.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What it shows; also its name in a page.
    pub name: &'static str,
    /// The rows, all of the same length.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<const K: usize>(name: &'static str, head: [&str; K]) -> Self {
        Self { name, rows: vec![head.map(String::from).to_vec()] }
    }

    pub(super) fn push<const K: usize>(&mut self, cells: [String; K]) {
        self.rows.push(cells.to_vec());
    }

    /// Returns the table with aligned columns, for a terminal.
    pub fn plain(&self) -> String {
        let mut align = vec![Align::Right; self.rows.first().map_or(0, Vec::len)];
        align.iter_mut().take(1).for_each(|first| *first = Align::Left);
        format!("{}\n{}", self.name, text::table(&self.rows, &align))
    }

    /// Returns the table in Markdown.
    pub fn markdown(&self) -> String {
        let line = |row: &Vec<String>| format!("| {} |", row.join(" | "));
        let mut lines: Vec<String> = self.rows.iter().map(line).collect();
        let columns = self.rows.first().map_or(0, Vec::len);
        let rule: Vec<&str> = (0..columns).map(|c| if c == 0 { "---" } else { "---:" }).collect();
        lines.insert(1.min(lines.len()), format!("| {} |", rule.join(" | ")));
        lines.join("\n") + "\n"
    }
}

/// Lays out the kernels against their peaks, then the passes of key switching.
pub fn kernel_tables(kernels: &[KernelFigures]) -> Vec<Table> {
    let head = [
        "path",
        "instruction",
        "peak G/s",
        "dense G/s",
        "of peak",
        "38-bit primes G/s",
        "9 in 10 zero G/s",
        "squares G/s",
    ];
    let mut rates = Table::new("kernels", head);
    let mut passes = Table::new("passes", ["pass over N = 8192", "path", "µs", "M residues/s"]);
    for k in kernels {
        let name = if k.used { format!("{} (in use)", k.kernel) } else { k.kernel.clone() };
        rates.push([
            name.clone(),
            k.instruction.into(),
            giga(k.peak),
            giga(k.dense),
            format!("{:.0} %", 100.0 * k.fraction),
            giga(k.wide),
            giga(k.sparse),
            giga(k.square),
        ]);
        for p in &k.passes {
            let (us, rate) = (format!("{:.1}", 1e6 * p.seconds), format!("{:.0}", p.residues / 1e6));
            passes.push([p.pass.into(), name.clone(), us, rate]);
        }
    }
    vec![rates, passes]
}

/// Lays out the figures of one network: a summary, its parts, its operations.
pub fn network_tables(n: &NetworkFigures) -> Vec<Table> {
    vec![summary(n), parts(n), operations(n)]
}

/// Lays out a program on a graphics card.
pub fn card_tables(c: &CardFigures) -> Vec<Table> {
    let mut table = Table::new("card", ["figure", "measured"]);
    let mut row = |what: &str, value: String| table.push([what.into(), value]);
    let us = |seconds: f64| format!("{:.3} µs", 1e6 * seconds / c.images as f64);
    row("card", c.card.clone());
    row("network", c.model.clone());
    row("images in the batch", c.images.to_string());
    row("run per image, images and answers in the processor's memory", us(c.run.minimum));
    row("of these, steps on the card", us(c.steps_seconds));
    row(&format!("run per image, {} threads of the processor", c.threads), us(c.processor.minimum));
    row("ratio", format!("{:.1}", c.processor.minimum / c.run.minimum));
    row("memory of the card, planned", format!("{:.0} MB", c.planned_bytes as f64 / 1e6));
    vec![table]
}

fn summary(n: &NetworkFigures) -> Table {
    let mut table = Table::new("network", ["figure", "measured", "aim"]);
    let mut row = |what: String, value: String, aim: &str| table.push([what, value, aim.into()]);
    let threads = n.threads;
    let ms = |v: f64| format!("{v:.4} ms");
    let kb = |bytes: u64| format!("{:.1} kB", bytes as f64 / 1e3);
    let mb = |bytes: Option<u64>| bytes.map_or("unknown".into(), |b| format!("{:.0} MB", b as f64 / 1e6));
    let bits: Vec<String> = n.prime_bits.iter().map(u32::to_string).collect();
    row("ring degree N, images in the batch".into(), n.degree.to_string(), "");
    row("log2 QP (primes)".into(), format!("{:.1} ({})", n.log_qp, bits.join(" + ")), "");
    row("run per image, one core".into(), ms(n.per_image(&n.run)), "0.08 ms");
    row("the same in processor time".into(), ms(n.per_image(&n.run_processor)), "");
    row(format!("run per image, {threads} threads"), ms(n.per_image(&n.run_threads)), "");
    row(format!("speed-up of {threads} threads"), format!("{:.2}", n.speed_up()), "1.8 with 2");
    row("encrypt per image, one core".into(), ms(n.per_image(&n.encrypt)), "0.25 ms");
    row(format!("encrypt per image, {threads} threads"), ms(n.per_image(&n.encrypt_threads)), "");
    row("decrypt per image, one core".into(), ms(n.per_image(&n.decrypt)), "0.01 ms");
    row("upload per image".into(), kb(n.upload_bytes / n.degree as u64), "14 kB");
    row("answer per image".into(), format!("{:.0} B", n.answer_bytes as f64 / n.degree as f64), "");
    row("evaluation key, once".into(), kb(n.key_bytes), "");
    row("plain f32 per image, one core".into(), format!("{:.2} µs", 1e6 * n.plain.seconds_per_image), "");
    row("plain f32, products/s".into(), format!("{} G", giga(n.plain.products_per_second)), "");
    row("encrypted over plain, processor time".into(), format!("{:.1}", n.ratio()), "40");
    row("compile".into(), format!("{:.2} s", n.compile_seconds), "");
    row("make keys".into(), format!("{:.3} s", n.keygen_seconds), "");
    row("peak memory of the run".into(), mb(n.peak_bytes), "");
    row("  resident before it".into(), mb(n.before_bytes), "");
    row("  ciphertexts as planned".into(), mb(Some(n.planned_bytes)), "");
    row("largest error of an output".into(), format!("{:.1e}", n.largest_error), "");
    let machine = if n.calibrated { "calibrated" } else { "not calibrated" };
    let forecast = format!("{:.4} ms", 1e3 * n.predicted_seconds / n.degree as f64);
    row(format!("forecast per image ({machine})"), forecast, "");
    table
}

fn parts(n: &NetworkFigures) -> Table {
    let head = ["part of the run", "operations", "calls", "s", "share", "G products/s", "GB/s", "forecast s", "off"];
    let mut table = Table::new("parts", head);
    let off = |predicted: f64, measured: f64| format!("{:+.0} %", 100.0 * (predicted / measured - 1.0));
    for p in &n.parts {
        table.push([
            p.layer.clone(),
            p.operation.clone(),
            p.calls.to_string(),
            format!("{:.4}", p.seconds),
            format!("{:.1} %", 100.0 * p.share),
            if p.products > 0 { giga(p.products_per_second) } else { "-".into() },
            giga(p.bytes_per_second),
            format!("{:.4}", p.predicted_seconds),
            off(p.predicted_seconds, p.seconds),
        ]);
    }
    let dash = || "-".to_owned();
    let (seconds, predicted) = (n.rest_seconds, n.predicted_rest_seconds);
    table.push([
        "output".into(),
        "pack".into(),
        dash(),
        format!("{seconds:.4}"),
        format!("{:.1} %", 100.0 * seconds / n.run_processor.minimum),
        dash(),
        dash(),
        format!("{predicted:.4}"),
        off(predicted, seconds),
    ]);
    table
}

fn operations(n: &NetworkFigures) -> Table {
    let mut table = Table::new("operations", ["layer", "operation", "calls", "s", "share", "G products/s"]);
    for o in &n.operations {
        // A square is computed inside the one product that reads it, and then takes no time by
        // itself.
        let timed = o.products > 0 && o.share > 5e-4;
        let rate = if timed { giga(o.products_per_second) } else { "-".into() };
        let (seconds, share) = (format!("{:.4}", o.seconds), format!("{:.1} %", 100.0 * o.share));
        table.push([o.layer.clone(), o.operation.clone(), o.calls.to_string(), seconds, share, rate]);
    }
    table
}

/// Lays out one table for each sweep.
pub fn sweep_tables(s: &SweepFigures) -> Vec<Table> {
    let mut batch = Table::new("batch", ["images sent", "run s", "ms per image"]);
    for p in &s.batch {
        batch.push([p.images.to_string(), format!("{:.3}", p.seconds), short(p.milliseconds_per_image)]);
    }
    let mut depth = Table::new("depth", ["squares", "N", "limbs", "log2 QP", "run s", "ms per image"]);
    for p in &s.depth {
        let (seconds, each) = (format!("{:.3}", p.seconds), short(p.milliseconds_per_image));
        let bits = format!("{:.0}", p.log_qp);
        depth.push([p.squares.to_string(), p.degree.to_string(), p.limbs.to_string(), bits, seconds, each]);
    }
    let head =
        ["N", "limbs of 30 bits", "128 bits", "dense G products/s", "squares G/s", "relinearise ms", "rescale ms"];
    let mut ring = Table::new("ring", head);
    for p in &s.ring {
        ring.push([
            p.degree.to_string(),
            p.limbs.to_string(),
            if p.secure { "yes" } else { "no" }.into(),
            giga(p.products_per_second),
            giga(p.square_per_second),
            format!("{:.3}", p.relinearise),
            if p.limbs > 1 { format!("{:.3}", p.rescale) } else { "-".into() },
        ]);
    }
    let head = ["weights pruned", "products left", "linear time left", "linear s", "run s"];
    let mut sparsity = Table::new("sparsity", head);
    for p in &s.sparsity {
        let percent = |v: f64| format!("{:.1} %", 100.0 * v);
        sparsity.push([
            format!("{:.0} %", 100.0 * p.sparsity),
            percent(p.products_left),
            percent(p.time_left),
            format!("{:.3}", p.linear_seconds),
            format!("{:.3}", p.seconds),
        ]);
    }
    vec![batch, depth, ring, sparsity]
}

/// Lays out both backends: what each takes and moves, then one row for each size of batch.
pub fn backend_tables(f: &BackendFigures) -> Vec<Table> {
    let bytes = |n: u64| text::bytes(n as f64);
    let mut table = Table::new("backends", ["figure", "ckks, a full batch", "tfhe, an image"]);
    let mut row = |what: &str, ckks: String, tfhe: String| table.push([what.into(), ckks, tfhe]);
    let images = f.points[f.points.len() - 1].images;
    let (ckks, tfhe) = (&f.ckks, &f.tfhe);
    row("network", f.name.clone(), f.name.clone());
    row("images", images.to_string(), "1".into());
    row("bootstrappings", "0".into(), f.bootstrappings.to_string());
    row("samples that keep their class", "-".into(), format!("{:.1} %", 100.0 * f.agreement));
    let threads = f.threads;
    row(
        &format!("encrypt, run, decrypt, {threads} threads"),
        format!("{} s", short(ckks.seconds)),
        format!("{} s", short(tfhe.seconds)),
    );
    row("sent", bytes(ckks.upload), bytes(tfhe.upload));
    row("sent back", bytes(ckks.answer), bytes(tfhe.answer));
    row("server's keys, once", bytes(ckks.keys), bytes(tfhe.keys));
    let sooner = match f.same_time() {
        n if n < 1.0 => "never".into(),
        n => format!("up to {n:.1} images"),
    };
    row("sooner than ckks", "-".into(), sooner);
    row("fewer bytes than ckks", "-".into(), format!("up to {:.0} images", f.same_bytes()));
    let head = ["images that wait", "ckks s", "tfhe s", "ckks to and fro", "tfhe to and fro"];
    let mut batches = Table::new("backend batches", head);
    for p in &f.points {
        let (ckks, tfhe) = (bytes(p.ckks_bytes), bytes(p.tfhe_bytes));
        batches.push([p.images.to_string(), short(p.ckks), short(p.tfhe), ckks, tfhe]);
    }
    vec![table, batches]
}

/// Lays out what was checked.
pub fn check_table(checks: &[RatioCheck]) -> Table {
    let mut table = Table::new("checks", ["ratio", "found", "bound", ""]);
    for c in checks {
        let bound = format!("{} {:.2}", if c.at_least { "at least" } else { "at most" }, c.bound);
        table.push([c.what.clone(), format!("{:.2}", c.found), bound, if c.holds { "" } else { "FAILS" }.into()]);
    }
    table
}

fn giga(rate: f64) -> String {
    format!("{:.2}", rate / 1e9)
}

/// A number with three or four digits, however small.
pub(super) fn short(v: f64) -> String {
    match v {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_hold_the_same_cells() {
        let mut table = Table::new("some", ["what", "much"]);
        table.push(["a".into(), "1".into()]);
        table.push(["bcd".into(), "23".into()]);
        assert_eq!(table.plain(), "some\nwhat  much\na        1\nbcd     23\n");
        assert_eq!(table.markdown(), "| what | much |\n| --- | ---: |\n| a | 1 |\n| bcd | 23 |\n");
    }
}
