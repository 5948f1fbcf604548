//! ONNX graphs written by hand, byte by byte: what no exporter writes.

// Each test uses some of these.
#![allow(dead_code)]

/// A field of a protobuf message: a number, or bytes (text, message).
pub(crate) fn number(field: u64, value: i64) -> Vec<u8> {
    [varint(field << 3), varint(value as u64)].concat()
}

pub(crate) fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

pub(crate) fn text(field: u64, content: &str) -> Vec<u8> {
    bytes(field, content.as_bytes())
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

pub(crate) fn value_info(name: &str, dims: &[i64]) -> Vec<u8> {
    typed(name, 1, dims)
}

/// An input or output of an element type of ONNX; extents below 0 are open.
pub(crate) fn typed(name: &str, element: i64, dims: &[i64]) -> Vec<u8> {
    let extent = |d: i64| if d < 0 { text(2, "N") } else { number(1, d) };
    let shape: Vec<u8> = dims.iter().flat_map(|&d| bytes(1, &extent(d))).collect();
    let tensor = [number(1, element), bytes(2, &shape)].concat();
    [text(1, name), bytes(2, &bytes(1, &tensor))].concat()
}

pub(crate) fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|i| text(1, i)).collect();
    let attributes: Vec<u8> = attributes.iter().flat_map(|a| bytes(5, a)).collect();
    [inputs, text(2, output), text(3, &format!("the {operator}")), text(4, operator), attributes].concat()
}

pub(crate) fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|&v| number(8, v)).collect();
    [text(1, name), values].concat()
}

/// A float constant with these extents and as many bytes as `values` has.
pub(crate) fn tensor(name: &str, dims: &[i64], values: &[f32]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&d| number(1, d)).collect();
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    [dims, number(2, 1), text(8, name), bytes(9, &raw)].concat()
}

pub(crate) fn integers(name: &str, values: &[i64]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    [number(1, values.len() as i64), number(2, 7), text(8, name), bytes(9, &raw)].concat()
}

/// A file with an input `x` of these extents and an output `y`.
pub(crate) fn file(image: &[i64], nodes: &[Vec<u8>], constants: &[Vec<u8>]) -> Vec<u8> {
    let ends = [value_info("x", &[&[1], image].concat()), value_info("y", &[1])];
    network("test", ends, &[], nodes, constants)
}

/// A file of an open batch.
pub(crate) fn open_batch(image: &[i64], nodes: &[Vec<u8>], constants: &[Vec<u8>]) -> Vec<u8> {
    let ends = [value_info("x", &[&[-1], image].concat()), value_info("y", &[1])];
    network("test", ends, &[], nodes, constants)
}

/// A file of a producer, with its input, its first output, and further ones.
pub(crate) fn network(
    producer: &str,
    [input, output]: [Vec<u8>; 2],
    more: &[Vec<u8>],
    nodes: &[Vec<u8>],
    constants: &[Vec<u8>],
) -> Vec<u8> {
    let nodes: Vec<u8> = nodes.iter().flat_map(|n| bytes(1, n)).collect();
    let constants: Vec<u8> = constants.iter().flat_map(|c| bytes(5, c)).collect();
    let more: Vec<u8> = more.iter().flat_map(|o| bytes(12, o)).collect();
    let ends = [bytes(11, &input), bytes(12, &output), more].concat();
    [number(1, 8), text(2, producer), bytes(8, &number(2, 17)), bytes(7, &[nodes, constants, ends].concat())].concat()
}
