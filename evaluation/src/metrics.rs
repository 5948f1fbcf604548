//! Figures about logits and the classes that they say: accuracy and what stands behind it,
//! agreement, distance. Pure functions of numbers.

use beaa_ir::Classes;
use beaa_ir::images::ImageMajor;
use serde::Serialize;

/// How well images are classified, and what of that the share of the largest class explains.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Classification {
    /// Images, at least one.
    pub images: usize,
    /// Images classified as labelled.
    pub right: usize,
    /// `right / images`, 0..1.
    pub accuracy: f64,
    /// Mean recall of the classes that have images, 0..1.
    pub balanced_accuracy: f64,
    /// The class with the most images, the first of equals.
    pub majority_class: String,
    /// Its images over all, 0..1: the accuracy of always answering it.
    pub majority_share: f64,
    /// Area under the receiver operating characteristic, 0..1, ties counted half. With two classes
    /// only; none where one of them has no image, or a logit is no number.
    pub auc: Option<f64>,
    /// Images without a class: none of their logits is a number.
    pub without_class: usize,
    /// Class by class.
    pub classes: Vec<ClassFigures>,
    /// `[label][answer]`: how many images of a class were answered which.
    pub confusion: Vec<Vec<usize>>,
}

/// One class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassFigures {
    /// Its name, or its number.
    pub name: String,
    /// Images of it.
    pub images: usize,
    /// Those of them that are classified as it.
    pub right: usize,
    /// `right / images`, 0..1; none without images.
    pub recall: Option<f64>,
}

impl Classification {
    /// Whether more images are right than are of the largest class.
    pub fn beats_majority(&self) -> bool {
        self.classes.iter().all(|c| c.images < self.right)
    }
}

/// Judges the logits of images by their labels, classes of `classes`, one for each image. None
/// without images.
pub fn classification<T: Copy + Into<f64>>(
    classes: &Classes,
    logits: &ImageMajor<T>,
    labels: &[usize],
) -> Option<Classification> {
    judge(classes, &classes.of(logits), &scores(classes, logits), labels)
}

/// Judges answers as [`classification`] does, where they are not simply those of the logits at
/// hand: `scores` are what they were, for the AUC of two classes.
pub fn judge(classes: &Classes, answers: &[Option<usize>], scores: &[f64], labels: &[usize]) -> Option<Classification> {
    assert_eq!(answers.len(), labels.len(), "answers and labels");
    let count = classes.count();
    let mut confusion = vec![vec![0; count]; count];
    let mut images = vec![0; count];
    let mut without_class = 0;
    for (answer, &label) in answers.iter().zip(labels) {
        assert!(label < count, "label {label} of {count} classes");
        images[label] += 1;
        match answer {
            Some(answer) => confusion[label][*answer] += 1,
            None => without_class += 1,
        }
    }
    let by_class: Vec<ClassFigures> = (0..count)
        .map(|c| {
            let right = confusion[c][c];
            ClassFigures { name: classes.word(c), images: images[c], right, recall: fraction(right, images[c]) }
        })
        .collect();
    let right: usize = by_class.iter().map(|c| c.right).sum();
    let recalls: Vec<f64> = by_class.iter().filter_map(|c| c.recall).collect();
    let majority = by_class.iter().rev().max_by_key(|c| c.images)?;
    Some(Classification {
        images: labels.len(),
        right,
        accuracy: fraction(right, labels.len())?,
        balanced_accuracy: beaa_ir::stats::mean(&recalls)?,
        majority_class: majority.name.clone(),
        majority_share: fraction(majority.images, labels.len())?,
        auc: if count == 2 { auc(scores, labels) } else { None },
        without_class,
        classes: by_class,
        confusion,
    })
}

/// How much each image's logits speak for class 1 of two: the only output, or the difference. Of
/// more classes, nothing that means anything.
pub fn scores<T: Copy + Into<f64>>(classes: &Classes, logits: &ImageMajor<T>) -> Vec<f64> {
    let score = |row: &[T]| match classes.outputs() {
        1 => row[0].into(),
        _ => row[1].into() - row[0].into(),
    };
    logits.rows().map(score).collect()
}

/// The probability that an image of class 1 has a larger score than one of class 0, ties counted
/// half. None if either class has no image, or a score is no number.
pub fn auc(scores: &[f64], labels: &[usize]) -> Option<f64> {
    assert_eq!(scores.len(), labels.len(), "scores and labels");
    if scores.iter().any(|s| s.is_nan()) {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut below, mut halves, mut positives) = (0_u64, 0_u64, 0_u64);
    // -0 and 0 are equal scores, though not in the total order; they are neighbours in it.
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let positive = tied.iter().filter(|&&i| labels[i] == 1).count() as u64;
        let negative = tied.len() as u64 - positive;
        halves += positive * (2 * below + negative);
        below += negative;
        positives += positive;
    }
    (positives > 0 && below > 0).then(|| halves as f64 / (2 * positives * below) as f64)
}

/// The fraction of images classified as labelled, 0..1; none without images. There is one label for
/// each prediction.
pub fn accuracy<L: Copy + Into<usize>>(predictions: &[Option<usize>], labels: &[L]) -> Option<f64> {
    assert_eq!(predictions.len(), labels.len(), "predictions and labels");
    let right = predictions.iter().zip(labels).filter(|(p, l)| **p == Some((**l).into())).count();
    fraction(right, labels.len())
}

/// The number of images on which both predict the same class. Both predict for the same images.
pub fn agreeing(a: &[Option<usize>], b: &[Option<usize>]) -> usize {
    assert_eq!(a.len(), b.len(), "predictions of either side");
    a.iter().zip(b).filter(|(a, b)| a.is_some() && a == b).count()
}

/// The largest absolute difference of two sets of logits; NaN if any of them is not a number.
pub fn largest_difference<R, S, A, B>(a: impl IntoIterator<Item = R>, b: impl IntoIterator<Item = S>) -> f64
where
    R: AsRef<[A]>,
    S: AsRef<[B]>,
    A: Copy + Into<f64>,
    B: Copy + Into<f64>,
{
    let mut largest = 0.0_f64;
    for (a, b) in a.into_iter().zip(b) {
        for (&a, &b) in a.as_ref().iter().zip(b.as_ref()) {
            let difference = (a.into() - b.into()).abs();
            // Once it is no number it stays so.
            largest = if difference.is_nan() || largest.is_nan() { f64::NAN } else { largest.max(difference) };
        }
    }
    largest
}

/// `part / whole`; none of nothing.
pub fn fraction(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// `98.93 %`, or that there was nothing to measure on.
pub fn percent(fraction: Option<f64>) -> String {
    fraction.map_or_else(|| "no images".to_owned(), |f| format!("{:.2} %", 100.0 * f))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Classes {
        Classes::new(vec!["healthy".into(), "ill".into()], 2, None).unwrap()
    }

    #[test]
    fn figures_of_a_small_example() {
        let predicted = [Some(1), Some(0), Some(1)];
        assert_eq!(accuracy(&predicted, &[1_u8, 0, 0]), Some(2.0 / 3.0));
        assert_eq!(accuracy::<usize>(&[], &[]), None);
        assert_eq!(agreeing(&predicted, &[Some(1); 3]), 2);
        assert_eq!((percent(Some(0.98934)), percent(None)), ("98.93 %".into(), "no images".into()));
    }

    #[test]
    fn what_the_largest_class_explains_is_not_counted_twice() {
        // Seven healthy, one ill, all called healthy; the ill one has the largest score but one.
        let differences = [-5.0, -4.0, -3.0, -2.5, -2.0, -1.0, -0.25, -0.5];
        let logits = ImageMajor::from_rows(2, differences.map(|d| [0.0, d])).unwrap();
        let c = classification(&two(), &logits, &[0, 0, 0, 0, 0, 0, 0, 1]).unwrap();
        assert_eq!((c.images, c.right, c.accuracy, c.majority_share), (8, 7, 0.875, 0.875));
        assert_eq!((c.balanced_accuracy, c.beats_majority(), c.majority_class.as_str()), (0.5, false, "healthy"));
        assert_eq!(c.auc, Some(6.0 / 7.0));
        assert_eq!((c.classes[1].images, c.classes[1].recall), (1, Some(0.0)));
        assert_eq!(c.confusion, [vec![7, 0], vec![1, 0]]);
    }

    #[test]
    fn a_score_is_judged_by_its_threshold_and_its_order_by_itself() {
        let score = Classes::new(vec![], 1, Some(10.0)).unwrap();
        let logits = ImageMajor::new(4, 1, vec![1.0, 2.0, 3.0, 11.0]).unwrap();
        let c = classification(&score, &logits, &[0, 1, 0, 1]).unwrap();
        assert_eq!((c.right, c.auc, c.confusion), (3, Some(0.75), vec![vec![2, 0], vec![1, 1]]));
        assert_eq!(c.classes[1].name, "1");
    }

    #[test]
    fn classes_without_images_and_images_without_a_class() {
        let three = Classes::new(vec![], 3, None).unwrap();
        let logits = ImageMajor::from_rows(3, [[1.0, 0.0, 0.0], [f64::NAN; 3]]).unwrap();
        let c = classification(&three, &logits, &[0, 2]).unwrap();
        assert_eq!((c.classes[1].recall, c.without_class, c.auc), (None, 1, None));
        assert_eq!((c.right, c.balanced_accuracy, c.beats_majority()), (1, 0.5, false));
        assert_eq!(classification(&three, &ImageMajor::<f64>::new(0, 3, vec![]).unwrap(), &[]), None);
        let only = ImageMajor::from_rows(2, [[1.0, 0.0]]).unwrap();
        assert_eq!(classification(&two(), &only, &[0]).unwrap().auc, None, "nothing to tell apart");
    }

    #[test]
    fn auc_counts_pairs_and_ties_half() {
        assert_eq!(auc(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1]), Some(0.75));
        assert_eq!(auc(&[1.0, 1.0, 1.0], &[0, 1, 1]), Some(0.5));
        assert_eq!(auc(&[0.0, -0.0, 1.0], &[1, 0, 0]), Some(0.25));
        assert_eq!(auc(&[f64::NEG_INFINITY, f64::INFINITY], &[0, 1]), Some(1.0));
        assert_eq!((auc(&[f64::NAN, 1.0], &[0, 1]), auc(&[1.0], &[1]), auc(&[], &[])), (None, None, None));
    }

    #[test]
    fn an_image_without_a_class_is_never_right() {
        assert_eq!(accuracy(&[None], &[0_usize]), Some(0.0));
        assert_eq!(agreeing(&[None], &[None]), 0);
    }

    #[test]
    fn differences_do_not_hide_what_is_no_number() {
        let a = vec![vec![1.0_f64, 2.0]];
        assert_eq!(largest_difference(&a, [[1.5_f32, 1.0]]), 1.0);
        assert!(largest_difference(&a, [[f64::NAN, 2.0]]).is_nan());
    }
}
