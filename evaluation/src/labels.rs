//! The labels of a data set as classes of a network, matched by name wherever both have names, and
//! the file of true labels that `encrypt` may leave for `decrypt`. It stays with the client.

use std::path::Path;

use anyhow::Result;
use beaa_base::json;
use beaa_base::text::read_text;
use beaa_ir::{ClassMap, Classes};
use beaa_runtime::{BatchId, Receipt};
use serde::{Deserialize, Serialize};

use crate::Reporter;
use crate::error::bad_input;

/// Translates `labels`, classes of a data set with these names in order, into classes of `network`;
/// without names the labels count the network's classes.
/// Says so where they were matched by number, or where the data set lacks classes.
///
/// # Errors
/// If the names of both differ, or the numbers of classes do: the message says both lists. If a
/// label is none of the data set's classes.
pub fn of_network(
    network: &Classes,
    data_set: &[String],
    labels: &[u8],
    reporter: &dyn Reporter,
) -> Result<Vec<usize>> {
    let numbers: Vec<String>;
    let data_set = if data_set.is_empty() {
        numbers = (0..network.count()).map(|class| class.to_string()).collect();
        &numbers
    } else {
        data_set
    };
    let map = ClassMap::new(network, data_set)?;
    if let Some(note) = map.note() {
        reporter.note(&note);
    }
    if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= data_set.len()) {
        let (found, expected) = (format!("the label {label}"), data_set.len());
        return Err(bad_input(format!(
            "comparing with labels: found {found} among {expected} classes, expected labels from 0 on below \
             {expected}; give the labels of these images"
        )));
    }
    Ok(map.classes(labels))
}

/// True labels of a batch, in order. A plain array of labels does not say of which batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// The batch that they were written with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
    /// Where the images are from.
    #[serde(default)]
    pub data_set: String,
    /// Which part of it.
    #[serde(default)]
    pub split: String,
    /// What the data set calls its classes, in the order of the labels; empty where nobody said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// One for each image.
    pub labels: Vec<u8>,
}

impl Labels {
    /// The labels as classes of a network, matched by name where both have names.
    ///
    /// # Errors
    /// As [`of_network`].
    pub fn of_network(&self, network: &Classes, reporter: &dyn Reporter) -> Result<Vec<usize>> {
        of_network(network, &self.class_names, &self.labels, reporter)
    }

    /// Reads an object with `labels`, or a plain array.
    ///
    /// # Errors
    /// If the file cannot be read, or holds no labels.
    pub fn read(path: &Path) -> Result<Self> {
        let bad = |what: String| bad_input(format!("reading labels {}: {what}", path.display()));
        let text = read_text("reading labels", path)?;
        parse(&text).map_err(|e| bad(format!("{e}; expected {{\"labels\": [7, 2, ...]}} or [7, 2, ...]")))
    }

    /// Refuses labels of another batch than the receipt's, and more or fewer than `images`.
    ///
    /// # Errors
    /// If they are not those of the batch.
    pub fn expect(&self, receipt: Option<&Receipt>, images: usize) -> Result<()> {
        let refuse = |what: String| Err(bad_input(format!("comparing with labels: {what}")));
        if let (Some(found), Some(receipt)) = (&self.batch, receipt)
            && found != receipt.batch()
        {
            return refuse(format!(
                "found labels of batch {found}, expected those of batch {}; give the labels written with this batch",
                receipt.batch()
            ));
        }
        if self.labels.len() != images {
            let found = self.labels.len();
            return refuse(format!(
                "found {found} labels for {images} images, expected one for each; give the labels written with this \
                 batch"
            ));
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Labels, serde_json::Error> {
    if text.trim_start().starts_with('[') {
        let labels = json::parse(text)?;
        return Ok(Labels {
            batch: None,
            data_set: String::new(),
            split: String::new(),
            class_names: Vec::new(),
            labels,
        });
    }
    json::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reporter::Quiet;

    #[test]
    fn labels_follow_names() {
        let names = |list: [&str; 2]| list.map(str::to_owned).to_vec();
        let network = Classes::new(names(["zebra", "ant"]), 2, None).unwrap();
        let found = of_network(&network, &names(["ant", "zebra"]), &[0, 1, 1], &Quiet).unwrap();
        assert_eq!(found, [1, 0, 0]);
        assert!(
            of_network(&network, &names(["ant", "zebra"]), &[2], &Quiet).unwrap_err().to_string().contains("label 2")
        );
        let other = of_network(&network, &names(["cat", "dog"]), &[0], &Quiet).unwrap_err().to_string();
        assert!(other.contains("cat, dog") && other.contains("zebra, ant"), "{other}");
    }

    #[test]
    fn objects_and_arrays() {
        assert_eq!(parse("[1, 2]").unwrap().labels, [1, 2]);
        assert_eq!(parse(r#"{"labels": [3], "split": "test"}"#).unwrap().split, "test");
        assert!(parse("[1000]").is_err() && parse("{}").is_err() && parse("x").is_err());
    }
}
