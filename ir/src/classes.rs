//! What the outputs of a network say: how many classes there are, what they are called, and the one
//! function that turns logits into a class.

use beaa_base::printable::{printable, unfit_name};

use crate::images::ImageMajor;
use crate::stats::argmax;
use crate::{Error, Result};

/// The classes of a network. With several outputs there is one class for each, and an image is of
/// the class with the largest output. One output is a score: class 1 above the threshold, class 0
/// at or below it. Immutable.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes {
    names: Vec<String>,
    outputs: usize,
    /// Of the score; 0 where there are several outputs, which have none.
    threshold: f64,
}

impl Classes {
    /// The classes of a network with so many `outputs`. `names` may be empty: classes are then
    /// numbered. A score without a `threshold` has that of 0.
    ///
    /// # Errors
    /// [`Error::Malformed`] without an output, with another number of names than classes, with a
    /// threshold of several outputs, or one that is not finite.
    pub fn new(names: Vec<String>, outputs: usize, threshold: Option<f64>) -> Result<Self> {
        let bad = |found: String, expected: String, remedy: &'static str| {
            Err(Error::Malformed { operation: "checking the classes of a network", found, expected, remedy })
        };
        if outputs == 0 {
            return bad("no output".into(), "at least one".into(), "give the network an output for each class");
        }
        if outputs > 1 && threshold.is_some() {
            return bad(
                format!("a threshold and {outputs} outputs"),
                "a threshold for one output only".into(),
                "leave the threshold out: of several outputs the largest says the class",
            );
        }
        if let Some(threshold) = threshold.filter(|t| !t.is_finite()) {
            return bad(
                format!("a threshold of {threshold}"),
                "a finite number".into(),
                "give the score above which an image is of the second class",
            );
        }
        let unfit = names.iter().find_map(|name| unfit_name(name).map(|what| (name, what)));
        if let Some((name, what)) = unfit {
            return bad(
                format!("{what} ({})", printable(name)),
                "names that terminals and spreadsheets show as they are".into(),
                "give the class another name",
            );
        }
        let classes = Self { names, outputs, threshold: threshold.unwrap_or(0.0) };
        if !classes.names.is_empty() && classes.names.len() != classes.count() {
            let found = format!("{} ({})", counted(classes.names.len(), "class name"), classes.names.join(", "));
            return if outputs == 1 {
                bad(
                    format!("{found} for one output"),
                    "two, or none".into(),
                    "one output is a score: name what it says at or below the threshold, then what it says above, \
                     for example `healthy,ill`",
                )
            } else {
                bad(
                    format!("{found} for {outputs} outputs"),
                    format!("{outputs}, one for each output in order, or none"),
                    "give the names in the order of the outputs, or leave them out",
                )
            };
        }
        Ok(classes)
    }

    /// Checks that the classes of `other` are these: the same outputs and threshold, and the same
    /// names in order where both have names. Messages say `operation` and `remedy`.
    ///
    /// # Errors
    /// [`Error::Classes`] if they are not.
    pub fn expect_same(&self, other: &Self, operation: &'static str, remedy: &'static str) -> Result<()> {
        let named = !self.names.is_empty() && !other.names.is_empty();
        let same_names = !named || self.names == other.names;
        if (self.outputs, self.threshold) == (other.outputs, other.threshold) && same_names {
            return Ok(());
        }
        Err(Error::Classes { operation, found: other.description(), expected: self.description(), remedy })
    }

    /// `2 outputs (ant, zebra)`.
    fn description(&self) -> String {
        let names = if self.names.is_empty() { String::new() } else { format!(" ({})", self.names.join(", ")) };
        match self.threshold() {
            Some(threshold) => format!("a score with the threshold {threshold}{names}"),
            None => format!("{} outputs{names}", self.outputs),
        }
    }

    /// The names, in order; empty where classes have numbers only.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of `class`, which must be below [`Self::count`]; none where classes have numbers
    /// only.
    pub fn name(&self, class: usize) -> Option<&str> {
        assert!(class < self.count(), "class {class} of {}", self.count());
        self.names.get(class).map(String::as_str)
    }

    /// What to call `class`, which must be below [`Self::count`]: its name, or else its number.
    pub fn word(&self, class: usize) -> String {
        self.name(class).map_or_else(|| class.to_string(), str::to_owned)
    }

    /// Number of classes: two with one output, otherwise as many as outputs.
    pub fn count(&self) -> usize {
        self.outputs.max(2)
    }

    /// Number of outputs for one image.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The score above which an image is of class 1; none where there are several outputs.
    pub fn threshold(&self) -> Option<f64> {
        (self.outputs == 1).then_some(self.threshold)
    }

    /// The threshold of a score where it is not 0: what a file has to say of it.
    pub(crate) fn moved_threshold(&self) -> Option<f64> {
        self.threshold().filter(|t| *t != 0.0)
    }

    /// The class of an image by its logits, one for each output: the index of the largest, the
    /// first of equals, or whether the only one is above the threshold. None if no logit is a
    /// number.
    pub fn class<T: Copy + Into<f64>>(&self, logits: &[T]) -> Option<usize> {
        assert_eq!(logits.len(), self.outputs, "logits and outputs");
        match self.score(logits) {
            Some(score) if score.is_nan() => None,
            Some(score) => Some(usize::from(score > self.threshold)),
            None => argmax(logits.iter().copied()),
        }
    }

    /// The class of each image by its logits, as [`Self::class`] says.
    pub fn of<T: Copy + Into<f64>>(&self, logits: &ImageMajor<T>) -> Vec<Option<usize>> {
        logits.rows().map(|row| self.class(row)).collect()
    }

    /// By how much the logits say `class`: its own minus the largest other, or the score's distance
    /// from the threshold; negative where they say another. None if that is no number.
    pub fn margin<T: Copy + Into<f64>>(&self, logits: &[T], class: usize) -> Option<f64> {
        assert_eq!(logits.len(), self.outputs, "logits and outputs");
        assert!(class < self.count(), "class {class} of {}", self.count());
        let margin = match self.score(logits) {
            Some(score) if class == 1 => score - self.threshold,
            Some(score) => self.threshold - score,
            None => {
                let others = logits.iter().enumerate().filter(|(i, _)| *i != class).map(|(_, &v)| v.into());
                logits[class].into() - others.fold(f64::NEG_INFINITY, f64::max)
            }
        };
        (!margin.is_nan()).then_some(margin)
    }

    /// The only output; none of several.
    fn score<T: Copy + Into<f64>>(&self, logits: &[T]) -> Option<f64> {
        (self.outputs == 1).then(|| logits[0].into())
    }
}

/// `1 class name`, `3 class names`.
fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&n| n.to_owned()).collect()
    }

    #[test]
    fn the_largest_of_several_outputs_says_the_class() {
        let classes = Classes::new(names(&["a", "b", "c"]), 3, None).unwrap();
        let nan = f32::NAN;
        let logits = [[0.5, 2.0, -1.0], [3.0, 3.0, 1.0], [nan, -5.0, -6.0], [nan; 3]];
        let logits = ImageMajor::from_rows(3, logits).unwrap();
        assert_eq!(classes.of(&logits), [Some(1), Some(0), Some(1), None]);
        assert_eq!((classes.count(), classes.outputs(), classes.threshold()), (3, 3, None));
        assert_eq!((classes.name(2), classes.word(0).as_str()), (Some("c"), "a"));
    }

    #[test]
    fn one_output_is_a_score_with_a_threshold() {
        let plain = Classes::new(vec![], 1, None).unwrap();
        assert_eq!([-1.0, 0.0, -0.0, 1e-300, f64::INFINITY].map(|s| plain.class(&[s]).unwrap()), [0, 0, 0, 1, 1]);
        assert_eq!((plain.class(&[f64::NAN]), plain.threshold(), plain.count()), (None, Some(0.0), 2));
        assert_eq!((plain.name(1), plain.word(1).as_str()), (None, "1"));
        let moved = Classes::new(names(&["healthy", "ill"]), 1, Some(-1.5)).unwrap();
        assert_eq!([-2.0, -1.5, -1.0].map(|s: f32| moved.class(&[s]).unwrap()), [0, 0, 1]);
        assert_eq!((moved.name(1), moved.threshold()), (Some("ill"), Some(-1.5)));
    }

    #[test]
    fn margins_are_distances_to_the_other_class() {
        let several = Classes::new(vec![], 3, None).unwrap();
        assert_eq!(several.margin(&[1.0, 5.0, 3.5], 1), Some(1.5));
        assert_eq!(several.margin(&[1.0, 5.0, 3.5], 2), Some(-1.5));
        let score = Classes::new(vec![], 1, Some(0.25)).unwrap();
        assert_eq!((score.margin(&[1.25], 1), score.margin(&[1.25], 0)), (Some(1.0), Some(-1.0)));
        assert_eq!((score.margin(&[-0.75], 0), score.margin(&[f64::NAN], 0)), (Some(1.0), None));
    }

    #[test]
    fn networks_of_other_classes_are_told_apart() {
        let new = |list: &[&str], outputs, threshold| Classes::new(names(list), outputs, threshold).unwrap();
        let network = new(&["a", "b"], 2, None);
        let other = |classes: &Classes, other: &Classes| classes.expect_same(other, "comparing", "use another");
        assert!(other(&network, &network).is_ok() && other(&network, &new(&[], 2, None)).is_ok());
        let refused = other(&network, &new(&["b", "a"], 2, None)).unwrap_err().to_string();
        assert_eq!(refused, "comparing: found 2 outputs (b, a), expected 2 outputs (a, b); use another");
        assert!(other(&network, &new(&["a", "b"], 1, None)).is_err(), "another number of outputs");
        assert!(other(&new(&[], 1, None), &new(&[], 1, Some(0.5))).is_err(), "another threshold");
    }

    #[test]
    fn names_and_thresholds_that_do_not_fit_are_refused_with_a_remedy() {
        let refused =
            |list: &[&str], outputs, threshold| Classes::new(names(list), outputs, threshold).unwrap_err().to_string();
        let one = refused(&["ill"], 1, None);
        assert!(one.contains("found 1 class name (ill) for one output, expected two, or none"), "{one}");
        assert!(one.contains("healthy,ill"), "{one}");
        assert!(refused(&["a", "b", "c"], 1, None).contains("3 class names"));
        assert!(refused(&["a", "b"], 10, None).contains("2 class names (a, b) for 10 outputs"));
        assert!(refused(&[], 2, Some(0.0)).contains("a threshold and 2 outputs"));
        assert!(refused(&[], 1, Some(f64::NAN)).contains("a threshold of NaN"));
        assert!(refused(&[], 0, None).contains("no output"));
    }
}
