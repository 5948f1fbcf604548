//! Figures about logits and the classes that they say: accuracy, agreement, distance.

/// The fraction of images classified as labelled, 0..1; none without images. There is one label for
/// each prediction.
pub fn accuracy(predictions: &[Option<usize>], labels: &[u8]) -> Option<f64> {
    assert_eq!(predictions.len(), labels.len(), "predictions and labels");
    let right = predictions.iter().zip(labels).filter(|(p, l)| **p == Some(usize::from(**l))).count();
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

/// `98.93 %`, or a dash.
pub fn percent(fraction: Option<f64>) -> String {
    fraction.map_or_else(|| "–".to_owned(), |f| format!("{:.2} %", 100.0 * f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_small_example() {
        let predicted = [Some(1), Some(0), Some(1)];
        assert_eq!(accuracy(&predicted, &[1, 0, 0]), Some(2.0 / 3.0));
        assert_eq!(accuracy(&[], &[]), None);
        assert_eq!(agreeing(&predicted, &[Some(1); 3]), 2);
        assert_eq!(percent(Some(0.98934)), "98.93 %");
    }

    #[test]
    fn an_image_without_a_class_is_never_right() {
        assert_eq!(accuracy(&[None], &[0]), Some(0.0));
        assert_eq!(agreeing(&[None], &[None]), 0);
    }

    #[test]
    fn differences_do_not_hide_what_is_no_number() {
        let a = vec![vec![1.0_f64, 2.0]];
        assert_eq!(largest_difference(&a, [[1.5_f32, 1.0]]), 1.0);
        assert!(largest_difference(&a, [[f64::NAN, 2.0]]).is_nan());
    }
}
