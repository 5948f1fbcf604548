//! What takes the program, the images and both keys, which only the owner of all of them has:
//! running in clear, and verification.

use anyhow::Result;
use beaa_base::words::count;
use beaa_cuda::CudaDevice;
use beaa_datasets::Images;
use beaa_evaluation::Reporter;
#[cfg(feature = "tfhe")]
use beaa_evaluation::classes::classes;
#[cfg(feature = "tfhe")]
use beaa_evaluation::metrics::{Classification, classification, percent};
use beaa_evaluation::metrics::{agreeing, largest_difference};
use beaa_evaluation::model_images::{as_taken_by, bytes, check_range, normalise};
use beaa_ir::images::ImageMajor;
use beaa_ir::{Model, tfhe};
use beaa_lab::report::tables;
use beaa_runtime::ckks;
#[cfg(feature = "tfhe")]
use beaa_runtime::tfhe as tfhe_runtime;
use beaa_trainer::DeviceKind;
use serde::Serialize;
#[cfg(feature = "tfhe")]
use serde_json::json;

use super::AnyProgram;
use crate::context::Context;
use crate::exit::Exit;

/// The compiled program in clear against the model that it was compiled from.
#[derive(Serialize)]
pub(crate) struct ModelComparison {
    largest_logit_difference: f64,
    agreeing: usize,
}

/// Encrypted against clear.
pub(crate) enum AnyVerification {
    /// Every layer's error against its prediction.
    Ckks(ckks::Verification),
    /// Every integer, and how well the images are classified, where their labels are known.
    #[cfg(feature = "tfhe")]
    Tfhe(tfhe_runtime::Verification, Option<Classification>),
}

impl AnyProgram {
    /// Runs in clear: the outputs that an encrypted run would give without noise.
    pub(crate) fn evaluate(&self, images: &Images) -> Result<ImageMajor<f64>> {
        match self {
            Self::Ckks(program) => {
                let images = normalise(images, &program.signature().input)?;
                Ok(beaa_runtime::plaintext::run(program, &images)?)
            }
            Self::Tfhe(program) => {
                let signature = program.signature();
                let images = bytes(images, &signature.input)?;
                let integers =
                    |pixels| tfhe::evaluate(program, &tfhe::quantise_pixels(signature.pixel_steps, pixels)).outputs;
                let logits = images.rows().map(|p| signature.logits(&integers(p)));
                Ok(ImageMajor::from_rows(program.last_bias().len(), logits)?)
            }
        }
    }

    /// Images that one verification takes, if the user `wanted` so many.
    pub(crate) fn verified_images(&self, wanted: Option<usize>) -> usize {
        match self {
            Self::Ckks(program) => program.signature().parameters.degree,
            // One image unless the user wants more: each takes seconds.
            Self::Tfhe(_) => wanted.unwrap_or(1),
        }
    }

    /// Refuses a program of other classes than `model`.
    pub(crate) fn expect_classes_of(&self, model: &Model) -> Result<()> {
        let remedy = "give the program that was compiled from this model";
        Ok(model.classes().expect_same(self.classes(), "comparing a program with its model", remedy)?)
    }

    /// Compares the program in clear with `model`.
    pub(crate) fn compare(&self, model: &Model, images: &Images) -> Result<ModelComparison> {
        self.expect_classes_of(model)?;
        let images = &*as_taken_by(images, model.input())?;
        let of_model = beaa_trainer::predict(model, images, DeviceKind::default())?;
        let of_program = self.evaluate(images)?;
        Ok(ModelComparison {
            largest_logit_difference: largest_difference(of_model.rows(), of_program.rows()),
            agreeing: agreeing(&model.classes().of(&of_model), &self.classes().of(&of_program)),
        })
    }

    /// Runs encrypted, under keys that are thrown away and on a graphics card if there is one, and
    /// in clear, and compares. The `labels` are classes of the program, one for each image.
    #[cfg_attr(not(feature = "tfhe"), expect(unused_variables, reason = "labels are compared by the other backend"))]
    pub(crate) fn verify(
        &self,
        images: &Images,
        labels: Option<&[usize]>,
        seed: Option<u64>,
        card: Option<&CudaDevice>,
        context: &Context,
    ) -> Result<AnyVerification> {
        match self {
            Self::Ckks(program) => {
                let input = &program.signature().input;
                let images = &*as_taken_by(images, input)?;
                check_range(images, input)?;
                let inputs = normalise(images, input)?;
                match card {
                    Some(card) => beaa_cuda::expect_memory_to_verify(card, program)?,
                    None => ckks::expect_memory_to_verify(program, inputs.images())?,
                }
                let keys = ckks::keygen(program.signature(), seed)?;
                let progress = context.progress();
                let found = match card {
                    Some(card) => beaa_cuda::verify(card, program, (&keys, &inputs), seed, &*progress)?,
                    None => ckks::verify(program, &keys, &inputs, seed, &*progress)?,
                };
                Ok(AnyVerification::Ckks(found))
            }
            #[cfg(not(feature = "tfhe"))]
            Self::Tfhe(_) => super::without_tfhe(),
            #[cfg(feature = "tfhe")]
            Self::Tfhe(program) => {
                let input = &program.signature().input;
                check_range(&*as_taken_by(images, input)?, input)?;
                let pixels = bytes(images, input)?;
                let keys = tfhe_runtime::keygen(&program.signature().parameters, seed)?;
                let found = tfhe_runtime::verify(program, &keys, &pixels, seed, &*context.progress())?;
                let logits = found.outputs.rows().map(|o| program.signature().logits(o));
                let logits = ImageMajor::from_rows(found.outputs.elements(), logits)?;
                let judged = labels.and_then(|labels| classification(self.classes(), &logits, labels));
                Ok(AnyVerification::Tfhe(found, judged))
            }
        }
    }
}

impl AnyVerification {
    /// Prints what was found, beside the comparison with the model if there is one.
    pub(crate) fn print(&self, model: Option<&ModelComparison>, context: &Context) -> Result<()> {
        match self {
            Self::Ckks(verification) => {
                context.print(&CkksRecord { verification, model }, || ckks_text(verification, model))
            }
            #[cfg(feature = "tfhe")]
            Self::Tfhe(verification, judged) => {
                let accuracy = judged.as_ref().map(|c| c.accuracy);
                let record = json!({"verification": verification, "accuracy": accuracy, "figures": judged});
                context.print(&record, || tfhe_text(verification, judged.as_ref()))
            }
        }
    }

    /// An error if something is not as it should be.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Ckks(found) if !found.holds => Err(Exit::NotVerified.because(not_held(found))),
            #[cfg(feature = "tfhe")]
            Self::Tfhe(found, _) if found.wrong > 0 => {
                let wrong = found.wrong;
                Err(Exit::NotVerified
                    .because(format!("verifying: {} differ from the program in clear", count(wrong, "integer"))))
            }
            _ => Ok(()),
        }
    }
}

/// Names the layers that do not hold. Values that leave their range are the images' doing, and what
/// comes after them follows from that, so that the first such layer says all.
fn not_held(found: &ckks::Verification) -> String {
    if let Some(layer) = found.layers.iter().find(|l| l.largest_value > l.bound) {
        return format!(
            "verifying: found values up to {:.3e} in `{}`, expected at most {:.3e}, the range that the program was \
             compiled for; some of these images are outside of it. Give images like those that the network was \
             trained on, or compile with --samples of such as these",
            layer.largest_value, layer.layer, layer.bound
        );
    }
    let layers: Vec<String> = found
        .layers
        .iter()
        .filter(|l| l.verdict == ckks::Verdict::Fails)
        .map(|l| format!("{:.2e} in `{}` (promised {:.2e})", l.measured, l.layer, l.predicted))
        .collect();
    format!(
        "verifying: found errors of {}, expected at most twice what the compiler promised; compile with --samples of \
         images like these",
        layers.join(", ")
    )
}

#[derive(Serialize)]
struct CkksRecord<'a> {
    verification: &'a ckks::Verification,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a ModelComparison>,
}

fn ckks_text(found: &ckks::Verification, model: Option<&ModelComparison>) -> String {
    let mut text = tables::verification(found);
    text.push_str(&format!(
        "encrypted and clear predict the same for {} of {}\n",
        found.agreeing,
        count(found.images, "image")
    ));
    if let Some(m) = model {
        text.push_str(&format!(
            "compiled program against the model, both in clear: same prediction for {} of {}, largest logit \
             difference {:.2e}\n",
            m.agreeing,
            count(found.images, "image"),
            m.largest_logit_difference
        ));
    }
    let undecided = found.layers.iter().filter(|l| l.verdict == ckks::Verdict::Undecided).count();
    if found.holds && undecided > 0 {
        text.push_str(&format!(
            "errors of {} are larger than promised, and {} too few to tell whether they are so on average; verify \
             more (--limit)\n",
            count(undecided, "layer"),
            if found.images == 1 { "one image is".to_owned() } else { format!("{} images are", found.images) },
        ));
    }
    text.push_str(if found.holds { "holds\n" } else { "DOES NOT HOLD\n" });
    text
}

#[cfg(feature = "tfhe")]
fn tfhe_text(found: &tfhe_runtime::Verification, judged: Option<&Classification>) -> String {
    let right = match judged {
        // The figures of one image by class are those of that image.
        Some(c) if c.images == 1 => format!("the image is classified {}", if c.right == 1 { "right" } else { "wrong" }),
        Some(c) => format!("{} of the images right, {}", percent(Some(c.accuracy)), classes(c).trim_end()),
        None => "labels not compared".to_owned(),
    };
    format!(
        "{}, {} compared with the program in clear: {} differ; {} left their slots\n\
         noise after bootstrapping 2^{:.2} of the torus, predicted 2^{:.2}\n\
         {:.3} s for each image\n{right}\n",
        count(found.images, "image"),
        count(found.integers, "integer"),
        found.wrong,
        count(found.wrapped, "sum"),
        found.log2_noise,
        found.log2_noise_predicted,
        found.seconds / found.images.max(1) as f64
    )
}
