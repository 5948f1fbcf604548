//! Which images the promised agreement is measured on, and what they can show.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "shared")]
mod kit;

use beaa_compiler::Error;
use beaa_compiler::ckks::{Compiled, Options, Packing, Samples, compile_without_security};
use beaa_ir::images::ImageMajor;
use beaa_ir::{Layer, LayerOp, Model, evaluate};
use kit::{images, linear, model_with, square};

const DEGREE: usize = 64;

/// A model of three outputs.
fn model() -> Model {
    let flatten = Layer { name: "flat".into(), op: LayerOp::Flatten };
    model_with(vec![flatten, linear("hidden", 12, 36), square("act"), linear("out", 3, 12)])
}

fn compile(model: &Model, share: f64, samples: Samples<'_>) -> Result<Compiled, Error> {
    let options = Options { agreement: Some(share), batch: 1, packing: Packing::Element, ..Options::default() };
    compile_without_security(model, &options, Some(samples), DEGREE)
}

/// Images by how sure the model is of them, the least sure first.
fn by_margin(model: &Model, count: usize) -> (ImageMajor<f32>, ImageMajor<f32>) {
    let all = images(model, 11, count);
    let margin = |image: &[f32]| {
        let outputs = evaluate(model, image).unwrap();
        let class = model.classes().class(&outputs).unwrap();
        model.classes().margin(&outputs, class).unwrap()
    };
    let mut sorted: Vec<(f64, &[f32])> = all.rows().map(|image| (margin(image), image)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rows = |part: &[(f64, &[f32])]| ImageMajor::from_rows(all.elements(), part.iter().map(|p| p.1)).unwrap();
    (rows(&sorted[..count / 2]), rows(&sorted[count / 2..]))
}

#[test]
fn what_was_held_out_counts_where_it_is_enough() {
    let model = model();
    let (unsure, sure) = by_margin(&model, 2000);
    let learnt = compile(&model, 0.98, Samples::from(&sure)).unwrap().report.totals;
    let honest = compile(&model, 0.98, Samples { images: &sure, held_out: Some(&unsure) }).unwrap().report.totals;
    let (a, b) = (learnt.agreement.unwrap(), honest.agreement.unwrap());
    assert_eq!((a.held_out, a.samples, b.held_out, b.samples), (0, 1000, 1000, 0));
    assert!(a.at_least >= 0.98 && b.at_least >= 0.98);
    let error = |t: beaa_compiler::ckks::Totals| t.output_error.unwrap().hypot(t.output_rounding.unwrap());
    let (learnt, honest) = (error(learnt), error(honest));
    assert!(honest < 0.5 * learnt, "{honest} with images that the model is unsure of, {learnt} without");
}

#[test]
fn few_images_are_joined_by_the_samples_or_refused() {
    let model = model();
    let (few, many) = (images(&model, 1, 100), images(&model, 2, 1000));
    let samples = Samples { images: &many, held_out: Some(&few) };
    let measured = |share| {
        let agreement = compile(&model, share, samples).unwrap().report.totals.agreement.unwrap();
        (agreement.held_out, agreement.samples)
    };
    // 1.498 of 100 images could change where none is seen to.
    assert_eq!((measured(0.98), measured(0.99)), ((100, 0), (100, 1000)));
    match compile(&model, 0.99, Samples::from(&few)) {
        Err(Error::Option { option: "agreement", found, expected }) => {
            assert_eq!(found, "0.99");
            assert!(expected.starts_with("at most 0.9850: 100 images show no more with 95 %"), "{expected}");
        }
        other => panic!("{:?}", other.map(|c| c.report.totals.agreement)),
    }
}
