//! The two ends of a graph: what an image is in its input, and which of its outputs are the scores.

use std::collections::HashSet;

use super::constant::type_name;
use super::layout::{Layout, MapAxis};
use super::producer::Producer;
use super::proto::{DimensionProto, GraphProto, READING, TypeProto, ValueInfoProto};
use crate::error::{Error, Result};
use crate::options::check_image_size;

const EXPECTED: &str = "float32 `[batch, channels, rows, columns]`, `[batch, rows, columns, channels]`, \
     `[batch, channels, length]` or `[batch, features]`";

/// What an image is, and how the input reads it.
#[derive(Debug)]
pub(crate) struct ImageInput {
    /// `[channels, rows, columns]`.
    pub(crate) shape: [usize; 3],
    pub(crate) layout: Layout,
    /// The size of the batch, if the file fixes it.
    pub(crate) batch: Option<i64>,
    /// What its user should know, if the axes have another order than in the model.
    pub(crate) note: Option<String>,
}

/// Reads the input's type; `stated` is the shape of an image that the user gives.
pub(crate) fn image_input(
    graph: &GraphProto,
    input: &ValueInfoProto,
    stated: Option<[usize; 3]>,
    producer: Producer,
) -> Result<ImageInput> {
    let wrong = |found: String, remedy: &'static str| {
        Error::malformed(READING, format!("the input `{}` of {found}", input.name), EXPECTED, remedy)
    };
    let (dims, batch) =
        extents(input.r#type.as_ref(), stated, producer).map_err(|(found, remedy)| wrong(found, remedy))?;
    check_image_size(READING, &format!("an input of {}", shown(&dims)), &dims)?;
    let last = channels_last(graph, &input.name, &dims, stated, producer);
    let (shape, orientation) = match (dims.as_slice(), last) {
        (&[c, h, w], false) => ([c, h, w], None),
        (&[h, w, c], true) => ([c, h, w], Some(vec![MapAxis::Rows, MapAxis::Columns, MapAxis::Channels])),
        (&[c, length], false) => ([c, 1, length], None),
        (&[length, c], true) => ([c, 1, length], Some(vec![MapAxis::Columns, MapAxis::Channels])),
        (&[features], _) => match stated {
            Some(shape) if product(shape) == Some(features) => (shape, None),
            Some(shape) => return Err(another_shape(&dims, shape)),
            None => {
                return Err(Error::malformed(
                    READING,
                    format!("an input of {features} numbers"),
                    "the shape of an image",
                    "say what it is made of, as channels x rows x columns: --shape 1x28x28 for pictures, \
                     --shape 30x1x1 for rows of 30 columns",
                ));
            }
        },
        _ => return Err(wrong(format!("{} extents", dims.len() + 1), "export with an example image")),
    };
    let all: Vec<usize> = std::iter::once(1).chain(dims.iter().copied()).collect();
    // A signal of channels x length may be meant as a picture of as many numbers.
    let shape = match stated {
        Some(s)
            if s != shape && dims.len() == 2 && product(s) == product(shape) && (shape[0] == 1 || s[0] == shape[0]) =>
        {
            s
        }
        _ => shape,
    };
    if let Some(stated) = stated.filter(|&s| s != shape) {
        return Err(another_shape(&dims, stated));
    }
    let layout = match &orientation {
        Some(axes) => {
            let axes: Vec<Option<MapAxis>> = std::iter::once(None).chain(axes.iter().map(|&a| Some(a))).collect();
            let oriented = Layout::oriented(&axes, Some(0), shape);
            // One channel lies the same either way.
            if oriented.is_in_order() { Layout::in_order(all, Some(0)) } else { oriented }
        }
        None => Layout::in_order(all, Some(0)),
    };
    let [c, h, w] = shape;
    let note = (!layout.is_in_order()).then(|| {
        format!(
            "the network takes {} (channels last), the model {c} x {h} x {w} (channels first), as pictures are read",
            shown(&dims)
        )
    });
    Ok(ImageInput { shape, layout, batch, note })
}

fn another_shape(dims: &[usize], stated: [usize; 3]) -> Error {
    Error::malformed(
        READING,
        format!("an input of {} for images of {}", shown(dims), shown(&stated)),
        "as many numbers as an image has, channels first or last",
        "give the shape that the network was trained with, as channels x rows x columns",
    )
}

fn product(shape: [usize; 3]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d))
}

/// `8 x 8 x 1`.
fn shown(dims: &[usize]) -> String {
    dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}

/// Whether an input of these extents has its channels last: as the user says; else as the first
/// operators on it say, which bring them to the front or take them to be there; else as their
/// number says, or the exporter's library has them.
fn channels_last(
    graph: &GraphProto,
    input: &str,
    dims: &[usize],
    stated: Option<[usize; 3]>,
    producer: Producer,
) -> bool {
    let picture = |n: usize| matches!(n, 1 | 3);
    match (dims, stated) {
        (&[a, b, c], Some(shape)) => shape != [a, b, c] && shape == [c, a, b],
        (&[a, b], Some([c, h, w])) => (c, h * w) != (a, b) && (c, h * w) == (b, a),
        (&[_], _) => false,
        (dims, None) => match (read_as(graph, input), dims) {
            (Some(last), _) => last,
            (None, &[a, _, c]) if picture(a) && !picture(c) => false,
            (None, &[a, b, c]) if picture(c) && !picture(a) && a.min(b) > c => true,
            (None, _) => producer == Producer::Keras,
        },
        _ => false,
    }
}

/// What the operators that read the input first take its order of axes to be, behind those that
/// treat all elements alike.
fn read_as(graph: &GraphProto, input: &str) -> Option<bool> {
    let mut names = HashSet::from([input]);
    for node in &graph.node {
        if !node.input.iter().any(|i| names.contains(i.as_str())) {
            continue;
        }
        match node.op_type.as_str() {
            "Transpose" => {
                let perm = node.attribute.iter().find(|a| a.name == "perm").map(|a| a.ints.as_slice());
                return matches!(perm, Some([0, 3, 1, 2] | [0, 2, 1])).then_some(true);
            }
            "Conv" | "ConvTranspose" | "AveragePool" | "GlobalAveragePool" | "MaxPool" | "BatchNormalization"
            | "DepthToSpace" | "SpaceToDepth" => return Some(false),
            "Identity" | "Cast" | "Add" | "Sub" | "Mul" | "Div" | "Neg" | "Pow" | "Relu" | "Dropout" => {
                names.extend(node.output.iter().map(String::as_str));
            }
            _ => {}
        }
    }
    None
}

type Wrong = (String, &'static str);

/// The extents of the input but the first, which is the batch: that one may be open. Those that are
/// open beside it are as the user states the image.
fn extents(
    r#type: Option<&TypeProto>,
    stated: Option<[usize; 3]>,
    producer: Producer,
) -> std::result::Result<(Vec<usize>, Option<i64>), Wrong> {
    let Some(tensor) = r#type.and_then(|t| t.tensor_type.as_ref()) else {
        return Err(("no tensor type".into(), "export the network again"));
    };
    if !matches!(tensor.elem_type, 1 | 10 | 11 | 16) {
        return Err((type_name(tensor.elem_type), producer.single_precision()));
    }
    let Some((first, rest)) = tensor.shape.as_ref().and_then(|s| s.dim.split_first()) else {
        return Err(("unknown shape".into(), "export with an example image"));
    };
    let known =
        |d: &DimensionProto| d.dim_value.and_then(|v| usize::try_from(v).ok()).filter(|v| (1..=1 << 24).contains(v));
    let dims: Vec<Option<usize>> = rest.iter().map(known).collect();
    let batch = first.dim_value.filter(|&b| b > 0);
    match (dims.iter().copied().collect::<Option<Vec<_>>>(), stated) {
        (Some(dims), _) if matches!(dims.len(), 1..=3) => Ok((dims, batch)),
        (Some(dims), _) => Err((format!("{} extents", dims.len() + 1), "export with an example image")),
        (None, Some(shape)) => match open(&dims, shape) {
            Some(dims) => Ok((dims, batch)),
            None => {
                Err(("open extents".into(), "give the shape of an image that fits to the known ones (--shape CxHxW)"))
            }
        },
        (None, None) => {
            Err(("open extents".into(), "let no extent but the batch be dynamic in the export, or give --shape CxHxW"))
        }
    }
}

/// The extents of an image of `shape`, channels first or last, where what is known of them fits.
fn open(dims: &[Option<usize>], [c, h, w]: [usize; 3]) -> Option<Vec<usize>> {
    let fits = |all: &[usize]| all.len() == dims.len() && dims.iter().zip(all).all(|(d, &a)| d.is_none_or(|d| d == a));
    [vec![c, h, w], vec![h, w, c], vec![c, h * w], vec![h * w, c]].into_iter().find(|all| fits(all))
}

/// The output that holds the scores: the one that is named, or the only one that is made of
/// floating-point numbers.
pub(crate) fn scores_output<'a>(graph: &'a GraphProto, stated: Option<&str>) -> Result<&'a str> {
    let wrong =
        |found: String, expected: &str, remedy: &'static str| Error::malformed(READING, found, expected, remedy);
    let names = |list: &[&ValueInfoProto]| list.iter().map(|o| format!("`{}`", o.name)).collect::<Vec<_>>().join(", ");
    let all: Vec<&ValueInfoProto> = graph.output.iter().collect();
    if let Some(name) = stated {
        return match all.iter().find(|o| o.name == name) {
            Some(output) => Ok(&output.name),
            None => Err(wrong(format!("no output `{name}`"), &names(&all), "name one of these with --output")),
        };
    }
    // Labels are whole numbers or texts; scores with the names of classes are no tensor.
    let number = |o: &&&ValueInfoProto| {
        let tensor = o.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        tensor.is_none_or(|t| matches!(t.elem_type, 0 | 1 | 10 | 11 | 16))
    };
    let numbers: Vec<&ValueInfoProto> = all.iter().filter(number).copied().collect();
    match (all.as_slice(), numbers.as_slice()) {
        ([one], _) | (_, [one]) => Ok(&one.name),
        ([], _) => Err(wrong("no output".into(), "the scores of an image", "export the network again")),
        _ => Err(wrong(
            format!("{} outputs: {}", all.len(), names(&all)),
            "one, the scores of an image",
            "say which with --output NAME",
        )),
    }
}
