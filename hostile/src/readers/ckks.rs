//! Files of the ckks backend: each is read, written again, and used with good files of the other
//! kinds.

use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};
use beaa_datasets::Images;
use beaa_evaluation::model_images::as_taken_by;
use beaa_ir::ckks::{self as ir, Program, SignatureFile};
use beaa_ir::container::{self, Kind};
use beaa_ir::images::ImageMajor;
use beaa_runtime::ckks::{
    ArrangedWeights, ClientKey, EncryptedInput, EncryptedOutput, KeyPair, PreparedProgram, ServerKey, decrypt,
    decrypt_without_receipt, encrypt, encryption_bytes, keygen, schedule, standing,
};
use beaa_runtime::{Passphrase, Receipt, Silent};
use beaa_secrets::age;
use serde_json::{Value, json};

use crate::files::good_file;
use crate::scratch::Scratch;

/// Numbers of a sample with which programs and signatures are used.
const MOST_ELEMENTS: usize = 64;
/// Numbers of a picture before it is preprocessed.
const MOST_PIXELS: usize = 1 << 16;
/// Bits of parameters with which keys are made, all primes of all coefficients.
const MOST_KEY_BITS: u64 = 4096 * 400;

/// Good files that belong together.
struct Good {
    program: PreparedProgram<Program>,
    signature: SignatureFile,
    client: ClientKey,
    server: ServerKey,
    images: EncryptedInput,
    answers: EncryptedOutput,
    receipt: Receipt,
}

static GOOD: OnceLock<Result<Good, String>> = OnceLock::new();
static PACKED: OnceLock<Result<Good, String>> = OnceLock::new();

/// Once in a process.
fn good() -> Result<&'static Good> {
    let load = || -> Result<Good> {
        let scratch = Scratch::new()?;
        let file = |reader: &str, name: &str| scratch.write(name, &std::fs::read(good_file(reader, name))?);
        let program = ir::load_program(&file("program", "squared.beaa")?)?;
        Ok(Good {
            signature: SignatureFile::from(&program),
            program: PreparedProgram::new(program, ArrangedWeights::Kept)?,
            client: ClientKey::load(&file("secret-key", "secret.key")?)?,
            server: ServerKey::load(&file("evaluation-key", "evaluation.key")?)?,
            images: EncryptedInput::load(&file("images", "images.ct")?)?,
            answers: EncryptedOutput::load(&file("answers", "answers.ct")?)?,
            receipt: Receipt::load(&file("receipt", "images.ct.receipt")?)?,
        })
    };
    let loaded = GOOD.get_or_init(|| load().map_err(|e| format!("{e:#}")));
    loaded.as_ref().map_err(|e| anyhow::anyhow!("the good files: {e}; make them anew: beaa-hostile seeds"))
}

/// The same of a packed program, worked out anew: no other file of it is kept.
fn packed() -> Result<&'static Good> {
    let make = || -> Result<Good> {
        let scratch = Scratch::new()?;
        let file = scratch.write("packed.beaa", &std::fs::read(good_file("program", "packed.beaa"))?)?;
        let program = ir::load_program(&file)?;
        let signature = SignatureFile::from(&program);
        let KeyPair { client, server } = keygen(&signature.signature, Some(1))?;
        let server = server.context("a key of a program that rotates")?;
        let program = PreparedProgram::new(program, ArrangedWeights::Kept)?;
        let (images, receipt) = encrypt(&signature, &client, &samples(2)?, Some(1), &Silent)?;
        let answers = program.run(&server, &images, &Silent)?.0;
        Ok(Good { program, signature, client, server, images, answers, receipt })
    };
    let good = PACKED.get_or_init(|| make().map_err(|e| format!("{e:#}")));
    good.as_ref().map_err(|e| anyhow::anyhow!("the packed program: {e}; make it anew: beaa-hostile seeds"))
}

pub(super) fn program(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let program = ir::load_program(&scratch.write("x.beaa", bytes)?)?;
    scratch.same_again(&program, ir::save_program, ir::load_program)?;
    ensure!(!ir::dump(&program).is_empty(), "a program without text");
    let _ = schedule(&program).peak_bytes;
    use_signature(scratch, &SignatureFile::from(&program), false)
}

/// The whole way, from keys to answers.
pub(super) fn program_run(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let program = ir::load_program(&scratch.write("x.beaa", bytes)?)?;
    let signature = SignatureFile::from(&program);
    let parameters = &signature.signature.parameters;
    let rotations = signature.signature.packing.as_ref().map_or(0, |p| p.rotations.len() as u64);
    let bits: u64 = parameters.moduli.iter().chain(&parameters.special).map(|q| u64::from(q.ilog2())).sum();
    let elements = signature.signature.input.shape().len();
    ensure!(
        bits.saturating_mul(parameters.degree as u64).saturating_mul(1 + rotations) <= MOST_KEY_BITS
            && elements <= MOST_ELEMENTS,
        "a program that is too large to be run many times"
    );
    let KeyPair { client, server } = keygen(&signature.signature, Some(1))?;
    let images = samples(elements)?;
    let (input, receipt) = encrypt(&signature, &client, &images, Some(1), &Silent)?;
    let prepared = PreparedProgram::new(program, ArrangedWeights::PerPart)?;
    let (output, _) = prepared.run(&server, &input, &Silent)?;
    let answers = decrypt(&signature, &client, &output, &receipt)?;
    ensure!(answers.images() == images.images(), "answers for other images");
    Ok(())
}

pub(super) fn signature(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let signature = ir::load_signature(&scratch.write("x.signature", bytes)?)?;
    scratch.same_again(&signature, ir::save_signature, ir::load_signature)?;
    use_signature(scratch, &signature, true)
}

/// What a client does before it has a key, and with a key of the good program.
fn use_signature(_: &Scratch, file: &SignatureFile, with_key: bool) -> Result<()> {
    let signature = &file.signature;
    let good = if signature.packing.is_some() { packed()? } else { good()? };
    let _ = standing(&signature.parameters);
    let elements = signature.input.shape().len();
    ensure!(elements <= MOST_ELEMENTS, "samples that are too large to be made many times");
    let pixels = ImageMajor::new(2, elements, vec![7_u8; 2 * elements])?;
    let normalised = signature.input.normalise_bytes(&pixels)?;
    if let Some(preprocessing) = &signature.input.preprocessing {
        let from = preprocessing.from();
        let size = from.iter().fold(1_usize, |n, &side| n.saturating_mul(side));
        ensure!(size <= MOST_PIXELS, "pictures that are too large to be made many times");
        let pictures = Images::new("made up", from, vec![5; 2 * size], vec![0; 2])?;
        ensure!(as_taken_by(&pictures, &signature.input)?.shape() == signature.input.shape, "preprocessed pictures");
    }
    if with_key {
        let _ = encryption_bytes(file, &good.client)?;
        let (_, receipt) = encrypt(file, &good.client, &normalised, Some(3), &Silent)?;
        ensure!(receipt.images() == 2, "a receipt of other images");
        let answers = decrypt_without_receipt(file, &good.client, &good.answers)?;
        ensure!(answers.classes(&signature.classes).len() == answers.images(), "a class for each image");
        let _ = (answers.rounded(), answers.outside());
    }
    Ok(())
}

pub(super) fn secret_key(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    use_key(scratch, &ClientKey::load(&scratch.write("x.key", bytes)?)?)
}

/// Finding a key from a passphrase takes long on purpose; here it must not.
const WORK: u8 = 4;
/// Bytes that more work would take.
const MOST_WORK_BYTES: u64 = 1 << 20;

fn passphrase() -> Result<Passphrase> {
    Ok(Passphrase::new(b"correct horse")?)
}

/// The good secret key under the passphrase.
pub(super) fn protected_keys() -> Result<Vec<Vec<u8>>> {
    let (scratch, key) = (Scratch::new()?, std::fs::read(good_file("secret-key", "secret.key"))?);
    let path = scratch.write("secret.key", &key)?;
    let header = json!({"id": ClientKey::load(&path)?.id(), "from_seed": true});
    let locked = age::encrypt_with(WORK, &key, &passphrase()?)?;
    let path = scratch.path().join("protected.key");
    container::write(&path, Kind::ProtectedKey, &header, locked.len() as u64, |w| w.write_all(&locked))?;
    Ok(vec![std::fs::read(path)?])
}

pub(super) fn protected_key(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let path = scratch.write("x.key", bytes)?;
    let opened = container::open::<Value>(&path, Kind::ProtectedKey)?;
    ensure!(age::work_bytes(opened.payload())? <= MOST_WORK_BYTES, "more work than there is time for many times");
    use_key(scratch, &ClientKey::load_protected(&path, Some(&passphrase()?))?)
}

fn use_key(scratch: &Scratch, key: &ClientKey) -> Result<()> {
    let good = good()?;
    scratch.same_again(key, ClientKey::save, ClientKey::load)?;
    let _ = decrypt_without_receipt(&good.signature, key, &good.answers)?;
    let _ = encrypt(&good.signature, key, &samples(good.elements())?, Some(2), &Silent)?;
    Ok(())
}

pub(super) fn evaluation_key(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let key = ServerKey::load(&scratch.write("x.key", bytes)?)?;
    let good = if key.rotations().is_empty() { good()? } else { packed()? };
    scratch.same_again(&key, ServerKey::save, ServerKey::load)?;
    let _ = good.program.run(&key, &good.images, &Silent)?;
    Ok(())
}

pub(super) fn images(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let (good, images) = (good()?, EncryptedInput::load(&scratch.write("x.ct", bytes)?)?);
    scratch.same_again(&images, |i, path| i.save(path).map(drop), EncryptedInput::load)?;
    let _ = good.program.run(&good.server, &images, &Silent)?;
    Ok(())
}

pub(super) fn answers(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let (good, answers) = (good()?, EncryptedOutput::load(&scratch.write("x.ct", bytes)?)?);
    scratch.same_again(&answers, |a, path| a.save(path).map(drop), EncryptedOutput::load)?;
    let without = decrypt_without_receipt(&good.signature, &good.client, &answers);
    let read = decrypt(&good.signature, &good.client, &answers, &good.receipt)?;
    ensure!(read.images() == good.receipt.images(), "answers to other images");
    without.context("answers that are read with a receipt, and not without").map(drop)
}

pub(super) fn receipt(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let (good, receipt) = (good()?, Receipt::load(&scratch.write("x.receipt", bytes)?)?);
    scratch.same_again(&receipt, Receipt::save, Receipt::load)?;
    let _ = decrypt(&good.signature, &good.client, &good.answers, &receipt)?;
    Ok(())
}

impl Good {
    fn elements(&self) -> usize {
        self.signature.signature.input.shape().len()
    }
}

/// Two samples of some numbers.
fn samples(elements: usize) -> Result<ImageMajor<f32>> {
    Ok(ImageMajor::new(2, elements, (0..2 * elements).map(|i| (i % 5) as f32 / 10.0).collect())?)
}
