//! The whole compiler: what a compiled program computes, how wrong it gets, what it costs, and what
//! it refuses.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "shared")]
mod kit;

use beaa_ckks::security::Table;
use beaa_compiler::Error;
use beaa_compiler::ckks::{Options, compile, compile_for, cost, explain};
use beaa_ir::ckks::{Program, StepOp};
use beaa_ir::images::ImageMajor;
use beaa_ir::{Model, evaluate};

use kit::{conv, cryptonets, images, linear, model_with, polynomial, pool, random_model, square, with_ranges};

/// Runs a program in `f64`, exact integers over scales.
fn interpret(program: &Program, image: &[f32]) -> Vec<f64> {
    let mut values: Vec<Vec<f64>> = vec![image.iter().map(|&v| f64::from(v)).collect()];
    for (step, info) in program.steps().iter().zip(program.values().iter().skip(1)) {
        values.push(match &step.op {
            StepOp::Linear { terms, weight_scale, bias } => {
                let mut out: Vec<f64> = bias.iter().map(|&b| b as f64 / info.scale).collect();
                for term in terms {
                    for (r, o) in out.iter_mut().enumerate() {
                        let (columns, weights) = term.weights.row(r);
                        let x = &values[term.input];
                        let products = columns.iter().zip(weights).map(|(&c, &w)| f64::from(w) * x[c as usize]);
                        *o += products.sum::<f64>() / weight_scale;
                    }
                }
                out
            }
            StepOp::Square { input } => values[*input].iter().map(|x| x * x).collect(),
            StepOp::ScaleUp { input, .. }
            | StepOp::Relinearise { input }
            | StepOp::Rescale { input }
            | StepOp::DropLimbs { input, .. } => values[*input].clone(),
        });
    }
    values.swap_remove(program.output())
}

/// An error that suits the size of a random model's outputs.
fn options_for(model: &Model, seed: u64) -> Options {
    let largest =
        images(model, seed, 4).rows().flat_map(|i| evaluate(model, i).unwrap()).fold(1.0_f64, |m, v| m.max(v.abs()));
    Options { logit_error: largest / 256.0, ..Options::default() }
}

/// Root mean square over columns, the worst of them.
fn worst_rms(errors: &[Vec<f64>]) -> f64 {
    let outputs = errors.first().map_or(0, Vec::len);
    let rms = |j: usize| (errors.iter().map(|e| e[j] * e[j]).sum::<f64>() / errors.len() as f64).sqrt();
    (0..outputs).map(rms).fold(0.0, f64::max)
}

/// What the figures below were worked out for: an error of 2^-7.
fn precise() -> Options {
    Options { logit_error: 1.0 / 128.0, ..Options::default() }
}

#[test]
fn plan_of_a_cryptonets_network() {
    let model = cryptonets(1);
    let compiled = compile_for(&model, &precise(), Some((&images(&model, 1, 300)).into())).unwrap();
    let report = &compiled.report;
    let totals = &report.totals;
    assert_eq!((totals.degree, totals.limbs), (4096, 3));
    assert!(totals.log_qp <= 106.0);
    // Only the 100 outputs of the second layer are relinearised, and the 10 answers, which are then
    // sent in two components.
    assert_eq!(totals.relinearisations, 110);
    assert_eq!(compiled.program.signature().output_components, 2);
    let combined = totals.output_error.unwrap().hypot(totals.output_rounding.unwrap());
    assert!(combined <= precise().logit_error, "{combined}");
    let errors: Vec<Vec<f64>> = images(&model, 3, 4)
        .rows()
        .map(|i| interpret(&compiled.program, i).iter().zip(evaluate(&model, i).unwrap()).map(|(f, e)| f - e).collect())
        .collect();
    assert!(worst_rms(&errors) <= 3.0 * totals.output_rounding.unwrap());
}

#[test]
fn batch_security_and_bits_are_obeyed() {
    let model = cryptonets(1);
    let of = |o: Options| compile(&model, &o).unwrap();
    let wide = of(Options { batch: 8192, ..precise() });
    assert_eq!((wide.report.totals.degree, wide.report.totals.limbs), (8192, 4));
    let strong = of(Options { security: 256, ..Options::default() });
    let t = &strong.report.totals;
    assert!(t.degree >= 8192 && t.log_qp <= f64::from(beaa_ckks::security::max_log_qp(t.degree, 256).unwrap()));
    let long_lived = of(Options { quantum: true, ..Options::default() });
    let t = &long_lived.report.totals;
    let allowed = Table::Quantum2024.max_log_qp(t.degree, 128).unwrap();
    assert!(t.log_qp <= f64::from(allowed) && t.log_qp > 80.0, "N = 4096 does not hold it any more: {t:?}");
    assert!(explain(&long_lived.report).contains("quantum attacks"));
    let fixed = of(Options { input_bits: Some(24), weight_bits: Some(10), ..Options::default() });
    assert_eq!(fixed.program.signature().input_scale, 2.0_f64.powi(24));
    for step in fixed.program.steps() {
        if let StepOp::Linear { terms, .. } = &step.op {
            assert!(terms.iter().all(|t| t.weights.weight_bits() <= 9), "signed 10-bit weights are below 2^9");
        }
    }
}

#[test]
fn weights_and_primes_fit_the_fast_kernel() {
    for seed in 0..20 {
        let model = random_model(seed);
        let program = compile(&model, &options_for(&model, seed)).unwrap().program;
        let weight = program.steps().iter().filter_map(|s| match &s.op {
            StepOp::Linear { terms, .. } => terms.iter().map(|t| t.weights.weight_bits() + 1).max(),
            _ => None,
        });
        let prime =
            program.signature().parameters.moduli.iter().map(|&q| beaa_ir::stats::residue_bits(q)).max().unwrap();
        assert!(prime + weight.max().unwrap_or(0) <= 52 && prime <= 50, "seed {seed}");
    }
}

#[test]
fn what_cannot_be_had_is_refused_with_the_numbers() {
    let model = cryptonets(1);
    let too_precise = compile(&model, &Options { logit_error: 1e-12, ..Options::default() }).unwrap_err();
    assert!(
        matches!(too_precise, Error::Precision { requested, best, .. } if requested <= 1e-12 && best > requested),
        "{too_precise}"
    );
    // Sixteen activations in a row: no parameters of the table carry them at 256 bits.
    let gentle = |i: usize| polynomial(&format!("act{i}"), &[], |_| [0.05, 0.8, 0.0]);
    let layers = (0..16).flat_map(|i| [linear(&format!("fc{i}"), 36, 36), gentle(i)]).collect();
    let deep = with_ranges(model_with(layers), 1);
    let options = Options { security: 256, weight_bits: Some(12), ..Options::default() };
    let too_deep = compile(&deep, &options).unwrap_err();
    let Error::Parameters { needed, allowed, degree, security, .. } = &too_deep else { panic!("{too_deep}") };
    assert!(needed > allowed && (*degree, *security) == (32768, 256), "{too_deep}");
    let narrow = Options { weight_bits: Some(4), logit_error: 1e-4, ..Options::default() };
    assert!(matches!(compile(&model, &narrow).unwrap_err(), Error::Precision { .. }));
    for wrong in [images(&model, 1, 0), ImageMajor::new(1, 3, vec![0.0; 3]).unwrap()] {
        let refused = compile_for(&model, &precise(), Some((&wrong).into())).unwrap_err();
        assert!(matches!(refused, Error::Option { option: "samples", .. }), "{refused}");
    }
}

#[test]
fn eight_activations_in_a_row_keep_their_units_and_their_precision() {
    let gentle = |i: usize| polynomial(&format!("act{i}"), &[], |_| [0.05, 0.8, 0.0]);
    let layers = (0..8).flat_map(|i| [linear(&format!("fc{i}"), 36, 36), gentle(i)]).collect();
    let model = with_ranges(model_with(layers), 1);
    let compiled = compile(&model, &precise()).unwrap();
    // One prime for each of seven rescalings, and two for the last segment.
    assert_eq!(compiled.report.totals.limbs, 9);
    // Hidden values stay near 1: neither their units nor what rounding does to them may compound
    // from square to square.
    let hidden = compiled.report.layers.iter().rev().skip(1).filter_map(|l| l.bound);
    assert!(hidden.into_iter().all(|b| (0.2..5.0).contains(&b)));
    for image in images(&model, 2, 3).rows() {
        let found = interpret(&compiled.program, image);
        let expected = evaluate(&model, image).unwrap();
        assert!(found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 5.0 / 128.0));
    }
}

#[test]
fn models_without_activation_or_without_anything_compile() {
    for layers in
        [vec![], vec![linear("fc", 3, 36)], vec![conv("conv", 2, 1, 3, 1), pool("pool", 2)], vec![square("act")]]
    {
        let model = model_with(layers);
        let compiled = compile(&model, &precise()).unwrap();
        for image in images(&model, 5, 2).rows() {
            let found = interpret(&compiled.program, image);
            let expected = evaluate(&model, image).unwrap();
            assert!(found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 0.03), "{found:?} against {expected:?}");
        }
    }
}

#[test]
fn a_program_costs_the_same_after_a_round_trip_through_its_file() {
    let compiled = compile(&cryptonets(1), &Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    beaa_ir::ckks::save_program(&compiled.program, &path).unwrap();
    let mut loaded = cost(&beaa_ir::ckks::load_program(&path).unwrap());
    assert!(loaded.passes.is_empty() && !loaded.totals.made_up_images);
    loaded.passes.clone_from(&compiled.report.passes);
    loaded.totals.made_up_images = true;
    loaded.totals.coverage.clone_from(&compiled.report.totals.coverage);
    loaded.totals.planned = compiled.report.totals.planned;
    assert_eq!(loaded, compiled.report);
    assert!(serde_json::to_string(&loaded).unwrap().contains("\"relinearisations\":100"));
}

#[test]
fn compilation_is_deterministic() {
    let model = random_model(11);
    let twice = [(), ()].map(|()| compile(&model, &options_for(&model, 11)).unwrap().program);
    assert_eq!(beaa_ir::ckks::program_hash(&twice[0]), beaa_ir::ckks::program_hash(&twice[1]));
}
