//! Client and server through files, as separate processes would work: what fits is right, what does
//! not is refused.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use beaa_ckks::primes::ntt_primes;
use beaa_ir::ckks::{
    LayerNote, LinearTerm, ParameterSet, Program, ProgramLiteral, Signature, SignatureFile, Step, StepOp,
};
use beaa_ir::container::{self, Kind};
use beaa_ir::images::ImageMajor;
use beaa_ir::{Classes, InputSpec, SparseMatrix};
use beaa_runtime::ckks::{
    ArrangedWeights, ClientKey, EncryptedInput, EncryptedOutput, KeyPair, PreparedProgram, ServerKey, decrypt, encrypt,
    flooding_width, keygen, run, schedule, verify,
};
use beaa_runtime::{Error, Silent, plaintext};

/// `y = (x_0 + 2 x_1 - x_2)^2 - 0.5 (x_3)^2`, relinearised late.
fn program(weight: i32) -> Program {
    let degree = 4096;
    let moduli: Vec<u64> = [36, 30, 34].iter().map(|&b| ntt_primes(degree, b, 1, &[]).unwrap()[0]).collect();
    let w1 = SparseMatrix::from_rows(4, vec![vec![(0, 4), (1, 8), (2, -4)], vec![(3, weight)]]).unwrap();
    let w2 = SparseMatrix::from_rows(2, vec![vec![(0, 4), (1, -2)]]).unwrap();
    let step = |layer: &str, op| Step { layer: layer.into(), op };
    let (scale, ws) = (2_f64.powi(26), 4.0);
    let out = (scale * ws).powi(2) * ws;
    let steps = vec![
        step(
            "fc1",
            StepOp::Linear { terms: vec![LinearTerm { input: 0, weights: w1 }], weight_scale: ws, bias: vec![0, 0] },
        ),
        step("act1", StepOp::Square { input: 1 }),
        step(
            "fc2",
            StepOp::Linear { terms: vec![LinearTerm { input: 2, weights: w2 }], weight_scale: ws, bias: vec![0] },
        ),
        step("fc2", StepOp::Relinearise { input: 3 }),
        step("fc2", StepOp::Rescale { input: 4 }),
    ];
    let signature = Signature {
        model: "hand-made".into(),
        input: InputSpec::pixels([1, 2, 2], vec![0.5], vec![0.5]),
        classes: Classes::new(vec![], 1, None).unwrap(),
        input_limbs: 3,
        input_scale: scale,
        output_limbs: 2,
        output_scale: out / moduli[2] as f64,
        output_components: 2,
        parameters: ParameterSet { degree, moduli, special: vec![], security: 128 },
    };
    let note =
        LayerNote { layer: "fc2".into(), value: 5, bound: 20.0, error: 2e-3, rounding: None, remark: String::new() };
    Program::try_from(ProgramLiteral { signature, steps, output: 5, notes: vec![note], alternatives: vec![] }).unwrap()
}

fn images(count: usize) -> ImageMajor<f32> {
    let numbers = (0..4 * count).map(|k| ((k / 4 * 7 + k % 4 * 13) % 21) as f32 / 10.0 - 1.0);
    ImageMajor::new(count, 4, numbers.collect()).unwrap()
}

struct Files {
    folder: tempfile::TempDir,
    program: Program,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap(), program: program(4) };
        let KeyPair { client, server } = keygen(&files.program.signature().parameters, Some(1)).unwrap();
        client.save(&files.path("secret.key")).unwrap();
        server.save(&files.path("evaluation.key")).unwrap();
        let input = files.encrypt(&client, 50);
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

    fn encrypt(&self, client: &ClientKey, count: usize) -> EncryptedInput {
        encrypt(&self.file(), client, &images(count), Some(2), &Silent).unwrap()
    }

    fn run(&self) -> beaa_runtime::Result<EncryptedOutput> {
        let server = ServerKey::load(&self.path("evaluation.key"))?;
        Ok(run(&self.program, &server, &EncryptedInput::load(&self.path("input.ct"))?, &Silent)?.0)
    }

    fn decrypt(&self, output: &EncryptedOutput) -> beaa_runtime::Result<ImageMajor<f64>> {
        let client = ClientKey::load(&self.path("secret.key"))?;
        decrypt(&self.file(), &client, output, None)
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
    let keys = keygen(&files.program.signature().parameters, Some(1)).unwrap();
    let v = verify(&files.program, &keys, &images(50), Some(2), &Silent).unwrap();
    assert_eq!((v.layers.len(), v.images, v.agreeing), (1, 50, 50));
    let layer = &v.layers[0];
    assert!(v.holds && layer.measured > 0.0 && layer.measured < layer.predicted * 2.0, "{layer:?}");
    // The same program with a promise that it cannot keep.
    let mut literal = files.program.as_literal().clone();
    literal.notes[0].error = layer.measured / 10.0;
    let broken = Program::try_from(literal).unwrap();
    assert!(!verify(&broken, &keys, &images(50), Some(2), &Silent).unwrap().holds);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let files = Files::new();
    let KeyPair { client: other_client, server: other_server } =
        keygen(&files.program.signature().parameters, Some(9)).unwrap();
    let input = EncryptedInput::load(&files.path("input.ct")).unwrap();
    let text = |e: beaa_runtime::Error| e.to_string();
    assert!(text(run(&files.program, &other_server, &input, &Silent).err().unwrap()).contains("key pair"));
    let output = files.run().unwrap();
    assert!(text(decrypt(&files.file(), &other_client, &output, None).err().unwrap()).contains("key pair"));
    let server = ServerKey::load(&files.path("evaluation.key")).unwrap();
    assert!(text(run(&program(5), &server, &input, &Silent).err().unwrap()).contains("for this program"));
    assert!(ServerKey::load(&files.path("secret.key")).is_err(), "a secret key is no evaluation key");
    let no_results = EncryptedOutput::load(&files.path("input.ct"));
    assert!(matches!(no_results, Err(Error::WrongKind { .. })), "images are no results");
    let too_many = encrypt(&files.file(), &other_client, &images(4097), None, &Silent);
    assert!(matches!(too_many, Err(Error::BatchSize { images: 4097, slots: 4096, .. })), "more images than slots");
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
fn shared_results_are_flooded() {
    let files = Files::new();
    let client = ClientKey::load(&files.path("secret.key")).unwrap();
    let output = files.run().unwrap();
    let plain = files.decrypt(&output).unwrap();
    let flooded = decrypt(&files.file(), &client, &output, Some(0.5)).unwrap();
    let differences: Vec<f64> = plain.data().iter().zip(flooded.data()).map(|(p, f)| (p - f).abs()).collect();
    assert!(differences.iter().all(|d| *d <= 0.5));
    assert!(differences.iter().any(|d| *d > 0.1));
    for width in [f64::INFINITY, f64::NAN, -1.0] {
        let refused = decrypt(&files.file(), &client, &output, Some(width));
        assert!(matches!(refused, Err(Error::FloodingWidth { .. })), "{width}");
    }
}

#[test]
fn the_width_of_the_noise_follows_the_bits_within_bounds() {
    let files = Files::new();
    let with = |output_error| SignatureFile { output_error, ..files.file() };
    let file = with(Some(0.75));
    for (bits, width) in [(0.0, 0.75), (2.0, 3.0), (60.0, 0.75 * 2_f64.powi(60))] {
        assert_eq!(flooding_width(&file, bits).unwrap(), width);
    }
    for bits in [-0.5, 60.5, 2000.0, f64::INFINITY, f64::NAN] {
        assert!(matches!(flooding_width(&file, bits), Err(Error::FloodingBits { .. })), "{bits}");
    }
    for error in [None, Some(0.0), Some(-1.0), Some(f64::INFINITY), Some(f64::NAN)] {
        assert!(matches!(flooding_width(&with(error), 8.0), Err(Error::NoOutputError)), "{error:?}");
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
