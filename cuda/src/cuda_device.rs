//! A graphics card as a device, by the driver, which is loaded when it is needed. Everything runs
//! on one stream.

use std::sync::Arc;

use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, DriverError, LaunchConfig, PushKernelArg, sys,
};

use crate::kernel::THREADS;
use crate::{Architecture, Argument, Device, Error, Grid, Kernel, Memory, Result, compile};

/// A graphics card with its kernels.
#[derive(Debug)]
pub struct CudaDevice {
    name: String,
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    /// In the order of [`Kernel::ALL`].
    functions: Vec<CudaFunction>,
}

/// Memory of a card.
#[derive(Debug)]
pub struct CudaMemory {
    slice: CudaSlice<u64>,
    address: u64,
}

impl Memory for CudaMemory {
    fn words(&self) -> usize {
        self.slice.len()
    }

    fn address(&self) -> u64 {
        self.address
    }
}

impl CudaDevice {
    /// Opens card number `ordinal`, the first one being 0, and compiles the kernels for it.
    ///
    /// # Errors
    /// When the driver or NVRTC is not there, or there is no such card.
    pub fn open(ordinal: usize) -> Result<Self> {
        const OPERATION: &str = "opening a graphics card";
        // SAFETY: this only loads the library, whose initialisation is that of the vendor.
        #[allow(unsafe_code, reason = "asks whether a library can be loaded")]
        let present = unsafe { sys::is_culib_present() };
        if !present {
            return Err(Error::MissingLibrary {
                operation: OPERATION,
                library: "libcuda",
                remedy: "install the driver of an NVIDIA card, or run on the processor",
            });
        }
        let failed = |error: DriverError| driver(OPERATION, error);
        let context = CudaContext::new(ordinal).map_err(failed)?;
        let name = context.name().map_err(failed)?;
        let (major, minor) = context.compute_capability().map_err(failed)?;
        let architecture = Architecture { major: major.unsigned_abs(), minor: minor.unsigned_abs() };
        let module = context.load_module(compile(architecture)?).map_err(failed)?;
        let functions = Kernel::ALL.iter().map(|k| module.load_function(k.name()));
        let functions = functions.collect::<Result<_, _>>().map_err(failed)?;
        Ok(Self { name, stream: context.default_stream(), context, functions })
    }

    /// The name that the driver has for the card.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn memory(&self, slice: CudaSlice<u64>) -> CudaMemory {
        // All work on this memory is on the one stream that it belongs to, so that what is recorded
        // for others when the second half is dropped matters to nobody.
        let address = slice.device_ptr(&self.stream).0;
        CudaMemory { address, slice }
    }
}

impl Device for CudaDevice {
    type Memory = CudaMemory;

    fn allocate(&self, words: usize) -> Result<CudaMemory> {
        let slice = self.stream.alloc_zeros(words).map_err(|e| driver("allocating memory of a graphics card", e))?;
        Ok(self.memory(slice))
    }

    fn upload(&self, words: &[u64]) -> Result<CudaMemory> {
        let slice = self.stream.clone_htod(words).map_err(|e| driver("copying to a graphics card", e))?;
        Ok(self.memory(slice))
    }

    fn download(&self, memory: &CudaMemory) -> Result<Vec<u64>> {
        let failed = |e| driver("copying from a graphics card", e);
        let words = self.stream.clone_dtoh(&memory.slice).map_err(failed)?;
        self.stream.synchronize().map_err(failed)?;
        Ok(words)
    }

    fn free_bytes(&self) -> Result<Option<u64>> {
        // What was freed on the stream is free once the stream has come there.
        self.synchronise()?;
        let (free, _) = self.context.mem_get_info().map_err(|e| driver("asking for memory of a graphics card", e))?;
        Ok(Some(free as u64))
    }

    fn synchronise(&self) -> Result<()> {
        self.stream.synchronize().map_err(|e| driver("waiting for a graphics card", e))
    }

    fn launch(&self, kernel: Kernel, grid: Grid, arguments: &[Argument]) -> Result<()> {
        let mut launch = self.stream.launch_builder(&self.functions[kernel as usize]);
        for argument in arguments {
            launch.arg(argument.words());
        }
        let threads = (THREADS as u32, 1, 1);
        let config = LaunchConfig { grid_dim: (grid.blocks, grid.limbs, 1), block_dim: threads, shared_mem_bytes: 0 };
        // SAFETY: the arguments are those of the kernel, in its order, and all words that it reads
        // and writes lie in memory of this card: no other crate makes arguments, and this one
        // asserts where they end. Memory is freed on the same stream, after all launches before.
        #[allow(unsafe_code, reason = "the kernels are CUDA C++")]
        let launched = unsafe { launch.launch(config) };
        launched.map_err(|e| driver("launching a kernel", e))?;
        Ok(())
    }
}

/// What the driver says, and what may help.
fn driver(operation: &'static str, error: DriverError) -> Error {
    let remedy = match error.0 {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => "free memory of the card, or compile for fewer limbs",
        sys::CUresult::CUDA_ERROR_NO_DEVICE | sys::CUresult::CUDA_ERROR_INVALID_DEVICE => {
            "look with `nvidia-smi` which cards there are"
        }
        _ => "look with `nvidia-smi` whether the card works",
    };
    Error::Driver { operation, found: format!("{error:?}"), remedy }
}
