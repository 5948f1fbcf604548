//! The report as one HTML page. It loads nothing from outside (`the_style_sheet_loads_nothing`),
//! and text from outside is escaped (`nothing_from_outside_gets_through_unescaped`).

use std::fmt::Write;

use anyhow::Result;
use beaa_evaluation::metrics::percent;
use beaa_ir::text::bytes;
use beaa_runtime::ckks::{RunReport, Verdict, Verification};
use beaa_trainer::{EpochMetrics, PolynomialSample, StudentActivation};

use super::plots::{self, Measure};
use super::summary::Summary;
use super::tables;

const STYLE: &str = include_str!("style.css");

/// What the page shows.
pub struct Content<'a> {
    /// The figures.
    pub summary: &'a Summary,
    /// Of both networks.
    pub epochs: &'a [EpochMetrics],
    /// A few learnt activations.
    pub polynomials: &'a [PolynomialSample],
    /// Error of each layer.
    pub verification: &'a Verification,
    /// Time of each part of the encrypted run.
    pub run: &'a RunReport,
}

/// Writes the whole page.
///
/// # Errors
/// If a plot cannot be drawn.
pub fn html(content: &Content<'_>) -> Result<String> {
    let mut page = String::new();
    let title = format!("beaa: {} on encrypted images", content.summary.experiment);
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{STYLE}</style></head>\n<body>\n",
        escape(&title)
    );
    page.push_str(&opening(content.summary));
    page.push_str(&summary(content.summary));
    page.push_str(&training(content.epochs)?);
    page.push_str(&polynomials(content.polynomials, content.summary.activation)?);
    page.push_str(&errors(content.verification)?);
    page.push_str(&times(content.run)?);
    page.push_str(&footer(content.summary));
    page.push_str("</body></html>\n");
    Ok(page)
}

fn opening(s: &Summary) -> String {
    let heads = [
        (percent(s.accuracy.encrypted), format!("accuracy on ciphertexts; in clear {}", percent(s.accuracy.student))),
        (
            format!("{:.3} ms", s.per_image.milliseconds_full_batch),
            format!("for each image of a full batch of {}, on {} threads", s.parameters.degree, s.threads),
        ),
        (format!("{} bits", s.parameters.security_bits), format!("of security; log2 QP = {:.0}", s.parameters.log2_qp)),
        (bytes(s.bytes.input_per_image_full_batch), "to upload for each image of a full batch".to_owned()),
    ];
    let heads: String = heads
        .iter()
        .map(|(b, span)| format!("<div class=\"head\"><b>{}</b><span>{}</span></div>", escape(b), escape(span)))
        .collect();
    format!(
        "<h1>{} test images, classified without seeing them</h1>\n\
         <p class=\"lead\">A network was trained on {} images of {} ({}), its ReLUs were replaced by learnt \
         quadratics, and it was \
         compiled into additions and multiplications of ciphertexts. The images were encrypted, classified by a \
         program that \
         holds no key, and the answers decrypted.</p>\n<div class=\"heads\">{heads}</div>\n",
        s.data.encrypted,
        s.data.train,
        escape(&s.data.name),
        escape(&s.data.classes.join(", ")),
    )
}

fn summary(s: &Summary) -> String {
    let mut rows = String::new();
    for group in tables::groups(s) {
        let _ = write!(rows, "<tr><th colspan=\"3\">{}</th></tr>", escape(group.title));
        for row in &group.rows {
            let _ = write!(
                rows,
                "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"note\">{}</td></tr>",
                escape(&row.label),
                escape(&row.value),
                escape(&row.note)
            );
        }
    }
    format!("<h2>All figures of this run</h2>\n<div class=\"scroll\"><table class=\"summary\">{rows}</table></div>\n")
}

fn training(epochs: &[EpochMetrics]) -> Result<String> {
    Ok(format!(
        "<h2>Training</h2>\n<figure>{}<div \
         class=\"pair\"><div><h3>Accuracy</h3>{}</div><div><h3>Loss</h3>{}</div></div>\n\
         <figcaption>The teacher has ReLU activations. The student starts from the teacher's weights, with a quadratic \
         fitted to what each ReLU saw, and learns to answer as the teacher does. Training images are changed at random \
         and measured while the network still learns, so the dashed lines are not directly comparable with the \
         solid ones; and the student's training loss includes the distance to the teacher.</figcaption></figure>\n",
        legend(&[
            ("first", "", "", "teacher"),
            ("second", "", "", "student"),
            ("muted", "", "", "validation images"),
            ("muted", "dashed", "", "training images")
        ]),
        plots::training(epochs, Measure::Accuracy)?,
        plots::training(epochs, Measure::Loss)?,
    ))
}

fn polynomials(samples: &[PolynomialSample], activation: StudentActivation) -> Result<String> {
    let (shared, trained) = match activation {
        StudentActivation::Element => {
            ("one for each element of the feature map, with its own three coefficients", true)
        }
        StudentActivation::Channel => ("one for each channel, with its own three coefficients", true),
        StudentActivation::Layer => ("one for each layer", true),
        StudentActivation::Fixed => ("one for each layer, fitted to what its ReLUs met", false),
        StudentActivation::Square => ("here the plain square", false),
        // There is nothing to show.
        StudentActivation::Relu => return Ok(String::new()),
    };
    let (title, name, moved) = if trained {
        (
            "Learnt activations",
            "learnt quadratic",
            ", and training may move it away from ReLU where that helps the answer",
        )
    } else {
        ("Activations", "quadratic", "; training does not change it")
    };
    if samples.is_empty() {
        return Ok(String::new());
    }
    let mut plots = String::new();
    for s in samples {
        let formula = format!("{:.3} x² {:+.3} x {:+.3}", s.a, s.b, s.c);
        let _ = write!(
            plots,
            "<div>{}<p>{}, element {}<br>{}</p></div>",
            plots::polynomial(s)?,
            escape(&s.layer),
            s.element,
            escape(&formula)
        );
    }
    Ok(format!(
        "<h2>{title}</h2>\n<figure>{}<div class=\"small\">{plots}</div>\n\
         <figcaption>Ciphertexts can only be added and multiplied, so ReLU is replaced by a quadratic: {shared}. \
         Each plot spans the values that the teacher's ReLU met at \
         that element; the grey histogram says how often. The quadratic need only be good where the histogram is \
         tall{moved}.</figcaption></figure>\n",
        legend(&[("second", "", "", name), ("first", "", "", "ReLU"), ("", "bar", "", "inputs met in training")]),
    ))
}

fn errors(v: &Verification) -> Result<String> {
    let mut rows = String::new();
    for l in &v.layers {
        let verdict = match l.verdict {
            Verdict::Holds => "<td class=\"good\">holds</td>",
            Verdict::Undecided => "<td>too few images to tell</td>",
            Verdict::Fails => "<td class=\"bad\">does not hold</td>",
        };
        let _ = write!(
            rows,
            "<tr><td>{}</td><td class=\"number\">{:.2e}</td><td class=\"number\">{:.2e}</td><td \
             class=\"number\">{:.2e}</td>\
             <td class=\"number\">{:.2}</td><td class=\"number\">{:.2}</td>{verdict}</tr>",
            escape(&l.layer),
            l.predicted,
            l.measured,
            l.largest,
            l.largest_value,
            l.bound
        );
    }
    Ok(format!(
        "<h2>Error, layer by layer</h2>\n<figure>{}{}\n\
         <figcaption>Encryption adds a little noise to every value. The compiler predicts how large it is after \
         each layer and \
         chooses the parameters accordingly; here every intermediate value of {} images was decrypted and compared \
         with the \
         same program in clear. A layer holds when the measured deviation is at most twice the predicted one. \
         Inside the network, \
         values are in the program's own units, so errors of different layers cannot be compared; the last layer's are \
         those of the logits.</figcaption></figure>\n\
         <details><summary>As a table</summary><div class=\"scroll\"><table><tr><th>layer</th><th \
         class=\"number\">predicted</th>\
         <th class=\"number\">measured</th><th class=\"number\">largest</th><th class=\"number\">largest value</th>\
         <th class=\"number\">promised</th><th></th></tr>{rows}</table></div></details>\n",
        legend(&[
            ("first", "ring", "", "predicted standard deviation"),
            ("second", "disc", "", "measured standard deviation"),
            ("third", "cross", "×", "largest error of any image")
        ]),
        plots::errors(v)?,
        v.images
    ))
}

fn times(run: &RunReport) -> Result<String> {
    let mut rows = String::new();
    for l in &run.layers {
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{:.1} ms</td></tr>",
            escape(&l.layer),
            escape(&l.operation),
            l.ciphertexts,
            1e3 * l.seconds
        );
    }
    Ok(format!(
        "<h2>Time, layer by layer</h2>\n<figure>{}\n\
         <figcaption>What the server spends its {:.2} seconds on. Every ciphertext holds one value of all images at \
         once, so the \
         time does not depend on how many images are in the batch.</figcaption></figure>\n\
         <details><summary>As a table</summary><div class=\"scroll\"><table><tr><th>layer</th><th>operation</th>\
         <th class=\"number\">ciphertexts</th><th class=\"number\">time</th></tr>{rows}</table></div></details>\n",
        plots::times(&run.layers)?,
        run.seconds
    ))
}

fn footer(s: &Summary) -> String {
    format!(
        "<footer>Made by beaa {}. Every figure was measured in this run. Data: {}, fingerprint <code>{}</code>. \
         Beside this page: \
         <code>config.json</code> (all settings), <code>metrics.jsonl</code>, the models, the program, and the same \
         figures in \
         <code>report.json</code>.</footer>\n",
        escape(s.version),
        escape(&s.data.name),
        escape(&s.data.checksum)
    )
}

/// Entries of colour class, mark class, mark and text.
fn legend(entries: &[(&str, &str, &str, &str)]) -> String {
    let entry = |(colour, mark, sign, text): &(&str, &str, &str, &str)| {
        format!("<div class=\"{colour}\"><i class=\"{mark}\">{sign}</i><span>{}</span></div>", escape(text))
    };
    format!("<div class=\"legend\">{}</div>", entries.iter().map(entry).collect::<String>())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_gets_through_unescaped() {
        assert_eq!(escape("<b a=\"x\">&"), "&lt;b a=&quot;x&quot;&gt;&amp;");
    }

    #[test]
    fn quadratics_that_are_not_trained_are_not_called_learnt() {
        let sample = PolynomialSample {
            layer: "activation1".to_owned(),
            element: 0,
            a: 0.1,
            b: 0.5,
            c: 0.2,
            min: -1.0,
            max: 1.0,
            histogram: vec![1, 2],
        };
        let of = |activation| polynomials(std::slice::from_ref(&sample), activation).unwrap();
        let fixed = of(StudentActivation::Fixed);
        assert!(fixed.contains("fitted to what its ReLUs met. ") && fixed.contains("training does not change it"));
        assert!(!fixed.contains("learnt") && !fixed.contains("Learnt"), "{fixed}");
        assert!(of(StudentActivation::Layer).contains("Learnt") && of(StudentActivation::Relu).is_empty());
    }

    #[test]
    fn the_style_sheet_loads_nothing() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains("</"));
    }
}
