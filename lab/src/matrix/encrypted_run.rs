//! A program on encrypted test images, all in memory: what it costs and whether it says the same.

use anyhow::Result;
use beaa_datasets::Images;
use beaa_evaluation::Reporter;
use beaa_evaluation::metrics::{accuracy, agreeing, classification, largest_difference};
use beaa_evaluation::model_images::normalise;
use beaa_ir::ckks::{Program, SignatureFile};
use beaa_ir::images::ImageMajor;
use beaa_ir::stats::log2_product;
use beaa_runtime::ckks::{self, ImageSource as _, KeyPair};
use serde::{Deserialize, Serialize};

/// What one encrypted run measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncryptedFigures {
    /// Test images encrypted.
    pub images: usize,
    /// Of the decrypted results on these, 0..1.
    pub accuracy: f64,
    /// Area under the receiver operating characteristic of the decrypted results, with two classes;
    /// absent with more, and in rows that were written before it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// Of the student in clear on these, 0..1.
    pub clear: f64,
    /// Images that both give the same class.
    pub agreeing: usize,
    /// Largest difference of a logit to the student's; none if it is no number.
    pub largest_error: Option<f64>,
    /// The server's work.
    pub run_seconds: f64,
    /// `run_seconds` over the images of as many full batches.
    pub milliseconds_per_image: f64,
    /// Threads that the run used.
    pub threads: usize,
    /// N: slots, that is images in a full batch.
    pub degree: usize,
    /// Primes of a fresh ciphertext.
    pub limbs: usize,
    /// log2 of the largest modulus that any published value is taken by.
    pub log2_qp: f64,
    /// Promised security in bits.
    pub security_bits: u32,
}

/// Encrypts `images`, runs and decrypts, one batch after the other, and compares with `student`,
/// their logits in clear.
pub(super) fn measure(
    program: &Program,
    images: &Images,
    student: &ImageMajor<f32>,
    reporter: &dyn Reporter,
) -> Result<EncryptedFigures> {
    let signature = program.signature();
    let parameters = &signature.parameters;
    let inputs = normalise(images, &signature.input)?;
    let work = reporter.progress();
    let file = SignatureFile::from(program);
    let KeyPair { client, server } = ckks::keygen(signature, None)?;
    let (mut logits, mut seconds) = (Vec::new(), Vec::new());
    for first in (0..images.len()).step_by(signature.capacity()) {
        let batch = inputs.read(first..images.len().min(first + signature.capacity()))?;
        let (input, receipt) = ckks::encrypt(&file, &client, &*batch, None, &*work)?;
        reporter.check_interrupted("encrypting")?;
        let (output, run) = ckks::run(program, &server, &input, &*work)?;
        reporter.check_interrupted("the encrypted run")?;
        logits.extend_from_slice(ckks::decrypt(&file, &client, &output, &receipt)?.exact().data());
        seconds.push(run.seconds);
    }
    let logits = ImageMajor::new(images.len(), signature.classes.outputs(), logits)?;
    let run_seconds: f64 = seconds.iter().sum();
    let predicted = signature.classes.of(&logits);
    assert_eq!(student.images(), images.len(), "logits in clear, one row for each image");
    let in_clear = signature.classes.of(student);
    let labels: Vec<usize> = images.labels().iter().map(|&label| usize::from(label)).collect();
    let figures = classification(&signature.classes, &logits, &labels).zip(accuracy(&in_clear, &labels));
    let Some((encrypted, clear)) = figures else { unreachable!("a batch without images was encrypted") };
    let primes = || parameters.moduli.iter().chain(&parameters.special);
    Ok(EncryptedFigures {
        images: images.len(),
        accuracy: encrypted.accuracy,
        auc: encrypted.auc,
        clear,
        agreeing: agreeing(&predicted, &in_clear),
        largest_error: Some(largest_difference(logits.rows(), student.rows())).filter(|d| d.is_finite()),
        run_seconds,
        milliseconds_per_image: 1e3 * run_seconds / (seconds.len() * signature.capacity()) as f64,
        threads: rayon::current_num_threads(),
        degree: parameters.degree,
        limbs: parameters.moduli.len(),
        log2_qp: log2_product(primes()),
        security_bits: parameters.security,
    })
}

#[cfg(test)]
mod tests {
    use beaa_compiler::ckks::{Options, compile_for};
    use beaa_evaluation::Quiet;
    use beaa_ir::{InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Provenance, Tensor, evaluate};

    use super::*;

    /// The larger of two pixels.
    fn model() -> Model {
        let weight = Tensor::new(vec![2, 2], vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        let layer = |name: &str, op| Layer { name: name.to_owned(), op };
        let linear = LayerOp::Linear(Linear { weight, bias: None });
        let literal = ModelLiteral {
            name: "larger".to_owned(),
            input: InputSpec::pixels([1, 1, 2], vec![0.5], vec![0.5]),
            classes: vec!["first".to_owned(), "second".to_owned()],
            threshold: None,
            layers: vec![layer("flatten", LayerOp::Flatten), layer("linear", linear)],
            accuracy: None,
            provenance: Provenance::default(),
        };
        literal.try_into().unwrap()
    }

    #[test]
    fn all_images_are_judged_though_they_are_more_than_a_batch_holds() {
        let model = model();
        let program = compile_for(&model, &Options::default(), None).unwrap().program;
        let slots = program.signature().capacity();
        // The last one alone is labelled wrongly.
        let pixels = (0..slots + 3).flat_map(|i| [(i % 251) as u8, 255 - (i % 251) as u8]).collect::<Vec<_>>();
        let right = |pair: &[u8]| u8::from(pair[1] > pair[0]);
        let mut labels: Vec<u8> = pixels.chunks(2).map(right).collect();
        *labels.last_mut().unwrap() ^= 1;
        let images = Images::new("pairs", [1, 1, 2], pixels, labels).unwrap();
        let inputs = normalise(&images, model.input()).unwrap();
        let logits = inputs.rows().flat_map(|row| evaluate(&model, row).unwrap()).map(|y| y as f32).collect();
        let logits = ImageMajor::new(images.len(), 2, logits).unwrap();
        let found = measure(&program, &images, &logits, &Quiet).unwrap();
        assert_eq!((found.images, found.agreeing), (slots + 3, slots + 3));
        let accuracy = (slots + 2) as f64 / (slots + 3) as f64;
        assert_eq!((found.accuracy, found.clear), (accuracy, accuracy));
        assert!(found.auc.unwrap() > 0.999);
        assert!((found.milliseconds_per_image * (2 * slots) as f64 / 1e3 - found.run_seconds).abs() < 1e-9);
    }
}
