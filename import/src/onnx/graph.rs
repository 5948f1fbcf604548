//! The graph of an ONNX file as the import needs it: the nodes that the output depends on, in
//! order, every name computed once and before it is read, so that there is no cycle.

use std::collections::{HashMap, HashSet};

use super::constant::type_name;
use super::proto::{GraphProto, ModelProto, NodeProto, TensorProto, TypeProto};
use crate::error::{Error, Result};

/// What is being done when an error occurs.
pub(crate) const READING: &str = "reading an ONNX file";

/// Operator sets older than this have other rules of broadcasting.
const MIN_OPSET: i64 = 7;

/// A checked graph.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    /// The nodes that the output depends on, each after those that it reads.
    pub(crate) nodes: Vec<&'a NodeProto>,
    pub(crate) constants: HashMap<&'a str, &'a TensorProto>,
    pub(crate) input: &'a str,
    /// Whether the input is `[batch, features]`, not `[batch, channels, rows, columns]`.
    pub(crate) flat: bool,
    /// `[channels, rows, columns]`.
    pub(crate) image: [usize; 3],
    pub(crate) output: &'a str,
    /// How often each name is read, the graph's output counting as one reading.
    pub(crate) uses: HashMap<&'a str, usize>,
    /// Version of the operators.
    pub(crate) opset: i64,
    /// The size of the batch, if the file fixes it.
    pub(crate) batch: Option<i64>,
}

impl<'a> Graph<'a> {
    /// Checks what does not depend on any operator. `shape` is that of an image, for networks that
    /// take a vector.
    pub(crate) fn of(file: &'a ModelProto, shape: Option<[usize; 3]>) -> Result<Self> {
        let wrong =
            |found: String, expected: &str, remedy: &'static str| Error::malformed(READING, found, expected, remedy);
        let Some(graph) = file.graph.as_ref() else {
            let remedy = "check that the file is the right one and was copied whole";
            return Err(wrong("no graph".into(), "a network", remedy));
        };
        let opset = file.opset_import.iter().find(|o| is_standard(&o.domain)).map_or(1, |o| o.version);
        if opset < MIN_OPSET {
            let expected = format!("{MIN_OPSET} or later");
            return Err(wrong(format!("operator set {opset}"), &expected, "export with a later opset_version"));
        }
        if !graph.sparse_initializer.is_empty() {
            return Err(wrong("sparse constants".into(), "dense ones", "make the weights dense before the export"));
        }
        let constants: HashMap<&str, &TensorProto> = graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
        // Old files list the constants among the inputs.
        let inputs: Vec<_> = graph.input.iter().filter(|i| !constants.contains_key(i.name.as_str())).collect();
        let ([input], [output]) = (inputs.as_slice(), graph.output.as_slice()) else {
            return Err(wrong(
                format!("{} inputs and {} outputs", inputs.len(), graph.output.len()),
                "one of each: an image and its scores",
                "export a module whose forward takes and returns one tensor",
            ));
        };
        let (dims, batch) = extents(input.r#type.as_ref()).map_err(|(found, expected, remedy)| {
            wrong(format!("the input `{}` of {found}", input.name), expected, remedy)
        })?;
        let (image, flat) = image(&dims, shape).map_err(|(found, expected, remedy)| wrong(found, expected, remedy))?;
        let nodes = needed(graph, &constants, &input.name, &output.name)?;
        let mut uses: HashMap<&str, usize> = HashMap::from([(output.name.as_str(), 1)]);
        for name in nodes.iter().flat_map(|n| &n.input) {
            *uses.entry(name).or_default() += 1;
        }
        let (input, output) = (input.name.as_str(), output.name.as_str());
        Ok(Self { nodes, constants, input, flat, image, output, uses, opset, batch })
    }

    /// How often `name` is read.
    pub(crate) fn uses(&self, name: &str) -> usize {
        self.uses.get(name).copied().unwrap_or(0)
    }
}

/// Whether operators of this domain are ONNX's own.
pub(crate) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

type Wrong = (String, &'static str, &'static str);

/// The extents of the input but the first, which is the batch: that one may be open.
fn extents(r#type: Option<&TypeProto>) -> std::result::Result<(Vec<usize>, Option<i64>), Wrong> {
    let expected = "float32 `[batch, channels, rows, columns]` or `[batch, features]`";
    let Some(tensor) = r#type.and_then(|t| t.tensor_type.as_ref()) else {
        return Err(("no tensor type".into(), expected, "export the network again"));
    };
    if !matches!(tensor.elem_type, 1 | 11) {
        return Err((type_name(tensor.elem_type), expected, "export in float32, with the normalisation left out"));
    }
    let Some((first, rest)) = tensor.shape.as_ref().and_then(|s| s.dim.split_first()) else {
        return Err(("unknown shape".into(), expected, "export with an example image"));
    };
    let known = |d: &super::proto::DimensionProto| {
        d.dim_value.and_then(|v| usize::try_from(v).ok()).filter(|v| (1..=1 << 24).contains(v))
    };
    match rest.iter().map(known).collect::<Option<Vec<_>>>() {
        Some(dims) if matches!(dims.len(), 1 | 3) => Ok((dims, first.dim_value.filter(|&b| b > 0))),
        Some(dims) => Err((format!("{} extents", dims.len() + 1), expected, "export with an example image")),
        None => Err(("open extents".into(), expected, "let no extent but the batch be dynamic in the export")),
    }
}

/// The image's shape, and whether the network takes it as a vector.
fn image(dims: &[usize], stated: Option<[usize; 3]>) -> std::result::Result<([usize; 3], bool), Wrong> {
    let elements = |s: [usize; 3]| s.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    if dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)).is_none_or(|n| n > 1 << 24) {
        let remedy = "use smaller images: each of their elements becomes a ciphertext";
        return Err((format!("an input of {dims:?}"), "at most 2^24 elements", remedy));
    }
    match (dims, stated) {
        (&[c, h, w], None) => Ok(([c, h, w], false)),
        (&[c, h, w], Some(shape)) if shape == [c, h, w] => Ok((shape, false)),
        (&[features], Some(shape)) if elements(shape) == Some(features) => Ok((shape, true)),
        (&[features], None) => Err((
            format!("an input of {features} numbers"),
            "the shape of an image",
            "say what it is made of, as channels x rows x columns (--shape 1x28x28)",
        )),
        (dims, stated) => Err((
            format!("an input of {dims:?} for images of {stated:?}"),
            "as many numbers as an image has",
            "give the shape that the network was trained with",
        )),
    }
}

/// The nodes that `output` depends on. ONNX demands that they come in order; that also rules out
/// cycles.
fn needed<'a>(
    graph: &'a GraphProto,
    constants: &HashMap<&str, &TensorProto>,
    input: &str,
    output: &str,
) -> Result<Vec<&'a NodeProto>> {
    let again = "export the network again";
    let mut known: HashSet<&str> = constants.keys().copied().collect();
    known.insert(input);
    // Left-out optional inputs have no name.
    known.insert("");
    for node in &graph.node {
        if let Some(missing) = node.input.iter().find(|i| !known.contains(i.as_str())) {
            let found = format!("node `{}` ({}) reading `{missing}`", node.name, node.op_type);
            return Err(Error::malformed(READING, found, "names that an earlier node computes", again));
        }
        for name in node.output.iter().filter(|o| !o.is_empty()) {
            if !known.insert(name) {
                let found = format!("`{name}` computed twice");
                return Err(Error::malformed(READING, found, "every name computed once", again));
            }
        }
    }
    if !known.contains(output) || output.is_empty() {
        let found = format!("an output `{output}` that nothing computes");
        return Err(Error::malformed(READING, found, "the result of a node", again));
    }
    let mut wanted = HashSet::from([output]);
    let mut nodes: Vec<&NodeProto> = Vec::new();
    for node in graph.node.iter().rev() {
        if node.output.iter().any(|o| wanted.contains(o.as_str())) {
            wanted.extend(node.input.iter().map(String::as_str));
            nodes.push(node);
        }
    }
    nodes.reverse();
    Ok(nodes)
}
