//! Copies of images in the slots that a batch leaves: a program computes every slot by the same
//! function, so that the same image has the same answer wherever it stands. Answers that were made
//! to read the key differ from slot to slot, as the key does; who makes them does not know which
//! slots must be the same.

use beaa_ckks::SecretRng;
use beaa_ir::images::ImageMajor;

use crate::answers::{Outside, Reason};
use crate::receipt::SentBatch;
use crate::{Error, Result};

/// Two answers for the same image may differ by so many deviations of their difference. Noise is no
/// larger for some images than for others by as much (docs/precision.md).
const TOLERANCE: f64 = 16.0;
/// The answer of an image is taken where no more than this share of its copies differs: of
/// thousands some do, where quadratics make products of a large noise, which have long tails.
const TAILS: f64 = 0.25;
/// More than this share of images with different answers is no accident of single images.
const ACCIDENTS: f64 = 0.01;

/// What copies show.
pub(super) struct Comparison {
    /// Deviation of an output's error, from the differences between images and their copies; none
    /// without copies. Of few images it is mostly the error of these few.
    pub(super) error: Option<f64>,
    /// How answers of the same image lie about each other; none without copies.
    pub(super) scatter: Option<Scatter>,
    /// Images whose answers differ.
    pub(super) disagreeing: Vec<Outside>,
}

/// How far answers of the same image are from each other, images and copies alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scatter {
    /// Deviation of an answer from the mean of those of the same image; with many copies of few
    /// images it is that of the copies.
    pub(super) deviation: f64,
    /// The largest distance of an image's own answer from the mean of its copies.
    pub(super) farthest: f64,
}

impl Scatter {
    /// Of answers of images and of their copies, which are the same but for their errors; none
    /// where no image has a copy.
    fn of<'a>(answers: impl Iterator<Item = (f64, &'a Moments)>) -> Option<Self> {
        let (mut squares, mut freedom, mut farthest) = (0.0, 0_usize, 0.0_f64);
        for (found, copies) in answers.filter(|(_, copies)| copies.count > 0) {
            let distance = found - copies.mean;
            farthest = farthest.max(distance.abs());
            squares += copies.squares + distance.powi(2) * copies.count as f64 / (copies.count + 1) as f64;
            freedom += copies.count;
        }
        (freedom > 0).then(|| Self { deviation: (squares / freedom as f64).sqrt(), farthest })
    }
}

/// Mean and squared distances from it of the copies of one output (Welford 1962).
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: usize,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }
}

/// The image that each of the slots behind `images` of them repeats: all as often as any other, in
/// an order that nobody else knows.
pub(super) fn drawn(images: usize, slots: usize, rng: &mut SecretRng) -> Vec<usize> {
    let mut copies: Vec<usize> = (images..slots).map(|slot| slot % images).collect();
    // Where not every image has a copy, the first ones shall not be those that have.
    let shift = rng.below(images);
    copies.iter_mut().for_each(|c| *c = (*c + shift) % images);
    for last in (1..copies.len()).rev() {
        copies.swap(last, rng.below(last + 1));
    }
    copies
}

/// A batch whose copies are compared.
pub(super) struct Compared<'a> {
    /// Answers, `[slot][output]`.
    pub(super) slots: &'a ImageMajor<f64>,
    pub(super) sent: &'a SentBatch,
    /// Images that are outside of what the program was compiled for.
    pub(super) deviating: Vec<usize>,
    /// Slots whose answers are worth nothing anyway.
    pub(super) excluded: &'a [usize],
}

/// Compares the answers of copies with those of the images. `error` is the deviation of an output's
/// error.
///
/// # Errors
/// [`Error::Forged`] when more images differ than by accident.
pub(super) fn compare(compared: &Compared<'_>, error: f64) -> Result<Comparison> {
    let Compared { slots, sent, deviating, excluded } = compared;
    let mut worthless = vec![false; slots.images()];
    let mut unusual = vec![false; sent.images()];
    deviating.iter().for_each(|&image| unusual[image] = true);
    excluded.iter().for_each(|&slot| worthless[slot] = true);
    let mut copied = vec![0_usize; sent.images()];
    let mut differing = vec![0_usize; sent.images()];
    let mut different: Vec<Option<Outside>> = vec![None; sent.images()];
    let (mut squares, mut count) = (0.0, 0_usize);
    let mut moments = vec![Moments::default(); sent.images() * slots.elements()];
    let allowed = TOLERANCE * std::f64::consts::SQRT_2 * error;
    for (slot, &image) in (sent.images()..).zip(sent.copies()) {
        // What is not shown need not be compared.
        if worthless[image] {
            continue;
        }
        copied[image] += 1;
        let mut same = true;
        for (output, (&found, &copy)) in slots.image(image).iter().zip(slots.image(slot)).enumerate() {
            let difference = (found - copy).abs();
            if difference > allowed || difference.is_nan() || worthless[slot] {
                different[image].get_or_insert(Outside { image, output, found, reason: Reason::Copy });
                same = false;
            } else {
                moments[image * slots.elements() + output].add(copy);
                squares += difference.powi(2);
                count += 1;
            }
        }
        differing[image] += usize::from(!same);
    }
    let is_doubtful = |o: &Outside| differing[o.image] as f64 > TAILS * copied[o.image] as f64;
    let disagreeing: Vec<Outside> = different.into_iter().flatten().filter(is_doubtful).collect();
    let copied = copied.into_iter().filter(|c| *c > 0).count();
    // The network makes more noise of images that it was not compiled for; nobody is to blame.
    let suspicious = disagreeing.iter().filter(|o| !unusual[o.image]).count();
    if suspicious as f64 > 1.0 + ACCIDENTS * copied as f64 {
        return Err(Error::Forged { disagreeing: suspicious, copied });
    }
    // The difference of two errors has twice the variance of one.
    let error = (count > 0).then(|| (squares / (2 * count) as f64).sqrt());
    let shown = slots.rows().take(sent.images()).flatten().copied();
    let scatter = Scatter::of(shown.zip(&moments));
    Ok(Comparison { error, scatter, disagreeing })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|v| moments.add(*v));
        moments
    }

    #[test]
    fn scatter_is_about_the_mean_of_all_answers_of_an_image() {
        // 1, 2, 3 and the image's 6: mean 3, squares 4 + 1 + 0 + 9 with three degrees of freedom.
        let (three, one, none) = (moments(&[1.0, 2.0, 3.0]), moments(&[3.0]), Moments::default());
        let scatter = Scatter::of([(6.0, &three)].into_iter()).unwrap();
        assert!((scatter.deviation - (14.0_f64 / 3.0).sqrt()).abs() < 1e-12 && (scatter.farthest - 4.0).abs() < 1e-12);
        // Of an image with a single copy half the square of their difference; one without says
        // nothing.
        let scatter = Scatter::of([(6.0, &three), (100.0, &none), (1.0, &one)].into_iter()).unwrap();
        assert!((scatter.deviation - 2.0).abs() < 1e-12 && (scatter.farthest - 4.0).abs() < 1e-12);
        assert_eq!(Scatter::of([(100.0, &none)].into_iter()), None);
    }
}
