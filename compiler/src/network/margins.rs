//! The images on which it is measured how many keep their class, and how far each is from another:
//! those that the model was not trained on, where there are enough, for it is surer of those that
//! it was trained on.

use beaa_ir::Classes;

use crate::Result;
use crate::cost::report::Agreement;
use crate::network::calibration::evenly_spread;
use crate::network::graph::Graph;
use crate::network::sample_outputs::{SampleOutputs, most_images, outputs_of};
use crate::options::Options;
use crate::plan::confidence::Flips;
use crate::samples::Samples;

/// Most images that agreement is measured on.
const MAX_IMAGES: usize = 1 << 14;
/// Images times products that are looked at whatever is asked for: the more images, the cheaper the
/// programs that they allow.
const MAX_PRODUCTS: usize = 1 << 34;
/// Images of which the simulation may need so many times more than the fewest that could show what
/// is asked for: plans that change a few are cheaper than plans that change none.
const IMAGES_IN_FEWEST: f64 = 4.0;

/// An image, the class that the model gives it, and the distance of that from the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MeasuredImage<'a> {
    pub(crate) image: &'a [f32],
    pub(crate) class: usize,
    pub(crate) margin: f64,
}

/// The images that agreement is measured on; none without samples.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct MeasuredImages<'a> {
    pub(crate) images: Vec<MeasuredImage<'a>>,
    /// How many of them are not among those that the model was trained on.
    pub(crate) held_out: usize,
    /// Images whose outputs are no numbers.
    pub(crate) without_class: usize,
}

impl<'a> MeasuredImages<'a> {
    /// Looks at the images that were held out, and at the samples too where those alone could not
    /// show the agreement that is asked for.
    ///
    /// # Errors
    /// As [`outputs_of`].
    pub(crate) fn new(
        graph: &Graph,
        classes: &Classes,
        samples: Samples<'a>,
        seen: &SampleOutputs<'a>,
        options: &Options,
    ) -> Result<Self> {
        let mut measured = Self::default();
        if let Some(held_out) = samples.held_out {
            let count = most_images(graph, MAX_PRODUCTS).max(fewest(options)).min(MAX_IMAGES);
            let images = evenly_spread(held_out, count);
            let outputs = outputs_of(graph, held_out.elements(), &images)?;
            measured.add(classes, &images, &outputs);
            measured.held_out = measured.images.len();
        }
        let none = Flips::of(measured.images.iter().map(|_| 0.0));
        if measured.images.is_empty() || options.agreement.is_some_and(|share| !none.show(share)) {
            measured.add(classes, &seen.images, &seen.outputs);
        }
        Ok(measured)
    }

    /// What a report says of the images that change their class.
    pub(crate) fn agreement(&self, flips: &Flips) -> Agreement {
        Agreement {
            predicted: flips.agreement(),
            at_least: flips.at_least(),
            held_out: self.held_out,
            samples: self.images.len() - self.held_out,
        }
    }

    fn add(&mut self, classes: &Classes, images: &[&'a [f32]], outputs: &[Vec<f64>]) {
        for (&image, outputs) in images.iter().zip(outputs) {
            match top1_margin(classes, outputs) {
                Some((class, margin)) => self.images.push(MeasuredImage { image, class, margin }),
                None => self.without_class += 1,
            }
        }
    }
}

/// Images that can show the agreement that is asked for, and leave some room.
fn fewest(options: &Options) -> usize {
    let Some(share) = options.agreement else { return 0 };
    (IMAGES_IN_FEWEST / (1.0 - share)).min(MAX_IMAGES as f64) as usize
}

/// The class that the outputs say, and its distance from the next; none if no output is a number.
pub(crate) fn top1_margin(classes: &Classes, outputs: &[f64]) -> Option<(usize, f64)> {
    let class = classes.class(outputs)?;
    Some((class, classes.margin(outputs, class)?))
}
