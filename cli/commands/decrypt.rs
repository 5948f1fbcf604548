//! `beaa decrypt`: encrypted results into predictions.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;
use beaa_base::printable::is_formula;
use beaa_base::words::count;
use beaa_evaluation::labels::Labels;
use beaa_evaluation::metrics::{Classification, judge as judge_answers, percent, scores};
use beaa_evaluation::{classes, files};
use beaa_ir::Classes;
use beaa_ir::images::ImageMajor;
use beaa_runtime::{Outside, Receipt};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use crate::any_program::{Answered, AnySignature, DecryptRequest, Decrypted};
use crate::commands::encrypt::SecretArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::memory_args::MemoryArgs;
use crate::outputs::{Files, OutputKind, Replace};
use crate::outside::{self, MOST_LINES};
use crate::passphrase::PassphraseArgs;
use crate::receipts::ReceiptChoice;
use crate::security::InsecureArgs;

/// Options of `beaa decrypt`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Compiled program, or its signature: a client needs no more.
    #[arg(value_name = "PROGRAM")]
    program: PathBuf,
    /// The client's secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// Encrypted results.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    #[command(flatten)]
    answers: AnswerArgs,
    /// True labels, as `beaa encrypt --labels` wrote them: also say how many predictions are right.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The receipt that `beaa encrypt` wrote with the images [default: that of the answers' batch
    /// among the receipts beside the answers or the key, or in the folder KEY.receipts].
    #[arg(long, value_name = "FILE", conflicts_with = "without_receipt")]
    receipt: Option<PathBuf>,
    /// Decrypt answers without knowing what was sent: only if nobody could have exchanged them.
    #[arg(long)]
    without_receipt: bool,
    /// Which outputs to give: to as many digits as their error leaves, or as decrypted. Raw ones
    /// hold the encryption's noise, by which the secret key can be found.
    #[arg(long, value_enum, default_value_t = Logits::Rounded, value_name = "HOW")]
    logits: Logits,
    /// Hide the encryption's own error under noise, with so many bits of statistical security, so
    /// that the outputs may leave the client; once for each batch.
    #[arg(long, value_name = "BITS", num_args = 0..=1, default_missing_value = "30")]
    #[arg(conflicts_with_all = ["logits", "without_receipt"])]
    share: Option<f64>,
    #[command(flatten)]
    insecure: InsecureArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    replace: Replace,
}

/// Where answers go, and in which form.
#[derive(Debug, Clone, Args)]
pub(crate) struct AnswerArgs {
    /// Write the answers to this file instead of printing them.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How the answers are written: a table with a head, or the numbers of the classes alone, one a
    /// line.
    #[arg(long, value_enum, default_value_t = Format::Csv, value_name = "FORMAT")]
    format: Format,
    /// Give class and outputs also of images whose answers are outside of what the program
    /// promises.
    #[arg(long)]
    allow_out_of_range: bool,
}

impl Arguments {
    /// Decrypts the answers in `input` of the program of a signature by their receipt, and gives
    /// rounded outputs, with nothing insecure.
    pub(crate) fn of_job(
        program: PathBuf,
        secret: &SecretArgs,
        [input, receipt]: [PathBuf; 2],
        answers: AnswerArgs,
        labels: Option<PathBuf>,
    ) -> Self {
        Self {
            program,
            key: secret.key.clone(),
            passphrase: secret.passphrase.clone(),
            input,
            answers,
            labels,
            receipt: Some(receipt),
            without_receipt: false,
            logits: Logits::Rounded,
            share: None,
            insecure: InsecureArgs::default(),
            memory: MemoryArgs::default(),
            replace: Replace::default(),
        }
    }
}

/// How a table of answers begins.
const HEAD: &str = "image,prediction,class";
/// What `--out` writes.
const ANSWERS: OutputKind = OutputKind::Text("file of answers of `beaa decrypt`", is_answers);

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line for each image with its number, class and name, and a head.
    Csv,
    /// The number of the class alone, one a line; an empty line for an answer that is worth
    /// nothing.
    Labels,
}

/// Which outputs to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Logits {
    /// To as many digits as their error leaves.
    Rounded,
    /// As decrypted.
    Raw,
}

#[derive(Serialize)]
struct Answer {
    image: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    prediction: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<usize>,
    logits: Option<Vec<f64>>,
    outside: bool,
}

#[derive(Serialize)]
struct AllAnswers {
    accuracy: Option<f64>,
    /// What stands behind the accuracy.
    #[serde(skip_serializing_if = "Option::is_none")]
    figures: Option<Classification>,
    /// Step to which outputs are rounded.
    step: Option<f64>,
    /// Deviation of the noise that hides the encryption's own.
    flooding: Option<f64>,
    /// Numbers that it covers.
    shared_numbers: Option<usize>,
    /// Images whose answers are worth nothing.
    outside: usize,
    /// Wall-clock seconds of the command.
    seconds: f64,
    images: Vec<Answer>,
}

/// The outputs to give.
struct Outputs {
    logits: ImageMajor<f64>,
    classes: Vec<Option<usize>>,
    step: Option<f64>,
    outside: Vec<Outside>,
}

pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    arguments.memory.apply();
    Files::default()
        .reads("PROGRAM", arguments.program.as_path())
        .reads("--key", arguments.key.as_path())
        .reads("--input", arguments.input.as_path())
        .reads("--labels", arguments.labels.as_deref())
        .reads("--receipt", arguments.receipt.as_deref())
        .writes("--out", arguments.answers.out.as_deref(), ANSWERS, 0)
        .check(&arguments.replace)?;
    let signature = AnySignature::open(&arguments.program, context)?;
    let choice = match &arguments.receipt {
        Some(path) => ReceiptChoice::File(path.clone()),
        None if arguments.without_receipt => ReceiptChoice::Without,
        None => ReceiptChoice::Beside,
    };
    let labels = arguments.labels.as_deref().map(Labels::read).transpose()?;
    let Arguments { key, input, share, insecure, .. } = arguments;
    let passphrase = arguments.passphrase.of_key(key, context)?;
    let passphrase = passphrase.as_ref();
    let request = DecryptRequest { key, passphrase, input, receipt: &choice, share: *share, insecure: *insecure };
    warn_before(arguments, &signature, context);
    let Decrypted { answers, receipt } = signature.decrypt(&request, context)?;
    let outputs = outputs_to_show(&answers, signature.classes(), arguments.logits);
    if let Some(labels) = &labels {
        labels.expect(receipt.as_ref(), outputs.logits.images())?;
    }
    let truth = labels.as_ref().map(|l| l.of_network(signature.classes(), context)).transpose()?;
    let names = receipt.as_ref().map_or(&[][..], Receipt::names);
    let mut answers = all_answers(&outputs, &answers, signature.classes(), truth.as_deref(), names, arguments);
    answers.seconds = context.seconds();
    give(&answers, arguments, context)?;
    if let Some(figures) = answers.figures.as_ref().filter(|_| !context.json) {
        context.console.note(format_args!(
            "{} of {} right",
            percent(answers.accuracy),
            count(answers.images.len(), "image")
        ));
        context.console.note(classes::classes(figures).trim_end());
    }
    say_more(&answers, receipt.as_ref(), context);
    judge(&outputs.outside, names, arguments.answers.allow_out_of_range, context)
}

/// Says what the options cost.
fn warn_before(arguments: &Arguments, signature: &AnySignature, context: &Context) {
    if arguments.without_receipt {
        context.console.warn(
            "--without-receipt: whoever handed over the answers may have made them of anything, so that what they \
             decrypt to tells the key; show them to nobody",
        );
    }
    if arguments.logits == Logits::Raw {
        context.console.warn(
            "--logits raw: these outputs hold the encryption's noise; whoever sees them and the ciphertexts can find \
             out the secret key (docs/security.md)",
        );
    }
    if signature.promise().is_none() {
        context.console.warn(
            "the program does not say which answers it promises, so that none can be recognised as garbage; compile \
             it again",
        );
    }
}

fn outputs_to_show(answers: &Answered, classes: &Classes, logits: Logits) -> Outputs {
    match answers {
        Answered::Private(answers) => {
            let raw = logits == Logits::Raw;
            Outputs {
                logits: if raw { answers.exact().clone() } else { answers.rounded() },
                // By the exact outputs: rounding makes ties.
                classes: classes.of(answers.exact()),
                step: answers.grid().filter(|_| !raw),
                outside: answers.outside().to_vec(),
            }
        }
        Answered::Shared(shared) => Outputs {
            logits: shared.logits.clone(),
            classes: classes.of(&shared.logits),
            step: None,
            outside: shared.outside.clone(),
        },
    }
}

fn all_answers(
    outputs: &Outputs,
    answers: &Answered,
    classes: &Classes,
    labels: Option<&[usize]>,
    names: &[String],
    arguments: &Arguments,
) -> AllAnswers {
    let mut inside = vec![true; outputs.logits.images()];
    outputs.outside.iter().for_each(|o| inside[o.image] = false);
    let shown: Vec<bool> = inside.iter().map(|&inside| inside || arguments.answers.allow_out_of_range).collect();
    let predicted: Vec<Option<usize>> = outputs.classes.iter().zip(&shown).map(|(c, s)| c.filter(|_| *s)).collect();
    let shared = match answers {
        Answered::Shared(shared) => Some(shared),
        Answered::Private(_) => None,
    };
    let answer = |(image, logits): (usize, &[f64])| Answer {
        image,
        file: names.get(image).cloned(),
        prediction: predicted[image],
        class: predicted[image].and_then(|p| classes.name(p)).map(str::to_owned),
        label: labels.map(|l| l[image]),
        logits: shown[image].then(|| logits.to_vec()),
        outside: !inside[image],
    };
    let scores = scores(classes, &outputs.logits);
    let figures = labels.and_then(|labels| judge_answers(classes, &predicted, &scores, labels));
    AllAnswers {
        accuracy: figures.as_ref().map(|f| f.accuracy),
        figures,
        step: outputs.step,
        flooding: shared.map(|s| s.noise),
        shared_numbers: shared.map(|s| s.numbers),
        outside: outputs.outside.len(),
        seconds: 0.0,
        images: outputs.logits.rows().enumerate().map(answer).collect(),
    }
}

/// Prints the answers, or writes them to a file.
fn give(answers: &AllAnswers, arguments: &Arguments, context: &Context) -> Result<()> {
    let text = || match arguments.answers.format {
        Format::Csv => csv(answers),
        Format::Labels => labels(answers),
    };
    let Some(path) = &arguments.answers.out else { return context.print(answers, text) };
    if context.json {
        return files::write_json(path, answers);
    }
    files::write(path, text().as_bytes())
}

/// Whether a text is what `--out` writes: a table or JSON. Bare numbers of classes may be
/// anybody's.
fn is_answers(text: &str) -> bool {
    let json =
        || serde_json::from_str::<Value>(text).is_ok_and(|v| v.get("images").is_some() && v.get("step").is_some());
    text.starts_with(HEAD) || json()
}

/// Says what noise was added, and which images were known to be unusual.
fn say_more(answers: &AllAnswers, receipt: Option<&Receipt>, context: &Context) {
    if let (Some(noise), Some(numbers)) = (answers.flooding, answers.shared_numbers) {
        context.console.note(format_args!(
            "noise of deviation {noise:.2e} hides the encryption's own in {numbers} numbers; the receipt says that \
             they are shared now"
        ));
    }
    let deviating = receipt.map_or(0, |r| r.deviating().len());
    if deviating > 0 {
        context.console.warn(format_args!(
            "{deviating} of {} images were outside of what the program was compiled for when they were encrypted",
            answers.images.len()
        ));
    }
}

/// Names the images whose answers are worth nothing; that is an error unless the user allows it.
fn judge(outside: &[Outside], names: &[String], allowed: bool, context: &Context) -> Result<()> {
    if outside.is_empty() {
        return Ok(());
    }
    for o in outside.iter().take(MOST_LINES) {
        context.console.warn(format_args!("  {}: {}", outside::name(names, o.image), outside::reason(o)));
    }
    outside::say_rest(outside.len(), context);
    let count = outside.len();
    if allowed {
        context.console.warn(format_args!("{count} answers are outside of what the program promises"));
        return Ok(());
    }
    Err(Exit::NotVerified.because(format!(
        "decrypting: found {count} answers outside of what the program promises, expected none; they are given neither \
         class nor outputs. Encrypt only images like those that the network was trained on, or look at them with \
         --allow-out-of-range"
    )))
}

/// One line for each image; commas and quotes in names are quoted. Images whose answers are worth
/// nothing have neither prediction nor class.
fn csv(answers: &AllAnswers) -> String {
    let labelled = answers.images.iter().any(|a| a.label.is_some());
    let named = answers.images.iter().any(|a| a.file.is_some());
    let mut text = String::from(HEAD);
    text.push_str(if labelled { ",label" } else { "" });
    text.push_str(if named { ",file\n" } else { "\n" });
    for answer in &answers.images {
        let prediction = answer.prediction.map_or_else(String::new, |p| p.to_string());
        // Writing to a string cannot fail.
        let _ = write!(text, "{},{prediction},{}", answer.image, quoted(answer.class.as_deref()));
        let _ = answer.label.map_or(Ok(()), |label| write!(text, ",{label}"));
        if named {
            let _ = write!(text, ",{}", quoted(answer.file.as_deref()));
        }
        text.push('\n');
    }
    text
}

/// The number of each image's class, one a line.
fn labels(answers: &AllAnswers) -> String {
    let line = |a: &Answer| a.prediction.map_or_else(|| "\n".to_owned(), |p| format!("{p}\n"));
    answers.images.iter().map(line).collect()
}

/// A field of a line; nothing where there is no name.
fn quoted(name: Option<&str>) -> String {
    // A spreadsheet would compute the name of a file that begins so; this is the same file. No name
    // of a class does.
    let name = name.map(|name| if is_formula(name) { Cow::from(format!("./{name}")) } else { Cow::from(name) });
    match name {
        Some(name) if name.contains([',', '"', '\n']) => format!("\"{}\"", name.replace('"', "\"\"")),
        Some(name) => name.into_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_names() {
        let answer = |image, class: Option<&str>, label, file: Option<&str>| Answer {
            image,
            file: file.map(str::to_owned),
            prediction: class.map(|_| 1),
            class: class.map(str::to_owned),
            label,
            logits: class.map(|_| vec![0.0, 1.0]),
            outside: class.is_none(),
        };
        let all = |images| AllAnswers {
            accuracy: None,
            figures: None,
            step: None,
            flooding: None,
            shared_numbers: None,
            outside: 0,
            seconds: 0.0,
            images,
        };
        let answers = all(vec![answer(0, Some("a,\"b\""), Some(7), None)]);
        assert_eq!(csv(&answers), "image,prediction,class,label\n0,1,\"a,\"\"b\"\"\",7\n");
        assert_eq!(labels(&answers), "1\n");
        assert!(is_answers(&csv(&answers)) && !is_answers(&labels(&answers)) && !is_answers("7 days\n"));
        assert!(is_answers(&serde_json::to_string(&answers).unwrap()) && !is_answers(r#"{"images": []}"#));
        let answers = all(vec![answer(3, Some("cat"), None, Some("x,1.png")), answer(4, None, None, Some("=y.png"))]);
        assert_eq!(csv(&answers), "image,prediction,class,file\n3,1,cat,\"x,1.png\"\n4,,,./=y.png\n");
    }
}
