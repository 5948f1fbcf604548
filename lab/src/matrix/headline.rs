//! What somebody else states beside what was measured: the time that one element in each ciphertext
//! saves, and differences of accuracy.

use std::fmt::Write as _;

use beaa_bench::{PackingMethod, packing_tables};

use super::packing_runs::PackingRow;
use super::packing_study::{ClaimedSaving, PackingStudy};
use super::statistics::Spread;
use super::table::{SEED, Summary, axis_word};

/// A figure of one network, or of whoever states one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: f64,
    /// Over the seeds.
    pub(super) range: Option<(f64, f64)>,
    pub(super) claimed: bool,
}

/// How many times as long an image takes with one image in each ciphertext as with one element in
/// each: what is claimed, then what was measured.
pub(super) fn savings(claimed: ClaimedSaving, rows: &[&PackingRow]) -> Vec<Bar> {
    let times = |saved: f64| 1.0 / (1.0 - saved);
    let first = Bar { label: "stated".into(), value: times(claimed.saved), range: None, claimed: true };
    let measured = rows.iter().filter_map(|row| {
        let saved = row.figures.saved(PackingMethod::Element, PackingMethod::Channel, claimed.images)?;
        Some(Bar { label: network(row), value: times(saved), range: None, claimed: false })
    });
    std::iter::once(first).chain(measured).collect()
}

/// Points of accuracy in clear, of every difference that somebody states: what is claimed, then
/// what was measured.
pub(super) fn differences(s: &Summary) -> Vec<(String, Vec<Bar>)> {
    let mut all: Vec<(String, Vec<Bar>)> = Vec::new();
    for d in &s.differences {
        let (Some(claimed), Some(Spread { mean, least, most, .. })) = (d.claimed, d.student) else { continue };
        let title = format!("{} − {}", axis_word(&d.axis, &d.of), axis_word(&d.axis, &d.against));
        let label = d.labels.iter().map(|l| l.1.as_str()).collect::<Vec<_>>().join(", ");
        let bar = Bar { label, value: 100.0 * mean, range: Some((100.0 * least, 100.0 * most)), claimed: false };
        match all.iter_mut().find(|(t, _)| *t == title) {
            Some((_, bars)) => bars.push(bar),
            None => {
                let stated = Bar { label: "stated".into(), value: claimed, range: None, claimed: true };
                all.push((title, vec![stated, bar]));
            }
        }
    }
    all
}

/// What tells a row apart for people: its variations but the seed.
pub(super) fn network(row: &PackingRow) -> String {
    let words = row.labels.iter().filter(|(axis, _)| *axis != SEED).map(|(axis, v)| axis_word(axis, v));
    words.collect::<Vec<_>>().join(", ")
}

/// Times, sizes and savings of every student for people.
pub(super) fn packing_text(study: &PackingStudy, rows: &[&PackingRow]) -> String {
    let mut text = String::from(
        "## Packings\n\nProcessor seconds of one thread, the least of up to five runs, constants prepared before; \
         beyond two batches, and for\ntfhe beyond one image, a multiple. Sent, answered: for as many images as the \
         row says.\n",
    );
    for row in rows {
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n### {}\n", network(row));
        text.push_str(&packing_tables(&row.figures).iter().map(|t| t.markdown()).collect::<Vec<_>>().join("\n"));
        text.push('\n');
        for line in conclusions(study, row) {
            let _ = writeln!(text, "- {line}");
        }
    }
    text
}

fn conclusions(study: &PackingStudy, row: &PackingRow) -> Vec<String> {
    use PackingMethod::{Auto, Channel, Element, Tfhe};
    let figures = &row.figures;
    let saving = |images| {
        let saved = figures.saved(Element, Channel, images)?;
        Some(format!("{images} images: element takes {:.2} % less time for each than channel", 100.0 * saved))
    };
    let claimed = study.claimed.and_then(|c| {
        let stated = format!("{:.2} %", 100.0 * c.saved);
        Some(format!("{}; stated elsewhere: {stated}.", saving(c.images)?))
    });
    let crossing = |than| match figures.overtakes(Element, than) {
        Some(images) => format!("element takes no longer than {than} from {images} images on."),
        None => format!("element takes longer than {than} for the most images."),
    };
    let measured = |method: &PackingMethod| figures.of(*method).next().is_some();
    let crossings = [Channel, Tfhe].into_iter().filter(measured).map(crossing);
    let packed = figures.of(Auto).filter(|p| p.positions > 1).map(|p| p.images).max();
    let choice = match packed {
        Some(images) => format!("auto packs several elements into a ciphertext up to {images} images."),
        None => "auto packs one element into each ciphertext for any of these.".to_owned(),
    };
    claimed.into_iter().chain(crossings).chain([choice]).collect()
}
