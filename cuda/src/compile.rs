//! The kernels for a card, by NVRTC, which is loaded when it is needed.

use cudarc::nvrtc::{self, CompileError, CompileOptions, Ptx};

use crate::kernel::SOURCE;
use crate::{Error, Result};

/// What a card can do, as the two digits of its compute capability, `sm_90` being 9 and 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Architecture {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sm_{}{}", self.major, self.minor)
    }
}

/// Compiles all kernels for cards of `architecture`.
///
/// # Errors
/// When NVRTC is not there, does not know the architecture, or refuses the source.
pub fn compile(architecture: Architecture) -> Result<Ptx> {
    // SAFETY: this only loads the library, whose initialisation is that of the vendor.
    #[allow(unsafe_code, reason = "asks whether a library can be loaded")]
    let present = unsafe { nvrtc::sys::is_culib_present() };
    if !present {
        return Err(Error::MissingLibrary {
            operation: "compiling the kernels",
            library: "libnvrtc",
            remedy: "install NVRTC of CUDA 12 or 13 and name its folder in LD_LIBRARY_PATH",
        });
    }
    let options = vec![format!("--gpu-architecture={architecture}"), "--std=c++17".into()];
    let options = CompileOptions { options, name: Some("beaa.cu".into()), ..CompileOptions::default() };
    nvrtc::compile_ptx_with_opts(SOURCE, options).map_err(|error| {
        let found = match error {
            CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
            other => other.to_string(),
        };
        Error::Compile { architecture: architecture.to_string(), found }
    })
}
