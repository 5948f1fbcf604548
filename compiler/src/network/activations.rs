//! Values of a graph for a sample of images, all at once, and how its outputs depend on them. What
//! the noise model knows of magnitudes and of which errors go together comes from here; bounds do
//! not.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::network::graph::{Graph, NodeId, Op, Term};
use crate::network::matrix::Matrix;

/// `[element][image]`, one row for each element.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values {
    images: usize,
    data: Vec<f64>,
}

impl Values {
    pub(crate) fn zeros(len: usize, images: usize) -> Self {
        Self { images, data: vec![0.0; len * images] }
    }

    /// From images of `len` numbers.
    pub(crate) fn from_images(len: usize, images: &[&[f32]]) -> Self {
        let mut values = Self::zeros(len, images.len());
        for (s, image) in images.iter().enumerate() {
            assert_eq!(image.len(), len, "numbers of image {s}");
            for (j, &v) in image.iter().enumerate() {
                values.data[j * images.len() + s] = f64::from(v);
            }
        }
        values
    }

    /// The same number for every image.
    pub(crate) fn constant(rows: &[f64], images: usize) -> Self {
        Self { images, data: rows.iter().flat_map(|&v| std::iter::repeat_n(v, images)).collect() }
    }

    pub(crate) fn images(&self) -> usize {
        self.images
    }

    pub(crate) fn len(&self) -> usize {
        self.data.len() / self.images.max(1)
    }

    pub(crate) fn row(&self, j: usize) -> &[f64] {
        &self.data[j * self.images..(j + 1) * self.images]
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.data.chunks(self.images.max(1))
    }

    pub(crate) fn all(&self) -> &[f64] {
        &self.data
    }

    pub(crate) fn all_mut(&mut self) -> &mut [f64] {
        &mut self.data
    }

    /// Mean of an element over the images.
    pub(crate) fn mean(&self, j: usize) -> f64 {
        self.row(j).iter().sum::<f64>() / self.images.max(1) as f64
    }

    /// Each element without its mean.
    pub(crate) fn centred(&self) -> Self {
        let mut out = self.clone();
        for j in 0..self.len() {
            let mean = self.mean(j);
            out.data[j * self.images..(j + 1) * self.images].iter_mut().for_each(|v| *v -= mean);
        }
        out
    }

    /// Adds `factor` times row `from` of `x` to row `to`.
    fn add(&mut self, to: usize, factor: f64, x: &Self, from: usize) {
        let into = &mut self.data[to * self.images..(to + 1) * self.images];
        into.iter_mut().zip(x.row(from)).for_each(|(o, v)| *o += factor * v);
    }

    /// Adds the product of a matrix, given row by row, with `x`.
    pub(crate) fn add_product<I: Iterator<Item = (usize, f64)>>(&mut self, row: impl Fn(usize) -> I, x: &Self) {
        for r in 0..self.len() {
            for (c, w) in row(r) {
                self.add(r, w, x, c);
            }
        }
    }

    /// Adds the product of a transposed matrix with `x`, which has as many rows as the matrix.
    fn add_transposed(&mut self, matrix: &Matrix, x: &Self) {
        for r in 0..matrix.rows() {
            for (c, w) in matrix.row(r) {
                self.add(c, w, x, r);
            }
        }
    }
}

/// The values of every node.
pub(crate) fn forward(graph: &Graph, input: Values) -> Vec<Values> {
    assert_eq!(input.len(), graph.len(0), "elements of the input");
    let images = input.images();
    let mut all: Vec<Values> = Vec::with_capacity(graph.nodes.len());
    let mut input = Some(input);
    for node in &graph.nodes {
        let value = match &node.op {
            Op::Input(_) => input.take().unwrap_or_else(|| unreachable!("a second input")),
            Op::Affine { terms, bias } => affine(terms, bias, &all, images),
            Op::Quadratic { input, a, b, c } => {
                let mut out = all[*input].clone();
                for (j, row) in out.all_mut().chunks_mut(images.max(1)).enumerate() {
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
pub(crate) fn means(activations: &[Values]) -> Vec<Vec<f64>> {
    activations.iter().map(|values| (0..values.len()).map(|j| values.mean(j)).collect()).collect()
}

fn affine(terms: &[Term], bias: &[f64], before: &[Values], images: usize) -> Values {
    let mut out = Values::constant(bias, images);
    for term in terms {
        out.add_product(|r| term.weights.row(r), &before[term.input]);
    }
    out
}

pub(crate) fn squared(x: &Values) -> Values {
    let mut out = x.clone();
    out.all_mut().iter_mut().for_each(|x| *x *= *x);
    out
}

/// Backwards through the graph, from a random sign at every output of every image: the row of an
/// element holds, for each image, by how much the signed sum of the outputs changes with it. The
/// mean of its square, divided by the number of outputs, is the mean square of what a unit of that
/// element becomes at an output, paths that meet again included.
pub(crate) fn sensitivities(graph: &Graph, activations: &[Values], seed: u64) -> Vec<Values> {
    let images = activations[0].images();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut all: Vec<Values> = activations.iter().map(|t| Values::zeros(t.len(), images)).collect();
    all[graph.output].all_mut().iter_mut().for_each(|v| *v = if rng.random::<bool>() { 1.0 } else { -1.0 });
    for id in (1..=graph.output).rev() {
        let slopes = std::mem::replace(&mut all[id], Values::zeros(0, images));
        match &graph.nodes[id].op {
            Op::Affine { terms, .. } => terms.iter().for_each(|t| all[t.input].add_transposed(&t.weights, &slopes)),
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

fn accumulate(all: &mut [Values], input: NodeId, slopes: &Values, x: &Values, slope: impl Fn(usize, f64) -> f64) {
    let images = x.images().max(1);
    let rows = all[input].all_mut().chunks_mut(images).zip(slopes.rows()).zip(x.rows());
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
            let borrowed: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
            let traces = forward(&graph, Values::from_images(graph.len(0), &borrowed));
            for (s, image) in images.iter().enumerate() {
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
            let borrowed: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
            let input = Values::from_images(graph.len(0), &borrowed);
            let traces = forward(&graph, input.clone());
            let slopes = sensitivities(&graph, &traces, seed);
            let step = 1e-6;
            let direction = |j: usize| if (j * 7 + 3) % 5 < 2 { step } else { -step };
            let shifted = |sign: f64| {
                let mut moved = input.clone();
                moved
                    .all_mut()
                    .chunks_mut(2)
                    .enumerate()
                    .for_each(|(j, r)| r.iter_mut().for_each(|v| *v += sign * direction(j)));
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
