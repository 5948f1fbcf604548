//! A server that makes up answers to learn the key: what it can make of public data is refused, and
//! what a signature promises is believed only as far as the parameters and the client's own copies
//! of images bear it out.

#![allow(clippy::unwrap_used)]

mod kit;

use std::path::{Path, PathBuf};

use beaa_ckks::pointwise::{self, InputBatch, Op, Operand};
use beaa_ckks::{Batch, CompressedBatch, CompressedShape, Kernel, Panels, Parameters, ParametersLiteral};
use beaa_ir::ckks::{SignatureFile, load_signature, save_signature};
use beaa_ir::container::{self, Kind};
use beaa_ir::images::ImageMajor;
use beaa_ir::promise::{Interval, Promise};
use beaa_runtime::ckks::{
    ClientKey, EncryptedOutput, KeyPair, ServerKey, decrypt, decrypt_without_receipt, encrypt, keygen, run, share,
    share_by_files,
};
use beaa_runtime::{Answers, Error, Receipt, Silent};
use serde_json::Value;

use kit::{images, program};

/// A client that sent a batch, and the answers of an honest server.
struct Scene {
    folder: tempfile::TempDir,
    file: SignatureFile,
    client: ClientKey,
    server: ServerKey,
    receipt: Receipt,
    honest: EncryptedOutput,
}

impl Scene {
    fn new(count: usize) -> Self {
        let program = program(4);
        let file = SignatureFile::from(&program);
        let KeyPair { client, server } = keygen(program.signature(), Some(1)).unwrap();
        let (input, receipt) = encrypt(&file, &client, &images(count), None, &Silent).unwrap();
        let (honest, _) = run(&program, &server, &input, &Silent).unwrap();
        let folder = tempfile::tempdir().unwrap();
        honest.save(&folder.path().join("honest.ct")).unwrap();
        client.save(&folder.path().join("secret.key")).unwrap();
        Self { folder, file, client, server: server.unwrap(), receipt, honest }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn parameters(&self) -> Parameters {
        let set = &self.file.signature.parameters;
        let literal = ParametersLiteral {
            degree: set.degree,
            moduli: set.moduli.clone(),
            special: set.special.clone(),
            security: set.security,
        };
        Parameters::try_from(literal).unwrap()
    }

    /// The honest answers with `change` made to their header, and others in their place if there
    /// are any.
    fn forged(&self, batch: Option<&Batch>, change: impl Fn(&mut Value)) -> EncryptedOutput {
        let opened = container::open::<Value>(&self.path("honest.ct"), Kind::Ciphertexts).unwrap();
        let mut header = opened.header.clone();
        change(&mut header);
        let packed = batch.map(|b| beaa_ckks::compress_batch(&self.parameters(), b).unwrap());
        let payload = packed.as_deref().unwrap_or(opened.payload());
        let path = self.path("forged.ct");
        container::write(&path, Kind::Ciphertexts, &header, payload.len() as u64, |w| w.write_all(payload)).unwrap();
        EncryptedOutput::load(&path).unwrap()
    }

    /// `constant` for each slot and `times` the secret key, which anybody can write down.
    fn transparent(&self, constant: i64, times: u64) -> Batch {
        let (p, signature) = (self.parameters(), &self.file.signature);
        let (n, limbs) = (p.degree(), signature.output_limbs);
        let moduli = &signature.parameters.moduli;
        Batch::build(&p, limbs, 2, 1, |_, out| {
            for (i, &q) in moduli.iter().take(limbs).enumerate() {
                out[i * n..(i + 1) * n].fill(i128::from(constant).rem_euclid(i128::from(q)) as u64);
                out[(limbs + i) * n..(limbs + i + 1) * n].fill(times % q);
            }
            Ok(())
        })
        .unwrap()
    }

    /// The honest answers, and `times` the secret key added to them.
    fn masked(&self, times: u64) -> Batch {
        let p = self.parameters();
        let opened = container::open::<Value>(&self.path("honest.ct"), Kind::Ciphertexts).unwrap();
        let limbs = self.file.signature.output_limbs;
        let shape = CompressedShape { limbs, len: 1, components: 2, seed: None };
        let honest = CompressedBatch::new(&p, shape, opened.payload()).unwrap().expand().unwrap();
        let one = Panels::for_residues(Kernel::detect(), 50, 1, 1, |_| (&[0], &[1])).unwrap();
        let terms = vec![(Operand::Input(0), &one), (Operand::Input(1), &one)];
        let inputs = [InputBatch::Stored(&honest), InputBatch::Stored(&self.transparent(0, times))];
        pointwise::run(&p, limbs, &inputs, &[Op::Linear { terms, bias: &[0] }]).unwrap().batch
    }

    fn decrypt(&self, output: &EncryptedOutput) -> beaa_runtime::Result<Answers> {
        decrypt(&self.file, &self.client, output, &self.receipt)
    }

    /// How many of the first 64 coefficients of the secret key one can read off such outputs, one
    /// for each slot.
    fn coefficients_read(&self, slots: &[f64], times: u64) -> usize {
        let n = slots.len();
        let opened = container::open::<Value>(&self.path("secret.key"), Kind::SecretKey).unwrap();
        let secret: Vec<f64> = opened.payload().iter().map(|&b| f64::from(b as i8)).collect();
        let unit = times as f64 / self.file.signature.output_scale;
        let coefficient = |j: usize| {
            let angle = |m: usize| std::f64::consts::PI * (j * (2 * m + 1)) as f64 / (2 * n) as f64;
            slots.iter().enumerate().map(|(m, v)| v * angle(m).cos()).sum::<f64>() / n as f64 / unit
        };
        (0..64).filter(|&j| coefficient(j).round() == secret[j]).count()
    }
}

#[test]
fn honest_answers_are_taken() {
    let scene = Scene::new(50);
    let answers = scene.decrypt(&scene.honest).unwrap();
    assert!(answers.outside().is_empty() && answers.images() == 50);
    // Copies show an error near the promised one.
    assert!(answers.error() >= 2e-3 && answers.error() < 4e-3, "{}", answers.error());
    let file = scene.forged(None, |_| {});
    assert_eq!(scene.decrypt(&file).unwrap(), answers);
}

#[test]
fn answers_that_need_no_key_are_refused() {
    let scene = Scene::new(50);
    let scale = scene.file.signature.output_scale as i64;
    for (constant, times) in [(3 * scale, 0), (0, 1 << 18), (0, 1 << 43)] {
        let forged = scene.forged(Some(&scene.transparent(constant, times)), |_| {});
        assert!(matches!(scene.decrypt(&forged), Err(Error::Transparent)), "{constant} {times}");
        let trusted = decrypt_without_receipt(&scene.file, &scene.client, &forged);
        assert!(matches!(trusted, Err(Error::Transparent)), "{constant} {times}");
    }
}

#[test]
fn a_key_hidden_in_answers_within_their_range_is_not_handed_out() {
    let scene = Scene::new(50);
    let times = 1 << 17;
    let forged = scene.forged(Some(&scene.masked(times)), |_| {});
    // That is what it would be worth, with every slot seen.
    let all = scene.forged(Some(&scene.masked(times)), |h| h["batches"][0]["images"] = 4096.into());
    let seen = decrypt_without_receipt(&scene.file, &scene.client, &all).unwrap();
    assert!(seen.outside().len() < 5, "{}", seen.outside().len());
    let all = scene.forged(None, |h| h["batches"][0]["images"] = 4096.into());
    let honest = decrypt_without_receipt(&scene.file, &scene.client, &all).unwrap();
    let difference: Vec<f64> = seen.rounded().data().iter().zip(honest.exact().data()).map(|(a, b)| a - b).collect();
    assert_eq!(scene.coefficients_read(&difference, times), 64);

    let refused = scene.decrypt(&forged).unwrap_err();
    assert!(matches!(refused, Error::Forged { disagreeing: 50, copied: 50 }), "{refused}");
    let mut receipt = scene.receipt.clone();
    assert!(share(&scene.file, &scene.client, &forged, &mut receipt, 0.0).is_err());
    assert_eq!(receipt.shared(), None);
}

#[test]
fn a_key_in_few_of_many_images_is_not_handed_out() {
    // More than half of the slots: some images have no copy.
    let scene = Scene::new(4000);
    let forged = scene.forged(Some(&scene.masked(1 << 17)), |_| {});
    // Images whose forged answers are beyond the promised range are not compared.
    assert!(matches!(scene.decrypt(&forged), Err(Error::Forged { copied: 80..=96, .. })));
    assert!(scene.decrypt(&scene.honest).unwrap().outside().is_empty());
}

#[test]
fn answers_beyond_the_promised_range_have_no_class() {
    let scene = Scene::new(50);
    // All images are unusual, so that nobody is accused: as if the copies were not there.
    let forged = scene.forged(Some(&scene.masked(1 << 30)), |_| {});
    let answers = decrypt_without_receipt(&scene.file, &scene.client, &forged).unwrap();
    assert!(answers.outside().len() > 40, "{}", answers.outside().len());
    let classes = answers.classes(&scene.file.signature.classes);
    assert!(answers.outside().iter().all(|o| classes[o.image].is_none()));
}

#[test]
fn answers_of_another_number_or_batch_are_refused() {
    let scene = Scene::new(50);
    for count in [0_usize, 1, 49, 51, 4096, 4097, usize::MAX] {
        let forged = scene.forged(None, |h| h["batches"][0]["images"] = count.into());
        let refused = scene.decrypt(&forged).unwrap_err();
        assert!(matches!(refused, Error::WrongCount { found, expected: 50, .. } if found == count), "{refused}");
    }
    let yesterday = encrypt(&scene.file, &scene.client, &images(50), None, &Silent).unwrap().0;
    let (answers, _) = run(&program(4), &scene.server, &yesterday, &Silent).unwrap();
    assert!(matches!(scene.decrypt(&answers), Err(Error::WrongBatch { .. })));
    let unnamed = scene.forged(None, |h| drop(h["batches"][0].as_object_mut().unwrap().remove("batch")));
    assert!(matches!(scene.decrypt(&unnamed), Err(Error::WrongBatch { .. })));
    let swapped = scene.forged(None, |h| h["batches"][0]["batch"] = "0".repeat(32).into());
    assert!(matches!(scene.decrypt(&swapped), Err(Error::WrongBatch { .. })));
}

fn signature_with(path: &Path, file: &SignatureFile, error: Option<f64>) -> beaa_ir::Result<SignatureFile> {
    save_signature(&SignatureFile { output_error: error, ..file.clone() }, path).unwrap();
    load_signature(path)
}

#[test]
fn outputs_that_vary_less_than_their_error_are_no_forgery() {
    let mut scene = Scene::new(1);
    // A network that hardly tells its samples apart promises a range that is narrower than the
    // error: here of one image, sent fifty times, half of whose answers are outside of it.
    let one = ImageMajor::from_rows(images(1).elements(), std::iter::repeat_n(images(1).image(0), 50)).unwrap();
    let (input, receipt) = encrypt(&scene.file, &scene.client, &one, None, &Silent).unwrap();
    let (answers, _) = run(&program(4), &scene.server, &input, &Silent).unwrap();
    let exact = decrypt(&scene.file, &scene.client, &answers, &receipt).unwrap().exact().clone();
    let middle = |output: usize| {
        let mut found: Vec<f64> = exact.rows().map(|row| row[output]).collect();
        found.sort_by(f64::total_cmp);
        Interval { min: found[12], max: found[37] }
    };
    scene.file.signature.promise = Some(Promise { outputs: (0..exact.elements()).map(middle).collect(), images: None });
    let found = decrypt(&scene.file, &scene.client, &answers, &receipt).unwrap();
    assert!(found.outside().is_empty(), "{:?}", found.outside());
}

#[test]
fn the_server_does_not_choose_how_much_noise_hides_the_error() {
    let scene = Scene::new(50);
    let path = scene.path("signature");
    for error in [0.0, -1.0, -1e-308] {
        let refused = signature_with(&path, &scene.file, Some(error)).unwrap_err().to_string();
        assert!(refused.contains("output error"), "{refused}");
    }
    let shared = |error| {
        let file = signature_with(&path, &scene.file, error).unwrap();
        let mut receipt = scene.receipt.clone();
        share(&file, &scene.client, &scene.honest, &mut receipt, 0.0).map(|s| (s, receipt))
    };
    // Too small: the copies tell another error. Too large, or none.
    assert!(matches!(shared(Some(1e-308)), Err(Error::LargerError { .. } | Error::Forged { .. })));
    assert!(matches!(shared(Some(1e308)), Err(Error::FloodingTooWide { .. })));
    assert!(matches!(shared(None), Err(Error::NoPromise { .. })));
}

#[test]
fn answers_are_shared_once_under_noise_of_the_stated_size() {
    let mut scene = Scene::new(2);
    // Sixteen times an error of 2e-3, twice the square root of 6: 0.16, within an eighth of 20.
    let exact = scene.decrypt(&scene.honest).unwrap().exact().clone();
    for bits in [-0.5, 60.5, f64::NAN, f64::INFINITY] {
        let refused = share(&scene.file, &scene.client, &scene.honest, &mut scene.receipt, bits);
        assert!(matches!(refused, Err(Error::FloodingBits { .. })), "{bits}");
    }
    let too_wide = share(&scene.file, &scene.client, &scene.honest, &mut scene.receipt, 30.0).unwrap_err();
    assert!(matches!(too_wide, Error::FloodingTooWide { .. }), "{too_wide}");
    assert!(too_wide.to_string().contains("--logit-error"), "{too_wide}");
    let shared = share(&scene.file, &scene.client, &scene.honest, &mut scene.receipt, 1.0).unwrap();
    let expected = 16.0 * 2e-3 * (12.0 * 2.0_f64).sqrt() * 2_f64.sqrt();
    assert!((shared.noise / expected - 1.0).abs() < 1e-9 && shared.numbers == 2, "{shared:?}");
    let step = (shared.noise / 16.0).log2().floor().exp2();
    for (s, e) in shared.logits.data().iter().zip(exact.data()) {
        assert!((s - e).abs() < 8.0 * shared.noise && (s / step).fract() == 0.0 && s != e, "{s} for {e}");
    }
    // The receipt remembers, also in its file.
    let path = scene.path("receipt");
    scene.receipt.save(&path).unwrap();
    let mut kept = Receipt::load(&path).unwrap();
    assert_eq!(kept, scene.receipt);
    let again = share(&scene.file, &scene.client, &scene.honest, &mut kept, 1.0);
    assert!(matches!(again, Err(Error::SharedBefore { .. })));
}

#[test]
fn no_file_forgets_that_answers_were_shared() {
    let scene = Scene::new(2);
    let [first, second, other] = ["a.receipt", "b.receipt", "c.receipt"].map(|name| scene.path(name));
    let by = |files: &[&Path]| share_by_files(&scene.file, &scene.client, &scene.honest, files, 0.0);
    scene.receipt.save(&first).unwrap();
    scene.receipt.save(&second).unwrap();
    let (_, noted) = by(&[&first, &second]).unwrap();
    assert_eq!([&first, &second].map(|path| Receipt::load(path).unwrap()), [noted.clone(), noted]);
    // The receipt as it was before, written again.
    let forgotten = scene.receipt.save(&first).unwrap_err();
    assert!(matches!(forgotten, Error::SharingForgotten { .. }), "{forgotten}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&first, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(scene.receipt.save(&first).is_err(), "it cannot be read, and might say so");
        std::fs::set_permissions(&first, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(Receipt::load(&first).unwrap().shared(), Some(0.0));
    // One file that does not know is not enough.
    scene.receipt.save(&other).unwrap();
    for files in [[first.as_path(), &other], [&other, &second]] {
        assert!(matches!(by(&files), Err(Error::SharedBefore { .. })));
    }
    // Another batch's receipt replaces it, but is none of these answers.
    Scene::new(16).receipt.save(&other).unwrap();
    assert!(matches!(by(&[&other, &first]), Err(Error::Damaged { .. })));
    Scene::new(16).receipt.save(&second).unwrap();
    let _writing = beaa_base::folder::lock(scene.folder.path()).unwrap();
    assert!(by(&[&other]).unwrap_err().to_string().contains("another process"), "two at once");
}

#[test]
fn receipts_are_kept_by_the_names_of_their_batches() {
    use beaa_runtime::ReceiptFolder;
    let (scene, other) = (Scene::new(2), Scene::new(2));
    let kept = ReceiptFolder::beside(scene.path("secret.key"));
    assert_eq!(kept.folder(), scene.path("secret.key.receipts"));
    let batch = scene.receipt.batch();
    assert_eq!(kept.find(batch).unwrap(), None);
    let file = kept.keep(&scene.receipt).unwrap();
    assert_eq!((file.as_path(), kept.find(batch).unwrap()), (kept.file(batch).as_path(), Some(scene.receipt.clone())));
    assert_eq!(kept.find(other.receipt.batch()).unwrap(), None);
    other.receipt.save(&file).unwrap();
    let exchanged = kept.find(batch).unwrap_err().to_string();
    assert!(exchanged.contains(other.receipt.batch().as_str()) && exchanged.contains(batch.as_str()), "{exchanged}");
    std::fs::write(&file, "damaged").unwrap();
    assert!(kept.find(batch).is_err(), "what cannot be read is not absent");
}

#[test]
fn a_receipt_that_contradicts_itself_is_refused() {
    let scene = Scene::new(3);
    let path = scene.path("receipt");
    scene.receipt.save(&path).unwrap();
    let good = container::open::<Value>(&path, Kind::Receipt).unwrap().header.clone();
    for (field, value) in [
        ("/batches/0/images", 2.into()),
        ("/names", serde_json::json!(["a"])),
        ("/batches/0/copies", serde_json::json!([3])),
        ("/batches/0/batch", "xyz".into()),
        ("/batches", serde_json::json!([])),
    ] {
        let mut header = good.clone();
        *header.pointer_mut(field).unwrap() = value;
        container::write(&path, Kind::Receipt, &header, 0, |_| Ok(())).unwrap();
        assert!(Receipt::load(&path).is_err(), "{field}");
    }
}

#[test]
fn answers_of_batches_in_another_order_are_refused() {
    // Two batches, each with copies.
    let scene = Scene::new(5000);
    assert_eq!(scene.honest.batches(), 2);
    assert!(scene.decrypt(&scene.honest).unwrap().outside().is_empty());
    let swapped = scene.forged(None, |h| h["batches"].as_array_mut().unwrap().swap(0, 1));
    assert!(matches!(scene.decrypt(&swapped), Err(Error::WrongBatch { .. })));
    let fewer = scene.forged(None, |h| drop(h["batches"].as_array_mut().unwrap().pop()));
    assert!(scene.decrypt(&fewer).is_err());
    // Under their right names the answers of one batch are not those of the other.
    let half = scene.honest.bytes() as usize / 2;
    let opened = container::open::<Value>(&scene.path("honest.ct"), Kind::Ciphertexts).unwrap();
    let (first, second) = opened.payload().split_at(half);
    let path = scene.path("exchanged.ct");
    let all = [second, first].concat();
    container::write(&path, Kind::Ciphertexts, &opened.header, all.len() as u64, |w| w.write_all(&all)).unwrap();
    let exchanged = EncryptedOutput::load(&path).unwrap();
    assert!(matches!(scene.decrypt(&exchanged), Err(Error::Forged { .. })));
}
