//! What a run allocates is what its schedule says, counted by the allocator itself; pages of
//! ciphertexts, which pass it by, count where it is asked for anything.

#![allow(clippy::unwrap_used, clippy::panic)]
#![expect(unsafe_code, reason = "an allocator that counts")]

#[allow(dead_code, reason = "shared")]
mod kit;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use beaa_ckks::Kernel;
use beaa_compiler::Error;
use beaa_compiler::ckks::{Options, compile};
use beaa_ir::ckks::{Program, SignatureFile, Step, StepOp, switching_key_polynomials};
use beaa_ir::{LayerOp, Model};
use beaa_runtime::Silent;
use beaa_runtime::ckks::{ArrangedWeights, EncryptedInput, KeyPair, PreparedProgram, encrypt, keygen, run};
use kit::images;
use kit::networks::{Network, Size};

/// The system's allocator, counting.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grow(bytes: usize) {
    let live = LIVE.fetch_add(bytes, SeqCst) + bytes;
    PEAK.fetch_max(live + beaa_memory::mapped_bytes(), SeqCst);
}

// SAFETY: every call is handed on unchanged; counting touches nothing that is allocated.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), SeqCst);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A residual network of two activations: its skip branch stays alive.
fn model() -> Model {
    let mut net = Network::new(Size { image: 16, channels: 4 }, 2);
    net.convolution("conv1", 4, 1);
    net.activation("act1");
    net.convolution("conv2", 4, 1);
    net.push("add", LayerOp::Add { with: "act1".into() }, net.shape());
    net.activation("act2");
    net.pool("pool");
    net.linear("fc", 10);
    net.finish("memory")
}

/// So many squares that key switching pays for several special primes.
fn deep() -> Model {
    let mut net = Network::new(Size { image: 4, channels: 2 }, 2);
    for number in 1..6 {
        net.convolution(&format!("conv{number}"), 3, if number < 3 { 2 } else { 1 });
        net.activation(&format!("act{number}"));
    }
    net.linear("fc", 10);
    net.finish("deep")
}

/// The most that was allocated since `PEAK` was set, but for what is not the run's, against what
/// was planned.
fn expect_peak(planned: u64, others: usize) {
    let ratio = (PEAK.load(SeqCst) - others) as f64 / planned as f64;
    assert!((0.9..1.1).contains(&ratio), "{ratio} of {planned} bytes");
}

/// Weights of the program, over all steps.
fn weights(program: &Program) -> usize {
    let of = |step: &Step| match &step.op {
        StepOp::Linear { terms, .. } => terms.iter().map(|t| t.weights.entries()).sum(),
        _ => 0,
    };
    program.steps().iter().map(of).sum()
}

#[test]
fn a_run_allocates_what_was_planned() {
    let (model, deep) = (model(), deep());
    let options = |memory| Options { logit_error: 0.1, memory, ..Options::default() };
    let Err(Error::Memory { least, .. }) = compile(&model, &options(Some(1))) else { panic!("a byte is not enough") };
    let folder = tempfile::tempdir().unwrap();
    let mut planned = Vec::new();
    for (model, batch, memory) in [(&deep, 16_384, None), (&model, 4096, None), (&model, 4096, Some(least))] {
        let program = compile(model, &Options { batch, ..options(memory) }).unwrap().program;
        let special = program.signature().parameters.special.len();
        assert_eq!(special > 1, batch > 4096, "{special} special primes");
        let KeyPair { client, server } = keygen(program.signature(), Some(1)).unwrap();
        let path = folder.path().join("images");
        let images = images(model, 1, 2);
        encrypt(&SignatureFile::from(&program), &client, &images, Some(2), &Silent).unwrap().0.save(&path).unwrap();
        let input = EncryptedInput::load(&path).unwrap();
        // The key is planned for.
        let parameters = &program.signature().parameters;
        let key = switching_key_polynomials(parameters.moduli.len(), parameters.special.len()) * parameters.degree * 8;
        let others = LIVE.load(SeqCst) - if program.switches_keys() { key } else { 0 };
        PEAK.store(LIVE.load(SeqCst), SeqCst);
        let (_, report) = run(&program, &server, &input, &Silent).unwrap();
        expect_peak(report.peak_bytes_planned, others);
        if batch > 4096 {
            // Too few weights to say anything of how they are arranged.
            continue;
        }
        // Programs are planned for more threads than most machines have.
        assert!(memory.is_none_or(|m| report.peak_bytes_planned <= m));
        planned.push(report.peak_bytes_planned);
        // Weights that stay arranged are counted too, before and while the program runs.
        let before = LIVE.load(SeqCst);
        let prepared = PreparedProgram::new(&program, ArrangedWeights::Kept).unwrap();
        let arranged = (LIVE.load(SeqCst) - before) as f64 / (weights(&program) * 12) as f64;
        // Bands have small matrices, which take more for their headers; pairs of columns take less.
        let least = if Kernel::detect().name() == "Vnni" { 0.4 } else { 0.7 };
        assert!((least..1.6).contains(&arranged), "{arranged} of 12 bytes for each weight");
        PEAK.store(LIVE.load(SeqCst), SeqCst);
        let (_, report) = prepared.run(&server, &input, &Silent).unwrap();
        expect_peak(report.peak_bytes_planned, others);
    }
    assert!(planned.is_sorted_by(|a, b| a > b), "smaller budgets, smaller peaks: {planned:?}");
}
