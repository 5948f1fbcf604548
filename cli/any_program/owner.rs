//! What takes the program, the images and both keys, which only the owner of all of them has:
//! running in clear, and verification.

use anyhow::Result;
#[cfg(feature = "tfhe")]
use beaa::pixels;
use beaa_base::words::count;
use beaa_datasets::Images;
use beaa_ir::images::ImageMajor;
use beaa_ir::{Model, tfhe};
use beaa_lab::Reporter;
#[cfg(feature = "tfhe")]
use beaa_lab::metrics::{accuracy, percent};
use beaa_lab::metrics::{agreeing, largest_difference};
use beaa_lab::model_images::{check_shape, normalise};
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
    /// Every integer, and the accuracy on the images.
    #[cfg(feature = "tfhe")]
    Tfhe(tfhe_runtime::Verification, Option<f64>),
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
                check_shape(images, &signature.input)?;
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

    /// Compares the program in clear with `model`.
    pub(crate) fn compare(&self, model: &Model, images: &Images) -> Result<ModelComparison> {
        let of_model = beaa_trainer::predict(model, images, DeviceKind::default())?;
        let of_program = self.evaluate(images)?;
        Ok(ModelComparison {
            largest_logit_difference: largest_difference(of_model.rows(), of_program.rows()),
            agreeing: agreeing(&model.classes().of(&of_model), &self.classes().of(&of_program)),
        })
    }

    /// Runs encrypted, under keys that are thrown away, and in clear, and compares.
    pub(crate) fn verify(&self, images: &Images, seed: Option<u64>, context: &Context) -> Result<AnyVerification> {
        match self {
            Self::Ckks(program) => {
                let inputs = normalise(images, &program.signature().input)?;
                let keys = ckks::keygen(&program.signature().parameters, seed)?;
                context.check_interrupted("making keys")?;
                let progress = context.progress();
                let found = ckks::verify(program, &keys, &inputs, seed, &*progress)?;
                Ok(AnyVerification::Ckks(found))
            }
            #[cfg(not(feature = "tfhe"))]
            Self::Tfhe(_) => super::without_tfhe(),
            #[cfg(feature = "tfhe")]
            Self::Tfhe(program) => {
                let pixels = pixels(images);
                let keys = tfhe_runtime::keygen(&program.signature().parameters, seed)?;
                let found = tfhe_runtime::verify(program, &keys, &pixels, seed, &*context.progress())?;
                let logits = found.outputs.rows().map(|o| program.signature().logits(o));
                let logits = ImageMajor::from_rows(found.outputs.elements(), logits)?;
                let right = accuracy(&program.signature().classes.of(&logits), images.labels());
                Ok(AnyVerification::Tfhe(found, right))
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
            Self::Tfhe(verification, right) => {
                let record = json!({"verification": verification, "accuracy": right});
                context.print(&record, || tfhe_text(verification, *right))
            }
        }
    }

    /// An error if something is not as it should be.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Ckks(found) if !found.holds => Err(Exit::NotVerified.because(
                "verifying: at least one layer has a larger error or larger values than the compiler promised (see \
                 the table)",
            )),
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
    text.push_str(if found.holds { "holds\n" } else { "DOES NOT HOLD\n" });
    text
}

#[cfg(feature = "tfhe")]
fn tfhe_text(found: &tfhe_runtime::Verification, right: Option<f64>) -> String {
    format!(
        "{}, {} compared with the program in clear: {} differ; {} left their slots\n\
         noise after bootstrapping 2^{:.2} of the torus, predicted 2^{:.2}\n\
         {} of the images right; {:.3} s for each\n",
        count(found.images, "image"),
        count(found.integers, "integer"),
        found.wrong,
        count(found.wrapped, "sum"),
        found.log2_noise,
        found.log2_noise_predicted,
        percent(right),
        found.seconds / found.images.max(1) as f64
    )
}
