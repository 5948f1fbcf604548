//! The configuration as anybody may write it (JSON), every field with a default, not yet checked:
//! [`crate::TrainConfig`] is.

use beaa_datasets::SourceSpec;
use serde::{Deserialize, Serialize};

use super::layers::{LayerConfig, cryptonets};
use super::phases::{StudentConfig, TeacherConfig};

/// One experiment, not yet checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainLiteral {
    /// For people: what this experiment is; one string or a list of lines. Also accepted as
    /// `_comment`.
    #[serde(alias = "_comment")]
    pub description: Text,
    /// A short name; the models are called `<name>-teacher` and `<name>-student`.
    pub name: String,
    /// Everything random follows from it.
    pub seed: u64,
    /// Where to compute.
    pub device: DeviceKind,
    /// What convolutions multiply while a network learns.
    pub precision: Precision,
    /// Which images.
    pub data: DataConfig,
    /// The layers, in order, with `activation` wherever the teacher has a ReLU.
    pub network: Vec<LayerConfig>,
    /// Random changes of the training images.
    pub augmentation: Augmentation,
    /// Training of the ReLU network.
    pub teacher: TeacherConfig,
    /// Training of the network without ReLU.
    pub student: StudentConfig,
}

impl Default for TrainLiteral {
    fn default() -> Self {
        Self {
            description: Text::default(),
            name: "beaa".to_owned(),
            seed: 1,
            device: DeviceKind::default(),
            precision: Precision::default(),
            data: DataConfig::default(),
            network: cryptonets(),
            augmentation: Augmentation::default(),
            teacher: TeacherConfig::default(),
            student: StudentConfig::default(),
        }
    }
}

/// A string, or a list of lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a string or a list of strings")]
pub enum Text {
    /// The whole text.
    One(String),
    /// The text line by line.
    Lines(Vec<String>),
}

impl Default for Text {
    fn default() -> Self {
        Self::One(String::new())
    }
}

/// Burn's device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// `burn-flex`: fast on CPUs, the default.
    #[default]
    Flex,
    /// `burn-ndarray`: deprecated by Burn, and slower where the trainer has no operation of its
    /// own.
    Ndarray,
    /// `burn-wgpu`: any GPU with Vulkan, Metal or DirectX; only with the cargo feature `wgpu`.
    Wgpu,
    /// `burn-cuda`: NVIDIA's GPUs; only with the cargo feature `cuda`.
    Cuda,
}

/// What convolutions multiply while a network learns, forward and backward, its teacher's, too;
/// sums, weights and everything else are in single precision, and so are networks when their
/// validation and test images are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 24 bits, as they are; the default.
    #[default]
    Single,
    /// Rounded to 8 bits and the same exponents (`bfloat16`): twice as many products in a second on
    /// processors that multiply pairs of them (AVX512-BF16), slow on others. On CPUs only;
    /// convolutions with dilation, groups or uneven padding stay in single precision.
    Bfloat16,
}

/// Which images, and how many.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Where they are; a plain string names a known set.
    pub source: SourceSpec,
    /// At most so many training images, chosen by the seed; all if absent.
    pub train: Option<usize>,
    /// At most so many validation images.
    pub validation: Option<usize>,
    /// At most so many test images.
    pub test: Option<usize>,
    /// Takes pixels so instead of by the mean and deviation of the data set; a teacher that is read
    /// from a file brings its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
    /// Round pixels to so many bits, as the tfhe backend will; all eight if absent.
    pub pixel_bits: Option<u32>,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            source: default_source(),
            train: None,
            validation: None,
            test: None,
            normalisation: None,
            pixel_bits: None,
        }
    }
}

/// How pixels become numbers: `(pixel / 255 - mean) / std`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// What is subtracted from pixels scaled to 0..1, one number per channel or one for all.
    pub mean: Vec<f32>,
    /// What the difference is divided by, one number per channel or one for all.
    pub std: Vec<f32>,
}

/// Random changes of the training images, drawn anew for every image of every epoch; all off by
/// default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Shift by up to so many pixels in each direction; what is uncovered repeats the border.
    pub shift: usize,
    /// Turn by up to so many degrees either way (bilinear, border repeated).
    pub rotate: f32,
    /// Enlarge or shrink by up to this fraction (bilinear, border repeated).
    pub scale: f32,
    /// Mirror left to right, half of the time.
    pub flip: bool,
    /// Change the contrast by up to this fraction, about the mean of the image.
    pub contrast: f32,
    /// Change the brightness by up to this fraction of the full range.
    pub brightness: f32,
    /// Replace a square of so many pixels a side, centred anywhere in the image, by the mean with
    /// which pixels are normalised (`DeVries` & Taylor, 2017).
    pub cutout: usize,
    /// Share of the images that show, in a rectangle, a part of another image of their batch: of
    /// any size, centred anywhere; labels count by area (`CutMix`, Yun et al., 2019).
    pub cutmix: f32,
}

fn default_source() -> SourceSpec {
    SourceSpec::named("pneumoniamnist")
}
