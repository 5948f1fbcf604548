//! Constants of an ONNX file: decoding, and the external files that may hold their bytes. A length
//! is compared with the bytes before it is used, and no file outside the folder of the network is
//! read.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use beaa_base::input::read;
use beaa_ir::Tensor;
use prost::bytes::Bytes;

use super::proto::TensorProto;
use crate::error::{Checked, defect};

/// What ONNX calls a location outside the file.
const EXTERNAL: i32 = 1;
/// Of an external file: no network that can be encrypted comes near.
const MAX_BYTES: u64 = 1 << 33;

/// A constant of any type, held as `f64`: exact for every type that is read but for integers beyond
/// 2^53.
///
/// In integers that come from a `Shape`, NaN stands for the size of the batch, which is not known;
/// arithmetic keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Constant {
    pub(crate) dims: Vec<usize>,
    pub(crate) values: Vec<f64>,
    pub(crate) integer: bool,
}

impl Constant {
    /// One number.
    pub(crate) fn scalar(value: f64) -> Self {
        Self { dims: Vec::new(), values: vec![value], integer: false }
    }

    /// A list of integers.
    pub(crate) fn list(values: Vec<f64>) -> Self {
        Self { dims: vec![values.len()], values, integer: true }
    }

    /// The number, if there is just one.
    pub(crate) fn single(&self) -> Option<f64> {
        match self.values.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// As whole numbers that are known.
    pub(crate) fn integers(&self) -> Checked<Vec<i64>> {
        let whole = |v: &f64| (v.fract() == 0.0 && v.abs() < 9.0e15).then_some(*v as i64);
        // The exporters write the ends of slices as the smallest and largest integers there are.
        let clamped = self.values.iter().map(|v| if v.is_nan() { *v } else { v.clamp(-4.0e15, 4.0e15) });
        match clamped.map(|v| whole(&v)).collect() {
            Some(values) => Ok(values),
            None => {
                defect("a list that is not made of known whole numbers", "export with fixed sizes but for the batch")
            }
        }
    }

    /// As the weights of a layer, with other extents of the same product.
    pub(crate) fn tensor(&self, dims: &[usize]) -> Checked<Tensor> {
        Ok(Tensor::new(dims.to_vec(), self.values.iter().map(|&v| v as f32).collect())?)
    }
}

/// The files beside an ONNX file that hold bytes of its constants.
#[derive(Debug, Default)]
pub(crate) struct External {
    folder: Option<PathBuf>,
    files: HashMap<String, Bytes>,
}

impl External {
    /// Files are looked for in `folder` and below; none are read without one.
    pub(crate) fn new(folder: Option<&Path>) -> Self {
        let folder = folder.map(|f| if f.as_os_str().is_empty() { PathBuf::from(".") } else { f.to_path_buf() });
        Self { folder, files: HashMap::new() }
    }

    fn bytes(&mut self, tensor: &TensorProto) -> Checked<Bytes> {
        let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => match text.parse::<usize>() {
                Ok(n) => Ok(Some(n)),
                Err(_) => defect(format!("`{key}` of `{text}` for external data"), "export the network again"),
            },
        };
        let location = entry("location").unwrap_or("");
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let file = self.open(location)?;
        let end = length.map_or(Some(file.len()), |l| offset.checked_add(l));
        match end.filter(|&e| offset <= e && e <= file.len()) {
            Some(end) => Ok(file.slice(offset..end)),
            None => defect(
                format!("external data at byte {offset} of `{location}`, which has {} bytes", file.len()),
                "check that the file beside the network is the right one and was copied whole",
            ),
        }
    }

    fn open(&mut self, location: &str) -> Checked<Bytes> {
        if let Some(file) = self.files.get(location) {
            return Ok(file.clone());
        }
        let path = Path::new(location);
        let inside = path.components().all(|c| matches!(c, Component::Normal(_))) && !location.is_empty();
        let Some(folder) = self.folder.as_ref().filter(|_| inside) else {
            return defect(
                format!("external data in `{location}`"),
                "keep the data in a file beside the network, or export with external_data=False",
            );
        };
        let remedy = "copy it together with the .onnx file, or export with external_data=False";
        let real = |p: &Path| p.canonicalize().map_err(|e| format!("external data in `{location}`: {e}"));
        let found = real(folder).and_then(|folder| Ok((real(&folder.join(path))?, folder)));
        match found {
            Ok((file, folder)) if file.starts_with(&folder) && file.is_file() => {
                match read("reading external data", &file, MAX_BYTES) {
                    Ok(bytes) => {
                        let bytes = Bytes::from(bytes);
                        self.files.insert(location.to_owned(), bytes.clone());
                        Ok(bytes)
                    }
                    Err(e) => defect(format!("external data in `{location}`: {e}"), remedy),
                }
            }
            Ok(_) => defect(format!("external data in `{location}`, which is no file beside the network"), remedy),
            Err(found) => defect(found, remedy),
        }
    }
}

/// Decodes a tensor of one of the types that a network of this kind is made of.
pub(crate) fn decode(tensor: &TensorProto, external: &mut External) -> Checked<Constant> {
    let dims: Option<Vec<usize>> = tensor.dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let count = dims.as_ref().and_then(|d| d.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)));
    let (Some(dims), Some(count)) = (dims, count) else {
        return defect(format!("a constant of extents {:?}", tensor.dims), "export the network again");
    };
    let outside = tensor.data_location == EXTERNAL;
    let raw = if outside { external.bytes(tensor)? } else { tensor.raw_data.clone() };
    let raw_used = outside || !raw.is_empty();
    let (values, integer): (Vec<f64>, bool) = match (tensor.data_type, raw_used) {
        (1, true) => (words::<4>(&raw).map(|b| f64::from(f32::from_le_bytes(b))).collect(), false),
        (1, false) => (tensor.float_data.iter().map(|&v| f64::from(v)).collect(), false),
        (6, true) => (words::<4>(&raw).map(|b| f64::from(i32::from_le_bytes(b))).collect(), true),
        (7, true) => (words::<8>(&raw).map(|b| i64::from_le_bytes(b) as f64).collect(), true),
        (7, false) => (tensor.int64_data.iter().map(|&v| v as f64).collect(), true),
        (9, true) => (raw.iter().map(|&b| f64::from(b)).collect(), true),
        (6 | 9, false) => (tensor.int32_data.iter().map(|&v| f64::from(v)).collect(), true),
        (2, true) => (raw.iter().map(|&b| f64::from(b)).collect(), true),
        (3, true) => (raw.iter().map(|&b| f64::from(b.cast_signed())).collect(), true),
        (10, true) => (words::<2>(&raw).map(|b| half(u16::from_le_bytes(b))).collect(), false),
        (16, true) => (words::<2>(&raw).map(|b| brain_float(u16::from_le_bytes(b))).collect(), false),
        // Beside raw bytes ONNX keeps the bits of half-precision numbers in 32-bit integers.
        (10, false) => (tensor.int32_data.iter().map(|&v| half(v as u16)).collect(), false),
        (16, false) => (tensor.int32_data.iter().map(|&v| brain_float(v as u16)).collect(), false),
        (2 | 3, false) => (tensor.int32_data.iter().map(|&v| f64::from(v)).collect(), true),
        (11, true) => (words::<8>(&raw).map(f64::from_le_bytes).collect(), false),
        (11, false) => (tensor.double_data.clone(), false),
        (other, _) => {
            return defect(
                format!("a constant of type {}", type_name(other)),
                "export in float32: `model.float()` before the export",
            );
        }
    };
    let width = match tensor.data_type {
        1 | 6 => 4,
        2 | 3 | 9 => 1,
        10 | 16 => 2,
        _ => 8,
    };
    if values.len() != count || (raw_used && raw.len() != count * width) {
        return defect(
            format!("{} numbers in a constant of extents {dims:?}", values.len()),
            "check that the file was copied whole",
        );
    }
    Ok(Constant { dims, values, integer })
}

/// A number of half precision (IEEE 754 binary16), which every `f64` holds exactly.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    sign * match exponent {
        0 => fraction * 2.0_f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1.0 + fraction) * 2.0_f64.powi(e - 15),
    }
}

/// A `bfloat16`: the upper half of an `f32`.
fn brain_float(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().copied()
}

/// ONNX's name of an element type.
pub(crate) fn type_name(code: i32) -> String {
    let known = [
        "undefined",
        "float32",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "int32",
        "int64",
        "string",
        "bool",
        "float16",
        "float64",
        "uint32",
        "uint64",
        "complex64",
        "complex128",
        "bfloat16",
    ];
    usize::try_from(code).ok().and_then(|c| known.get(c)).map_or_else(|| format!("number {code}"), |n| (*n).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_widened_exactly() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_953_125),
            (0x7bff, 65504.0),
            (0x0001, 2.0_f64.powi(-24)),
            (0x8400, -(2.0_f64.powi(-14))),
            (0x7c00, f64::INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
        assert_eq!([brain_float(0x3f80), brain_float(0xc049)], [1.0, -3.140_625]);
    }
}
