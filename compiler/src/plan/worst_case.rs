//! What a plan makes of the worst of all images that the input allows, found among made-up ones
//! that span them: a promise without samples must hold for every image, not on average over
//! images that look like some data set. Where nothing but the input's own range is promised, images
//! are also steered to where the plan's rounding does most.

use beaa_ir::images::ElementMajor;

use crate::Result;
use crate::network::activations::forward;
use crate::network::bounds::{Bounds, out_of_range};
use crate::network::calibration::{image_count, products};
use crate::network::graph::Graph;
use crate::network::spanning::{allowed, chosen, repeated, spanning_images, steered};
use crate::passes::quantise_weights::{QuantisedWeights, dequantised};
use crate::plan::level_plan::LevelPlan;
use crate::plan::simulate_noise::{Deviation, Prediction, simulate_each};

/// Noise is drawn so many times for each image, so that few outputs do not make it look small.
const REPEATS: usize = 4;
/// How many images there are.
const IMAGES: std::ops::RangeInclusive<usize> = 16..=64;
/// Numbers of all nodes on all images, at most: half a gigabyte.
const MAX_NUMBERS: usize = 1 << 26;
/// Fewest images within the ranges that say anything.
const MIN_WITHIN: usize = 4;
/// How many images are steered, and the products that each step may take.
const STEERED: std::ops::RangeInclusive<usize> = 2..=16;
const MAX_STEERED_PRODUCTS: usize = 1 << 26;
/// Noise is known to this factor without samples.
const NOISE_MARGIN: f64 = 1.5;

/// Images that span all that is promised, and their values.
pub(crate) struct WorstCase<'a> {
    graph: &'a Graph,
    /// Every image once.
    pub(crate) images: ElementMajor<f64>,
    /// The share of the images made up that leave the ranges.
    pub(crate) outside: f64,
    /// Of every node on every image, each repeated.
    activations: Vec<ElementMajor<f64>>,
    /// From where images are steered, if they may be anywhere.
    starts: Option<ElementMajor<f64>>,
    rounding_margin: f64,
}

impl<'a> WorstCase<'a> {
    /// Images of this shape that stay within the `bounds`; none where hardly one does. `anywhere`
    /// says that all images stay within them.
    pub(crate) fn new(
        graph: &'a Graph,
        bounds: &[Bounds],
        shape: [usize; 3],
        anywhere: bool,
        rounding_margin: f64,
    ) -> Result<Option<Self>> {
        let numbers: usize = (0..graph.nodes.len()).map(|id| graph.len(id)).sum();
        let most = (MAX_NUMBERS / (REPEATS * numbers)).clamp(MIN_WITHIN, *IMAGES.end());
        let count = (image_count(graph) / REPEATS).clamp(*IMAGES.start(), *IMAGES.end()).min(most);
        let made_up = spanning_images(allowed(graph), shape, count)?;
        let within: Vec<bool> = out_of_range(bounds, &forward(graph, made_up.clone())).iter().map(|o| !o).collect();
        let inside = within.iter().filter(|w| **w).count();
        let outside = 1.0 - inside as f64 / count as f64;
        if inside < MIN_WITHIN {
            return Ok(None);
        }
        let mut images = chosen(&made_up, &within)?;
        let starts = if anywhere {
            let steerable = (MAX_STEERED_PRODUCTS / products(graph).max(1)).clamp(*STEERED.start(), *STEERED.end());
            let first: Vec<bool> = (0..images.images()).map(|i| i < steerable).collect();
            let starts = chosen(&images, &first)?;
            images = beside(&images, &steered(graph, None, starts.clone()))?;
            Some(starts)
        } else {
            None
        };
        let activations = forward(graph, repeated(&images, REPEATS)?);
        Ok(Some(Self { graph, images, outside, activations, starts, rounding_margin }))
    }

    /// Puts the largest errors of any image in the place of typical ones.
    pub(crate) fn apply(
        &self,
        prediction: &mut Prediction,
        quantised: &QuantisedWeights,
        plan: &LevelPlan,
    ) -> Result<()> {
        let mut worst = simulate_each(self.graph, quantised, plan, &self.activations, REPEATS);
        if let Some(starts) = &self.starts {
            let rounded = dequantised(self.graph, quantised, plan);
            let images = repeated(&steered(self.graph, Some(&rounded), starts.clone()), REPEATS)?;
            let found = simulate_each(self.graph, quantised, plan, &forward(self.graph, images), REPEATS);
            worst.iter_mut().zip(found).for_each(|(w, f)| *w = w.larger(f));
        }
        for (known, mut worst) in prediction.nodes.iter_mut().zip(worst) {
            worst.rounding *= self.rounding_margin;
            *known = known.larger(worst);
        }
        let Deviation { encryption, rounding } = prediction.nodes[self.graph.output];
        prediction.output = (NOISE_MARGIN * encryption).hypot(rounding);
        Ok(())
    }
}

/// The images of both.
fn beside(a: &ElementMajor<f64>, b: &ElementMajor<f64>) -> Result<ElementMajor<f64>> {
    let rows = a.rows().zip(b.rows()).map(|(a, b)| [a, b].concat());
    Ok(ElementMajor::from_rows(a.images() + b.images(), rows)?)
}
