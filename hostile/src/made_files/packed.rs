//! Good files of a program that packs two pixels into one ciphertext, and adds up a sum by a fold.

use anyhow::{Context as _, Result};
use beaa_ckks::primes::ntt_primes;
use beaa_ir::ckks::{
    ClientPacking, LayerNote, Layout, LinearTerm, PackedMap, Packing, ParameterSet, Program, ProgramLiteral,
    ReadElements, Signature, SignatureFile, Step, StepOp, infer_values, save_program, save_signature,
};
use beaa_ir::{Classes, InputSpec, SparseMatrix};
use beaa_runtime::ckks::keygen;

use crate::files::keep;
use crate::scratch::Scratch;

/// `y = ((x_0 - x_1)^2, x_1^2)` at the first two of 16 positions; the second pixel is there twice.
fn program() -> Result<Program> {
    let degree = 4096;
    let prime = |bits| Ok(*ntt_primes(degree, bits, 1, &[])?.first().context("a prime")?);
    let moduli: Vec<u64> = [35, 34].into_iter().map(prime).collect::<Result<_>>()?;
    let weights = SparseMatrix::from_rows(2, vec![vec![(0, 1024), (1, -1024)], vec![(1, 1024)]])?;
    let step = |op| Step { layer: "squares".into(), op };
    let terms = vec![LinearTerm { input: 0, weights }];
    let steps = vec![
        step(StepOp::Linear { terms, weight_scale: 1024.0, bias: vec![0, 1] }),
        step(StepOp::Square { input: 1 }),
        step(StepOp::Relinearise { input: 2 }),
        step(StepOp::Rescale { input: 3 }),
    ];
    let layout = |at: &[(usize, u32)]| {
        let mut held = vec![None; 16];
        at.iter().for_each(|&(position, element)| held[position] = Some(element));
        Layout::new(16, 2, held)
    };
    let input = layout(&[(0, 0), (1, 1), (8, 1)])?;
    let layout_of_sums = layout(&[(0, 0), (1, 1)])?;
    let images = degree / 16;
    let map = PackedMap { layout: layout_of_sums, images, offsets: vec![0], giant: 1, folds: vec![8], unmasked: false };
    let packing = Packing { input, maps: vec![map] };
    let parameters = ParameterSet { degree, moduli, special: vec![prime(38)?], security: 128 };
    let mut signature = Signature {
        model: "packed".into(),
        input: InputSpec::pixels([1, 1, 2], vec![0.5], vec![0.5]),
        reads: ReadElements::all(2),
        classes: Classes::new(vec!["low".into(), "high".into()], 2, None)?,
        input_limbs: 2,
        input_scale: 2_f64.powi(20),
        output_limbs: 1,
        output_scale: 1.0,
        output_components: 2,
        switches_keys: true,
        promise: None,
        packing: None,
        parameters,
    };
    let values = infer_values(signature.input_value(), &steps, &signature.parameters.moduli)?;
    signature.output_scale = values[4].scale;
    signature.packing = Some(ClientPacking::new(&packing, &steps, &values, 4));
    let remark = "as exact as two small primes allow".into();
    let note = LayerNote { layer: "squares".into(), value: 4, bound: 17.0, error: 0.1, rounding: None, remark };
    let literal =
        ProgramLiteral { signature, steps, output: 4, notes: vec![note], alternatives: vec![], packing: Some(packing) };
    Ok(Program::try_from(literal)?)
}

/// Writes the files of the readers of what a packing changes.
pub(super) fn make() -> Result<()> {
    let (scratch, program) = (Scratch::new()?, program()?);
    let file = |name: &str| scratch.path().join(name);
    save_program(&program, &file("packed.beaa"))?;
    save_signature(&SignatureFile::from(&program), &file("packed.signature"))?;
    let server = keygen(program.signature(), Some(1))?.server.context("a key of a program that rotates")?;
    server.save(&file("packed.key"))?;
    for (reader, name) in [
        ("program", "packed.beaa"),
        ("program-run", "packed.beaa"),
        ("signature", "packed.signature"),
        ("evaluation-key", "packed.key"),
    ] {
        keep(reader, name, &std::fs::read(file(name))?)?;
    }
    Ok(())
}
