//! What the tests of beaa-cuda run on: the shim, or a card where there is one.

use std::sync::{Mutex, OnceLock, PoisonError};

use beaa_cuda::{Argument, CudaDevice, CudaMemory, Device, Grid, Kernel, Memory, Result};

use crate::{Shim, ShimMemory, ThreadOrder};

/// A device to test.
#[derive(Debug)]
pub enum TestDevice {
    /// The processor.
    Shim(Shim),
    /// A graphics card.
    Card(&'static CudaDevice),
}

/// Memory of a device to test.
#[derive(Debug)]
pub enum TestMemory {
    /// Of the processor.
    Shim(ShimMemory),
    /// Of a graphics card.
    Card(CudaMemory),
}

/// The devices to test: graphics card 0 where the environment has `BEAA_CARD`, otherwise the shim
/// in every order of threads.
///
/// # Errors
/// When there is no such card, or it cannot be used.
pub fn devices() -> Result<Vec<TestDevice>> {
    if std::env::var_os("BEAA_CARD").is_some() {
        return Ok(vec![TestDevice::Card(card()?)]);
    }
    Ok(ThreadOrder::ALL.map(|order| TestDevice::Shim(Shim { order })).into())
}

/// Card 0, opened once: that compiles the kernels.
fn card() -> Result<&'static CudaDevice> {
    static OPENING: Mutex<()> = Mutex::new(());
    static CARD: OnceLock<CudaDevice> = OnceLock::new();
    let _guard = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(card) = CARD.get() {
        return Ok(card);
    }
    let opened = CudaDevice::open(0)?;
    Ok(CARD.get_or_init(|| opened))
}

impl Memory for TestMemory {
    fn words(&self) -> usize {
        match self {
            Self::Shim(memory) => memory.words(),
            Self::Card(memory) => memory.words(),
        }
    }

    fn address(&self) -> u64 {
        match self {
            Self::Shim(memory) => memory.address(),
            Self::Card(memory) => memory.address(),
        }
    }
}

impl Device for TestDevice {
    type Memory = TestMemory;

    fn allocate(&self, words: usize) -> Result<TestMemory> {
        Ok(match self {
            Self::Shim(device) => TestMemory::Shim(device.allocate(words)?),
            Self::Card(device) => TestMemory::Card(device.allocate(words)?),
        })
    }

    fn upload(&self, words: &[u64]) -> Result<TestMemory> {
        Ok(match self {
            Self::Shim(device) => TestMemory::Shim(device.upload(words)?),
            Self::Card(device) => TestMemory::Card(device.upload(words)?),
        })
    }

    fn download(&self, memory: &TestMemory) -> Result<Vec<u64>> {
        match (self, memory) {
            (Self::Shim(device), TestMemory::Shim(memory)) => device.download(memory),
            (Self::Card(device), TestMemory::Card(memory)) => device.download(memory),
            _ => unreachable!("memory of another device than {self:?}"),
        }
    }

    fn free_bytes(&self) -> Result<Option<u64>> {
        match self {
            Self::Shim(device) => device.free_bytes(),
            Self::Card(device) => device.free_bytes(),
        }
    }

    fn synchronise(&self) -> Result<()> {
        match self {
            Self::Shim(device) => device.synchronise(),
            Self::Card(device) => device.synchronise(),
        }
    }

    fn launch(&self, kernel: Kernel, grid: Grid, arguments: &[Argument]) -> Result<()> {
        match self {
            Self::Shim(device) => device.launch(kernel, grid, arguments),
            Self::Card(device) => device.launch(kernel, grid, arguments),
        }
    }
}
