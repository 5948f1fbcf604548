//! The library as a programmer meets it: the programs in examples/ run and say what they should,
//! and errors can be matched.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use beaa::{
    Classes, Client, CompileOptions, EncryptedImages, EncryptedResults, Error, EvaluationKey, Experiment, ImageMajor,
    ImageMajorError, ImageSource, ImportOptions, Model, PixelScale, Program, Progress, Receipt, RowFormat, Server,
    Signature, Silent, Split, classify, labels_for, read_numbers,
};

/// Builds the examples, which `cargo test --test library` does not.
const BUILD: &str = "cargo build --release --workspace --examples";

/// What the example prints.
fn output_of(name: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.parent().unwrap().with_file_name("examples").join(name);
    let stale = stale(&program, &format!("examples/{name}.rs"));
    assert!(stale.is_none(), "{} {}: `{BUILD}`", program.display(), stale.unwrap_or_default());
    let output = Command::new(program).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Why the program is not that of today's sources, if it is not. Cargo lists these beside it; the
/// one at `main` is among them.
fn stale(program: &Path, main: &str) -> Option<String> {
    let modified = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let list = std::fs::read_to_string(program.with_extension("d"));
    let (Some(built), Ok(list)) = (modified(program), list) else { return Some("is missing".to_owned()) };
    let (_, sources) = list.split_once(": ").unwrap();
    let sources: Vec<PathBuf> =
        sources.trim_end().replace("\\ ", "\n").split(' ').map(|s| s.replace('\n', " ").into()).collect();
    if !sources.contains(&Path::new(env!("CARGO_MANIFEST_DIR")).join(main)) {
        return Some("was built in another folder".to_owned());
    }
    let newer = sources.iter().find(|s| modified(s).is_none_or(|m| m > built));
    newer.map(|s| format!("is older than {}", s.display()))
}

#[test]
fn quickstart_classifies_encrypted_images() {
    let text = output_of("quickstart");
    let right: usize = text.split(' ').next().unwrap().parse().unwrap();
    assert!(right > 65, "{text}");
}

#[test]
fn own_model_verifies() {
    let text = output_of("own_model");
    assert!(text.contains("holds: true") && text.contains("predicted"), "{text}");
}

#[test]
fn client_and_server_meet_in_files_alone() {
    let text = output_of("client_server");
    assert_eq!(text.matches("client: image ").count(), 3, "{text}");
    assert!(text.contains("server: ran the program on 3 images"), "{text}");
}

#[test]
fn errors_can_be_matched() {
    let signature = || Signature::load("tests/data/v2/program.beaa.signature").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("secret.key");
    std::fs::copy("tests/data/v2/secret.key", &key).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let exposed = Client::load(signature(), &key).err().unwrap();
        assert!(matches!(&exposed, Error::BadFile(_)) && exposed.to_string().contains("chmod 600"), "{exposed}");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let client = Client::load(signature(), &key).unwrap();
    let no_image = ImageMajor::new(0, 4, Vec::new()).unwrap();
    assert!(matches!(client.encrypt(&no_image), Err(Error::NoImages)));
    let too_small = ImageMajor::new(1, 3, vec![0_u8; 3]).unwrap();
    assert!(matches!(client.signature().normalise(&too_small), Err(Error::ImageSize { found: 3, expected: 4 })));

    let (other, _) = Client::new(signature()).unwrap();
    let answers = EncryptedResults::load("tests/data/v2/answers.ct").unwrap();
    assert!(client.decrypt_without_receipt(&answers).is_ok());
    assert!(matches!(other.decrypt_without_receipt(&answers), Err(Error::Mismatch(_))));
    // These answers do not say to which batch.
    let image = ImageMajor::new(1, 4, vec![0.5; 4]).unwrap();
    let (_, mut receipt) = client.encrypt(&image).unwrap();
    assert!(matches!(client.decrypt(&answers, &receipt), Err(Error::Mismatch(_))));
    assert!(matches!(client.share(&answers, &mut receipt, 61), Err(Error::BadOption(_))));

    assert!(matches!(Model::load("nowhere.safetensors"), Err(Error::Io { .. })));
    assert!(matches!(Program::load("tests/data/v2/secret.key"), Err(Error::BadFile(_))));
    let network = "tests/data/import/unsupported.classic.onnx";
    let imported = Model::import_onnx(network, &ImportOptions::default());
    assert!(matches!(imported, Err(Error::Unsupported { parts }) if parts.len() == 3));
    let model = Model::load("tests/data/v2/model.safetensors").unwrap();
    let impossible = CompileOptions { security: 100, ..CompileOptions::default() };
    assert!(matches!(beaa::compile(&model, &impossible), Err(Error::BadOption(_))));
}

#[test]
fn more_images_than_slots_are_answered_in_order() {
    let program = Program::load("tests/data/v2/program.beaa").unwrap();
    let (client, key) = Client::new(program.signature()).unwrap();
    let count = client.signature().slots() + 5;
    let pixels: Vec<u8> = (0..4 * count).map(|i| (i / 4 % 200) as u8).collect();
    let images = client.signature().normalise(&ImageMajor::new(count, 4, pixels).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (sent, results) = (folder.path().join("images.ct"), folder.path().join("results.ct"));
    let (_, receipt) = client.encrypt_to_file(&images, &sent).unwrap();
    let server = Server::new(program.clone()).unwrap();
    let sent = EncryptedImages::load(&sent).unwrap();
    assert_eq!((sent.images(), sent.batches(), receipt.batches().len()), (count, 2, 2));
    assert!(server.run_to_file(&key, &sent, &results).unwrap() > 0);
    let answers = client.decrypt(&EncryptedResults::load(&results).unwrap(), &receipt).unwrap();
    let clear = program.evaluate(&images).unwrap();
    assert!(answers.exact().data().iter().zip(clear.data()).all(|(a, c)| (a - c).abs() < 0.05));
}

#[test]
fn images_of_another_size_are_refused_with_the_numbers_found() {
    let missing: Result<_, ImageMajorError> = ImageMajor::new(2, 4, vec![0_u8; 7]);
    assert!(matches!(missing.map_err(Error::from), Err(Error::Length { found: 7, expected: 8 })));
    let model = Model::load("tests/data/v2/model.safetensors").unwrap();
    for images in 0..2 {
        let too_large = ImageMajor::new(images, 5, vec![0.0_f32; 5 * images]).unwrap();
        assert!(matches!(model.evaluate(&too_large), Err(Error::ImageSize { found: 5, expected: 4 })));
        let pixels = too_large.map(|_| 0_u8);
        assert!(matches!(model.normalise(&pixels), Err(Error::ImageSize { found: 5, expected: 4 })));
    }
    let no_number = ImageMajor::new(2, 2, vec![0.0, 1.0, f64::NAN, f64::NAN]).unwrap();
    assert!(matches!(classify(model.classes(), &no_number), Err(Error::NoClass { image: 1 })));
    let score = ImageMajor::new(2, 1, vec![0.0, 1.0]).unwrap();
    assert!(matches!(classify(model.classes(), &score), Err(Error::Length { found: 1, expected: 2 })));
}

#[test]
fn pictures_are_preprocessed_as_the_signature_says() {
    let model = Model::load("tests/data/v4/model.safetensors").unwrap();
    let options = CompileOptions { batch: 1, logit_error: 0.01, ..CompileOptions::default() };
    let signature = beaa::compile(&model, &options).unwrap().signature();
    assert_eq!((signature.picture_shape(), signature.image_shape()), ([1, 4, 6], [1, 2, 2]));
    // Columns 1 to 4 of a picture of 4 x 6, whose squares of 2 x 2 are of one value each.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("picture.txt");
    std::fs::write(&file, "9 0 0 50 50 9 9 0 0 50 50 9 9 100 100 250 250 9 9 100 100 250 250 9\n").unwrap();
    let white = Some(PixelScale::Byte);
    let (pictures, notes) = read_numbers(&file, RowFormat::Text, signature.picture_shape(), white).unwrap();
    assert_eq!((pictures.len(), notes.len()), (1, 0));
    let pixels = signature.preprocess(&pictures).unwrap();
    assert_eq!((pixels.images(), pixels.elements()), (1, 4));
    assert!(pixels.data().is_sorted(), "dark to bright: {:?}", pixels.data());
    assert_eq!(model.preprocess(&pictures).unwrap(), pixels);
    let cropped_elsewhere = read_numbers(&file, RowFormat::Text, [1, 6, 4], white).unwrap().0;
    assert!(signature.preprocess(&cropped_elsewhere).unwrap_err().to_string().contains("as they come"));
}

#[test]
fn versions_that_are_not_read_are_named_with_those_that_are() {
    let old = EncryptedResults::load("tests/data/v1/answers.ct").map(|_| ()).unwrap_err();
    assert!(matches!(old, Error::Version { found: 1, oldest: 2, newest: 4, .. }), "{old:?}");
    assert!(old.to_string().contains("encrypt the images again"), "{old}");
    let old = EvaluationKey::load("tests/data/v1/evaluation.key").map(|_| ()).unwrap_err();
    assert!(matches!(old, Error::Version { found: 1, oldest: 2, newest: 2, .. }), "{old:?}");

    // The version of a program file is its second word.
    let mut program = std::fs::read("tests/data/v2/program.beaa").unwrap();
    program[4] = 9;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, program).unwrap();
    let new = Program::load(&file).map(|_| ()).unwrap_err();
    assert!(matches!(new, Error::Version { found: 9, oldest: 1, newest: 3, .. }), "{new:?}");
    assert!(new.to_string().contains("newer release"), "{new}");
}

#[test]
fn a_mistake_in_an_experiment_has_its_line() {
    let text = "{\"compile\": {\"batch\": 16},\n\"sead\": 1}";
    let error = Experiment::from_json(text).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::BadOption(_)));
    assert!(error.to_string().contains("`sead`") && error.to_string().contains("line 2"), "{error}");
}

#[test]
fn an_import_says_what_it_left_out() {
    let options = ImportOptions { mean: Some(vec![0.5]), std: Some(vec![0.25]), ..ImportOptions::default() };
    let imported = Model::import_onnx("tests/data/import/cryptonets.dynamo.onnx", &options).unwrap();
    assert!(imported.notes.len() == 1 && imported.notes[0].contains("left out"), "{:?}", imported.notes);
}

#[test]
fn labels_of_another_data_set_are_refused() {
    let dataset = beaa::open_dataset("pneumoniamnist", &[]).unwrap();
    let others = Classes::new(vec!["cat".into(), "dog".into()], 2, None).unwrap();
    let found = labels_for(&others, &dataset, dataset.split(Split::Test));
    assert!(matches!(found, Err(Error::Mismatch(message)) if message.to_string().contains("normal, pneumonia")));
}

#[test]
fn bytes_are_those_of_the_files_and_are_checked_as_these() {
    let folder = Path::new("tests/data/v2");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    // What this release writes, of what an older one wrote.
    let program = Program::load(folder.join("program.beaa")).unwrap();
    let bytes = program.to_bytes().unwrap();
    assert_eq!(Program::from_bytes(bytes.clone()).unwrap(), program);
    let signature = program.signature();
    assert_eq!(Signature::from_bytes(signature.to_bytes().unwrap()).unwrap(), signature);
    let model = Model::load(folder.join("model.safetensors")).unwrap();
    assert_eq!(Model::from_bytes(&model.to_bytes().unwrap()).unwrap(), model);
    let images = EncryptedImages::from_bytes(read("images.ct")).unwrap();
    let key = EvaluationKey::from_bytes(read("evaluation.key")).unwrap();
    let again = EvaluationKey::from_bytes(key.to_bytes().unwrap()).unwrap();
    let server = Server::new(program).unwrap();
    let results = server.run(&again, &images).unwrap();
    let same = EncryptedResults::from_bytes(results.to_bytes().unwrap()).unwrap();
    assert_eq!((same.images(), same.batch(), same.bytes()), (3, images.batch(), results.bytes()));

    let file = tempfile::NamedTempFile::new().unwrap();
    results.save(file.path()).unwrap();
    assert_eq!(std::fs::read(file.path()).unwrap(), results.to_bytes().unwrap());
    for cut in [0, 3, 40, bytes.len() - 1] {
        let found = Program::from_bytes(bytes[..cut].to_vec()).map(|_| ()).unwrap_err();
        assert!(matches!(&found, Error::BadFile(_)) && found.to_string().contains("bytes in memory"), "{found}");
    }
    assert!(matches!(EncryptedResults::from_bytes(read("images.ct")), Err(Error::BadFile(_))));
}

/// Images that are made when they are read, and how many were.
struct Stripes(AtomicU64);

impl ImageSource for Stripes {
    type Error = Error;

    fn images(&self) -> usize {
        5000
    }

    fn read(&self, images: Range<usize>) -> Result<Cow<'_, ImageMajor<f32>>, Error> {
        self.0.fetch_add(images.len() as u64, Ordering::Relaxed);
        let numbers: Vec<f32> = images.clone().flat_map(|i| [(i % 7) as f32 / 14.0; 4]).collect();
        Ok(Cow::Owned(ImageMajor::new(images.len(), 4, numbers)?))
    }
}

/// Ends work when so many steps are done.
struct StopAfter(u64, AtomicU64);

impl Progress for StopAfter {
    fn begin(&self, _what: &str, _steps: u64) {}

    fn advance(&self, steps: u64) {
        self.1.fetch_add(steps, Ordering::Relaxed);
    }

    fn end(&self) {}

    fn is_stopped(&self) -> bool {
        self.1.load(Ordering::Relaxed) >= self.0
    }
}

#[test]
fn images_are_read_a_batch_at_a_time() {
    let program = Program::load("tests/data/v2/program.beaa").unwrap();
    let (client, key) = Client::new(program.signature()).unwrap();
    let stripes = Stripes(AtomicU64::new(0));
    let (encrypted, receipt) = client.encrypt_from(&stripes, &Silent).unwrap();
    assert_eq!((encrypted.images(), stripes.0.load(Ordering::Relaxed)), (5000, 5000));
    assert_eq!((encrypted.batches(), receipt.batch()), (2, encrypted.batch().unwrap()));
    let receipt = Receipt::from_bytes(receipt.to_bytes().unwrap()).unwrap();
    let clear = program.evaluate(&stripes.read(0..5000).unwrap()).unwrap();
    let answers = client.decrypt(&Server::new(program).unwrap().run(&key, &encrypted).unwrap(), &receipt).unwrap();
    let errors = answers.exact().data().iter().zip(clear.data()).map(|(a, c)| (a - c).abs());
    assert!(errors.fold(0.0, f64::max) < 12.0 * answers.error(), "{} promised", answers.error());
}

#[test]
fn work_ends_when_its_progress_says_so() {
    let program = Program::load("tests/data/v2/program.beaa").unwrap();
    let (client, key) = Client::new(program.signature()).unwrap();
    let stopped = client.encrypt_from(&Stripes(AtomicU64::new(0)), &StopAfter(5, AtomicU64::new(0)));
    assert!(matches!(stopped.map(|_| ()), Err(Error::Stopped { operation: "encrypting images" })));
    let (encrypted, _) = client.encrypt_from(&Stripes(AtomicU64::new(0)), &StopAfter(100, AtomicU64::new(0))).unwrap();
    let server = Server::new(program).unwrap();
    let watched = StopAfter(1, AtomicU64::new(0));
    let stopped = server.run_with(&key, &encrypted, &watched).map(|_| ()).unwrap_err();
    assert!(matches!(stopped, Error::Stopped { operation: "running a program" }));
    assert_eq!(watched.1.load(Ordering::Relaxed), 1, "no further part was run");
}

/// Says that work should end when it is asked for the given time.
struct StopAtQuestion(u64, AtomicU64);

impl Progress for StopAtQuestion {
    fn begin(&self, _what: &str, _steps: u64) {}

    fn advance(&self, _steps: u64) {}

    fn end(&self) {}

    fn is_stopped(&self) -> bool {
        self.1.fetch_add(1, Ordering::Relaxed) >= self.0
    }
}

#[test]
fn compiling_ends_when_its_progress_says_so() {
    let model = Model::load("tests/data/v2/model.safetensors").unwrap();
    let options = CompileOptions { batch: 16, logit_error: 0.01, ..Default::default() };
    let never = StopAtQuestion(u64::MAX, AtomicU64::new(0));
    let whole = beaa::compile_watched(&model, &options, None, &never).unwrap();
    let questions = never.1.into_inner();
    assert!(questions > 10, "{questions}");
    for stop_at in 0..questions {
        let watched = StopAtQuestion(stop_at, AtomicU64::new(0));
        let stopped = beaa::compile_watched(&model, &options, None, &watched).map(|_| ()).unwrap_err();
        assert!(matches!(stopped, Error::Stopped { operation: "compiling" }), "question {stop_at}: {stopped}");
        assert_eq!(watched.1.into_inner(), stop_at + 1, "it went on");
    }
    assert_eq!(whole.program, beaa::compile(&model, &options).unwrap());
}

#[test]
fn errors_come_apart_into_what_was_found_and_what_to_do() {
    let parts = |error: Error| {
        let parts = error.explanation();
        let said = error.to_string();
        let all = [&parts.operation, &parts.found, &parts.expected, &parts.remedy];
        let exact = matches!(error, Error::BadFile(_) | Error::BadOption(_) | Error::Mismatch(_));
        assert!(!exact || all.into_iter().flatten().all(|part| said.contains(part)), "{said}: {parts:?}");
        parts
    };
    let program = Program::load("tests/data/v2/program.beaa").unwrap();
    let missing = parts(Program::load("nowhere.beaa").unwrap_err());
    assert_eq!(missing.operation.as_deref(), Some("reading nowhere.beaa"));
    assert!(missing.found.is_some() && missing.remedy.is_none());
    let version = parts(EncryptedResults::load("tests/data/v1/answers.ct").map(|_| ()).unwrap_err());
    assert_eq!(version.expected.as_deref(), Some("format version 2 to 4"));
    let (client, _) = Client::new(program.signature()).unwrap();
    let answers = EncryptedResults::load("tests/data/v2/answers.ct").unwrap();
    let other = parts(client.decrypt_without_receipt(&answers).unwrap_err());
    assert!(other.found.unwrap().starts_with("the ciphertext file belongs to key "));
    assert!(other.expected.unwrap().starts_with("key ") && other.remedy.unwrap().starts_with("use the key pair"));
    let model = Model::load("tests/data/v2/model.safetensors").unwrap();
    let option = CompileOptions { security: 100, ..CompileOptions::default() };
    let option = parts(beaa::compile(&model, &option).unwrap_err());
    assert_eq!(option.operation.as_deref(), Some("option `security`"));
    assert_eq!((option.found.as_deref(), option.expected.as_deref()), (Some("100"), Some("128, 192 or 256")));
    let network = "tests/data/import/unsupported.classic.onnx";
    let network = parts(Model::import_onnx(network, &ImportOptions::default()).map(|_| ()).unwrap_err());
    assert!(network.remedy.unwrap().matches("; ").count() >= 2);
}
