//! Labels of rows and signals: names or whole numbers, as tables and arrays hold them, into numbers
//! of classes.

use std::collections::BTreeSet;
use std::path::Path;

use crate::channel_statistics::list;
use crate::classes::Classes;
use crate::error::Error;

/// The classes of a set, in the order of their numbers, and how labels name them.
pub(crate) struct LabelNames {
    pub(crate) names: Vec<String>,
    /// Labels are the numbers of classes, not their names.
    by_number: bool,
}

impl LabelNames {
    /// The `stated` names, or those that occur in `training`: whole numbers by value, names by
    /// alphabet. `position` says where the labels are, for errors.
    ///
    /// # Errors
    /// One class, more than 256, or labels that are neither names nor whole numbers.
    pub(crate) fn of(
        file: &Path,
        position: &str,
        training: &[String],
        stated: Option<&Classes>,
    ) -> Result<Self, Error> {
        let wrong = |found: String, expected: &str, remedy: &str| {
            Err(Error::table(file, format!(", {position}"), found, expected, remedy))
        };
        let found: BTreeSet<&str> = training.iter().map(String::as_str).collect();
        if let Some(stated) = stated {
            let names = Classes::resolve(Some(stated), &[])?;
            let by_number = !found.iter().any(|label| names.iter().any(|name| name == label));
            return Ok(Self { names, by_number });
        }
        if let Some(label) = found.iter().find(|label| label.parse::<f64>().is_ok() && !is_integer(label)) {
            let expected = "names of classes or whole numbers";
            return wrong(
                format!("the label {label}"),
                expected,
                "a network tells classes apart, and predicts no amount",
            );
        }
        match found.len() {
            0 | 1 => {
                let names: Vec<String> = found.iter().map(|&label| label.to_owned()).collect();
                wrong(format!("the classes [{}]", list(&names)), "at least two", "is this the column of the classes?")
            }
            2..=256 => {
                let mut names: Vec<String> = found.into_iter().map(str::to_owned).collect();
                if names.iter().all(|name| is_integer(name)) {
                    names.sort_by_key(|name| name.parse::<i64>().ok());
                }
                Ok(Self { names, by_number: false })
            }
            many => wrong(format!("{many} different labels"), "at most 256", "is this the column of the classes?"),
        }
    }

    /// The number of the class of each label; `position` says where label `i` is.
    ///
    /// # Errors
    /// A label that is no class.
    pub(crate) fn numbers(
        &self,
        file: &Path,
        labels: &[String],
        position: impl Fn(usize) -> String,
    ) -> Result<Vec<u8>, Error> {
        let by_number = |label: &String| label.parse::<usize>().ok().filter(|&number| number < self.names.len());
        let by_name = |label: &String| self.names.iter().position(|name| name == label);
        let number = |label: &String| if self.by_number { by_number(label) } else { by_name(label) };
        let class = |(i, label): (usize, &String)| {
            let found = number(label).and_then(|number| u8::try_from(number).ok());
            found.ok_or_else(|| {
                let or_number = if self.by_number { ", or its number from 0 on" } else { "" };
                let expected = format!("one of the classes [{}]{or_number}", list(&self.names));
                let remedy = "correct the label, or state all names under \"classes\"";
                Error::table(file, format!(", {}", position(i)), format!("the label `{label}`"), expected, remedy)
            })
        };
        labels.iter().enumerate().map(class).collect()
    }
}

/// A label without blanks around it, and whole numbers in digits, however they are written: `1.0`
/// and `1.000e+00` are `1`.
pub(crate) fn canonical(label: &str) -> String {
    let label = label.trim();
    let number = label.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && n.abs() < (1_u64 << 53) as f64);
    match number {
        Some(number) if label.contains(['.', 'e', 'E']) => format!("{}", number as i64),
        _ => label.to_owned(),
    }
}

fn is_integer(label: &str) -> bool {
    label.parse::<i64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| canonical(label)).collect()
    }

    fn of(training: &[&str], stated: Option<&[&str]>) -> Result<(Vec<String>, Vec<u8>), String> {
        let stated = stated.map(|names| Classes::Names(names.iter().map(|&name| name.to_owned()).collect()));
        let training = labels(training);
        let file = Path::new("t");
        let names = LabelNames::of(file, "column 1", &training, stated.as_ref()).map_err(|e| e.to_string())?;
        let numbers = names.numbers(file, &training, |i| format!("row {i}")).map_err(|e| e.to_string())?;
        Ok((names.names, numbers))
    }

    #[test]
    fn names_are_ordered_by_alphabet_and_numbers_by_value() {
        assert_eq!(of(&["M", "B", " M"], None).unwrap(), (vec!["B".into(), "M".into()], vec![1, 0, 1]));
        let (names, numbers) = of(&["10", "9", "1.0", "1.000000000000000000e+00"], None).unwrap();
        assert_eq!((names, numbers), (labels(&["1", "9", "10"]), vec![2, 1, 0, 0]));
    }

    #[test]
    fn stated_classes_are_matched_by_name_or_else_by_number() {
        let stated = Some(&["malignant", "benign"][..]);
        assert_eq!(of(&["benign", "malignant"], stated).unwrap().1, [1, 0]);
        assert_eq!(of(&["0", "1.0", "1"], stated).unwrap().1, [0, 1, 1]);
        let error = of(&["benign", "normal"], stated).unwrap_err();
        assert!(
            error.contains("row 1: found the label `normal`") && error.contains("`malignant`, `benign`"),
            "{error}"
        );
        assert!(of(&["0", "2"], stated).unwrap_err().contains("or its number from 0 on"));
    }

    #[test]
    fn what_is_no_class_is_refused() {
        assert!(of(&["0.37", "0.5"], None).unwrap_err().contains("predicts no amount"));
        assert!(of(&["a", "a"], None).unwrap_err().contains("at least two"));
        let many: Vec<String> = (0..257).map(|i| format!("id{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(of(&many, None).unwrap_err().contains("257 different labels"));
    }
}
