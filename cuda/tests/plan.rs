//! What is planned of a device's memory against what a run takes of it, counted on the shim; and
//! what a run does with too little, or with enough for weights to stay.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "shared")]
#[path = "../../compiler/tests/kit/mod.rs"]
mod kit;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use beaa_compiler::ckks::{Options, Packing, compile};
use beaa_cuda::{
    Argument, Device, Grid, Kernel, Memory, Result, expect_memory, expect_memory_to_verify, planned_bytes, run,
    run_to_file, verify,
};
use beaa_cuda_shim::{Shim, ShimMemory, ThreadOrder};
use beaa_ir::ckks::{Program, SignatureFile};
use beaa_ir::{Model, evaluate};
use beaa_runtime::ckks::{ArrangedWeights, EncryptedInput, KeyPair, PreparedProgram, encrypt, keygen};
use beaa_runtime::{Silent, ckks};

/// Words in use, and the most that there were.
#[derive(Debug, Default)]
struct Counted {
    now: AtomicU64,
    most: AtomicU64,
}

/// The shim, with an account of its memory.
#[derive(Debug)]
struct Counting {
    shim: Shim,
    counted: Arc<Counted>,
    free: Option<u64>,
    /// Names of all kernels that ran.
    launched: Mutex<Vec<&'static str>>,
    uploads: AtomicU64,
}

#[derive(Debug)]
struct CountedMemory {
    memory: ShimMemory,
    counted: Arc<Counted>,
}

impl Counting {
    fn new(free: Option<u64>) -> Self {
        let shim = Shim { order: ThreadOrder::Scattered };
        Self { shim, counted: Arc::default(), free, launched: Mutex::default(), uploads: AtomicU64::new(0) }
    }

    fn counted(&self, memory: ShimMemory) -> CountedMemory {
        let now = self.counted.now.fetch_add(memory.words() as u64, Ordering::Relaxed) + memory.words() as u64;
        self.counted.most.fetch_max(now, Ordering::Relaxed);
        CountedMemory { memory, counted: Arc::clone(&self.counted) }
    }

    fn most_bytes(&self) -> u64 {
        8 * self.counted.most.load(Ordering::Relaxed)
    }
}

impl Memory for CountedMemory {
    fn words(&self) -> usize {
        self.memory.words()
    }

    fn address(&self) -> u64 {
        self.memory.address()
    }
}

impl Drop for CountedMemory {
    fn drop(&mut self) {
        self.counted.now.fetch_sub(self.memory.words() as u64, Ordering::Relaxed);
    }
}

impl Device for Counting {
    type Memory = CountedMemory;

    fn allocate(&self, words: usize) -> Result<CountedMemory> {
        Ok(self.counted(self.shim.allocate(words)?))
    }

    fn upload(&self, words: &[u64]) -> Result<CountedMemory> {
        self.uploads.fetch_add(1, Ordering::Relaxed);
        Ok(self.counted(self.shim.upload(words)?))
    }

    fn download(&self, memory: &CountedMemory) -> Result<Vec<u64>> {
        self.shim.download(&memory.memory)
    }

    fn free_bytes(&self) -> Result<Option<u64>> {
        Ok(self.free)
    }

    fn synchronise(&self) -> Result<()> {
        self.shim.synchronise()
    }

    fn launch(&self, kernel: Kernel, grid: Grid, arguments: &[Argument]) -> Result<()> {
        self.launched.lock().unwrap().push(kernel.name());
        self.shim.launch(kernel, grid, arguments)
    }
}

/// A program of some model, with keys and some of its images.
struct Case {
    program: Program,
    keys: KeyPair,
    model: Model,
}

impl Case {
    fn new(model: Model, options: Options) -> Self {
        let images = kit::images(&model, 1, 4);
        let outputs = images.rows().flat_map(|i| evaluate(&model, i).unwrap());
        let largest = outputs.fold(1.0_f64, |m, v| m.max(v.abs()));
        let options = Options { logit_error: largest / 64.0, ..options };
        let program = compile(&model, &options).unwrap().program;
        let keys = keygen(program.signature(), Some(1)).unwrap();
        Self { program, keys, model }
    }

    fn encrypted(&self, images: usize) -> EncryptedInput {
        let images = kit::images(&self.model, 1, images);
        let file = SignatureFile::from(&self.program);
        encrypt(&file, &self.keys.client, &images, Some(1), &Silent).unwrap().0
    }

    fn prepared(&self) -> PreparedProgram<&Program> {
        PreparedProgram::new(&self.program, ArrangedWeights::PerPart).unwrap()
    }
}

/// So many squares that key switching pays for several special primes.
fn deep() -> Model {
    let mut layers = vec![kit::conv("conv", 8, 1, 6, 1), kit::square("act")];
    for number in 0..4 {
        layers.push(kit::conv(&format!("conv{number}"), 8, 8, 1, 1));
        layers.push(kit::square(&format!("act{number}")));
    }
    layers.push(kit::linear("fc", 3, 8));
    kit::with_ranges(kit::model_with(layers), 1)
}

/// Networks with terms, squares and several linear layers; packed ones and others.
fn cases() -> Vec<Case> {
    let element = || Options { packing: Packing::Element, ..Options::default() };
    let mut cases: Vec<Case> = (0..6).map(|seed| Case::new(kit::random_model(seed), element())).collect();
    for batch in [1, 4] {
        let layers = vec![kit::conv("conv", 2, 1, 3, 1), kit::square("act"), kit::linear("fc", 3, 32)];
        let model = kit::with_ranges(kit::model_with(layers), 1);
        cases.push(Case::new(model, Options { batch, packing: Packing::Channel, ..Options::default() }));
    }
    cases
}

#[test]
fn a_run_takes_what_is_planned_and_little_less() {
    let deep = Case::new(deep(), Options { packing: Packing::Element, ..Options::default() });
    assert!(deep.program.signature().parameters.special.len() > 1, "digits of several limbs");
    for (number, case) in cases().iter().chain([&deep]).enumerate() {
        let device = Counting::new(None);
        let input = case.encrypted(1);
        let (_, report) = run(&device, &case.prepared(), case.keys.server.as_ref(), &input, &Silent).unwrap();
        let (planned, found) = (planned_bytes(&case.program, ArrangedWeights::PerPart), device.most_bytes());
        assert_eq!(report.peak_bytes_planned, planned);
        assert!(found <= planned, "program {number} takes {found} bytes, {planned} are planned");
        let packed = case.program.packing().is_some();
        let spare = if packed { 1.3 } else { 1.01 };
        assert!(planned as f64 <= spare * found as f64, "program {number} takes {found} bytes, {planned} are planned");
    }
}

#[test]
fn with_too_little_memory_nothing_is_begun() {
    let case = &cases()[0];
    let planned = planned_bytes(&case.program, ArrangedWeights::PerPart);
    let (input, prepared) = (case.encrypted(1), case.prepared());
    let on = |free| run(&Counting::new(Some(free)), &prepared, case.keys.server.as_ref(), &input, &Silent);
    assert!(on(planned).is_ok());
    let device = Counting::new(Some(planned - 1));
    let refused = run(&device, &prepared, case.keys.server.as_ref(), &input, &Silent).err().unwrap().to_string();
    assert!(refused.contains("graphics card") && refused.contains("run on the processor"), "{refused}");
    assert_eq!(device.most_bytes(), 0);
    let images = kit::images(&case.model, 1, 1);
    assert!(verify(&device, &case.program, (&case.keys, &images), Some(1), &Silent).is_err());
    assert!(expect_memory(&device, &case.program).is_err() && expect_memory_to_verify(&device, &case.program).is_err());
}

/// Weights of several batches are copied once where there is room, and the file is the processor's.
#[test]
fn several_batches_share_their_weights_where_there_is_room() {
    let case = &cases()[6];
    let capacity = case.program.signature().capacity();
    let (input, prepared) = (case.encrypted(capacity + 1), case.prepared());
    assert_eq!(input.batches(), 2);
    let key = case.keys.server.as_ref();
    let expected = ckks::run(&case.program, key, &input, &Silent).unwrap().0.to_bytes().unwrap();
    let [least, kept] =
        [ArrangedWeights::PerPart, ArrangedWeights::Kept].map(|weights| planned_bytes(&case.program, weights));
    assert!(least < kept);
    let folder = tempfile::tempdir().unwrap();
    let mut uploads = Vec::new();
    for free in [least, kept] {
        let device = Counting::new(Some(free));
        let path = folder.path().join("answers.ct");
        let (file, report) = run_to_file(&device, &prepared, &path, key, &input, &Silent).unwrap();
        file.commit().unwrap();
        assert!(std::fs::read(&path).unwrap() == expected, "other answers with {free} bytes");
        assert!(device.most_bytes() <= free, "{} bytes of {free}", device.most_bytes());
        assert_eq!(report.peak_bytes_planned, free);
        std::fs::remove_file(&path).unwrap();
        uploads.push(device.uploads.load(Ordering::Relaxed));
    }
    assert!(uploads[1] < uploads[0], "{uploads:?} copies to the device");
}

/// Every step on the device is compared with the same in clear.
#[test]
fn a_program_is_verified_on_a_device() {
    for case in [&cases()[1], &cases()[7]] {
        let device = Counting::new(None);
        let images = kit::images(&case.model, 1, case.program.signature().capacity().min(3));
        let found = verify(&device, &case.program, (&case.keys, &images), Some(1), &Silent).unwrap();
        let expected = ckks::verify(&case.program, &case.keys, &images, Some(1), &Silent).unwrap();
        assert!(found.holds && expected.holds, "{found:?}");
        assert_eq!(found.layers.len(), expected.layers.len());
        for (found, expected) in found.layers.iter().zip(&expected.layers) {
            assert_eq!(found.measured.to_bits(), expected.measured.to_bits(), "layer {}", found.layer);
        }
        assert!(!device.launched.lock().unwrap().is_empty());
    }
}
