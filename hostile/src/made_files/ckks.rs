//! Good files of the ckks backend: a program of every operation on two pixels, its keys, a batch
//! and its answers. The seeds of the randomness are fixed, for nothing here is secret.

use anyhow::{Context as _, Result};
use beaa_ckks::primes::ntt_primes;
use beaa_ir::ckks::{
    LayerNote, LinearTerm, ParameterSet, Program, ProgramLiteral, ReadElements, Signature, SignatureFile, Step, StepOp,
    save_program, save_signature,
};
use beaa_ir::images::ImageMajor;
use beaa_ir::promise::{Interval, Promise};
use beaa_ir::{Classes, InputSpec, SparseMatrix};
use beaa_runtime::Silent;
use beaa_runtime::ckks::{encrypt, keygen, run};
use serde_json::json;

use crate::files::keep;
use crate::scratch::Scratch;

/// `y = ((x_0 - x_1)^2, x_1^2)`.
fn program() -> Result<Program> {
    let degree = 4096;
    let prime = |bits| Ok(*ntt_primes(degree, bits, 1, &[])?.first().context("a prime")?);
    let moduli: Vec<u64> = [30, 28].into_iter().map(prime).collect::<Result<_>>()?;
    let weights = SparseMatrix::from_rows(2, vec![vec![(0, 2), (1, -2)], vec![(1, 2)]])?;
    let step = |layer: &str, op| Step { layer: layer.into(), op };
    let (scale, weight_scale) = (2_f64.powi(20), 2.0);
    let linear = StepOp::Linear { terms: vec![LinearTerm { input: 0, weights }], weight_scale, bias: vec![0, 1] };
    let steps = vec![
        step("fc", linear),
        step("act", StepOp::Square { input: 1 }),
        step("act", StepOp::Relinearise { input: 2 }),
        step("act", StepOp::Rescale { input: 3 }),
    ];
    let interval = Interval { min: -9.0, max: 25.0 };
    let picture = json!([
        {"resize": {"height": 2, "width": 2}},
        {"crop": {"top": 0, "left": 0, "height": 1, "width": 2}},
    ]);
    let preprocessing = serde_json::from_value(json!({"from": [1, 2, 4], "steps": picture}))?;
    let signature = Signature {
        model: "squared".into(),
        input: InputSpec { preprocessing, ..InputSpec::pixels([1, 1, 2], vec![0.5], vec![0.5]) },
        reads: ReadElements::all(2),
        classes: Classes::new(vec!["low".into(), "high".into()], 2, None)?,
        input_limbs: 2,
        input_scale: scale,
        output_limbs: 1,
        output_scale: (scale * weight_scale).powi(2) / moduli[1] as f64,
        output_components: 2,
        switches_keys: true,
        promise: Some(Promise { outputs: vec![interval; 2], images: None }),
        packing: None,
        parameters: ParameterSet { degree, moduli, special: vec![], security: 128 },
    };
    let note = LayerNote {
        layer: "act".into(),
        value: 4,
        bound: 17.0,
        error: 0.5,
        rounding: None,
        remark: "as exact as two small primes allow".into(),
    };
    let literal =
        ProgramLiteral { signature, steps, output: 4, notes: vec![note], alternatives: vec![], packing: None };
    Ok(Program::try_from(literal)?)
}

/// Writes the files of every reader.
pub(super) fn make() -> Result<()> {
    let (scratch, program) = (Scratch::new()?, program()?);
    let file = |name: &str| scratch.path().join(name);
    save_program(&program, &file("squared.beaa"))?;
    let signature = SignatureFile::from(&program);
    save_signature(&signature, &file("squared.signature"))?;
    let keys = keygen(&signature.signature, Some(1))?;
    keys.save(&file("secret.key"), &file("evaluation.key"))?;
    let images = ImageMajor::new(3, 2, vec![0.25, 0.5, -0.75, 1.0, 0.0, -1.0])?;
    let (input, mut receipt) = encrypt(&signature, &keys.client, &images, Some(1), &Silent)?;
    input.save(&file("images.ct"))?;
    receipt.set_names(["a.png", "b.png", "c.png"].map(str::to_owned).to_vec());
    receipt.save(&file("images.ct.receipt"))?;
    run(&program, &keys.server, &input, &Silent)?.0.save(&file("answers.ct"))?;
    for (reader, name) in [
        ("program", "squared.beaa"),
        ("program-run", "squared.beaa"),
        ("signature", "squared.signature"),
        ("secret-key", "secret.key"),
        ("evaluation-key", "evaluation.key"),
        ("images", "images.ct"),
        ("answers", "answers.ct"),
        ("receipt", "images.ct.receipt"),
    ] {
        keep(reader, name, &std::fs::read(file(name))?)?;
    }
    Ok(())
}
