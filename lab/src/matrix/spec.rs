//! The file of a matrix, and the runs that it stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use beaa_base::json;
use beaa_base::text::read_text;
use beaa_evaluation::bad_input;
use beaa_ir::text::valid_name;
use beaa_trainer::{DeviceKind, TrainLiteral};
use serde::Deserialize;
use serde_json::Value;

use super::packing_study::{PackingStudy, PackingStudyLiteral};
use super::planned::{Axis, AxisVariation, PlannedRun};
use crate::experiment::{Assignment, Experiment, Overrides, with_remedy};

/// More runs than this are a mistake in the file.
const MAX_RUNS: usize = 10_000;

/// As anybody may write it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MatrixLiteral {
    /// For people; ignored.
    #[serde(default, alias = "_comment")]
    description: Value,
    name: String,
    base: Value,
    axes: Vec<AxisLiteral>,
    /// Axes from the slowest to the fastest; those that are not named come last, in the order of
    /// the file.
    #[serde(default)]
    order: Vec<String>,
    #[serde(default)]
    compare: Vec<Comparison>,
    packings: Option<PackingStudyLiteral>,
}

/// Either `variations`, or `path` and `values`: one variation for each value, named by it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AxisLiteral {
    name: String,
    #[serde(default)]
    variations: Vec<AxisVariation>,
    path: Option<String>,
    #[serde(default)]
    values: Vec<Value>,
}

/// A line of the table of differences: `of` minus `against` along `axis`, all else equal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The axis along which the two sides differ.
    pub axis: String,
    /// Variation whose accuracy counts positive.
    pub of: String,
    /// Variation whose accuracy is subtracted.
    pub against: String,
    /// What somebody else states it to be, in points.
    pub claimed: Option<f64>,
}

/// A checked matrix.
#[derive(Debug)]
pub struct Matrix {
    /// Names the matrix and its default folder.
    pub name: String,
    /// From the slowest to the fastest.
    pub axes: Vec<Axis>,
    /// Lines of the table of differences.
    pub compare: Vec<Comparison>,
    /// In the order of value.
    pub runs: Vec<PlannedRun>,
    /// Whether students are also measured in every packing.
    pub packings: Option<PackingStudy>,
}

impl Matrix {
    /// Reads the file of a matrix; `device` overrides that of its experiments.
    ///
    /// # Errors
    /// If the file cannot be read, or one of its runs is wrong.
    pub fn read(path: &Path, device: Option<DeviceKind>) -> Result<Self> {
        let doing = || format!("reading matrix {}", path.display());
        let text = read_text("reading matrix", path).map_err(|e| with_remedy(e, "see configs/experiments/"))?;
        Self::parse(&text, device).with_context(doing)
    }

    /// Reads a matrix from JSON text.
    ///
    /// # Errors
    /// If the text is no matrix, or one of its runs is wrong.
    pub fn parse(text: &str, device: Option<DeviceKind>) -> Result<Self> {
        let literal: MatrixLiteral =
            json::parse(text).map_err(|e| wrong(format!("{e}; see docs/experiments.md for the fields")))?;
        let mut axes = literal.axes.into_iter().map(axis).collect::<Result<Vec<_>>>()?;
        distinct("axis", axes.iter().map(|a| &a.name))?;
        if let Some(name) = literal.order.iter().find(|n| !axes.iter().any(|a| a.name == **n)) {
            return Err(wrong(format!("`order` names {name:?}, which is no axis; there is {}", names(&axes))));
        }
        distinct("entry of `order`", literal.order.iter())?;
        axes.sort_by_key(|a| literal.order.iter().position(|n| *n == a.name).unwrap_or(usize::MAX));
        for c in &literal.compare {
            let known =
                |name: &str| axes.iter().any(|a| a.name == c.axis && a.variations.iter().any(|v| v.name == name));
            if !known(&c.of) || !known(&c.against) {
                return Err(wrong(format!(
                    "`compare` names {} {:?} and {:?}; expected two variations of one axis of {}",
                    c.axis,
                    c.of,
                    c.against,
                    names(&axes)
                )));
            }
        }
        let count = axes.iter().try_fold(1_usize, |n, a| n.checked_mul(a.variations.len()));
        if count.is_none_or(|n| n > MAX_RUNS) {
            return Err(wrong(format!("more than {MAX_RUNS} runs; use fewer axes or variations")));
        }
        let base = literal.base.to_string();
        let mut combinations: Vec<Vec<&AxisVariation>> = vec![Vec::new()];
        for axis in &axes {
            let longer = |c: &Vec<_>| axis.variations.iter().map(|v| [c.as_slice(), &[v]].concat()).collect::<Vec<_>>();
            combinations = combinations.iter().flat_map(longer).collect();
        }
        let runs = combinations.iter().map(|c| plan(&base, &axes, c, device)).collect::<Result<Vec<_>>>()?;
        distinct("run (two combinations with the same configuration)", runs.iter().map(|r| &r.key))?;
        let packings = literal.packings.map(|p| PackingStudy::new(p, &axes, &runs)).transpose()?;
        // A name becomes a folder.
        if !valid_name(&literal.name) {
            return Err(wrong(format!("name {:?}; expected letters, digits, `-`, `_` and `.`", literal.name)));
        }
        drop(literal.description);
        Ok(Self { name: literal.name, axes, compare: literal.compare, runs, packings })
    }
}

fn axis(literal: AxisLiteral) -> Result<Axis> {
    let AxisLiteral { name, variations, path, values } = literal;
    let variations = match (path, variations.is_empty(), values.is_empty()) {
        (Some(path), true, false) => values
            .into_iter()
            .map(|value| AxisVariation {
                name: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
                set: BTreeMap::from([(path.clone(), value)]),
            })
            .collect(),
        (None, false, true) => variations,
        _ => return Err(wrong(format!("axis {name:?}: expected either `variations`, or `path` with `values`"))),
    };
    distinct(&format!("variation of axis {name:?}"), variations.iter().map(|v| &v.name))?;
    let odd = |n: &str| n.is_empty() || n.contains(['=', ',', '|']);
    if let Some(n) = variations.iter().map(|v| &v.name).chain([&name]).find(|n| odd(n)) {
        return Err(wrong(format!("name {n:?}; names are not empty and hold no `=`, `,` or `|`")));
    }
    Ok(Axis { name, variations })
}

fn plan(base: &str, axes: &[Axis], chosen: &[&AxisVariation], device: Option<DeviceKind>) -> Result<PlannedRun> {
    let labels: Vec<(String, String)> =
        axes.iter().zip(chosen).map(|(a, v)| (a.name.clone(), v.name.clone())).collect();
    let assignments = chosen.iter().flat_map(|v| &v.set).map(|(path, value)| Assignment::new(path, value)).collect();
    let experiment = Experiment::parse(base, &Overrides { assignments, seed: None, device })
        .with_context(|| format!("the run with {labels:?}"))?;
    let mut all = experiment.resolved()?;
    remove(&mut all, &["description", "name"]);
    let key = hash(&all);
    remove(&mut all, &["student", "compile"]);
    Ok(PlannedRun { labels, experiment, key, teacher: hash(&all) })
}

/// The experiment that trains the teacher of `planned` alone: the student's part does not count and
/// is the default.
pub(super) fn teacher_experiment(planned: &PlannedRun) -> Result<Experiment> {
    let literal = planned.experiment.train.literal().clone();
    let name = format!("teacher-{}", planned.teacher);
    let train = TrainLiteral { name, student: TrainLiteral::default().student, ..literal };
    Ok(Experiment { train: train.try_into()?, compile: planned.experiment.compile.clone() })
}

fn remove(value: &mut Value, fields: &[&str]) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| !fields.contains(&name.as_str()));
    }
}

/// The first 16 digits of BLAKE3: plenty to tell a few thousand configurations apart.
fn hash(value: &Value) -> String {
    blake3::hash(value.to_string().as_bytes()).to_hex().chars().take(16).collect()
}

fn names(axes: &[Axis]) -> String {
    let one = |a: &Axis| {
        format!("{} ({})", a.name, a.variations.iter().map(|v| v.name.as_str()).collect::<Vec<_>>().join(", "))
    };
    axes.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn distinct<'a>(what: &str, all: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in all {
        if !seen.insert(name) {
            return Err(wrong(format!("the {what} {name:?} is there twice")));
        }
    }
    Ok(())
}

fn wrong(message: String) -> anyhow::Error {
    bad_input(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"name": "m", "base": {"teacher": {"epochs": 1}},
        "axes": [{"name": "activation", "path": "student.activation", "values": ["element", "square"]},
                 {"name": "distillation",
                  "variations": [{"name": "on"}, {"name": "off", "set": {"student.lambda": 0}}]},
                 {"name": "seed", "path": "seed", "values": [1, 2]}],
        "order": ["seed"], "compare": [{"axis": "distillation", "of": "on", "against": "off"}]}"#;

    #[test]
    fn expands_in_the_order_of_value() {
        let matrix = Matrix::parse(TEXT, None).unwrap();
        let titles: Vec<String> = matrix.runs.iter().map(PlannedRun::title).collect();
        assert_eq!(titles.len(), 8);
        assert_eq!(titles[0], "seed 1, activation element, distillation on");
        assert_eq!(titles[3], "seed 1, activation square, distillation off");
        assert_eq!(titles[4], "seed 2, activation element, distillation on");
        let off = matrix.runs[1].experiment.train.literal();
        assert_eq!((off.student.lambda, off.seed, off.teacher.epochs), (0.0, 1, 1));
        // One teacher for each seed, whatever the student.
        let teachers: BTreeSet<&str> = matrix.runs.iter().map(|r| r.teacher.as_str()).collect();
        assert_eq!(teachers.len(), 2);
        assert!(matrix.runs[..4].iter().all(|r| r.teacher == matrix.runs[0].teacher));
    }

    #[test]
    fn keys_follow_the_configuration_not_its_words() {
        let keys = |text: &str| Matrix::parse(text, None).unwrap().runs.into_iter().map(|r| r.key).collect::<Vec<_>>();
        let reference = keys(TEXT);
        assert_eq!(reference, keys(&TEXT.replace("{\"epochs\": 1}}", "{\"epochs\": 1}, \"description\": \"x\"}")));
        assert_ne!(reference, keys(&TEXT.replace("{\"epochs\": 1}}", "{\"epochs\": 2}}")));
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, part) in [
            ("\"order\": [\"seed\"]", "\"order\": [\"sead\"]", "sead"),
            ("\"against\": \"off\"", "\"against\": \"of\"", "compare"),
            ("[1, 2]", "[1, 1]", "twice"),
            ("student.lambda", "student.lamda", "lamda"),
            ("\"name\": \"m\"", "\"name\": \"../m\"", "../m"),
            ("\"axes\"", "\"axis\"", "axis"),
            ("{\"name\": \"on\"}", "{\"name\": \"on\", \"set\": {\"student.lambda\": 0}}", "twice"),
            ("\"values\": [1, 2]", "\"values\": []", "values"),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_ne!(text, TEXT);
            let error = Matrix::parse(&text, None).unwrap_err();
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
    }

    #[test]
    fn the_configurations_of_the_repository_are_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/experiments");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            assert!(!Matrix::read(&path, None).unwrap().runs.is_empty(), "{}", path.display());
        }
    }
}
