//! `beaa decrypt`: encrypted results into predictions. Must never hand out exact logits when asked to share.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use beaa_ir::ckks::{SignatureFile, load_signature};
use beaa_ir::tfhe;
use beaa_lab::metrics::{accuracy, percent, predictions};
use beaa_runtime::ckks::{self, ClientKey, EncryptedOutput};
use clap::Args;
use serde::Serialize;

use super::labels::Labels;
use crate::context::Context;
use crate::exit::Exit;
use crate::lookup;

/// Options of `beaa decrypt`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Compiled program, or its signature: a client needs no more.
    #[arg(value_name = "PROGRAM")]
    pub(crate) program: PathBuf,
    /// The client's secret key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Encrypted results.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// True labels, as `beaa encrypt --labels` wrote them: also say how many predictions are right.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Hide the encryption's own error under noise 2^BITS times as large, so that the logits may leave the client: exact
    /// decryptions can leak the secret key.
    #[arg(long, value_name = "BITS", num_args = 0..=1, default_missing_value = "8")]
    pub(crate) share: Option<f64>,
}

#[derive(Serialize)]
struct Answer {
    image: usize,
    prediction: usize,
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
    if lookup::is(&arguments.program)? {
        let logits = lookup::decrypt(arguments, context)?;
        let classes = tfhe::load_signature(&arguments.program)?.signature.classes;
        return show(arguments, logits, &classes, None, context);
    }
    let interface = load_signature(&arguments.program)
        .with_context(|| format!("reading program {}", arguments.program.display()))?;
    let key = ClientKey::load(&arguments.key).with_context(|| format!("reading key {}", arguments.key.display()))?;
    let output =
        EncryptedOutput::load(&arguments.input).with_context(|| format!("reading {}", arguments.input.display()))?;
    let flooding = arguments.share.map(|bits| width(&interface, bits)).transpose()?;
    if let Some(width) = flooding {
        context.console.note(format_args!("noise up to {width:.2e} is added to every logit"));
    }
    let signature = &interface.signature;
    let logits = ckks::decrypt(signature, &interface.program, &key, &output, flooding)?;
    show(arguments, logits, &signature.classes, flooding, context)
}

/// Prints predictions, against labels if there are any.
fn show(
    arguments: &Arguments,
    logits: Vec<Vec<f64>>,
    classes: &[String],
    flooding: Option<f64>,
    context: &Context,
) -> Result<()> {
    let labels = arguments.labels.as_deref().map(Labels::read).transpose()?.map(|l| l.labels);
    if let Some(labels) = labels.as_ref().filter(|l| l.len() != logits.len()) {
        return Err(Exit::BadInput.because(format!(
            "comparing with labels: found {} labels for {} images, expected one for each; give the labels written with this batch",
            labels.len(),
            logits.len()
        )));
    }
    let predicted = predictions(&logits);
    let answers = Answers {
        accuracy: labels.as_ref().and_then(|labels| accuracy(&predicted, labels)),
        flooding,
        images: logits
            .into_iter()
            .zip(&predicted)
            .enumerate()
            .map(|(image, (logits, &prediction))| Answer {
                image,
                prediction,
                class: classes.get(prediction).cloned(),
                label: labels.as_ref().and_then(|l| l.get(image)).copied(),
                logits,
            })
            .collect(),
    };
    context.print(&answers, || csv(&answers))?;
    if answers.accuracy.is_some() && !context.json {
        context.console.note(format_args!("{} of {} images right", percent(answers.accuracy), answers.images.len()));
    }
    Ok(())
}

/// Half the width of the noise that hides errors of the predicted size by a factor of `2^bits`.
fn width(interface: &SignatureFile, bits: f64) -> Result<f64> {
    if !(0.0..=60.0).contains(&bits) {
        return Err(Exit::Usage.because(format!("--share: found {bits}, expected a number of bits from 0 to 60")));
    }
    let error = interface.output_error.ok_or_else(|| {
        Exit::BadInput.because("--share: the program does not say how large its output's error is; compile it again")
    })?;
    Ok(error * bits.exp2())
}

/// One line for each image; commas and quotes in class names are quoted.
fn csv(answers: &Answers) -> String {
    let labelled = answers.images.first().is_some_and(|a| a.label.is_some());
    let mut text = String::from(if labelled { "image,prediction,class,label\n" } else { "image,prediction,class\n" });
    for answer in &answers.images {
        let class = answer.class.as_deref().unwrap_or_default();
        let class = match class.contains([',', '"', '\n']) {
            true => format!("\"{}\"", class.replace('"', "\"\"")),
            false => class.to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "{},{},{class}", answer.image, answer.prediction);
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
            prediction: 1,
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
