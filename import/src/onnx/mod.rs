//! ONNX files: reading, checking the graph before any layer is built, and lowering node by node. A
//! hostile file is refused without a panic or an allocation out of proportion.

mod answer;
mod attributes;
mod behind_scores;
mod budget;
mod concat;
mod constant;
mod context;
mod contract;
mod convolution;
mod dense;
mod elementwise;
mod ends;
mod fold;
mod graph;
mod layout;
mod lower;
mod names;
mod network;
mod passing;
mod producer;
mod proto;
mod quadratic;
mod rearrange;
mod reduce;
mod resize;
mod shaping;
mod sklearn;
mod spread_out;
mod unsupported;
mod window;

use std::path::Path;

use beaa_base::input::read;
use beaa_ir::{InputSpec, Model, ModelLiteral, Provenance};
use prost::Message;
use prost::bytes::Bytes;

use constant::External;
use graph::Graph;
use lower::lower;
use producer::Producer;
use proto::READING;

use crate::error::{Error, Result};
use crate::options::{Imported, Options, per_channel, score_note, score_threshold};

/// What a protobuf message can hold.
const MAX_BYTES: u64 = 1 << 31;

/// Imports the ONNX file at `path`. Weights in files beside it are found; the model is called after
/// the file unless `options` say otherwise.
///
/// # Errors
/// [`Error::File`] if a file cannot be read or is no ONNX graph of one image and its scores,
/// [`Error::Unsupported`] with every node that has no counterpart in a model, [`Error::Model`] if
/// the model contradicts itself.
pub fn import_onnx(path: &Path, options: &Options) -> Result<Imported> {
    let length = std::fs::metadata(path).map_err(Error::io(READING, path))?.len();
    if length > MAX_BYTES {
        let remedy = "keep the weights in a file beside it: export with external_data=True";
        return Err(Error::malformed(READING, format!("{length} bytes"), "at most 2^31", remedy));
    }
    let bytes = read(READING, path, MAX_BYTES).map_err(beaa_ir::Error::from).map_err(Error::File)?;
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
    let options = Options { name: options.name.clone().or(stem), ..options.clone() };
    import(bytes.into(), External::new(path.parent()), &options)
}

/// Imports an ONNX file that is in memory; all weights must be in it.
///
/// # Errors
/// Those of [`import_onnx`].
pub fn import_onnx_bytes(bytes: &[u8], options: &Options) -> Result<Imported> {
    import(Bytes::copy_from_slice(bytes), External::default(), options)
}

fn import(bytes: Bytes, mut external: External, options: &Options) -> Result<Imported> {
    let copied = "check that the file is the right one and was copied whole";
    let file = proto::ModelProto::decode(bytes)
        .map_err(|e| Error::malformed(READING, e.to_string(), "a protobuf message of ONNX", copied))?;
    let producer = Producer::of(&file.producer_name);
    let graph = Graph::of(&file, options, producer)?;
    let name = options.name.clone().unwrap_or_else(|| "network".to_owned());
    let lowered = lower(&graph, producer, &mut external)
        .map_err(|problems| Error::Unsupported { network: name.clone(), problems })?;
    let [channels, ..] = graph.image;
    let input = InputSpec::pixels(
        graph.image,
        per_channel(options.mean.as_deref(), 0.0, channels),
        per_channel(options.std.as_deref(), 1.0, channels),
    );
    let input = InputSpec { preprocessing: options.preprocessing.clone(), ..input };
    let (mut notes, head) = (lowered.notes, lowered.head);
    let threshold = match (score_threshold(options, lowered.outputs)?, &head) {
        (Some(stated), _) => Some(stated),
        (None, Some(head)) if lowered.outputs == 1 => Some(head.threshold),
        _ => None,
    };
    let classes = options.classes.clone().or(head.map(|h| h.names)).unwrap_or_default();
    if lowered.outputs == 1 {
        notes.push(score_note(threshold.unwrap_or(0.0), !classes.is_empty()));
    }
    let literal = ModelLiteral {
        name,
        input,
        classes,
        threshold,
        layers: lowered.layers,
        accuracy: None,
        provenance: Provenance {
            record: serde_json::json!({
                "imported": {"format": "onnx", "producer": format!("{} {}", file.producer_name, file.producer_version)},
            }),
            ..Provenance::default()
        },
    };
    Ok(Imported { model: Model::try_from(literal)?, notes })
}
