//! `--only`: which runs of a matrix.

use std::str::FromStr;

use anyhow::Result;
use beaa_evaluation::bad_setting;

use super::planned::{Axis, PlannedRun};

/// `activation=element,seed=1`: every condition holds; `activation=element|channel`: either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter(Vec<(String, Vec<String>)>);

impl FromStr for RunFilter {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let condition = |part: &str| {
            let (axis, names) = part.split_once('=')?;
            let names: Vec<String> = names.split('|').map(|n| n.trim().to_owned()).collect();
            (!axis.trim().is_empty() && names.iter().all(|n| !n.is_empty())).then(|| (axis.trim().to_owned(), names))
        };
        let all = text.split(',').map(condition).collect::<Option<Vec<_>>>();
        all.map(Self).ok_or_else(|| "expected axis=variation, for example activation=element|channel,seed=1".to_owned())
    }
}

impl RunFilter {
    fn matches(&self, run: &PlannedRun) -> bool {
        self.0.iter().all(|(axis, names)| run.labels.iter().any(|(a, v)| a == axis && names.contains(v)))
    }

    /// Selects the runs, along `axes`, that meet one of `filters`; all without filters. `option` is
    /// where the filters come from.
    ///
    /// # Errors
    /// If a filter names an axis or a variation that is not there, or no run is left.
    pub fn select<'a>(
        filters: &[Self],
        option: &str,
        axes: &[Axis],
        runs: &'a [PlannedRun],
    ) -> Result<Vec<&'a PlannedRun>> {
        for (axis, names) in filters.iter().flat_map(|f| &f.0) {
            let known = axes.iter().find(|a| a.name == *axis).ok_or_else(|| {
                let there: Vec<&str> = axes.iter().map(|a| a.name.as_str()).collect();
                bad_setting(format!("{option}: there is no axis `{axis}`; there is {}", there.join(", ")))
            })?;
            if let Some(name) = names.iter().find(|n| !known.variations.iter().any(|v| v.name == **n)) {
                let there: Vec<&str> = known.variations.iter().map(|v| v.name.as_str()).collect();
                let there = there.join(", ");
                return Err(bad_setting(format!("{option}: axis {axis} has no `{name}`; it has {there}")));
            }
        }
        let chosen = |run: &&PlannedRun| filters.is_empty() || filters.iter().any(|f| f.matches(run));
        let runs: Vec<&PlannedRun> = runs.iter().filter(chosen).collect();
        if runs.is_empty() {
            let remedy = "name an axis once, `a=x|y` for either";
            return Err(bad_setting(format!("{option}: no run meets all conditions; {remedy}")));
        }
        Ok(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::Matrix;
    use super::*;

    fn count(filters: &[&str]) -> Result<usize> {
        let text = r#"{"name": "m", "base": {}, "axes": [{"name": "seed", "path": "seed", "values": [1, 2, 3]},
            {"name": "activation", "path": "student.activation", "values": ["element", "square"]}]}"#;
        let matrix = Matrix::parse(text, None).unwrap();
        let filters: Vec<RunFilter> = filters.iter().map(|f| f.parse().unwrap()).collect();
        Ok(RunFilter::select(&filters, "--only", &matrix.axes, &matrix.runs)?.len())
    }

    #[test]
    fn conditions_hold_together_filters_apart() {
        assert_eq!(count(&[]).unwrap(), 6);
        assert_eq!(count(&["activation=element,seed=1"]).unwrap(), 1);
        assert_eq!(count(&["seed=1|3"]).unwrap(), 4);
        assert_eq!(count(&["seed=1", "activation=square"]).unwrap(), 4);
    }

    #[test]
    fn unknown_words_are_named() {
        for (filter, part) in [("sead=1", "seed, activation"), ("seed=9", "1, 2, 3"), ("seed=1,seed=2", "no run")] {
            assert!(count(&[filter]).unwrap_err().to_string().contains(part));
        }
        assert!(
            "seed".parse::<RunFilter>().is_err()
                && "=1".parse::<RunFilter>().is_err()
                && "seed=".parse::<RunFilter>().is_err()
        );
    }
}
