//! Model files: safetensors with the architecture as JSON under the metadata key `beaa.model`;
//! documented in docs/model-format.md.

use std::collections::HashMap;
use std::path::Path;

use beaa_base::input;
use beaa_base::output::{self, Care};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::{
    Accuracy, Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Pool2d,
    Provenance, Range,
};
use crate::{Error, Result, Tensor};

const KEY: &str = "beaa.model";
/// The newest version. 4: pictures are preprocessed.
const FORMAT: u32 = 4;
/// The version of a model whose pictures are not. 3: there is a checksum.
const WITHOUT_PREPROCESSING: u32 = 3;
/// The oldest version that is read.
const OLDEST: u32 = 1;
/// No model that can be encrypted comes near.
const MAX_BYTES: u64 = 1 << 33;

/// Writes `model` to `path`, as all outputs are written ([`beaa_base::output`]).
///
/// # Errors
/// If the file cannot be written.
pub fn save_model(model: &Model, path: &Path) -> Result<()> {
    Ok(output::write(path, &model_to_bytes(model)?, Care::Kept)?)
}

/// Reads and checks a model.
///
/// # Errors
/// If the file cannot be read, is no model or one of a newer release, or contradicts itself.
pub fn load_model(path: &Path) -> Result<Model> {
    model_from_bytes(&input::read("reading model", path, MAX_BYTES)?).map_err(|error| match error {
        Error::Malformed { operation, found, expected, remedy } => {
            Error::Malformed { operation, found: format!("{found} in {}", path.display()), expected, remedy }
        }
        other => other,
    })
}

/// Whether a file says that it is a model of ours; its contents are not checked.
pub fn is_model(path: &Path) -> bool {
    let bytes = input::read("reading", path, MAX_BYTES);
    let metadata = bytes.ok().and_then(|bytes| Some(SafeTensors::read_metadata(&bytes).ok()?.1));
    metadata.is_some_and(|m| m.metadata().as_ref().is_some_and(|m| m.contains_key(KEY)))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Architecture {
    /// From version 3 on: BLAKE3 of all this, with nothing here, and of all tensors, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
    format: u32,
    name: String,
    input: InputSpec,
    #[serde(default)]
    classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    layers: Vec<LayerEntry>,
    #[serde(default)]
    accuracy: Option<Accuracy>,
    #[serde(default)]
    provenance: Provenance,
    /// Version 1: any JSON.
    #[serde(default, skip_serializing)]
    training: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct LayerEntry {
    name: String,
    #[serde(flatten)]
    op: OpEntry,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OpEntry {
    Conv2d {
        #[serde(default = "ones")]
        stride: [usize; 2],
        #[serde(default)]
        padding: [usize; 2],
        #[serde(default = "ones")]
        dilation: [usize; 2],
        #[serde(default = "one")]
        groups: usize,
    },
    Linear,
    BatchNorm {
        eps: f32,
    },
    AvgPool(Pool2d),
    Flatten,
    Add {
        with: String,
    },
    Branch {
        from: String,
    },
    Activation {
        function: FunctionEntry,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        range: Option<Range>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FunctionEntry {
    Relu,
    Square,
    Polynomial,
}

fn one() -> usize {
    1
}

fn ones() -> [usize; 2] {
    [1, 1]
}

/// Gives the bytes of the file that [`save_model`] writes.
///
/// # Errors
/// If the architecture has no form in JSON, or safetensors refuses the tensors.
pub fn model_to_bytes(model: &Model) -> Result<Vec<u8>> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut layers = Vec::with_capacity(model.layers().len());
    for layer in model.layers() {
        for (what, t) in layer.op.tensors() {
            let bytes = t.data().iter().flat_map(|v| v.to_le_bytes()).collect();
            tensors.push((format!("{}.{what}", layer.name), t.shape().to_vec(), bytes));
        }
        let op = match &layer.op {
            LayerOp::Conv2d(c) => {
                OpEntry::Conv2d { stride: c.stride, padding: c.padding, dilation: c.dilation, groups: c.groups }
            }
            LayerOp::Linear(_) => OpEntry::Linear,
            LayerOp::BatchNorm { eps, .. } => OpEntry::BatchNorm { eps: *eps },
            LayerOp::AvgPool(p) => OpEntry::AvgPool(p.clone()),
            LayerOp::Flatten => OpEntry::Flatten,
            LayerOp::Add { with } => OpEntry::Add { with: with.clone() },
            LayerOp::Branch { from } => OpEntry::Branch { from: from.clone() },
            LayerOp::Activation { function, range } => {
                let function = match function {
                    Activation::Relu => FunctionEntry::Relu,
                    Activation::Square => FunctionEntry::Square,
                    Activation::Polynomial(_) => FunctionEntry::Polynomial,
                };
                OpEntry::Activation { function, range: *range }
            }
        };
        layers.push(LayerEntry { name: layer.name.clone(), op });
    }
    let architecture = Architecture {
        checksum: Some(String::new()),
        format: if model.input().preprocessing.is_some() { FORMAT } else { WITHOUT_PREPROCESSING },
        name: model.name().into(),
        input: model.input().clone(),
        classes: model.classes().names().to_vec(),
        threshold: model.classes().threshold(),
        layers,
        accuracy: model.accuracy(),
        provenance: model.provenance().clone(),
        training: None,
    };
    let json =
        serde_json::to_string(&architecture).map_err(|e| Error::malformed("writing a model", e.to_string(), "JSON"))?;
    let wrong = |e: safetensors::SafeTensorError| {
        Error::malformed("writing a model", e.to_string(), "tensors that safetensors accepts")
    };
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(wrong)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let digest = digest(&json, views.iter().map(|(name, view)| (*name, view)));
    // It is the first field.
    let json = json.replacen("\"\"", &format!("\"{digest}\""), 1);
    safetensors::serialize(views, Some(HashMap::from([(KEY.to_string(), json)]))).map_err(wrong)
}

/// The hash of the architecture, without its checksum, and of every tensor: name, type, shape,
/// bytes.
fn digest<'a, 'b: 'a>(json: &str, tensors: impl Iterator<Item = (&'a str, &'a TensorView<'b>)>) -> String {
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_unstable_by_key(|(name, _)| *name);
    let mut hash = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        // With its length, so that nothing moves from one part to the next unnoticed.
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(json.as_bytes());
    for (name, view) in tensors {
        part(name.as_bytes());
        part(format!("{:?} {:?}", view.dtype(), view.shape()).as_bytes());
        part(view.data());
    }
    hash.finalize().to_hex().to_string()
}

/// Refuses a model whose bytes are not those that were written; gives whether it could be checked.
fn check_digest(architecture: &Architecture, json: &str, tensors: &SafeTensors<'_>) -> Result<bool> {
    let views = tensors.tensors();
    let Some(written) = &architecture.checksum else {
        if architecture.format < WITHOUT_PREPROCESSING {
            return Ok(false);
        }
        return Err(Error::malformed("reading a model", "no checksum", "one, from format 3 on; the file is damaged"));
    };
    let found = digest(&json.replacen(written.as_str(), "", 1), views.iter().map(|(name, view)| (name.as_str(), view)));
    if found != *written {
        let expected = "the checksum of its architecture and tensors; the file is damaged";
        return Err(Error::malformed("reading a model", "a wrong checksum", expected));
    }
    Ok(true)
}

/// Reads and checks the bytes of a model's file.
///
/// # Errors
/// As [`load_model`].
pub fn model_from_bytes(bytes: &[u8]) -> Result<Model> {
    let wrong =
        |e: safetensors::SafeTensorError| Error::malformed("reading a model", e.to_string(), "a .safetensors file");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(wrong)?;
    let json = metadata.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or_else(|| {
        Error::malformed(
            "reading a model",
            "no architecture",
            format!("JSON under the metadata key `{KEY}` (docs/model-format.md)"),
        )
    })?;
    let architecture = architecture(json)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(wrong)?;
    if !check_digest(&architecture, json, &tensors)? {
        tracing::info!("model `{}` has no checksum: it was written by hand or by an older release", architecture.name);
    }
    let layers = architecture.layers.into_iter().map(|l| decode_layer(l, &tensors)).collect::<Result<Vec<_>>>()?;
    let used: usize = layers.iter().map(|l| l.op.tensors().len()).sum();
    if used != tensors.len() {
        return Err(Error::malformed(
            "reading a model",
            format!("{} tensors", tensors.len()),
            format!("{used}, those that the layers name"),
        ));
    }
    Model::try_from(ModelLiteral {
        name: architecture.name,
        input: architecture.input,
        classes: architecture.classes,
        threshold: architecture.threshold,
        layers,
        accuracy: architecture.accuracy,
        provenance: architecture.provenance,
    })
}

/// The architecture, whichever version it is written in.
fn architecture(json: &str) -> Result<Architecture> {
    let value: serde_json::Value = serde_json::from_str(json).map_err(bad_json)?;
    let Some(format) = value.get("format").and_then(serde_json::Value::as_u64) else {
        return Err(Error::malformed("reading a model", "no version of the format", "a whole number under `format`"));
    };
    if !(u64::from(OLDEST)..=u64::from(FORMAT)).contains(&format) {
        let found = u32::try_from(format).unwrap_or(u32::MAX);
        return Err(Error::Version { kind: "model".into(), found, oldest: OLDEST, newest: FORMAT });
    }
    let mut read: Architecture = serde_json::from_value(value).map_err(bad_json)?;
    let foreign = if format == 1 { read.provenance != Provenance::default() } else { read.training.is_some() };
    if foreign {
        let found = format!("both or the wrong one of `training` and `provenance` in format {format}");
        return Err(Error::malformed("reading a model", found, "`training` in format 1, `provenance` from 2 on"));
    }
    if read.input.preprocessing.is_some() && read.format < FORMAT {
        let found = format!("preprocessing in format {format}");
        return Err(Error::malformed("reading a model", found, format!("format {FORMAT} with it")));
    }
    if let Some(training) = read.training.take() {
        read.provenance = Provenance::from_version_1(training);
    }
    Ok(read)
}

fn bad_json(e: serde_json::Error) -> Error {
    Error::malformed("reading a model's architecture", e.to_string(), "the JSON of docs/model-format.md")
}

fn decode_layer(entry: LayerEntry, tensors: &SafeTensors<'_>) -> Result<Layer> {
    let name = entry.name;
    let get = |what: &str| tensor(tensors, &format!("{name}.{what}"));
    let maybe = |what: &str| match tensors.tensor(&format!("{name}.{what}")) {
        Ok(_) => get(what).map(Some),
        Err(_) => Ok(None),
    };
    let op = match entry.op {
        OpEntry::Conv2d { stride, padding, dilation, groups } => {
            LayerOp::Conv2d(Conv2d { weight: get("weight")?, bias: maybe("bias")?, stride, padding, dilation, groups })
        }
        OpEntry::Linear => LayerOp::Linear(Linear { weight: get("weight")?, bias: maybe("bias")? }),
        OpEntry::BatchNorm { eps } => {
            LayerOp::BatchNorm { gamma: get("gamma")?, beta: get("beta")?, mean: get("mean")?, var: get("var")?, eps }
        }
        OpEntry::AvgPool(pool) => LayerOp::AvgPool(pool),
        OpEntry::Flatten => LayerOp::Flatten,
        OpEntry::Add { with } => LayerOp::Add { with },
        OpEntry::Branch { from } => LayerOp::Branch { from },
        OpEntry::Activation { function, range } => {
            let function = match function {
                FunctionEntry::Relu => Activation::Relu,
                FunctionEntry::Square => Activation::Square,
                FunctionEntry::Polynomial => {
                    Activation::Polynomial(Polynomial { a: get("a")?, b: get("b")?, c: get("c")? })
                }
            };
            LayerOp::Activation { function, range }
        }
    };
    Ok(Layer { name, op })
}

fn tensor(tensors: &SafeTensors<'_>, name: &str) -> Result<Tensor> {
    let view = tensors.tensor(name).map_err(|_| {
        Error::malformed("reading a model", format!("no tensor `{name}`"), "one for every tensor of every layer")
    })?;
    let data = view.data();
    let numbers = match view.dtype() {
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F64 => data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        other => {
            return Err(Error::malformed(
                "reading a model",
                format!("tensor `{name}` of type {other:?}"),
                "F32 or F64",
            ));
        }
    };
    Tensor::new(view.shape().to_vec(), numbers)
}
