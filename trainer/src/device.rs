//! Opens the device that a configuration names, or fails: there is no second choice, because what
//! was computed where is part of a run's record.

use burn::tensor::Device;

use crate::config::DeviceKind;
use crate::error::{Error, Result};

/// Checks that training can use a device here.
///
/// # Errors
/// [`Error::NoDevice`] if it is not built in, or not on this machine.
pub fn find_device(kind: DeviceKind) -> Result<()> {
    open(kind).map(|_| ())
}

/// Opens a device, without autodiff.
///
/// # Errors
/// [`Error::NoDevice`] if it is not built in, or not on this machine.
pub(crate) fn open(kind: DeviceKind) -> Result<Device> {
    match kind {
        DeviceKind::Flex => Ok(Device::flex()),
        // Deprecated by Burn, kept because users name it.
        #[allow(deprecated)]
        DeviceKind::Ndarray => Ok(Device::ndarray()),
        DeviceKind::Wgpu => wgpu(),
        DeviceKind::Cuda => cuda(),
    }
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Device> {
    first("wgpu", burn::tensor::DeviceType::Wgpu, "install a driver for Vulkan, Metal or DirectX 12")
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Device> {
    Err(Error::NoDevice { name: "wgpu", found: NOT_BUILT, remedy: "build with `--features wgpu`, or use `flex`" })
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<Device> {
    first("cuda", burn::tensor::DeviceType::Cuda, "install NVIDIA's driver and CUDA")
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Device> {
    Err(Error::NoDevice { name: "cuda", found: NOT_BUILT, remedy: "build with `--features cuda`, or use `flex`" })
}

#[cfg(not(all(feature = "wgpu", feature = "cuda")))]
const NOT_BUILT: &str = "a build without it";

/// The first device of a type. Drivers are loaded on the way, and the libraries around them panic
/// where there is none.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn first(name: &'static str, wanted: burn::tensor::DeviceType, remedy: &'static str) -> Result<Device> {
    let found = std::panic::catch_unwind(|| Device::enumerate(wanted).into_vec());
    let device = found.ok().and_then(|devices| devices.into_iter().next());
    device.ok_or(Error::NoDevice { name, found: "no such device on this machine", remedy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_refused_with_a_remedy() {
        assert!(open(DeviceKind::Flex).is_ok() && open(DeviceKind::Ndarray).is_ok());
        for kind in [DeviceKind::Wgpu, DeviceKind::Cuda] {
            if let Err(e) = open(kind) {
                let text = e.to_string();
                assert!(text.contains("--features") || text.contains("driver"), "{text}");
            }
        }
    }
}
