//! Experiment files: the trainer's configuration, and under `compile` the compiler's options. Flags
//! are laid over the file, the file over the defaults.

use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow};
use beaa_base::json;
use beaa_base::text::read_text;
use beaa_compiler::ckks::Options;
use beaa_evaluation::{bad_input, bad_setting};
use beaa_trainer::{DeviceKind, TrainConfig, TrainLiteral};
use serde::Serialize;
use serde_json::Value;

/// What to train and how to compile it, checked.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// For the trainer.
    pub train: TrainConfig,
    /// For the compiler.
    pub compile: Options,
}

/// What the command line changes.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--set`, in order.
    pub assignments: Vec<Assignment>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--device`.
    pub device: Option<DeviceKind>,
}

/// `path=value`: the value is JSON, or a string if it is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    path: String,
    value: Value,
}

impl Assignment {
    /// The same as the text `path=value`.
    pub fn new(path: &str, value: &Value) -> Self {
        Self { path: path.to_owned(), value: value.clone() }
    }
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((path, value)) if !path.trim().is_empty() => Ok(Self {
                path: path.trim().to_owned(),
                value: serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned())),
            }),
            _ => Err("expected path=value, for example student.epochs=5".to_owned()),
        }
    }
}

impl Experiment {
    /// Reads an experiment file and lays `overrides` over it.
    ///
    /// # Errors
    /// If the file cannot be read, or a field is unknown or out of range.
    pub fn read(path: &Path, overrides: &Overrides) -> Result<Self> {
        let doing = || format!("reading configuration {}", path.display());
        let text = read_text("reading configuration", path).map_err(|e| with_remedy(e, "see configs/"))?;
        Self::parse(&text, overrides).with_context(doing)
    }

    /// Reads an experiment from JSON text and lays `overrides` over it.
    ///
    /// # Errors
    /// If the text is no experiment, or a field is unknown or out of range.
    pub fn parse(text: &str, overrides: &Overrides) -> Result<Self> {
        let (train, compile) = beaa_trainer::parse_experiment::<Options>(text)
            .map_err(|e| bad_input(format!("{e}; the fields are listed in docs/training.md")))?;
        let mut train = serde_json::to_value(train)?;
        let mut compile = serde_json::to_value(compile.unwrap_or_default())?;
        for assignment in &overrides.assignments {
            let (target, path) = match assignment.path.strip_prefix("compile.") {
                Some(rest) => (&mut compile, rest),
                None => (&mut train, assignment.path.as_str()),
            };
            assign(target, path, &assignment.value).with_context(|| format!("--set {}", assignment.path))?;
        }
        let train: TrainLiteral = read_back(train)?;
        let compile: Options = read_back(compile)?;
        let train = TrainLiteral {
            seed: overrides.seed.unwrap_or(train.seed),
            device: overrides.device.unwrap_or(train.device),
            ..train
        };
        compile.check()?;
        Ok(Self { train: train.try_into()?, compile })
    }

    /// All settings, as a file that [`Self::read`] takes.
    ///
    /// # Errors
    /// If the settings cannot be written as JSON.
    pub fn resolved(&self) -> Result<Value> {
        let mut all = serde_json::to_value(&self.train)?;
        if let Some(fields) = all.as_object_mut() {
            fields.insert("compile".to_owned(), serde_json::to_value(&self.compile)?);
        }
        Ok(all)
    }
}

/// What is wrong with a file of JSON, and where to see one.
pub(crate) fn with_remedy(error: beaa_base::Error, examples: &str) -> anyhow::Error {
    match error {
        error @ beaa_base::Error::Unfit { .. } => error.into(),
        error => bad_input(format!("{error}; give the path of a JSON file, {examples}")),
    }
}

/// Reads the compiler's options alone from an experiment file.
///
/// # Errors
/// As [`Experiment::read`].
pub fn compile_options(path: &Path) -> Result<Options> {
    Ok(Experiment::read(path, &Overrides::default())?.compile)
}

fn read_back<T: serde::de::DeserializeOwned + Serialize>(value: Value) -> Result<T> {
    let text = value.to_string();
    serde_json::from_value(value).map_err(|e| bad_setting(format!("--set: {}", json::plainer(&e, &text))))
}

/// Sets the field at `path` (`student.optimiser.learning_rate`, `network[3].linear.out`); all
/// fields above it must exist.
fn assign(target: &mut Value, path: &str, value: &Value) -> Result<()> {
    let keys: Vec<&str> = path.split(['.', '[']).map(|key| key.trim_end_matches(']')).collect();
    let (last, above) = keys.split_last().ok_or_else(|| anyhow!("an empty path"))?;
    let mut at = target;
    for key in above {
        let known = names(at);
        at = child(at, key).ok_or_else(|| unknown(key, &known))?;
    }
    let known = names(at);
    match at {
        Value::Object(fields) => {
            fields.insert((*last).to_owned(), value.clone());
        }
        Value::Array(items) => {
            let item = last.parse().ok().and_then(|i: usize| items.get_mut(i));
            *item.ok_or_else(|| unknown(last, &known))? = value.clone();
        }
        _ => return Err(unknown(last, "no field, it is a plain value")),
    }
    Ok(())
}

fn child<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(fields) => fields.get_mut(key),
        Value::Array(items) => key.parse().ok().and_then(|i: usize| items.get_mut(i)),
        _ => None,
    }
}

fn names(value: &Value) -> String {
    match value {
        Value::Object(fields) => fields.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        Value::Array(items) => format!("[0] to [{}]", items.len().saturating_sub(1)),
        _ => "no field, it is a plain value".to_owned(),
    }
}

fn unknown(key: &str, known: &str) -> anyhow::Error {
    bad_setting(format!("there is no `{key}`; there is {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use beaa_evaluation::Fault;

    fn parse(text: &str, sets: &[&str]) -> Result<Experiment> {
        let assignments = sets.iter().map(|s| s.parse().unwrap()).collect();
        Experiment::parse(text, &Overrides { assignments, ..Overrides::default() })
    }

    #[test]
    fn flags_win_over_the_file() {
        let text = r#"{"name": "t", "seed": 5, "compile": {"batch": 100}}"#;
        let sets = ["student.epochs=3", "network[0].conv2d.out=7", "compile.batch=200", "data.source=mnist", "name=u"];
        let experiment = parse(text, &sets).unwrap();
        let literal = experiment.train.literal();
        assert_eq!((literal.student.epochs, literal.seed, literal.name.as_str()), (3, 5, "u"));
        assert_eq!(literal.data.source, beaa_datasets::SourceSpec::named("mnist"));
        assert_eq!(experiment.compile.batch, 200);
        let seeded = Experiment::parse(text, &Overrides { seed: Some(9), ..Overrides::default() }).unwrap();
        assert_eq!(seeded.train.literal().seed, 9);
    }

    #[test]
    fn what_is_resolved_reads_the_same() {
        let experiment = parse(r#"{"compile": {"security": 192}}"#, &["teacher.epochs=2"]).unwrap();
        let text = experiment.resolved().unwrap().to_string();
        assert_eq!(parse(&text, &[]).unwrap().resolved().unwrap(), experiment.resolved().unwrap());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, set, at_fault, part) in [
            ("{}", "student.epoks=3", "setting", "epoks"),
            ("{}", "sudent.epochs=3", "setting", "teacher"),
            ("{}", "network[9].conv2d=3", "setting", "[0] to [5]"),
            ("{}", "seed.x=3", "setting", "plain value"),
            ("{}", "compile.security=100", "setting", "security"),
            ("{", "seed=1", "input", "line 1"),
            ("{\n\"sead\": 1}", "seed=1", "input", "line 2"),
            (r#"{"compile": {"batsh": 1}}"#, "seed=1", "input", "batsh"),
            ("{\"compile\": {},\n\"sead\": 1}", "seed=1", "input", "line 2"),
        ] {
            let error = parse(text, &[set]).unwrap_err();
            assert!(format!("{error:#}").contains(part), "{error:#}");
            let found = error.chain().find_map(|cause| match cause.downcast_ref() {
                Some(Fault::Setting(_)) => Some("setting"),
                Some(Fault::Input(_)) => Some("input"),
                _ => cause.is::<beaa_compiler::Error>().then_some("setting"),
            });
            assert_eq!(found, Some(at_fault), "{error:#}");
        }
        assert!("x".parse::<Assignment>().is_err() && "=1".parse::<Assignment>().is_err());
    }
}
