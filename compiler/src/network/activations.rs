//! Values of a graph for a sample of images, all at once, and how its outputs depend on them. What
//! the noise model knows of magnitudes and of which errors go together comes from here; bounds do
//! not.

use beaa_ir::images::ElementMajor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::network::graph::{Graph, NodeId, Op, Term};
use crate::network::matrix::Matrix;

/// Repeats each number for every image.
pub(crate) fn constant(numbers: &[f64], images: usize) -> ElementMajor<f64> {
    let mut values = ElementMajor::filled(numbers.len(), images, 0.0);
    values.rows_mut().zip(numbers).for_each(|(row, &v)| row.fill(v));
    values
}

/// The mean of one element over the images.
fn mean(row: &[f64]) -> f64 {
    row.iter().sum::<f64>() / row.len().max(1) as f64
}

/// Takes its mean from each element.
pub(crate) fn centred(values: &ElementMajor<f64>) -> ElementMajor<f64> {
    let mut out = values.clone();
    for row in out.rows_mut() {
        let mean = mean(row);
        row.iter_mut().for_each(|v| *v -= mean);
    }
    out
}

/// Adds `factor` times `x` to `out`, image by image.
fn add_scaled(out: &mut [f64], factor: f64, x: &[f64]) {
    out.iter_mut().zip(x).for_each(|(o, v)| *o += factor * v);
}

/// Adds the product of a matrix, given row by row, with `x` to `out`.
pub(crate) fn add_product<I: Iterator<Item = (usize, f64)>>(
    out: &mut ElementMajor<f64>,
    row: impl Fn(usize) -> I,
    x: &ElementMajor<f64>,
) {
    for (r, out) in out.rows_mut().enumerate() {
        row(r).for_each(|(c, w)| add_scaled(out, w, x.element(c)));
    }
}

/// Adds the product of a transposed matrix with `x`, which has as many rows as the matrix, to
/// `out`.
fn add_transposed(out: &mut ElementMajor<f64>, matrix: &Matrix, x: &ElementMajor<f64>) {
    for r in 0..matrix.rows() {
        matrix.row(r).for_each(|(c, w)| add_scaled(out.element_mut(c), w, x.element(r)));
    }
}

/// The values of every node.
pub(crate) fn forward(graph: &Graph, input: ElementMajor<f64>) -> Vec<ElementMajor<f64>> {
    assert_eq!(input.elements(), graph.len(0), "elements of the input");
    let images = input.images();
    let mut all: Vec<ElementMajor<f64>> = Vec::with_capacity(graph.nodes.len());
    let mut input = Some(input);
    for node in &graph.nodes {
        let value = match &node.op {
            Op::Input(_) => input.take().unwrap_or_else(|| unreachable!("a second input")),
            Op::Affine { terms, bias } => affine(terms, bias, &all, images),
            Op::Quadratic { input, a, b, c } => {
                let mut out = all[*input].clone();
                for (j, row) in out.rows_mut().enumerate() {
                    row.iter_mut().for_each(|x| *x = (a[j] * *x + b[j]) * *x + c[j]);
                }
                out
            }
            Op::Square { input, .. } => squared(&all[*input]),
        };
        all.push(value);
    }
    all
}

/// The mean of every element of every node, [node][element].
pub(crate) fn means(activations: &[ElementMajor<f64>]) -> Vec<Vec<f64>> {
    activations.iter().map(|values| values.rows().map(mean).collect()).collect()
}

fn affine(terms: &[Term], bias: &[f64], before: &[ElementMajor<f64>], images: usize) -> ElementMajor<f64> {
    let mut out = constant(bias, images);
    for term in terms {
        add_product(&mut out, |r| term.weights.row(r), &before[term.input]);
    }
    out
}

pub(crate) fn squared(x: &ElementMajor<f64>) -> ElementMajor<f64> {
    x.map(|x| x * x)
}

/// Backwards through the graph, from a random sign at every output of every image: the row of an
/// element holds, for each image, by how much the signed sum of the outputs changes with it. The
/// mean of its square, divided by the number of outputs, is the mean square of what a unit of that
/// element becomes at an output, paths that meet again included.
pub(crate) fn sensitivities(graph: &Graph, activations: &[ElementMajor<f64>], seed: u64) -> Vec<ElementMajor<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    backwards(graph, activations, activations[graph.output].map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 }))
}

/// Backwards through the graph: by how much the sum of the outputs, each times what `outputs` holds
/// for it, changes with every element of every node, image by image.
pub(crate) fn backwards(
    graph: &Graph,
    activations: &[ElementMajor<f64>],
    outputs: ElementMajor<f64>,
) -> Vec<ElementMajor<f64>> {
    let images = activations[0].images();
    let mut all: Vec<ElementMajor<f64>> =
        activations.iter().map(|t| ElementMajor::filled(t.elements(), images, 0.0)).collect();
    all[graph.output] = outputs;
    for id in (1..=graph.output).rev() {
        let slopes = std::mem::replace(&mut all[id], ElementMajor::filled(0, images, 0.0));
        match &graph.nodes[id].op {
            Op::Affine { terms, .. } => {
                terms.iter().for_each(|t| add_transposed(&mut all[t.input], &t.weights, &slopes))
            }
            Op::Square { input, .. } => accumulate(&mut all, *input, &slopes, &activations[*input], |_, x| 2.0 * x),
            Op::Quadratic { input, a, b, .. } => {
                accumulate(&mut all, *input, &slopes, &activations[*input], |j, x| 2.0 * a[j] * x + b[j]);
            }
            Op::Input(_) => {}
        }
        all[id] = slopes;
    }
    all
}

fn accumulate(
    all: &mut [ElementMajor<f64>],
    input: NodeId,
    slopes: &ElementMajor<f64>,
    x: &ElementMajor<f64>,
    slope: impl Fn(usize, f64) -> f64,
) {
    let rows = all[input].rows_mut().zip(slopes.rows()).zip(x.rows());
    for (j, ((into, slopes), x)) in rows.enumerate() {
        into.iter_mut().zip(slopes).zip(x).for_each(|((i, g), &x)| *i += slope(j, x) * g);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::graph::evaluate;
    use crate::pipeline::graph_after;
    use crate::testing::{close, images, random_model};

    #[test]
    fn all_images_at_once_are_each_image_by_itself() {
        for seed in 0..30 {
            let model = random_model(seed);
            let graph = graph_after("import", &model);
            let images = images(&model, seed, 3);
            let traces = forward(&graph, images.map(|&v| f64::from(v)).to_element_major());
            for (s, image) in images.rows().enumerate() {
                let wide: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
                for (found, expected) in traces.iter().zip(evaluate(&graph, &wide)) {
                    let found: Vec<f64> = found.rows().map(|r| r[s]).collect();
                    close(&found, &expected, 1e-9, seed);
                }
            }
        }
    }

    /// The slope along a random direction of every node is the difference quotient.
    #[test]
    fn slopes_are_difference_quotients() {
        for seed in 0..30 {
            let model = random_model(seed);
            let graph = graph_after("import", &model);
            let images = images(&model, seed, 2);
            let input = images.map(|&v| f64::from(v)).to_element_major();
            let traces = forward(&graph, input.clone());
            let slopes = sensitivities(&graph, &traces, seed);
            let step = 1e-6;
            let direction = |j: usize| if (j * 7 + 3) % 5 < 2 { step } else { -step };
            let shifted = |sign: f64| {
                let mut moved = input.clone();
                moved.rows_mut().enumerate().for_each(|(j, r)| r.iter_mut().for_each(|v| *v += sign * direction(j)));
                forward(&graph, moved).swap_remove(graph.output)
            };
            let (up, down) = (shifted(1.0), shifted(-1.0));
            for s in 0..2 {
                let signs = slopes[graph.output].rows().map(|r| r[s]);
                let change: f64 =
                    up.rows().zip(down.rows()).zip(signs).map(|((u, d), g)| g * (u[s] - d[s]) / 2.0).sum();
                let slope: f64 = slopes[0].rows().enumerate().map(|(j, r)| r[s] * direction(j)).sum();
                let scale: f64 = slopes[0].rows().map(|r| r[s].abs() * step).sum();
                assert!((change - slope).abs() <= 1e-3 * scale + 1e-9, "seed {seed}: {change} against {slope}");
            }
        }
    }
}
