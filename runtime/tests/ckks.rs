//! Client and server through files, as separate processes would work: what fits is right, what does
//! not is refused.

#![allow(clippy::unwrap_used)]

mod kit;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use beaa_ir::ckks::{Program, SignatureFile, infer_values};
use beaa_ir::container::{self, Kind};
use beaa_ir::images::ImageMajor;
use beaa_runtime::ckks::{
    ArrangedWeights, ClientKey, EncryptedInput, EncryptedOutput, KeyPair, PreparedProgram, ServerKey, decrypt,
    decrypt_without_receipt, encrypt, encrypt_to_file, keygen, run, schedule, verify,
};
use beaa_runtime::{Error, Receipt, Silent, plaintext};

use kit::{images, program};

struct Files {
    folder: tempfile::TempDir,
    program: Program,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap(), program: program(4) };
        let KeyPair { client, server } = keygen(files.program.signature(), Some(1)).unwrap();
        let server = server.unwrap();
        assert!(client.is_from_seed() && server.is_from_seed());
        client.save(&files.path("secret.key")).unwrap();
        server.save(&files.path("evaluation.key")).unwrap();
        let (input, receipt) = files.encrypt(&client, 50);
        receipt.save(&files.path("input.ct.receipt")).unwrap();
        assert_eq!(
            input.save(&files.path("input.ct")).unwrap(),
            std::fs::metadata(files.path("input.ct")).unwrap().len()
        );
        files
    }

    fn file(&self) -> SignatureFile {
        SignatureFile::from(&self.program)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn encrypt(&self, client: &ClientKey, count: usize) -> (EncryptedInput, Receipt) {
        encrypt(&self.file(), client, &images(count), Some(2), &Silent).unwrap()
    }

    fn run(&self) -> beaa_runtime::Result<EncryptedOutput> {
        let server = ServerKey::load(&self.path("evaluation.key"))?;
        Ok(run(&self.program, &server, &EncryptedInput::load(&self.path("input.ct"))?, &Silent)?.0)
    }

    fn receipt(&self) -> Receipt {
        Receipt::load(&self.path("input.ct.receipt")).unwrap()
    }

    fn decrypt(&self, output: &EncryptedOutput) -> beaa_runtime::Result<ImageMajor<f64>> {
        let client = ClientKey::load(&self.path("secret.key"))?;
        Ok(decrypt(&self.file(), &client, output, &self.receipt())?.exact().clone())
    }
}

fn damage(path: &Path, f: impl Fn(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    f(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn the_answer_survives_the_way_through_files() {
    let files = Files::new();
    files.run().unwrap().save(&files.path("output.ct")).unwrap();
    let got = files.decrypt(&EncryptedOutput::load(&files.path("output.ct")).unwrap()).unwrap();
    let clear = plaintext::run(&files.program, &images(50)).unwrap();
    assert_eq!((got.images(), got.elements()), (50, 1));
    for ((g, c), x) in got.rows().zip(clear.rows()).zip(images(50).rows()) {
        let [x0, x1, x2, x3] = [0, 1, 2, 3].map(|i| f64::from(x[i]));
        let expected = (x0 + 2.0 * x1 - x2).powi(2) - 0.5 * x3 * x3;
        assert!((c[0] - expected).abs() < 1e-6, "{} {expected}", c[0]);
        assert!((g[0] - expected).abs() < 1e-2, "{} {expected}", g[0]);
    }
}

#[test]
fn verification_tells_predicted_from_measured() {
    let files = Files::new();
    let keys = keygen(files.program.signature(), Some(1)).unwrap();
    let v = verify(&files.program, &keys, &images(50), Some(2), &Silent).unwrap();
    assert_eq!((v.layers.len(), v.images, v.agreeing), (1, 50, 50));
    let layer = &v.layers[0];
    let found = verify(&files.program, &keys, &images(4097), Some(2), &Silent).unwrap_err();
    assert!(found.to_string().contains("4097"), "{found}");
    assert!(v.holds && layer.measured > 0.0 && layer.measured < layer.predicted * 2.0, "{layer:?}");
    // The same program with a promise so far off that 50 images of one output show it.
    let mut literal = files.program.as_literal().clone();
    literal.notes[0].error = layer.measured / 40.0;
    let broken = Program::try_from(literal).unwrap();
    assert!(!verify(&broken, &keys, &images(50), Some(2), &Silent).unwrap().holds);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let files = Files::new();
    let KeyPair { client: other_client, server: other_server } = keygen(files.program.signature(), Some(9)).unwrap();
    let input = EncryptedInput::load(&files.path("input.ct")).unwrap();
    let text = |e: beaa_runtime::Error| e.to_string();
    assert!(text(run(&files.program, &other_server, &input, &Silent).err().unwrap()).contains("key pair"));
    let output = files.run().unwrap();
    assert!(text(decrypt(&files.file(), &other_client, &output, &files.receipt()).err().unwrap()).contains("key pair"));
    let server = ServerKey::load(&files.path("evaluation.key")).unwrap();
    assert!(text(run(&program(5), &server, &input, &Silent).err().unwrap()).contains("for this program"));
    assert!(ServerKey::load(&files.path("secret.key")).is_err(), "a secret key is no evaluation key");
    let no_results = EncryptedOutput::load(&files.path("input.ct"));
    assert!(matches!(no_results, Err(Error::WrongKind { .. })), "images are no results");
    let none = encrypt(&files.file(), &other_client, &ImageMajor::new(0, 4, vec![]).unwrap(), None, &Silent);
    assert!(matches!(none, Err(Error::NoImages { .. })), "no image");
    let out_of_range =
        encrypt(&files.file(), &other_client, &ImageMajor::new(1, 4, vec![5.0; 4]).unwrap(), None, &Silent);
    assert!(matches!(out_of_range, Err(Error::ImageRange { image: 0, .. })), "not normalised");
}

#[test]
fn damaged_files_are_refused() {
    for name in ["secret.key", "evaluation.key", "input.ct"] {
        let files = Files::new();
        damage(&files.path(name), |b| b.truncate(b.len() / 2));
        let output = files.run().and_then(|o| files.decrypt(&o));
        assert!(output.is_err(), "{name} cut short");
        let files = Files::new();
        damage(&files.path(name), |b| {
            let middle = b.len() / 2;
            b[middle] ^= 1;
        });
        let output = files.run().and_then(|o| files.decrypt(&o));
        assert!(output.is_err(), "{name} changed");
    }
}

#[test]
fn a_header_with_absurd_numbers_is_refused() {
    let files = Files::new();
    let path = files.path("input.ct");
    let opened = container::open::<serde_json::Value>(&path, Kind::Ciphertexts).unwrap();
    let bytes = opened.payload().to_vec();
    // Twice 2^63 + 1 is 2 again, modulo 2^64.
    for (field, number) in [
        ("stored_components", (1_u64 << 63) + 1),
        ("stored_components", 0),
        ("ciphertexts", u64::MAX),
        ("limbs", u64::MAX),
    ] {
        let mut header = opened.header.clone();
        header[field] = number.into();
        container::write(&path, Kind::Ciphertexts, &header, bytes.len() as u64, |w| w.write_all(&bytes)).unwrap();
        assert!(files.run().is_err(), "{number} {field}");
    }
    container::write(&path, Kind::Ciphertexts, &opened.header, bytes.len() as u64, |w| w.write_all(&bytes)).unwrap();
    assert!(files.run().is_ok());
}

#[test]
fn a_program_prepared_once_gives_the_same_bits_in_every_run() {
    let files = Files::new();
    let server = ServerKey::load(&files.path("evaluation.key")).unwrap();
    let input = EncryptedInput::load(&files.path("input.ct")).unwrap();
    let bytes = |output: EncryptedOutput| {
        output.save(&files.path("output.ct")).unwrap();
        std::fs::read(files.path("output.ct")).unwrap()
    };
    let expected = bytes(files.run().unwrap());
    for weights in [ArrangedWeights::PerPart, ArrangedWeights::Kept] {
        let prepared = PreparedProgram::new(&files.program, weights).unwrap();
        for _ in 0..2 {
            assert!(bytes(prepared.run(&server, &input, &Silent).unwrap().0) == expected, "{weights:?}");
        }
    }
    // Whoever keeps a program prepared may own it or share it.
    let shared = PreparedProgram::new(Arc::new(program(4)), ArrangedWeights::Kept).unwrap();
    assert!(bytes(shared.run(&server, &input, &Silent).unwrap().0) == expected);
}

#[test]
fn the_plan_counts_arranged_weights_that_are_kept() {
    let program = program(4);
    let peak = |weights| PreparedProgram::new(&program, weights).unwrap().peak_bytes();
    assert_eq!(peak(ArrangedWeights::PerPart), schedule(&program).peak_bytes);
    // All six weights are read in the first part, where the peak is not; the second part reads
    // none.
    assert_eq!(peak(ArrangedWeights::Kept), peak(ArrangedWeights::PerPart) + 6 * 12);
}

#[test]
fn the_schedule_fuses_what_is_pointwise_and_frees_what_is_dead() {
    let program = program(4);
    let schedule = schedule(&program);
    let parts: Vec<(usize, usize)> = schedule.parts.iter().map(|p| (p.first, p.last)).collect();
    assert_eq!(parts, [(0, 2), (3, 4)]);
    assert_eq!(schedule.parts.iter().map(|p| p.frees.clone()).collect::<Vec<_>>(), [vec![0, 1, 2], vec![3, 4]]);
    // The input is read where it lies; the result of the first part is 1 ciphertext x 3 components
    // x 3 limbs.
    let live: Vec<u64> = schedule.parts.iter().map(|p| p.live_bytes).collect();
    assert_eq!(live[0], 3 * 3 * 4096 * 8);
    let worst = schedule.parts.iter().map(|p| p.live_bytes + p.working_bytes).max();
    assert_eq!(Some(schedule.peak_bytes - schedule.fixed_bytes), worst);
}

#[test]
fn more_images_than_slots_are_batches_in_order() {
    let files = Files::new();
    let client = ClientKey::load(&files.path("secret.key")).unwrap();
    let server = ServerKey::load(&files.path("evaluation.key")).unwrap();
    let many = images(9000);
    let (held, receipt) = encrypt(&files.file(), &client, &many, Some(2), &Silent).unwrap();
    assert_eq!((held.images(), held.batches(), receipt.images()), (9000, 3, 9000));
    assert!(receipt.batches().iter().all(|b| b.images() == 3000 && b.copies().len() == 1096));
    // Written as they are made, they are the same bytes.
    let (path, whole) = (files.path("many.ct"), files.path("whole.ct"));
    let (composed, same) = encrypt_to_file(&path, &files.file(), &client, &many, Some(2), &Silent).unwrap();
    assert_eq!((composed.commit().unwrap(), same), (held.save(&whole).unwrap(), receipt.clone()));
    assert!(std::fs::read(&path).unwrap() == std::fs::read(&whole).unwrap());

    let input = EncryptedInput::load(&path).unwrap();
    let prepared = PreparedProgram::new(&files.program, ArrangedWeights::Kept).unwrap();
    let (output, report) = prepared.run(&server, &input, &Silent).unwrap();
    assert_eq!((report.batches, output.batches(), output.images()), (3, 3, 9000));
    let answers = files.path("answers.ct");
    let (composed, _) = prepared.run_to_file(&answers, &server, &input, &Silent).unwrap();
    assert_eq!(composed.commit().unwrap(), output.save(&whole).unwrap());
    assert!(std::fs::read(&answers).unwrap() == std::fs::read(&whole).unwrap());

    let answers = EncryptedOutput::load(&answers).unwrap();
    let got = decrypt(&files.file(), &client, &answers, &receipt).unwrap();
    let clear = plaintext::run(&files.program, &many).unwrap();
    assert_eq!(got.images(), 9000);
    let squares = got.exact().data().iter().zip(clear.data()).map(|(g, c)| (g - c).powi(2)).sum::<f64>();
    let error = (squares / 9000.0).sqrt();
    assert!(error < 2.0 * 2e-3, "{error}, where 2e-3 was promised");
    let trusted = decrypt_without_receipt(&files.file(), &client, &answers).unwrap();
    assert_eq!(trusted.exact(), got.exact());
}

#[cfg(target_os = "linux")]
#[test]
fn the_secret_key_is_locked_in_memory() {
    let status = |field: &str, base| {
        let text = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix(field)).unwrap();
        u64::from_str_radix(line.split_whitespace().next().unwrap(), base).unwrap()
    };
    let files = Files::new();
    let key = ClientKey::load(&files.path("secret.key")).unwrap();
    let parameters = &files.program.signature().parameters;
    // Other tests of this process lock keys, too: a limit of some megabytes is enough for all.
    let plenty = 4 << 20;
    if status("CapEff:", 16) >> 14 & 1 == 1 || beaa_secrets::lock_limit().is_none_or(|limit| limit >= plenty) {
        let numbers = parameters.degree * (parameters.moduli.len() + parameters.special.len());
        assert!(1024 * status("VmLck:", 10) >= (8 * numbers + parameters.degree) as u64);
    } else {
        assert!(1024 * status("VmLck:", 10) <= plenty);
    }
    drop(key);
}

#[test]
fn a_program_that_switches_no_keys_runs_without_one() {
    let shortened = without_switching();
    let KeyPair { client, server } = keygen(shortened.signature(), Some(1)).unwrap();
    assert!(server.is_none());
    let file = SignatureFile::from(&shortened);
    let (input, receipt) = encrypt(&file, &client, &images(50), None, &Silent).unwrap();
    let prepared = PreparedProgram::new(&shortened, ArrangedWeights::PerPart).unwrap();
    let clear = plaintext::run(&shortened, &images(50)).unwrap();
    // Once without a key, once with one that it does not need, of anybody.
    let foreign = keygen(program(4).signature(), Some(3)).unwrap().server;
    for key in [None, foreign.as_ref()] {
        let (output, _) = prepared.run(key, &input, &Silent).unwrap();
        let answers = decrypt(&file, &client, &output, &receipt).unwrap();
        assert!(answers.exact().data().iter().zip(clear.data()).all(|(a, c)| (a - c).abs() < 1e-2));
    }
    // A program that does switch keys asks for one.
    let files = Files::new();
    let input = EncryptedInput::load(&files.path("input.ct")).unwrap();
    assert!(matches!(run(&files.program, None, &input, &Silent), Err(Error::NoEvaluationKey)));
}

/// The program of the kit without its last steps: the squares as they are.
fn without_switching() -> Program {
    let mut literal = program(4).as_literal().clone();
    literal.steps.truncate(3);
    literal.output = 3;
    literal.notes.iter_mut().for_each(|n| n.value = 3);
    let signature = &mut literal.signature;
    signature.switches_keys = false;
    let values = infer_values(signature.input_value(), &literal.steps, &signature.parameters.moduli).unwrap();
    signature.output_limbs = values[3].limbs;
    signature.output_scale = values[3].scale;
    signature.output_components = values[3].components;
    Program::try_from(literal).unwrap()
}
