//! Options that change an experiment, and the compute device, shared by the subcommands that train
//! or predict.

use beaa_lab::experiment::{Assignment, Overrides};
use beaa_trainer::DeviceKind;
use clap::{Args, ValueEnum};

/// What the command line changes in an experiment.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExperimentChanges {
    /// Seed of everything random in training.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where to compute; ndarray is Burn's older CPU backend, and slower; wgpu and cuda are GPUs.
    #[arg(long, value_name = "DEVICE")]
    device: Option<Device>,
    /// Change one setting, as `student.epochs=5` or `network[0].conv2d.out=8`; may be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    assignments: Vec<Assignment>,
}

/// A compute device by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Device {
    /// burn-flex.
    Flex,
    /// burn-ndarray.
    Ndarray,
    /// burn-wgpu, in a build with that feature.
    Wgpu,
    /// burn-cuda, in a build with that feature.
    Cuda,
}

impl From<Device> for DeviceKind {
    fn from(device: Device) -> Self {
        match device {
            Device::Flex => Self::Flex,
            Device::Ndarray => Self::Ndarray,
            Device::Wgpu => Self::Wgpu,
            Device::Cuda => Self::Cuda,
        }
    }
}

impl ExperimentChanges {
    /// The seed, for those that need it elsewhere too.
    pub(crate) fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// In the form that an experiment takes.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides { assignments: self.assignments.clone(), seed: self.seed, device: self.device.map(DeviceKind::from) }
    }
}
