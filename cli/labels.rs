//! The file of true labels that `encrypt` may leave for `decrypt`. It stays with the client.

use std::path::Path;

use anyhow::Result;
use beaa_base::json;
use beaa_base::text::read_text;
use beaa_ir::Classes;
use beaa_lab::labels;
use beaa_runtime::{BatchId, Receipt};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::exit::Exit;

/// True labels of a batch, in order. A plain array of labels does not say of which batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Labels {
    /// The batch that they were written with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<BatchId>,
    /// Where the images are from.
    #[serde(default)]
    pub(crate) data_set: String,
    /// Which part of it.
    #[serde(default)]
    pub(crate) split: String,
    /// What the data set calls its classes, in the order of the labels; empty where nobody said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) class_names: Vec<String>,
    /// One for each image.
    pub(crate) labels: Vec<u8>,
}

impl Labels {
    /// The labels as classes of a network, matched by name where both have names.
    pub(crate) fn of_network(&self, network: &Classes, context: &Context) -> Result<Vec<usize>> {
        if self.class_names.is_empty() {
            let numbers: Vec<String> = (0..network.count()).map(|class| class.to_string()).collect();
            return labels::of_network(network, &numbers, &self.labels, context);
        }
        labels::of_network(network, &self.class_names, &self.labels, context)
    }

    /// Reads an object with `labels`, or a plain array.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bad = |what: String| Exit::BadInput.because(format!("reading labels {}: {what}", path.display()));
        let text = read_text("reading labels", path)?;
        parse(&text).map_err(|e| bad(format!("{e}; expected {{\"labels\": [7, 2, ...]}} or [7, 2, ...]")))
    }
}

impl Labels {
    /// Refuses labels of another batch than the receipt's, and more or fewer than `images`.
    pub(crate) fn expect(&self, receipt: Option<&Receipt>, images: usize) -> Result<()> {
        let refuse = |what: String| Err(Exit::BadInput.because(format!("comparing with labels: {what}")));
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

    #[test]
    fn objects_and_arrays() {
        assert_eq!(parse("[1, 2]").unwrap().labels, [1, 2]);
        assert_eq!(parse(r#"{"labels": [3], "split": "test"}"#).unwrap().split, "test");
        assert!(parse("[1000]").is_err() && parse("{}").is_err() && parse("x").is_err());
    }
}
