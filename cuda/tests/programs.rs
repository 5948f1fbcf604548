//! Whole programs on the kernels: the file of answers is that of the processor, byte for byte. With
//! `BEAA_CARD` in the environment the kernels run on graphics card 0, otherwise on the shim.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "shared")]
#[path = "../../compiler/tests/kit/mod.rs"]
mod kit;

use beaa_ckks::{Batch, Parameters, ParametersLiteral, primes};
use beaa_compiler::ckks::{Options, Packing, compile};
use beaa_cuda::{DeviceBackend, run};
use beaa_cuda_shim::TestDevice;
use beaa_ir::ckks::{LinearTerm, Program, SignatureFile, Step, StepOp};
use beaa_ir::{Model, SparseMatrix, evaluate};
use beaa_runtime::backend::{Backend, Sequence, arrange};
use beaa_runtime::ckks::{ArrangedWeights, PreparedProgram, encrypt, keygen};
use beaa_runtime::{Silent, ckks};

/// The trained network of the quickstart of MNIST.
const TRAINED: &[u8] = include_bytes!("../../models/mnist/student.safetensors");

/// The card, or the shim in the last of its orders.
fn device() -> TestDevice {
    beaa_cuda_shim::devices().unwrap_or_else(|e| panic!("{e}")).pop().unwrap()
}

/// A program that packs nothing, for an error that suits the size of the outputs.
fn program(model: &Model, seed: u64) -> Program {
    let images = kit::images(model, seed, 4);
    let outputs = images.rows().flat_map(|i| evaluate(model, i).unwrap());
    let largest = outputs.fold(1.0_f64, |m, v| m.max(v.abs()));
    let options = Options { logit_error: largest / 64.0, packing: Packing::Element, ..Options::default() };
    compile(model, &options).unwrap_or_else(|e| panic!("seed {seed}: {e}")).program
}

/// Encrypts images and runs the program on the processor and on the kernels.
fn same_bytes(model: &Model, program: &Program, seed: u64) {
    let keys = keygen(program.signature(), Some(seed)).unwrap();
    let images = kit::images(model, seed, program.signature().capacity().min(3));
    let (input, _) = encrypt(&SignatureFile::from(program), &keys.client, &images, Some(seed), &Silent).unwrap();
    let (expected, _) = ckks::run(program, keys.server.as_ref(), &input, &Silent).unwrap();
    let prepared = PreparedProgram::new(program, ArrangedWeights::PerPart).unwrap();
    let (found, report) = run(&device(), &prepared, keys.server.as_ref(), &input, &Silent).unwrap();
    assert!(found.to_bytes().unwrap() == expected.to_bytes().unwrap(), "seed {seed}: other answers");
    let named: usize = report.layers.iter().map(|l| l.operation.split(" + ").count()).sum();
    assert!(named > 0 && report.batches == 1, "seed {seed}: {report:?}");
}

#[test]
fn random_programs_give_the_bytes_of_the_processor() {
    let mut switching = 0;
    for seed in 0..10 {
        let model = kit::random_model(seed);
        let program = program(&model, seed);
        switching += usize::from(program.switches_keys());
        same_bytes(&model, &program, seed);
    }
    assert!((3..10).contains(&switching), "{switching} of ten programs switch keys");
}

#[test]
fn a_trained_network_gives_the_bytes_of_the_processor() {
    let model = beaa_ir::model_from_bytes(TRAINED).unwrap();
    let program = program(&model, 1);
    assert!(program.switches_keys());
    same_bytes(&model, &program, 1);
}

#[test]
fn programs_that_pack_elements_give_the_bytes_of_the_processor() {
    let model = kit::model_with(vec![kit::conv("conv", 2, 1, 3, 1), kit::square("act"), kit::linear("fc", 3, 32)]);
    let model = kit::with_ranges(model, 1);
    for batch in [1, 4] {
        let options = Options { batch, packing: Packing::Channel, logit_error: 0.05, ..Options::default() };
        let program = compile(&model, &options).unwrap().program;
        assert!(program.packing().is_some(), "{batch} images");
        same_bytes(&model, &program, batch as u64);
    }
}

#[test]
fn a_trained_network_that_packs_elements_gives_the_bytes_of_the_processor() {
    let model = beaa_ir::model_from_bytes(TRAINED).unwrap();
    let options = Options { batch: 1, logit_error: 0.5, ..Options::default() };
    let program = compile(&model, &options).unwrap().program;
    let rotations = program.packing().unwrap().rotations().len();
    assert!(rotations > 10, "{rotations} rotations");
    same_bytes(&model, &program, 1);
}

/// What does not fit is an error, neither a wrong answer nor a panic.
#[test]
fn operands_that_do_not_fit_are_refused() {
    let parameters = |bits: u32| {
        let moduli = primes::ntt_primes(2048, bits, 2, &[]).unwrap();
        let literal = ParametersLiteral { degree: 2048, moduli, special: vec![], security: 128 };
        Parameters::without_security(literal).unwrap()
    };
    let (device, p, other) = (device(), parameters(30), parameters(31));
    let zeros = |p: &Parameters, components| Batch::build(p, 2, components, 4, |_, _| Ok(())).unwrap();
    let program = program(&kit::random_model(1), 1);
    let backend = DeviceBackend::new(&device, &p, &program, None).unwrap();
    assert!(backend.stored(&zeros(&other, 2), 1.0).is_err(), "ciphertexts of other primes");
    let [two, three] = [2, 3].map(|components| backend.stored(&zeros(&p, components), 1024.0).unwrap());
    let fused = |value, op| {
        let steps = [Step { layer: "layer".into(), op }];
        let weights = arrange(0, &steps, |term| backend.arrange(term))?;
        backend.fused(&Sequence::new(0, &steps, &weights, &[(0, value)])?)
    };
    let linear = |columns: usize, bias| {
        let weights = SparseMatrix::from_rows(columns, vec![vec![(0, 1)]]).unwrap();
        StepOp::Linear { terms: vec![LinearTerm { input: 0, weights }], weight_scale: 1.0, bias }
    };
    assert!(fused(&two, linear(4, vec![0])).is_ok());
    assert!(fused(&two, linear(3, vec![0])).is_err(), "three columns for four ciphertexts");
    assert!(fused(&two, linear(4, vec![0, 0])).is_err(), "two biases for one row");
    assert!(fused(&three, StepOp::Square { input: 0 }).is_err(), "three components");
    assert!(fused(&two, StepOp::DropLimbs { input: 0, limbs: 3 }).is_err(), "more limbs than there are");
    assert!(backend.key_switch(&two, false, 2).is_err(), "no limb would be left");
    assert!(backend.key_switch(&three, true, 0).is_err(), "no evaluation key");
    let info = backend.info(&backend.key_switch(&two, false, 1).unwrap().value);
    assert_eq!((info.limbs, info.components, info.len), (1, 2, 4));
    assert!((info.scale * p.literal().moduli[1] as f64 / 1024.0 - 1.0).abs() < 1e-12);
}
