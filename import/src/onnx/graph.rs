//! The graph of an ONNX file as the import needs it: the nodes that the output depends on, in
//! order, every name computed once and before it is read, so that there is no cycle.

use std::collections::{HashMap, HashSet};

use super::ends::{image_input, scores_output};
use super::layout::Layout;
use super::producer::Producer;
use super::proto::{GraphProto, ModelProto, NodeProto, READING, TensorProto};
use crate::error::{Error, Result};
use crate::options::Options;

/// Operator sets older than this have other rules of broadcasting.
const MIN_OPSET: i64 = 7;

/// A checked graph.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    /// The nodes that the output depends on, each after those that it reads.
    pub(crate) nodes: Vec<&'a NodeProto>,
    pub(crate) constants: HashMap<&'a str, &'a TensorProto>,
    pub(crate) input: &'a str,
    /// `[channels, rows, columns]`.
    pub(crate) image: [usize; 3],
    /// How the input reads the image.
    pub(crate) layout: Layout,
    /// What its user should know of the order of its axes.
    pub(crate) note: Option<String>,
    pub(crate) output: &'a str,
    /// How often each name is read, the graph's output counting as one reading.
    pub(crate) uses: HashMap<&'a str, usize>,
    /// Version of the operators.
    pub(crate) opset: i64,
    /// The size of the batch, if the file fixes it.
    pub(crate) batch: Option<i64>,
}

impl<'a> Graph<'a> {
    /// Checks what does not depend on any operator.
    pub(crate) fn of(file: &'a ModelProto, options: &Options, producer: Producer) -> Result<Self> {
        let wrong =
            |found: String, expected: &str, remedy: &'static str| Error::malformed(READING, found, expected, remedy);
        let Some(graph) = file.graph.as_ref() else {
            let remedy = "check that the file is the right one and was copied whole";
            return Err(wrong("no graph".into(), "a network", remedy));
        };
        let opset = file.opset_import.iter().find(|o| is_standard(&o.domain)).map_or(1, |o| o.version);
        if opset < MIN_OPSET {
            let expected = format!("{MIN_OPSET} or later");
            return Err(wrong(format!("operator set {opset}"), &expected, producer.later_operators()));
        }
        if !graph.sparse_initializer.is_empty() {
            return Err(wrong("sparse constants".into(), "dense ones", "make the weights dense before the export"));
        }
        let constants: HashMap<&str, &TensorProto> = graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
        // Old files list the constants among the inputs.
        let inputs: Vec<_> = graph.input.iter().filter(|i| !constants.contains_key(i.name.as_str())).collect();
        let [input] = inputs.as_slice() else {
            let names = inputs.iter().map(|i| format!("`{}`", i.name)).collect::<Vec<_>>().join(", ");
            let found = format!("{} inputs: {names}", inputs.len());
            return Err(wrong(found, "one, an image", producer.one_input()));
        };
        let output = scores_output(graph, options.output.as_deref())?;
        let image = image_input(graph, input, options.shape, producer)?;
        let nodes = needed(graph, &constants, &input.name, output)?;
        let mut uses: HashMap<&str, usize> = HashMap::from([(output, 1)]);
        for name in nodes.iter().flat_map(|n| &n.input) {
            *uses.entry(name).or_default() += 1;
        }
        let input = input.name.as_str();
        Ok(Self {
            nodes,
            constants,
            input,
            image: image.shape,
            layout: image.layout,
            note: image.note,
            output,
            uses,
            opset,
            batch: image.batch,
        })
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
