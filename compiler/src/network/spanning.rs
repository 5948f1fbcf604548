//! Made-up images that span all that the input allows, for a promise that needs no samples: flat
//! ones from darkest to lightest, noise of every amplitude, corners of what is allowed, smooth
//! pictures and stripes, and images that were steered to make something large.

use beaa_ir::images::{ElementMajor, ImageMajor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Result;
use crate::network::activations::{backwards, forward};
use crate::network::calibration::{smooth, standardise};
use crate::network::graph::{Graph, Interval, Op};

/// Kinds of images, which take turns.
const KINDS: usize = 8;
/// Steps of steering: each goes to the corner that the last one's slopes point at.
const STEPS: usize = 3;

/// What each element of the input may be.
pub(crate) fn allowed(graph: &Graph) -> &[Interval] {
    let Op::Input(intervals) = &graph.nodes[0].op else { unreachable!("node 0 is not the input") };
    intervals
}

/// `count` images over all that is `allowed`, of shape `[channels, height, width]`.
///
/// # Errors
/// [`Error::Program`](crate::Error::Program) where the shape has another number of elements.
pub(crate) fn spanning_images(allowed: &[Interval], shape: [usize; 3], count: usize) -> Result<ElementMajor<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(0x5EED_0F5A);
    let images = (0..count).map(|k| {
        let levels = levels(k, shape, &mut rng);
        let value = |(i, t): (&Interval, f64)| i.lo + t.clamp(0.0, 1.0) * (i.hi - i.lo);
        allowed.iter().zip(levels).map(value).collect::<Vec<f64>>()
    });
    Ok(ImageMajor::from_rows(allowed.len(), images)?.to_element_major())
}

/// One image as levels from 0, the least that is allowed, to 1, the most.
fn levels(k: usize, [channels, height, width]: [usize; 3], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let (plane, turn) = (height * width, k / KINDS);
    let per_channel = |value: &mut dyn FnMut(&mut ChaCha8Rng) -> f64, rng: &mut ChaCha8Rng| {
        (0..channels).flat_map(|_| std::iter::repeat_n(value(rng), plane)).collect()
    };
    match k % KINDS {
        // Flat: the darkest, the lightest, the middle, and then any.
        0 => vec![[1.0, 0.0, 0.5, 0.25, 0.75].get(turn).copied().unwrap_or_else(|| rng.random()); channels * plane],
        1 => per_channel(&mut |rng| f64::from(u8::from(rng.random::<bool>())), rng),
        2 => {
            // Noise: first over everything, then of any amplitude around any level.
            let (level, amplitude) = if turn == 0 { (0.5, 1.0) } else { (rng.random(), rng.random::<f64>()) };
            (0..channels * plane).map(|_| level + amplitude * (rng.random::<f64>() - 0.5)).collect()
        }
        3 => {
            let share = [0.5, 0.1, 0.9][turn % 3];
            (0..channels * plane).map(|_| f64::from(u8::from(rng.random_bool(share)))).collect()
        }
        4 | 5 => {
            let radius = [0.1, 0.3, 0.05][turn % 3] * height.max(width) as f64;
            let contrast = if k % KINDS == 5 { 1e9 } else { [0.5, 0.25][turn % 2] };
            (0..channels).flat_map(|_| picture(height, width, radius.round() as usize, contrast, rng)).collect()
        }
        6 => {
            let (down, right) = (rng.random_range(1..=height.min(4)), rng.random_range(1..=width.min(4)));
            let stripe = |i: usize| f64::from(u8::from(((i / width / down) + (i % width / right)).is_multiple_of(2)));
            (0..channels).flat_map(|_| (0..plane).map(stripe)).collect()
        }
        _ => {
            let ground = f64::from(u8::from(turn % 2 == 1));
            let spot = |rng: &mut ChaCha8Rng| if rng.random_bool(0.03) { 1.0 - ground } else { ground };
            (0..channels * plane).map(|_| spot(rng)).collect()
        }
    }
}

/// A smooth plane around the middle; its deviation is `contrast`.
fn picture(height: usize, width: usize, radius: usize, contrast: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut noise: Vec<f32> = (0..height * width).map(|_| rng.random_range(-1.0..1.0)).collect();
    smooth(&mut noise, height, width, radius);
    standardise(&mut noise);
    noise.into_iter().map(|v| 0.5 + contrast * f64::from(v)).collect()
}

/// Images steered from `images` to where the squares of some outputs are largest: those of `graph`,
/// or, where `rounded` is the same network with other weights, their differences.
pub(crate) fn steered(graph: &Graph, rounded: Option<&Graph>, images: ElementMajor<f64>) -> ElementMajor<f64> {
    let allowed = allowed(graph);
    let mut at = images;
    for _ in 0..STEPS {
        let exact = forward(graph, at.clone());
        let mut outputs = exact[graph.output].clone();
        let slopes = match rounded {
            None => backwards(graph, &exact, outputs).swap_remove(0),
            Some(rounded) => {
                let found = forward(rounded, at.clone());
                let pairs = outputs.data_mut().iter_mut().zip(found[rounded.output].data());
                pairs.for_each(|(e, f)| *e = f - *e);
                let mut slopes = backwards(rounded, &found, outputs.clone()).swap_remove(0);
                let less = backwards(graph, &exact, outputs).swap_remove(0);
                slopes.data_mut().iter_mut().zip(less.data()).for_each(|(s, l)| *s -= l);
                slopes
            }
        };
        for ((row, slopes), allowed) in at.rows_mut().zip(slopes.rows()).zip(allowed) {
            // Where nothing depends on an element, it stays.
            row.iter_mut().zip(slopes).filter(|(_, s)| **s != 0.0).for_each(|(v, s)| {
                *v = if *s > 0.0 { allowed.hi } else { allowed.lo };
            });
        }
    }
    at
}

/// The images that `keep` marks.
pub(crate) fn chosen(images: &ElementMajor<f64>, keep: &[bool]) -> Result<ElementMajor<f64>> {
    assert_eq!(images.images(), keep.len(), "images and marks");
    let count = keep.iter().filter(|k| **k).count();
    let of = |row: &[f64]| row.iter().zip(keep).filter(|(_, k)| **k).map(|(v, _)| *v).collect::<Vec<f64>>();
    Ok(ElementMajor::from_rows(count, images.rows().map(of))?)
}

/// Every image `times` times, one after the other.
pub(crate) fn repeated(images: &ElementMajor<f64>, times: usize) -> Result<ElementMajor<f64>> {
    let of = |row: &[f64]| row.iter().flat_map(|&v| std::iter::repeat_n(v, times)).collect::<Vec<f64>>();
    Ok(ElementMajor::from_rows(images.images() * times, images.rows().map(of))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::graph_after;
    use crate::testing::random_model;

    #[test]
    fn images_span_all_that_is_allowed_and_never_leave_it() {
        for seed in 0..10 {
            let model = random_model(seed);
            let graph = graph_after("import", &model);
            let values = spanning_images(allowed(&graph), model.input().shape, 40).unwrap();
            for (row, i) in values.rows().zip(allowed(&graph)) {
                let (lo, hi) = row.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
                assert_eq!((lo, hi), (i.lo, i.hi), "seed {seed}");
            }
        }
    }

    #[test]
    fn steered_images_have_larger_outputs_than_any_others() {
        let (mut larger, mut all) = (0, 0);
        for seed in 0..30 {
            let model = random_model(seed);
            let graph = graph_after("fold_affine", &model);
            let images = spanning_images(allowed(&graph), model.input().shape, 16).unwrap();
            let largest = |images| {
                let mut values = forward(&graph, images);
                let outputs = values.swap_remove(graph.output);
                outputs.to_image_major().rows().map(|r| r.iter().map(|v| v * v).sum::<f64>()).fold(0.0, f64::max)
            };
            all += 1;
            larger += usize::from(largest(steered(&graph, None, images.clone())) >= largest(images));
        }
        assert!(larger * 10 >= all * 9, "{larger} of {all}");
    }

    #[test]
    fn images_are_chosen_and_repeated_in_order() {
        let images = ElementMajor::new(2, 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!(chosen(&images, &[true, false, true]).unwrap().data(), [1.0, 3.0, 4.0, 6.0]);
        assert_eq!(repeated(&images, 2).unwrap().element(1), [4.0, 4.0, 5.0, 5.0, 6.0, 6.0]);
    }
}
