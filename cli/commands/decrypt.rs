//! `beaa decrypt`: encrypted results into predictions.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;
use beaa_base::words::count;
use beaa_lab::metrics::{accuracy, percent};
use clap::Args;
use serde::Serialize;

use crate::any_program::{AnySignature, Decrypted};
use crate::context::Context;
use crate::exit::Exit;
use crate::labels::Labels;

/// Options of `beaa decrypt`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Compiled program, or its signature: a client needs no more.
    #[arg(value_name = "PROGRAM")]
    program: PathBuf,
    /// The client's secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Encrypted results.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// True labels, as `beaa encrypt --labels` wrote them: also say how many predictions are right.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Hide the encryption's own error under noise 2^BITS times as large, so that the logits may
    /// leave the client: exact decryptions can leak the secret key.
    #[arg(long, value_name = "BITS", num_args = 0..=1, default_missing_value = "8")]
    share: Option<f64>,
}

#[derive(Serialize)]
struct Answer {
    image: usize,
    prediction: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<u8>,
    logits: Vec<f64>,
}

#[derive(Serialize)]
struct Answers {
    accuracy: Option<f64>,
    flooding: Option<f64>,
    images: Vec<Answer>,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let signature = AnySignature::open(&arguments.program, context)?;
    let Decrypted { logits, flooding } =
        signature.decrypt(&arguments.key, &arguments.input, arguments.share, context)?;
    let labels = arguments.labels.as_deref().map(Labels::read).transpose()?.map(|l| l.labels);
    if let Some(labels) = labels.as_ref().filter(|l| l.len() != logits.images()) {
        return Err(Exit::BadInput.because(format!(
            "comparing with labels: found {} for {}, expected one for each; give the labels written with \
             this batch",
            count(labels.len(), "label"),
            count(logits.images(), "image")
        )));
    }
    let predicted = signature.classes().of(&logits);
    let answers = Answers {
        accuracy: labels.as_ref().and_then(|labels| accuracy(&predicted, labels)),
        flooding,
        images: logits
            .rows()
            .zip(&predicted)
            .enumerate()
            .map(|(image, (logits, &prediction))| Answer {
                image,
                prediction,
                class: prediction.and_then(|p| signature.classes().name(p)).map(str::to_owned),
                label: labels.as_ref().map(|l| l[image]),
                logits: logits.to_vec(),
            })
            .collect(),
    };
    context.print(&answers, || csv(&answers))?;
    if answers.accuracy.is_some() && !context.json {
        context.console.note(format_args!(
            "{} of {} right",
            percent(answers.accuracy),
            count(answers.images.len(), "image")
        ));
    }
    Ok(())
}

/// One line for each image; commas and quotes in class names are quoted.
fn csv(answers: &Answers) -> String {
    let labelled = answers.images.first().is_some_and(|a| a.label.is_some());
    let mut text = String::from(if labelled { "image,prediction,class,label\n" } else { "image,prediction,class\n" });
    for answer in &answers.images {
        let class = answer.class.as_deref().unwrap_or_default();
        let class = if class.contains([',', '"', '\n']) {
            format!("\"{}\"", class.replace('"', "\"\""))
        } else {
            class.to_owned()
        };
        // Writing to a string cannot fail.
        let prediction = answer.prediction.map_or_else(String::new, |p| p.to_string());
        let _ = write!(text, "{},{prediction},{class}", answer.image);
        let _ = answer.label.map_or(Ok(()), |label| write!(text, ",{label}"));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_names() {
        let answer = |image, class: &str, label| Answer {
            image,
            prediction: Some(1),
            class: Some(class.to_owned()),
            label,
            logits: vec![0.0, 1.0],
        };
        let answers = Answers { accuracy: None, flooding: None, images: vec![answer(0, "a,\"b\"", Some(7))] };
        assert_eq!(csv(&answers), "image,prediction,class,label\n0,1,\"a,\"\"b\"\"\",7\n");
        let answers = Answers { accuracy: None, flooding: None, images: vec![answer(3, "cat", None)] };
        assert_eq!(csv(&answers), "image,prediction,class\n3,1,cat\n");
    }
}
