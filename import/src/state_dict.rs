//! PyTorch state dictionaries: the tensors of a `.safetensors` file under PyTorch's names, put into
//! the order that a JSON architecture gives. A tensor that the architecture does not name is a
//! problem, and so is one that is missing.

use std::collections::HashSet;
use std::path::Path;

use beaa_base::input;
use beaa_base::text::read_text;
use beaa_ir::{
    Activation, Conv2d, InputSpec, Layer, LayerOp, Linear, Model, ModelLiteral, Polynomial, Pool2d, Provenance, Range,
    Tensor,
};
use safetensors::tensor::{Dtype, SafeTensors};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Checked, Defect, Error, Problem, Result, defect};
use crate::options::{Imported, Options, check_image_size, per_channel, score_note, score_threshold};

const READING: &str = "reading a state dictionary";
const ARCHITECTURE: &str = "reading an architecture";
/// No network that can be encrypted comes near.
const MAX_BYTES: u64 = 1 << 33;
/// PyTorch's count of training steps, which inference does not need.
const COUNTER: &str = ".num_batches_tracked";

/// Imports the tensors of the `.safetensors` file `weights` as the network that the JSON file
/// `architecture` describes (docs/import.md).
///
/// # Errors
/// [`Error::File`] if a file cannot be read or is malformed, [`Error::Unsupported`] with every
/// layer that has no counterpart and every tensor that is missing or belongs to no layer,
/// [`Error::Model`] if the model contradicts itself.
pub fn import_state_dict(weights: &Path, architecture: &Path, options: &Options) -> Result<Imported> {
    let text = read_text(ARCHITECTURE, architecture).map_err(beaa_ir::Error::from).map_err(Error::File)?;
    let bytes = input::read(READING, weights, MAX_BYTES).map_err(beaa_ir::Error::from).map_err(Error::File)?;
    import(&bytes, &text, options).map_err(|error| match error {
        Error::File(beaa_ir::Error::Malformed { operation, found, expected, remedy }) => {
            let path = if operation == ARCHITECTURE { architecture } else { weights };
            Error::malformed(operation, format!("{found} in {}", path.display()), expected, remedy)
        }
        other => other,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Architecture {
    #[serde(default = "one")]
    format: u32,
    name: String,
    input: Input,
    #[serde(default)]
    classes: Vec<String>,
    layers: Vec<serde_json::Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    shape: [usize; 3],
    mean: Option<Vec<f32>>,
    std: Option<Vec<f32>>,
}

fn one() -> u32 {
    1
}

/// A size for rows and columns alike, or one for each.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Pair {
    Both(usize),
    Each([usize; 2]),
}

impl Pair {
    fn get(self) -> [usize; 2] {
        match self {
            Self::Both(n) => [n; 2],
            Self::Each(pair) => pair,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConvSettings {
    stride: Option<Pair>,
    padding: Option<Pair>,
    dilation: Option<Pair>,
    groups: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NormSettings {
    eps: Option<f32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolSettings {
    kernel: Pair,
    stride: Option<Pair>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddSettings {
    with: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BranchSettings {
    from: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivationSettings {
    function: Function,
    range: Option<Range>,
    a: Option<f32>,
    b: Option<f32>,
    c: Option<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Function {
    Relu,
    Square,
    Polynomial,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoSettings {}

fn import(bytes: &[u8], text: &str, options: &Options) -> Result<Imported> {
    let json = |e: serde_json::Error| {
        Error::malformed(ARCHITECTURE, e.to_string(), "the JSON of docs/import.md", "correct the file")
    };
    let architecture: Architecture = beaa_base::json::parse(text).map_err(json)?;
    if architecture.format != 1 {
        let found = format!("format {}", architecture.format);
        return Err(Error::malformed(ARCHITECTURE, found, "format 1", "use beaa of a newer release"));
    }
    let shape = architecture.input.shape;
    check_image_size(ARCHITECTURE, &format!("an input of shape {shape:?}"), &shape)?;
    if let Some(other) = options.shape.filter(|s| *s != shape) {
        let found = format!("images of {other:?} asked for");
        return Err(Error::malformed(ARCHITECTURE, found, format!("{shape:?}"), "leave --shape out"));
    }
    if let Some(output) = &options.output {
        let found = format!("an output `{output}` to choose");
        return Err(Error::malformed(ARCHITECTURE, found, "an ONNX file", "leave --output out: the last layer counts"));
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| {
        let remedy = "save the state dictionary with safetensors.torch.save_file(model.state_dict(), path)";
        Error::malformed(READING, e.to_string(), "a .safetensors file", remedy)
    })?;
    let name = options.name.clone().unwrap_or(architecture.name);
    let mut store = Store { tensors: &tensors, used: HashSet::new(), problems: Vec::new() };
    let layers = layers(architecture.layers, &mut store);
    store.surplus();
    let (Some(layers), true) = (layers, store.problems.is_empty()) else {
        return Err(Error::Unsupported { network: name, problems: store.problems });
    };
    let of = |stated: &Option<Vec<f32>>, file: Option<Vec<f32>>, default| {
        per_channel(stated.as_deref().or(file.as_deref()), default, shape[0])
    };
    let input = InputSpec::pixels(
        shape,
        of(&options.mean, architecture.input.mean, 0.0),
        of(&options.std, architecture.input.std, 1.0),
    );
    let literal = ModelLiteral {
        name,
        input: InputSpec { preprocessing: options.preprocessing.clone(), ..input },
        classes: options.classes.clone().unwrap_or(architecture.classes),
        threshold: None,
        layers,
        accuracy: None,
        provenance: Provenance {
            record: serde_json::json!({"imported": {"format": "state_dict"}}),
            ..Provenance::default()
        },
    };
    let model = Model::try_from(literal)?;
    let threshold = score_threshold(options, model.outputs())?;
    let notes = match model.outputs() {
        1 => vec![score_note(threshold.unwrap_or(0.0), !model.classes().names().is_empty())],
        _ => Vec::new(),
    };
    let model = Model::try_from(ModelLiteral { threshold, ..model.into_literal() })?;
    Ok(Imported { model, notes })
}

/// What a layer without a known type should say.
const TYPES: &str = "use conv2d, linear, batch_norm, avg_pool, flatten, add, branch or activation; dropout is left out";

/// All layers; nothing if one of them has a defect, which is then among the problems.
fn layers(entries: Vec<serde_json::Map<String, Value>>, store: &mut Store<'_>) -> Option<Vec<Layer>> {
    let mut layers = Vec::with_capacity(entries.len());
    let count = entries.len();
    for (index, mut entry) in entries.into_iter().enumerate() {
        let mut take = |key: &str| match entry.remove(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let name = take("name").unwrap_or_else(|| format!("layer {index}"));
        let kind = take("type");
        let prefix = take("tensors").unwrap_or_else(|| name.clone());
        let Some(kind) = kind else {
            let (found, remedy) = ("no text as `type`".to_owned(), TYPES.to_owned());
            store.problems.push(Problem { name, kind: "layer".to_owned(), found, remedy });
            continue;
        };
        match operation(&kind, Value::Object(entry), &prefix, store) {
            Ok(Some(op)) => layers.push(Layer { name, op }),
            Ok(None) => {}
            Err(e) => store.problems.push(Problem { name, kind, found: e.found, remedy: e.remedy }),
        }
    }
    (layers.len() == count).then_some(layers)
}

/// The operation of one layer; nothing if tensors are missing, which are then among the problems.
fn operation(kind: &str, settings: Value, prefix: &str, store: &mut Store<'_>) -> Checked<Option<LayerOp>> {
    let mut get = |what: &str| store.get(&format!("{prefix}.{what}"), true);
    Ok(Some(match kind {
        "conv2d" => {
            let s: ConvSettings = read(settings)?;
            let Some(weight) = get("weight")? else { return Ok(None) };
            let bias = store.get(&format!("{prefix}.bias"), false)?;
            let or = |pair: Option<Pair>, default| pair.unwrap_or(Pair::Both(default)).get();
            LayerOp::Conv2d(Conv2d {
                weight,
                bias,
                stride: or(s.stride, 1),
                padding: or(s.padding, 0),
                dilation: or(s.dilation, 1),
                groups: s.groups.unwrap_or(1),
            })
        }
        "linear" => {
            let NoSettings {} = read(settings)?;
            let Some(weight) = get("weight")? else { return Ok(None) };
            LayerOp::Linear(Linear { weight, bias: store.get(&format!("{prefix}.bias"), false)? })
        }
        "batch_norm" => {
            let s: NormSettings = read(settings)?;
            let all = [get("weight")?, get("bias")?, get("running_mean")?, get("running_var")?];
            let [Some(gamma), Some(beta), Some(mean), Some(var)] = all else { return Ok(None) };
            // PyTorch's default.
            LayerOp::BatchNorm { gamma, beta, mean, var, eps: s.eps.unwrap_or(1e-5) }
        }
        "avg_pool" => {
            let s: PoolSettings = read(settings)?;
            LayerOp::AvgPool(Pool2d { kernel: s.kernel.get(), stride: s.stride.unwrap_or(s.kernel).get() })
        }
        "flatten" => {
            let NoSettings {} = read(settings)?;
            LayerOp::Flatten
        }
        "add" => LayerOp::Add { with: read::<AddSettings>(settings)?.with },
        "branch" => LayerOp::Branch { from: read::<BranchSettings>(settings)?.from },
        "activation" => {
            let s: ActivationSettings = read(settings)?;
            let mut coefficient = |number: Option<f32>, what: &str| match number {
                Some(number) => Ok(Some(Tensor::scalar(number)?)),
                None => match get(what)? {
                    Some(tensor) => coarse(tensor).map(Some),
                    None => Ok(None),
                },
            };
            let function = match s.function {
                Function::Relu => Activation::Relu,
                Function::Square => Activation::Square,
                Function::Polynomial => {
                    let all = [coefficient(s.a, "a")?, coefficient(s.b, "b")?, coefficient(s.c, "c")?];
                    let [Some(a), Some(b), Some(c)] = all else { return Ok(None) };
                    Activation::Polynomial(Polynomial { a, b, c })
                }
            };
            LayerOp::Activation { function, range: s.range }
        }
        _ => {
            return defect("a layer type that has no counterpart", TYPES);
        }
    }))
}

fn read<T: DeserializeOwned>(settings: Value) -> Checked<T> {
    serde_json::from_value(settings).or_else(|e| defect(e.to_string(), "correct the layer's settings (docs/import.md)"))
}

/// Coefficients in the extents of the model format: without the batch's extent of 1, a single
/// number without any.
fn coarse(tensor: Tensor) -> Checked<Tensor> {
    let dims = match tensor.shape() {
        _ if tensor.data().len() == 1 => Vec::new(),
        [1, rest @ ..] if matches!(rest.len(), 1 | 3) => rest.to_vec(),
        _ => return Ok(tensor),
    };
    Ok(Tensor::new(dims, tensor.data().to_vec())?)
}

/// The tensors of the file, and what is wrong with those that were asked for.
struct Store<'a> {
    tensors: &'a SafeTensors<'a>,
    used: HashSet<String>,
    problems: Vec<Problem>,
}

impl Store<'_> {
    fn get(&mut self, name: &str, required: bool) -> Checked<Option<Tensor>> {
        let Ok(view) = self.tensors.tensor(name) else {
            if required {
                self.problem(name, "is missing", "check the layer's name, or name its module with `tensors`");
            }
            return Ok(None);
        };
        self.used.insert(name.to_owned());
        let data = view.data();
        let numbers = match view.dtype() {
            Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F64 => data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            other => {
                self.problem(name, &format!("holds numbers of type {other:?}"), "save `model.float().state_dict()`");
                return Ok(None);
            }
        };
        match Tensor::new(view.shape().to_vec(), numbers) {
            Ok(tensor) => Ok(Some(tensor)),
            Err(e) => {
                let Defect { found, remedy } = Defect::from(e);
                self.problem(name, &found, &remedy);
                Ok(None)
            }
        }
    }

    fn problem(&mut self, name: &str, found: &str, remedy: &str) {
        let [name, kind] = [name, "tensor"].map(str::to_owned);
        self.problems.push(Problem { name, kind, found: found.to_owned(), remedy: remedy.to_owned() });
    }

    /// Notes every tensor that no layer has asked for.
    fn surplus(&mut self) {
        let mut names: Vec<String> = self.tensors.names().into_iter().map(|n| n.to_string()).collect();
        names.retain(|n| !self.used.contains(n) && !n.ends_with(COUNTER));
        names.sort();
        for name in names {
            self.problem(
                &name,
                "belongs to no layer",
                "add its layer to the architecture, or leave it out of the file",
            );
        }
    }
}
