//! Tables: the summary's rows, shared by terminal and page, and plain-text layout.

use beaa_base::words::count;
use beaa_evaluation::classes::{listed, remarks};
use beaa_evaluation::metrics::{Classification, fraction, percent};
use beaa_ir::text::{Align, bytes, table};
use beaa_runtime::ckks::{Verdict, Verification};

use super::summary::Summary;

/// Rows under one heading.
pub struct FigureGroup {
    /// The heading.
    pub title: &'static str,
    /// In order.
    pub rows: Vec<Figure>,
}

/// One figure.
pub struct Figure {
    /// What it is.
    pub label: String,
    /// How much.
    pub value: String,
    /// What that means, for a newcomer; may be empty.
    pub note: String,
}

/// The summary's figures.
pub fn groups(s: &Summary) -> Vec<FigureGroup> {
    vec![
        FigureGroup { title: "Accuracy", rows: accuracy(s) },
        FigureGroup { title: "Encrypted against clear", rows: errors(s) },
        FigureGroup { title: "Time", rows: times(s) },
        FigureGroup { title: "Cost per image", rows: costs(s) },
        FigureGroup { title: "Encryption", rows: parameters(s) },
        FigureGroup { title: "Memory", rows: memory(s) },
    ]
}

/// The summary for a terminal.
pub fn summary(s: &Summary) -> String {
    let groups = groups(s);
    let width =
        |of: fn(&Figure) -> &str| groups.iter().flat_map(|g| &g.rows).map(|r| of(r).chars().count()).max().unwrap_or(0);
    let (labels, values) = (width(|r| &r.label), width(|r| &r.value));
    let mut text = String::new();
    for group in &groups {
        text.push_str(&format!("\n{}\n", group.title));
        for row in &group.rows {
            let line = format!("  {:labels$}  {:>values$}  {}", row.label, row.value, row.note);
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

/// The error of every layer, predicted and measured.
pub fn verification(v: &Verification) -> String {
    let head = ["layer", "predicted error", "measured error", "largest error", "largest value", "promised", ""];
    let mut rows = vec![head.map(String::from).to_vec()];
    for layer in &v.layers {
        rows.push(vec![
            layer.layer.clone(),
            format!("{:.2e}", layer.predicted),
            format!("{:.2e}", layer.measured),
            format!("{:.2e}", layer.largest),
            format!("{:.3}", layer.largest_value),
            format!("{:.3}", layer.bound),
            match layer.verdict {
                Verdict::Holds => "holds",
                Verdict::Undecided => "too few images to tell",
                Verdict::Fails => "DOES NOT HOLD",
            }
            .to_owned(),
        ]);
    }
    let right = Align::Right;
    table(&rows, &[Align::Left, right, right, right, right, right, Align::Left])
}

fn row(label: impl Into<String>, value: impl Into<String>, note: impl Into<String>) -> Figure {
    Figure { label: label.into(), value: value.into(), note: note.into() }
}

fn accuracy(s: &Summary) -> Vec<Figure> {
    let images = format!("on {} test images of {}", s.data.encrypted, s.data.name);
    let mut rows = vec![
        row("teacher", percent(s.accuracy.teacher), format!("ReLU network, {images}")),
        row("student in clear", percent(s.accuracy.student), format!("same network, activation: {}", s.activation)),
        row("student encrypted", percent(s.accuracy.encrypted), "the same student, run on ciphertexts"),
    ];
    if let Some(c) = &s.encrypted {
        rows.extend(by_class(c));
    }
    rows
}

/// What stands behind the accuracy on ciphertexts.
fn by_class(c: &Classification) -> Vec<Figure> {
    let mut rows = vec![
        row("balanced accuracy", percent(Some(c.balanced_accuracy)), "encrypted: mean of the classes' recall"),
        row(
            "largest class",
            percent(Some(c.majority_share)),
            format!("what always answering `{}` would give", c.majority_class),
        ),
    ];
    if let Some(auc) = c.auc {
        rows.push(row("AUC", format!("{auc:.4}"), "encrypted: how well the two classes are put in order"));
    }
    rows.extend(listed(c).into_iter().map(|label| {
        let class = &c.classes[label];
        row(format!("recall of {}", class.name), percent(class.recall), format!("{} of {}", class.right, class.images))
    }));
    rows.extend(remarks(c).into_iter().map(|remark| row("", "", remark)));
    rows
}

fn errors(s: &Summary) -> Vec<Figure> {
    let Summary { agreement: a, logit_error: e, .. } = s;
    vec![
        row(
            "same prediction",
            percent(fraction(a.agreeing, a.images)),
            format!("{} of {}, encrypted and in clear", a.agreeing, count(a.images, "image")),
        ),
        row("largest logit error", format!("{:.2e}", e.against_student), "encrypted against the student in clear"),
        row("  of which encryption", format!("{:.2e}", e.against_program), "against the compiled program in clear"),
        row(
            "every layer as predicted",
            if s.verified { "yes" } else { "NO" },
            "error at most twice the prediction, values within the promised range",
        ),
    ]
}

fn times(s: &Summary) -> Vec<Figure> {
    let mut rows: Vec<Figure> =
        s.steps.iter().map(|step| row(step.step.as_str(), format!("{:.2} s", step.seconds), "")).collect();
    let total: f64 = s.steps.iter().map(|step| step.seconds).sum();
    rows.push(row("total", format!("{total:.2} s"), count(s.threads, "thread")));
    rows
}

fn costs(s: &Summary) -> Vec<Figure> {
    let (sent, slots) = (s.data.encrypted, s.parameters.degree);
    vec![
        row(
            "run, images sent",
            milliseconds(s.per_image.milliseconds_sent),
            format!("run time over {} in the batch", count(sent, "image")),
        ),
        row(
            "run, full batch",
            milliseconds(s.per_image.milliseconds_full_batch),
            format!("the same run time over all {slots} slots; empty ones cost as much"),
        ),
        row(
            "upload, images sent",
            bytes(s.bytes.input_per_image_sent),
            format!("{} in all", bytes(s.bytes.input as f64)),
        ),
        row("upload, full batch", bytes(s.bytes.input_per_image_full_batch), format!("over all {slots} slots")),
        row("answer", bytes(s.bytes.output as f64), "for the whole batch"),
        match s.bytes.evaluation_key {
            0 => row("evaluation key", "none", "the program switches no keys"),
            size => row("evaluation key", bytes(size as f64), "uploaded once"),
        },
    ]
}

fn parameters(s: &Summary) -> Vec<Figure> {
    let p = &s.parameters;
    let primes: Vec<String> = p.prime_bits.iter().map(u32::to_string).collect();
    vec![
        row("ring degree N", p.degree.to_string(), "also the number of images that fit into one batch"),
        row("log2 QP", format!("{:.1}", p.log2_qp), format!("primes of {} bits", primes.join(" + "))),
        row("security", format!("{} bits", p.security_bits), "Bossuat et al. 2024, ternary secret"),
    ]
}

fn memory(s: &Summary) -> Vec<Figure> {
    let known = |peak: Option<u64>| peak.map_or_else(|| "unknown".to_owned(), |b| bytes(b as f64));
    let m = &s.memory;
    vec![
        row("peak, whole demo", known(m.peak), "resident, training included"),
        row("peak, encrypted run", known(m.peak_run), format!("resident; {} as planned", bytes(m.planned_run as f64))),
    ]
}

fn milliseconds(ms: f64) -> String {
    if ms < 0.1 { format!("{ms:.4} ms") } else { format!("{ms:.3} ms") }
}
