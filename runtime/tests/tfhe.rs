//! The `tfhe` backend against the program in clear: every integer of every stage, on programs made
//! to reach each way of taking off bits, every border of the tables and both halves of the ring;
//! then files, keys and programs that do not belong together.

#![cfg(feature = "tfhe")]
#![allow(clippy::unwrap_used)]

use beaa_ir::container::{self, Kind};
use beaa_ir::images::ImageMajor;
use beaa_ir::tfhe::{DECOMPOSITIONS, Parameters, Program, ProgramLiteral, Signature, SignatureFile, Stage};
use beaa_ir::{Classes, InputSpec, SparseMatrix};
use beaa_runtime::Silent;
use beaa_runtime::tfhe::{
    ClientKey, EncryptedInput, EncryptedOutput, KeyPair, ServerKey, decrypt, encrypt, keygen, run, verify,
};

const PIXELS: usize = 12;

/// Numbers that look random and are the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, low: i64, high: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + ((self.0 >> 33) % (high - low + 1) as u64) as i64
    }
}

fn matrix(n: &mut Numbers, rows: usize, columns: usize, most: i64) -> SparseMatrix {
    let mut row =
        || (0..columns as u32).map(|c| (c, n.next(-most, most) as i32)).filter(|(_, w)| *w != 0).collect::<Vec<_>>();
    SparseMatrix::from_rows(columns, (0..rows).map(|_| row()).collect()).unwrap()
}

fn stage(n: &mut Numbers, rows: usize, columns: usize, (levels, drop): (u32, u32), most: i64) -> Stage {
    let slots = i64::from(levels) << drop;
    Stage {
        layer: format!("layer{drop}"),
        weights: matrix(n, rows, columns, most),
        // Some sums leave the lower half, so that negated entries are met too.
        bias: (0..rows).map(|_| n.next(0, slots - 1)).collect(),
        dropped_bits: drop,
        levels,
        tables: (0..rows * levels as usize).map(|_| n.next(-7, 8) as i16).collect(),
        proven: false,
    }
}

/// Two stages of the given shapes.
fn program(seed: u64, first: (u32, u32), second: (u32, u32)) -> Program {
    literal(seed, first, second).try_into().unwrap()
}

fn literal(seed: u64, first: (u32, u32), second: (u32, u32)) -> ProgramLiteral {
    let n = &mut Numbers(seed);
    let stages = vec![stage(n, 7, PIXELS, first, 2), stage(n, 6, 7, second, 3)];
    let last = matrix(n, 3, 6, 9);
    let signature = Signature {
        model: "made up".into(),
        input: InputSpec::pixels([1, 3, 4], vec![0.0], vec![1.0]),
        classes: Classes::new(Vec::new(), 3, None).unwrap(),
        pixel_steps: 3,
        input_slots: stages[0].slots(),
        input_large_key: first.1 > 0,
        output_bits: 12,
        output_scale: vec![1.0; 3],
        output_offset: vec![0.0; 3],
        parameters: Parameters::new(DECOMPOSITIONS[1]),
        log2_failure: -40.0,
        promise: None,
    };
    ProgramLiteral { signature, stages, last, last_bias: vec![5, -17, 2000] }
}

/// libFuzzer found that the slots of a stage were multiplied before it was checked.
#[test]
fn stages_that_take_off_more_bits_than_a_number_has_are_refused() {
    for (levels, bits) in [(16, 25), (16, 64), (16, u32::MAX), (u32::MAX, 24), (1, 0)] {
        for stage in [0, 1] {
            let mut literal = literal(1, (16, 0), (16, 2));
            (literal.stages[stage].levels, literal.stages[stage].dropped_bits) = (levels, bits);
            let error = Program::try_from(literal).unwrap_err().to_string();
            assert!(error.contains(&format!("{levels} levels, {bits} bits dropped")), "{error}");
        }
    }
}

fn images(seed: u64, count: usize) -> ImageMajor<u8> {
    let n = &mut Numbers(seed);
    ImageMajor::new(count, PIXELS, (0..count * PIXELS).map(|_| n.next(0, 255) as u8).collect()).unwrap()
}

#[test]
fn every_integer_is_the_one_in_clear() {
    let keys = keygen(&Parameters::new(DECOMPOSITIONS[1]), None).unwrap();
    let shapes = [
        ((25, 0), (25, 0)),
        ((16, 1), (25, 2)),
        ((25, 2), (24, 3)),
        ((29, 0), (25, 4)),
        ((24, 4), (25, 5)),
        ((13, 3), (25, 6)),
    ];
    for (seed, (first, second)) in shapes.into_iter().enumerate() {
        let program = program(seed as u64, first, second);
        let images = images(seed as u64 + 50, 2);
        let found = verify(&program, &keys, &images, None, &Silent).unwrap();
        assert_eq!((found.wrong, found.integers), (0, 2 * (7 + 6 + 3)), "{first:?} {second:?}");
        // 26 samples: the predicted noise within a factor of two, and never far above.
        let ratio = found.log2_noise - found.log2_noise_predicted;
        assert!(
            (-1.5..0.7).contains(&ratio),
            "2^{:.2} instead of 2^{:.2}",
            found.log2_noise,
            found.log2_noise_predicted
        );
    }
}

#[test]
fn files_keys_and_programs_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (program, other) = (program(1, (25, 0), (25, 1)), program(2, (25, 0), (25, 1)));
    let KeyPair { client, server } = keygen(&program.signature().parameters, Some(3)).unwrap();
    client.save(&at("secret")).unwrap();
    server.save(&at("server")).unwrap();
    let (client, server) = (ClientKey::load(&at("secret")).unwrap(), ServerKey::load(&at("server")).unwrap());
    let images = images(9, 1);
    let file = SignatureFile::from(&program);
    let (sent, receipt) = encrypt(&file, &client, &images, None, &Silent).unwrap();
    sent.save(&at("input")).unwrap();
    let input = EncryptedInput::load(&at("input")).unwrap();
    let (output, _) = run(&program, &server, &input, &Silent).unwrap();
    output.save(&at("output")).unwrap();
    let output = EncryptedOutput::load(&at("output")).unwrap();
    assert_eq!(decrypt(&file, &client, &output, &receipt).unwrap().images(), 1);

    let refused = |result: Result<(), beaa_runtime::Error>, words: &[&str]| {
        let message = result.unwrap_err().to_string();
        assert!(words.iter().all(|w| message.contains(w)), "{message}");
    };
    refused(run(&other, &server, &input, &Silent).map(drop), &["program", "encrypt the images for this program"]);
    let foreign = keygen(&program.signature().parameters, Some(4)).unwrap().server;
    refused(run(&program, &foreign, &input, &Silent).map(drop), &["key pair"]);
    let other_parameters = keygen(&Parameters::new(DECOMPOSITIONS[0]), Some(4)).unwrap().server;
    refused(run(&program, &other_parameters, &input, &Silent).map(drop), &["other parameters", "beaa keygen"]);
    refused(EncryptedOutput::load(&at("input")).map(drop), &["encrypted images", "encrypted results"]);
    refused(ClientKey::load(&at("server")).map(drop), &["tfhe evaluation key", "tfhe secret key"]);
    refused(ServerKey::load(&at("secret")).map(drop), &["tfhe secret key", "tfhe evaluation key"]);
    let bytes = std::fs::read(at("server")).unwrap();
    std::fs::write(at("cut"), &bytes[..bytes.len() / 2]).unwrap();
    refused(ServerKey::load(&at("cut")).map(drop), &["cut short"]);
    let opened = container::open::<serde_json::Value>(&at("server"), Kind::TfheServerKey).unwrap();
    let (seed, rubbish) = (opened.header["seeds"][0].clone(), serde_json::Value::from("rubbish"));
    for (seeds, word) in [
        (vec![seed.clone(), seed.clone(), rubbish.clone()], "3 seeds"),
        (vec![seed.clone(), rubbish], "no number"),
        (vec![seed], "1 seeds"),
    ] {
        let mut header = opened.header.clone();
        header["seeds"] = seeds.into();
        let bytes = opened.payload();
        container::write(&at("seeds"), Kind::TfheServerKey, &header, bytes.len() as u64, |w| w.write_all(bytes))
            .unwrap();
        refused(ServerKey::load(&at("seeds")).map(drop), &[word]);
    }
    assert!(!format!("{client:?}").contains("Secret"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(at("secret")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// All randomness is drawn from one source, which a seed replaces whole.
#[test]
fn the_same_seed_gives_the_same_files_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let program = program(1, (25, 0), (25, 1));
    let (file, images) = (SignatureFile::from(&program), images(9, 1));
    let files = ["secret", "evaluation", "input"];
    let files_of = |seed: Option<u64>| {
        let keys = keygen(&program.signature().parameters, seed).unwrap();
        assert_eq!((keys.client.is_from_seed(), keys.server.is_from_seed()), (seed.is_some(), seed.is_some()));
        keys.save(&at("secret"), &at("evaluation")).unwrap();
        let (input, receipt) = encrypt(&file, &keys.client, &images, seed, &Silent).unwrap();
        assert_eq!((input.is_from_seed(), receipt.is_from_seed()), (seed.is_some(), seed.is_some()));
        input.save(&at("input")).unwrap();
        files.map(|name| std::fs::read(at(name)).unwrap())
    };
    let (one, random, other) = (files_of(Some(7)), files_of(None), files_of(Some(8)));
    let again = files_of(Some(7));
    assert!(ClientKey::load(&at("secret")).unwrap().is_from_seed());
    for (i, name) in files.iter().enumerate() {
        assert!(one[i] == again[i] && one[i] != other[i] && one[i] != random[i], "{name}");
    }
    assert!(ServerKey::load(&at("evaluation")).unwrap().is_from_seed());
    assert!(EncryptedInput::load(&at("input")).unwrap().is_from_seed());
    assert!(files_of(None) != random, "what the system gives is never the same");
}

#[cfg(target_os = "linux")]
#[test]
fn the_secret_bits_are_locked_in_memory() {
    let status = |field: &str, base| {
        let text = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix(field)).unwrap();
        u64::from_str_radix(line.split_whitespace().next().unwrap(), base).unwrap()
    };
    let keys = keygen(&Parameters::new(DECOMPOSITIONS[1]), None).unwrap();
    // Other tests of this process lock keys, too; a limit of a megabyte is enough for all.
    let allowed = status("CapEff:", 16) >> 14 & 1 == 1 || beaa_secrets::lock_limit().is_none_or(|l| l >= 1 << 20);
    if allowed {
        let bits = 8 * (beaa_ir::tfhe::PARAMETER_SET.lwe_dimension + beaa_ir::tfhe::PARAMETER_SET.polynomial_size);
        assert!(1024 * status("VmLck:", 10) >= bits as u64);
    } else {
        assert!(1024 * status("VmLck:", 10) < 1 << 20);
    }
    drop(keys);
}

#[test]
fn parameters_that_nobody_vouches_for_are_refused() {
    let mut parameters = Parameters::new(DECOMPOSITIONS[0]);
    parameters.base_log = 30;
    let message = keygen(&parameters, None).unwrap_err().to_string();
    assert!(message.contains("may not be secure"), "{message}");
}
