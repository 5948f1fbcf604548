//! Packed programs: several elements in a ciphertext, linear steps by rotations. Each answers what
//! the plaintext backend answers, whatever its layouts, and from client to server through files.

#![allow(clippy::unwrap_used)]

mod kit;

use beaa_ir::ckks::{Program, SignatureFile, dump, load_program, load_signature, save_program, save_signature};
use beaa_ir::images::ImageMajor;
use beaa_runtime::ckks::{
    ArrangedWeights, ClientKey, EncryptedInput, EncryptedOutput, KeyPair, PreparedProgram, ServerKey, decrypt,
    decrypt_without_receipt, encrypt, encrypt_to_file, keygen, planned_bytes, run, share, verify,
};
use beaa_runtime::{Error, Silent, plaintext};

use kit::{Case, Lies, images, literal, packed};

/// From a ciphertext for each element to one image at a time.
fn cases() -> Vec<Case> {
    vec![
        Case::line(1, 1),
        Case::line(4, 1),
        Case::line(4, 4),
        Case { folds: true, ..Case::line(64, 4) },
        Case { folds: true, input: Lies::Every(4096), hidden: Lies::Every(4096), ..Case::line(8192, 1) },
        Case { folds: true, input: Lies::Every(8), ..Case::line(16, 1) },
        Case { folds: true, input: Lies::Every(8), ..Case::line(32, 2) },
        Case::line(8192, 1),
    ]
}

fn largest(found: &ImageMajor<f64>, expected: &ImageMajor<f64>) -> f64 {
    assert_eq!((found.images(), found.elements()), (expected.images(), expected.elements()));
    found.data().iter().zip(expected.data()).fold(0.0, |most: f64, (f, e)| most.max((f - e).abs()))
}

#[test]
fn packed_programs_answer_what_they_would_in_clear() {
    for case in cases() {
        let program = packed(case);
        let file = SignatureFile::from(&program);
        assert_eq!(file.signature.capacity(), case.images());
        let KeyPair { client, server } = keygen(&file.signature, Some(1)).unwrap();
        let server = server.unwrap();
        let count = case.images().min(21);
        let (input, receipt) = encrypt(&file, &client, &images(count), Some(2), &Silent).unwrap();
        assert_eq!(receipt.batches()[0].copies().len(), case.images() - count, "{case:?}");
        let clear = plaintext::run(&program, &images(count)).unwrap();
        // What is not packed answers the same in clear.
        assert_eq!(clear, plaintext::run(&Program::try_from(literal()).unwrap(), &images(count)).unwrap());
        let mut bytes = Vec::new();
        for weights in [ArrangedWeights::PerPart, ArrangedWeights::Kept] {
            let prepared = PreparedProgram::new(&program, weights).unwrap();
            let (output, report) = prepared.run(&server, &input, &Silent).unwrap();
            assert_eq!(prepared.peak_bytes(), planned_bytes(&program, weights));
            assert!(report.layers.iter().all(|l| l.ciphertexts <= 6), "{:?}", report.layers);
            let answers = decrypt(&file, &client, &output, &receipt).unwrap();
            let error = largest(answers.exact(), &clear);
            assert!(error < 16.0 * 1e-3, "{case:?}: {error}");
            assert!(answers.outside().is_empty(), "{case:?}");
            bytes.push(decrypt_without_receipt(&file, &client, &output).unwrap().exact().clone());
        }
        assert!(bytes[0] == bytes[1], "{case:?}: kept constants are the same");
    }
}

#[test]
fn verification_looks_into_packed_values() {
    for case in cases() {
        let program = packed(case);
        let keys = keygen(program.signature(), Some(1)).unwrap();
        let count = case.images().min(21);
        let found = verify(&program, &keys, &images(count), Some(2), &Silent).unwrap();
        assert_eq!((found.layers.len(), found.images, found.agreeing), (3, count, count));
        assert!(found.holds, "{case:?}: {:?}", found.layers);
        let many = images(case.images() + 1);
        assert!(matches!(verify(&program, &keys, &many, Some(2), &Silent), Err(Error::BatchSize { .. })));
    }
}

#[test]
fn clients_and_servers_meet_through_files() {
    let case = Case { folds: true, ..Case::line(64, 4) };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let program = packed(case);
    save_program(&program, &path("p")).unwrap();
    assert_eq!(load_program(&path("p")).unwrap(), program);
    assert!(dump(&program).contains("packed: 64 positions of 128 images"), "{}", dump(&program));
    save_signature(&SignatureFile::from(&program), &path("p.signature")).unwrap();
    let file = load_signature(&path("p.signature")).unwrap();
    assert_eq!(file, SignatureFile::from(&program));

    let keys = keygen(&file.signature, Some(1)).unwrap();
    keys.save(&path("secret.key"), &path("evaluation.key")).unwrap();
    let client = ClientKey::load(&path("secret.key")).unwrap();
    let server = ServerKey::load(&path("evaluation.key")).unwrap();
    let rotations: Vec<usize> =
        file.signature.packing.as_ref().unwrap().rotations.iter().map(|&r| r as usize).collect();
    assert_eq!(server.rotations().iter().map(|r| r.slots).collect::<Vec<_>>(), rotations);
    let limbs: Vec<usize> = file.signature.packing.as_ref().unwrap().key_limbs().collect();
    assert_eq!(server.rotations().iter().map(|r| r.limbs).collect::<Vec<_>>(), limbs);
    let size = std::fs::metadata(path("evaluation.key")).unwrap().len();
    assert!((server.bytes()..server.bytes() + 4096).contains(&size), "{size}");

    let many = images(300);
    let (composed, mut receipt) = encrypt_to_file(&path("images.ct"), &file, &client, &many, None, &Silent).unwrap();
    composed.commit().unwrap();
    let input = EncryptedInput::load(&path("images.ct")).unwrap();
    assert_eq!((input.batches(), input.images()), (3, 300));
    let prepared = PreparedProgram::new(&program, ArrangedWeights::Kept).unwrap();
    prepared.run_to_file(&path("answers.ct"), &server, &input, &Silent).unwrap().0.commit().unwrap();
    let output = EncryptedOutput::load(&path("answers.ct")).unwrap();
    let answers = decrypt(&file, &client, &output, &receipt).unwrap();
    let clear = plaintext::run(&program, &many).unwrap();
    assert!(largest(answers.exact(), &clear) < 0.02);
    // A batch of 100 leaves 28 slots for copies: too few to hand answers on by.
    assert!(matches!(share(&file, &client, &output, &mut receipt, 10.0), Err(Error::TooFewCopies { found: 28, .. })));
}

#[test]
fn keys_of_fewer_limbs_are_smaller_and_refused() {
    let program = packed(Case { folds: true, ..Case::line(64, 4) });
    let keys = keygen(program.signature(), Some(1)).unwrap();
    let mut signature = program.signature().clone();
    let packing = signature.packing.as_mut().unwrap();
    packing.limbs = vec![1; packing.rotations.len()];
    let few = keygen(&signature, Some(1)).unwrap();
    let [more, less] = [&keys, &few].map(|keys| keys.server.as_ref().unwrap().bytes());
    assert!(2 * less < more, "{less} of {more} bytes");
    let (input, _) = encrypt(&SignatureFile::from(&program), &few.client, &images(3), Some(2), &Silent).unwrap();
    let found = run(&program, few.server.as_ref(), &input, &Silent).err().unwrap();
    assert!(matches!(found, Error::MissingRotations { .. }), "{found}");
}

#[test]
fn keys_without_the_rotations_of_a_program_are_refused() {
    let program = packed(Case { folds: true, ..Case::line(64, 4) });
    let file = SignatureFile::from(&program);
    let few = keygen(packed(Case::line(4, 1)).signature(), Some(3)).unwrap();
    for keys in [keygen(&literal().signature, Some(1)).unwrap(), few] {
        let (input, _) = encrypt(&file, &keys.client, &images(3), Some(2), &Silent).unwrap();
        let found = run(&program, &keys.server, &input, &Silent).err().unwrap();
        assert!(matches!(found, Error::MissingRotations { .. }), "{found}");
        assert!(found.to_string().contains("keygen"), "{found}");
        let found = verify(&program, &keys, &images(3), Some(2), &Silent).err().unwrap();
        assert!(matches!(found, Error::MissingRotations { .. }), "{found}");
        assert!(matches!(run(&program, None, &input, &Silent), Err(Error::NoEvaluationKey)));
    }
}
