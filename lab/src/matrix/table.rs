//! The table of a matrix: mean and spread of each cell, and differences paired by seed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::results::{ResultRow, RunOutcome};
use super::spec::{Comparison, Matrix};
use super::statistics::{Spread, area, percent, points, spread};

/// The axis that is averaged over.
pub(super) const SEED: &str = "seed";

/// Axis and variation.
type Labels = Vec<(String, String)>;
/// Runs that differ along one axis.
type Pair<'a> = (&'a ResultRow, &'a ResultRow);

/// Everything that the table says, for `table.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Name of the matrix.
    pub name: String,
    /// Runs that the matrix stands for.
    pub planned: usize,
    /// Runs that have a row.
    pub finished: usize,
    /// One for each combination without the seed.
    pub cells: Vec<TableCell>,
    /// One for each comparison in each combination of the other axes.
    pub differences: Vec<Difference>,
}

/// All repetitions of one combination.
#[derive(Debug, Clone, Serialize)]
pub struct TableCell {
    /// Axis and variation, the seed left out.
    pub labels: Vec<(String, String)>,
    /// Repetitions that left the finite numbers.
    pub diverged: usize,
    /// Repetitions that have no program.
    pub not_compiled: usize,
    /// Fractions, 0..1.
    pub teacher: Option<Spread>,
    /// Accuracy of the student in clear, a fraction.
    pub student: Option<Spread>,
    /// Of the decrypted results.
    pub encrypted: Option<Spread>,
    /// Area under the receiver operating characteristic of the decrypted results, with two classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auc: Option<Spread>,
    /// Student minus teacher, paired.
    pub against_teacher: Option<Spread>,
    /// What encryption costs: encrypted minus clear on the very images that were encrypted, paired.
    pub against_clear: Option<Spread>,
    /// Share of images that the program and the student in clear classify alike.
    pub agreement: Option<Spread>,
    /// Fewest test images that a run encrypted.
    pub images: Option<usize>,
    /// The encrypted run, per slot.
    pub milliseconds_per_image: Option<Spread>,
    /// log2 of the largest modulus that any published value is taken by.
    pub log2_qp: Option<Spread>,
    /// N: ring degree and number of slots.
    pub degree: Option<Spread>,
    /// Primes of a fresh ciphertext.
    pub limbs: Option<Spread>,
    /// Training of the student.
    pub training_seconds: Option<Spread>,
}

/// One comparison in one combination of the other axes.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// The axis along which the two sides differ.
    pub axis: String,
    /// Variation whose accuracy counts positive.
    pub of: String,
    /// Variation whose accuracy is subtracted.
    pub against: String,
    /// The other axes, the seed left out.
    pub labels: Vec<(String, String)>,
    /// Accuracy in clear, paired by seed.
    pub student: Option<Spread>,
    /// Accuracy of decrypted results, paired by seed.
    pub encrypted: Option<Spread>,
    /// What somebody else states it to be, in points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed: Option<f64>,
}

/// Sums up the rows of `matrix`; those of other matrices must be left out already.
pub fn summarise(matrix: &Matrix, rows: &[&ResultRow]) -> Summary {
    let mut groups: Vec<(Labels, Vec<&ResultRow>)> = Vec::new();
    for run in &matrix.runs {
        let labels: Vec<_> = run.labels.iter().filter(|l| l.0 != SEED).cloned().collect();
        let row = rows.iter().find(|r| r.key == run.key).copied();
        match groups.iter_mut().find(|g| g.0 == labels) {
            Some(group) => group.1.extend(row),
            None => groups.push((labels, row.into_iter().collect())),
        }
    }
    let cells = groups.into_iter().filter(|g| !g.1.is_empty()).map(|(labels, rows)| cell(labels, &rows)).collect();
    let differences = matrix.compare.iter().flat_map(|c| compare(c, matrix, rows)).collect();
    Summary { name: matrix.name.clone(), planned: matrix.runs.len(), finished: rows.len(), cells, differences }
}

fn cell(labels: Vec<(String, String)>, rows: &[&ResultRow]) -> TableCell {
    let of =
        |pick: &dyn Fn(&ResultRow) -> Option<f64>| spread(&rows.iter().filter_map(|r| pick(r)).collect::<Vec<_>>());
    let count = |is: fn(&RunOutcome) -> bool| rows.iter().filter(|r| is(&r.outcome)).count();
    TableCell {
        labels,
        diverged: count(|o| matches!(o, RunOutcome::Diverged { .. })),
        not_compiled: count(|o| matches!(o, RunOutcome::NotCompiled { .. })),
        teacher: of(&|r| r.teacher),
        student: of(&|r| r.student()),
        encrypted: of(&|r| Some(r.encrypted()?.accuracy)),
        auc: of(&|r| r.encrypted()?.auc),
        against_teacher: of(&|r| Some(r.student()? - r.teacher?)),
        against_clear: of(&|r| r.encrypted().map(|e| e.accuracy - e.clear)),
        agreement: of(&|r| r.encrypted().map(|e| e.agreeing as f64 / e.images.max(1) as f64)),
        images: rows.iter().filter_map(|r| Some(r.encrypted()?.images)).min(),
        milliseconds_per_image: of(&|r| Some(r.encrypted()?.milliseconds_per_image)),
        log2_qp: of(&|r| Some(r.encrypted()?.log2_qp)),
        degree: of(&|r| Some(r.encrypted()?.degree as f64)),
        limbs: of(&|r| Some(r.encrypted()?.limbs as f64)),
        training_seconds: of(&|r| r.student().map(|_| r.seconds)),
    }
}

fn compare(c: &Comparison, matrix: &Matrix, rows: &[&ResultRow]) -> Vec<Difference> {
    // Other axes with the seed -> the row on either side.
    let side = |name: &str| -> BTreeMap<Vec<(&str, &str)>, &ResultRow> {
        let here = rows.iter().filter(|r| r.labels.get(&c.axis).is_some_and(|v| v == name));
        let rest = |r: &ResultRow| -> Vec<(String, String)> {
            r.labels.iter().filter(|l| *l.0 != c.axis).map(|(a, v)| (a.clone(), v.clone())).collect()
        };
        here.map(|r| (matrix_labels(matrix, &rest(r)), *r)).collect()
    };
    let (of, against) = (side(&c.of), side(&c.against));
    let mut groups: Vec<(Labels, Vec<Pair<'_>>)> = Vec::new();
    for run in &matrix.runs {
        let rest: Vec<_> = run.labels.iter().filter(|l| l.0 != c.axis).cloned().collect();
        let key = matrix_labels(matrix, &rest);
        let labels: Vec<_> = rest.iter().filter(|l| l.0 != SEED).cloned().collect();
        // Every combination is met once for each variation of the axis; count it where it is `of`.
        let counts = run.labels.iter().any(|l| l.0 == c.axis && l.1 == c.of);
        let (Some(a), Some(b), true) = (of.get(&key), against.get(&key), counts) else { continue };
        match groups.iter_mut().find(|g| g.0 == labels) {
            Some(group) => group.1.push((a, b)),
            None => groups.push((labels, vec![(a, b)])),
        }
    }
    let difference = |(labels, pairs): (Labels, Vec<Pair<'_>>)| {
        let by = |pick: fn(&ResultRow) -> Option<f64>| {
            spread(&pairs.iter().filter_map(|(a, b)| Some(pick(a)? - pick(b)?)).collect::<Vec<_>>())
        };
        Difference {
            axis: c.axis.clone(),
            of: c.of.clone(),
            against: c.against.clone(),
            labels,
            student: by(ResultRow::student),
            encrypted: by(|r| Some(r.encrypted()?.accuracy)),
            claimed: c.claimed,
        }
    };
    groups.into_iter().map(difference).collect()
}

/// In the order of the matrix's axes, so that they can be compared.
fn matrix_labels<'a>(matrix: &'a Matrix, labels: &[(String, String)]) -> Vec<(&'a str, &'a str)> {
    let known = |(axis, variation): &(String, String)| {
        let axis = matrix.axes.iter().find(|a| a.name == *axis)?;
        Some((axis.name.as_str(), axis.variations.iter().find(|v| v.name == *variation)?.name.as_str()))
    };
    let mut all: Vec<_> = labels.iter().filter_map(known).collect();
    all.sort_unstable();
    all
}

impl TableCell {
    /// Names the combination: `cryptonets, distillation on`.
    pub(super) fn words(&self) -> String {
        self.labels.iter().map(|(axis, variation)| axis_word(axis, variation)).collect::<Vec<_>>().join(", ")
    }
}

/// A variation's name, with its axis where the name says too little.
pub(super) fn axis_word(axis: &str, variation: &str) -> String {
    if matches!(variation, "on" | "off") { format!("{axis} {variation}") } else { variation.to_owned() }
}

/// `network cryptonets, distillation on`.
fn words(labels: &[(String, String)]) -> String {
    let one = |(axis, variation): &(String, String)| format!("{axis} {variation}");
    labels.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The summary for people.
pub fn markdown(s: &Summary) -> String {
    let mut text = format!(
        "## {}\n\n{} of {} runs. Test images; mean ± sample standard deviation over the seeds. Points: student \
         minus teacher, paired by\nseed, mean (least to most). Encrypted − clear: points between the decrypted \
         results and the student in clear on the same\nimages, those that were encrypted. Time: wall-clock of the \
         encrypted run divided by all slots of its batches.\n\n",
        s.name, s.finished, s.planned
    );
    let axes: Vec<&str> = s.cells.first().map_or_else(Vec::new, |c| c.labels.iter().map(|l| l.0.as_str()).collect());
    let with_auc = s.cells.iter().any(|c| c.auc.is_some());
    let columns = [
        &["seeds", "teacher", "student", "encrypted"][..],
        if with_auc { &["AUC, encrypted"] } else { &[] },
        &["encrypted − clear", "points", "agreement", "images", "ms/image", "log QP", "N", "limbs", "not finished"],
    ];
    let heads: Vec<&str> = axes.iter().chain(columns.into_iter().flatten()).copied().collect();
    line(&mut text, heads.iter().map(|h| (*h).to_owned()));
    line(&mut text, heads.iter().map(|_| "---".to_owned()));
    for c in &s.cells {
        let plain = |f: Option<Spread>, digits| f.map_or_else(|| "–".to_owned(), |f| format!("{:.digits$}", f.mean));
        let first = [
            c.teacher.map_or(c.diverged, |f| f.n).to_string(),
            percent(c.teacher),
            percent(c.student),
            percent(c.encrypted),
        ];
        let auc = with_auc.then(|| area(c.auc));
        let rest = [
            points(c.against_clear),
            points(c.against_teacher),
            percent(c.agreement),
            c.images.map_or_else(|| "–".to_owned(), |n| n.to_string()),
            plain(c.milliseconds_per_image, 3),
            plain(c.log2_qp, 0),
            whole(c.degree),
            whole(c.limbs),
            unfinished(c),
        ];
        line(&mut text, c.labels.iter().map(|l| l.1.clone()).chain(first).chain(auc).chain(rest));
    }
    if !s.differences.is_empty() {
        text.push_str("\nDifferences in points of accuracy, paired by seed: mean (least to most).\n\n");
        let heads = ["difference", "with", "pairs", "student", "encrypted"];
        line(&mut text, heads.iter().map(|h| (*h).to_owned()));
        line(&mut text, heads.iter().map(|_| "---".to_owned()));
        for d in &s.differences {
            let pairs = d.student.map_or(0, |f| f.n).to_string();
            let what = format!("{} {} − {}", d.axis, d.of, d.against);
            line(&mut text, [what, words(&d.labels), pairs, points(d.student), points(d.encrypted)].into_iter());
        }
    }
    text
}

/// What has no mean: the value, or the least and the most.
fn whole(f: Option<Spread>) -> String {
    match f {
        None => "–".to_owned(),
        Some(f) if f.least == f.most => format!("{:.0}", f.most),
        Some(f) => format!("{:.0} to {:.0}", f.least, f.most),
    }
}

fn unfinished(c: &TableCell) -> String {
    match (c.diverged, c.not_compiled) {
        (0, 0) => "–".to_owned(),
        (d, 0) => format!("{d} diverged"),
        (0, n) => format!("{n} not compiled"),
        (d, n) => format!("{d} diverged, {n} not compiled"),
    }
}

fn line(text: &mut String, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.map(|c| c.replace('|', "\\|")).collect();
    // Writing to a string does not fail.
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::encrypted_run::EncryptedFigures;
    use super::*;

    const TEXT: &str = r#"{"name": "m", "base": {}, "compare": [
            {"axis": "activation", "of": "element", "against": "channel"},
            {"axis": "distillation", "of": "on", "against": "off"}],
        "axes": [{"name": "seed", "path": "seed", "values": [1, 2]},
            {"name": "activation", "path": "student.activation", "values": ["channel", "element"]},
            {"name": "distillation", "variations": [{"name": "on"}, {"name": "off", "set": {"student.lambda": 0}}]}]}"#;

    /// Accuracy by seed, activation and distillation: 0.80 + 0.01 seed + 0.02 for element + 0.04
    /// for distillation; one diverged.
    pub(in super::super) fn example() -> (Matrix, Vec<ResultRow>) {
        let matrix = Matrix::parse(TEXT, None).unwrap();
        let row = |run: &super::super::planned::PlannedRun| {
            let labels: BTreeMap<String, String> = run.labels.iter().cloned().collect();
            let is = |axis: &str, name: &str| f64::from(u8::from(labels[axis] == name));
            let student =
                0.8 + 0.01 * is("seed", "2") + 0.02 * is("activation", "element") + 0.04 * is("distillation", "on");
            let encrypted = EncryptedFigures {
                images: 100,
                accuracy: student - 0.01,
                auc: (labels["activation"] == "element").then_some(student + 0.05),
                // On the images that were encrypted, which are not all on which the student was
                // measured.
                clear: student + 0.02 + 0.01 * is("seed", "2"),
                agreeing: 99,
                largest_error: None,
                run_seconds: 1.0,
                milliseconds_per_image: 0.25,
                threads: 2,
                degree: 4096,
                limbs: 3,
                log2_qp: 100.0,
                security_bits: 128,
            };
            let outcome =
                if labels["seed"] == "2" && labels["activation"] == "channel" && labels["distillation"] == "off" {
                    RunOutcome::Diverged { message: "the loss is inf".to_owned() }
                } else {
                    RunOutcome::Done { student, encrypted: Box::new(encrypted) }
                };
            ResultRow {
                key: run.key.clone(),
                labels,
                outcome,
                data: "d".to_owned(),
                version: "0".to_owned(),
                teacher: Some(0.9),
                seconds: 1.0,
            }
        };
        let rows = matrix.runs.iter().map(row).collect();
        (matrix, rows)
    }

    #[test]
    fn differences_are_paired_by_seed() {
        let (matrix, rows) = example();
        let s = summarise(&matrix, &rows.iter().collect::<Vec<_>>());
        assert_eq!((s.cells.len(), s.differences.len()), (4, 4));
        let find = |axis: &str, other: &str| {
            let d = s.differences.iter().find(|d| d.axis == axis && d.labels[0].1 == other).unwrap();
            (d.student.unwrap().n, (1e4 * d.student.unwrap().mean).round() / 1e4)
        };
        assert_eq!(find("activation", "on"), (2, 0.02));
        assert_eq!(find("activation", "off"), (1, 0.02), "the diverged run has no partner");
        assert_eq!(find("distillation", "element"), (2, 0.04));
        assert_eq!(s.cells.iter().map(|c| c.diverged).sum::<usize>(), 1);
    }

    #[test]
    fn encrypted_is_set_against_clear_on_the_same_images() {
        let (matrix, rows) = example();
        let s = summarise(&matrix, &rows.iter().collect::<Vec<_>>());
        let f = s.cells.iter().find(|c| c.diverged == 0).unwrap().against_clear.unwrap();
        // Not the -0.01 to the student's accuracy on all test images.
        assert_eq!((f.n, (100.0 * f.least).round(), (100.0 * f.most).round()), (2, -4.0, -3.0));
        let diverged = s.cells.iter().find(|c| c.diverged == 1).unwrap();
        assert_eq!(diverged.against_clear.unwrap().n, 1, "a diverged run has nothing to compare");
    }

    #[test]
    fn the_table_for_people() {
        let (matrix, rows) = example();
        let text = markdown(&summarise(&matrix, &rows.iter().collect::<Vec<_>>()));
        assert!(text.contains("8 of 8 runs"), "{text}");
        let cell = "| element | on | 2 | 90.00 ± 0.00 % | 86.50 ± 0.71 % | 85.50 ± 0.71 % | 0.915 ± 0.007 \
             | -3.50 (-4.00 to -3.00) | -3.50 (-4.00 to -3.00) | 99.00 ± 0.00 % | 100 | 0.250 | 100 | 4096 | 3 | – |";
        assert!(text.contains(cell), "{text}");
        assert!(text.contains("| encrypted | AUC, encrypted | encrypted − clear | points |"), "{text}");
        assert!(text.contains("| 1 diverged |"), "{text}");
        assert!(
            text.contains("| activation element − channel | distillation on | 2 | +2.00 (+2.00 to +2.00) |"),
            "{text}"
        );
        assert!(text.contains(" 83.50 ± 0.71 % | – | "), "{text}");
        let none = markdown(&summarise(&matrix, &[]));
        assert!(none.contains("0 of 8 runs") && !none.contains("AUC"), "{none}");
    }
}
