//! Files of the tfhe backend: each is read, written again, and used where that needs no evaluation
//! key, which is too large to be read thousands of times.

use std::sync::OnceLock;

use anyhow::{Result, ensure};
use beaa_ir::container::{self, Kind};
use beaa_ir::images::ImageMajor;
use beaa_ir::tfhe::{self as ir, DECOMPOSITIONS, PARAMETER_SET, Parameters, SignatureFile};
use beaa_runtime::tfhe::{
    ClientKey, EncryptedInput, EncryptedOutput, ServerKey, decrypt, decrypt_without_receipt, encrypt,
};
use beaa_runtime::{Receipt, Silent};
use serde_json::json;

use crate::files::good_file;
use crate::scratch::Scratch;

/// Numbers of a sample with which programs and signatures are used.
const MOST_ELEMENTS: usize = 64;

/// Good files that belong together.
struct Good {
    signature: SignatureFile,
    client: ClientKey,
    answers: EncryptedOutput,
    receipt: Receipt,
}

static GOOD: OnceLock<Result<Good, String>> = OnceLock::new();

/// Once in a process.
fn good() -> Result<&'static Good> {
    let load = || -> Result<Good> {
        let scratch = Scratch::new()?;
        let file = |reader: &str, name: &str| scratch.write(name, &std::fs::read(good_file(reader, name))?);
        Ok(Good {
            signature: ir::load_signature(&file("tfhe-signature", "table.signature")?)?,
            client: ClientKey::load(&file("tfhe-secret-key", "secret.key")?)?,
            answers: EncryptedOutput::load(&file("tfhe-answers", "answers.ct")?)?,
            receipt: Receipt::load(&file("tfhe-receipt", "images.ct.receipt")?)?,
        })
    };
    let loaded = GOOD.get_or_init(|| load().map_err(|e| format!("{e:#}")));
    loaded.as_ref().map_err(|e| anyhow::anyhow!("the good files: {e}; make them anew: beaa-hostile seeds"))
}

pub(super) fn program(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let program = ir::load_program(&scratch.write("x.beaa", bytes)?)?;
    scratch.same_again(&program, ir::save_program, ir::load_program)?;
    let elements = program.signature().input.shape().len();
    ensure!(elements <= MOST_ELEMENTS, "samples that are too large to be made many times");
    let pixels = ir::quantise_pixels(program.signature().pixel_steps, &vec![200; elements]);
    ensure!(ir::evaluate(&program, &pixels).outputs.len() == program.last_bias().len(), "an integer for each output");
    Ok(())
}

pub(super) fn signature(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let (good, file) = (good()?, ir::load_signature(&scratch.write("x.signature", bytes)?)?);
    scratch.same_again(&file, ir::save_signature, ir::load_signature)?;
    let elements = file.signature.input.shape().len();
    ensure!(elements <= MOST_ELEMENTS, "samples that are too large to be made many times");
    let _ = encrypt(&file, &good.client, &ImageMajor::new(2, elements, vec![9; 2 * elements])?, Some(1), &Silent)?;
    let answers = decrypt_without_receipt(&file, &good.client, &good.answers)?;
    ensure!(answers.classes(&file.signature.classes).len() == answers.images(), "a class for each image");
    Ok(())
}

pub(super) fn secret_key(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let (good, key) = (good()?, ClientKey::load(&scratch.write("x.key", bytes)?)?);
    scratch.same_again(&key, ClientKey::save, ClientKey::load)?;
    let _ = decrypt_without_receipt(&good.signature, &key, &good.answers)?;
    Ok(())
}

pub(super) fn images(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let images = EncryptedInput::load(&scratch.write("x.ct", bytes)?)?;
    scratch.same_again(&images, |i, path| i.save(path).map(drop), EncryptedInput::load)
}

pub(super) fn answers(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let (good, answers) = (good()?, EncryptedOutput::load(&scratch.write("x.ct", bytes)?)?);
    scratch.same_again(&answers, |a, path| a.save(path).map(drop), EncryptedOutput::load)?;
    let read = decrypt(&good.signature, &good.client, &answers, &good.receipt)?;
    ensure!(read.images() == good.receipt.images(), "answers to other images");
    Ok(())
}

pub(super) fn receipt(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let (good, receipt) = (good()?, Receipt::load(&scratch.write("x.receipt", bytes)?)?);
    scratch.same_again(&receipt, Receipt::save, Receipt::load)?;
    let _ = decrypt(&good.signature, &good.client, &good.answers, &receipt)?;
    Ok(())
}

pub(super) fn evaluation_key(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let key = ServerKey::load(&scratch.write("x.key", bytes)?)?;
    ensure!(key.bytes() > 0, "a key without numbers");
    Ok(())
}

/// A key of 20 MB and more, all zeros: as good as any to a reader, and made at once.
pub(super) fn evaluation_keys() -> Result<Vec<Vec<u8>>> {
    let scratch = Scratch::new()?;
    let path = scratch.path().join("evaluation.key");
    let (parameters, set) = (Parameters::new(DECOMPOSITIONS[0]), PARAMETER_SET);
    let bootstrap = set.lwe_dimension * parameters.levels * 2 * set.polynomial_size;
    let payload = vec![0; 8 * (bootstrap + set.polynomial_size * set.switch_levels)];
    let seeds = ["0", "1"].map(|digit| digit.repeat(32));
    let header = json!({"id": "zeros", "parameters": parameters, "seeds": seeds});
    container::write(&path, Kind::TfheServerKey, &header, payload.len() as u64, |w| w.write_all(&payload))?;
    Ok(vec![std::fs::read(path)?])
}
