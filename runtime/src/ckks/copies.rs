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
    /// Deviation of an output's error; none without copies.
    pub(super) error: Option<f64>,
    /// Images whose answers differ.
    pub(super) disagreeing: Vec<Outside>,
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
    Ok(Comparison { error, disagreeing })
}
