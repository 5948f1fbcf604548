//! Good files of the tfhe backend: a program of one table on four pixels, its secret key, an image
//! and its answer. The evaluation key is too large to be kept.

use anyhow::Result;
use beaa_ir::images::ImageMajor;
use beaa_ir::tfhe::{
    DECOMPOSITIONS, Parameters, Program, ProgramLiteral, Signature, SignatureFile, Stage, save_program, save_signature,
};
use beaa_ir::{Classes, InputSpec, SparseMatrix};
use beaa_runtime::Silent;
use beaa_runtime::tfhe::{encrypt, keygen, run};

use crate::files::keep;
use crate::scratch::Scratch;

fn program() -> Result<Program> {
    let weights = SparseMatrix::from_rows(4, vec![vec![(0, 1), (2, -1)], vec![(1, 2), (3, 1)]])?;
    let table = |levels: i16| (0..levels).map(move |i| i % 5 - 2);
    let stage = Stage {
        layer: "act".into(),
        weights,
        bias: vec![3, 4],
        dropped_bits: 0,
        levels: 16,
        tables: table(16).chain(table(16)).collect(),
        proven: false,
    };
    let signature = Signature {
        model: "table".into(),
        input: InputSpec::pixels([1, 2, 2], vec![0.0], vec![1.0]),
        classes: Classes::new(Vec::new(), 2, None)?,
        pixel_steps: 3,
        input_slots: stage.slots(),
        input_large_key: false,
        output_bits: 12,
        output_scale: vec![1.0; 2],
        output_offset: vec![0.0; 2],
        parameters: Parameters::new(DECOMPOSITIONS[1]),
        log2_failure: -40.0,
        promise: None,
    };
    let last = SparseMatrix::from_rows(2, vec![vec![(0, 3)], vec![(0, -1), (1, 2)]])?;
    Ok(Program::try_from(ProgramLiteral { signature, stages: vec![stage], last, last_bias: vec![5, -17] })?)
}

/// Writes the files of every reader.
pub(super) fn make() -> Result<()> {
    let (scratch, program) = (Scratch::new()?, program()?);
    let file = |name: &str| scratch.path().join(name);
    save_program(&program, &file("table.beaa"))?;
    let signature = SignatureFile::from(&program);
    save_signature(&signature, &file("table.signature"))?;
    let keys = keygen(&signature.signature.parameters, Some(1))?;
    keys.client.save(&file("secret.key"))?;
    let images = ImageMajor::new(1, 4, vec![0, 100, 200, 255])?;
    let (input, receipt) = encrypt(&signature, &keys.client, &images, Some(1), &Silent)?;
    input.save(&file("images.ct"))?;
    receipt.save(&file("images.ct.receipt"))?;
    run(&program, &keys.server, &input, &Silent)?.0.save(&file("answers.ct"))?;
    for (reader, name) in [
        ("tfhe-program", "table.beaa"),
        ("tfhe-signature", "table.signature"),
        ("tfhe-secret-key", "secret.key"),
        ("tfhe-images", "images.ct"),
        ("tfhe-answers", "answers.ct"),
        ("tfhe-receipt", "images.ct.receipt"),
    ] {
        keep(reader, name, &std::fs::read(file(name))?)?;
    }
    Ok(())
}
