//! What training minimises: cross-entropy, distillation, feature matching and the range penalty.
//! Where a formula of the literature sums over classes, only the batch is averaged over.

use beaa_ir::Classes;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

use crate::data::Pasted;
use crate::distil::quadratic_fit::LayerStatistics;
use crate::ops::Interval;

/// Beyond this, a difference of logits has probabilities of zero in single precision.
const LARGEST_LOGIT: f32 = 100.0;

/// Target distributions `[N, classes]`: one for the label, or its share and the rest for the label
/// of what was pasted into the image, `smoothing` of it spread over all classes.
pub(crate) fn targets(
    labels: &[u8],
    pasted: Option<&[Pasted]>,
    classes: usize,
    smoothing: f32,
    device: &Device,
) -> Tensor<2> {
    let mut data = vec![smoothing / classes as f32; labels.len() * classes];
    for (row, &label) in data.chunks_mut(classes).zip(labels) {
        row[usize::from(label)] += 1.0 - smoothing;
    }
    if let Some(pasted) = pasted {
        assert_eq!(pasted.len(), labels.len(), "what was pasted, one for each image");
        for ((row, &label), other) in data.chunks_mut(classes).zip(labels).zip(pasted) {
            row[usize::from(label)] -= (1.0 - smoothing) * other.share;
            row[usize::from(other.label)] += (1.0 - smoothing) * other.share;
        }
    }
    Tensor::from_data(TensorData::new(data, [labels.len(), classes]), device)
}

/// Cross-entropy of `logits` to `targets`, mean over the batch.
pub(crate) fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let n = logits.dims()[0] as f32;
    (log_softmax(logits, 1) * targets).sum().div_scalar(-n)
}

/// `T² KL(softmax(teacher / T) || softmax(student / T))`, mean over the batch (Hinton et al.,
/// 2015).
pub(crate) fn distillation(student: Tensor<2>, teacher: Tensor<2>, temperature: f32) -> Tensor<1> {
    let n = student.dims()[0] as f32;
    let theirs = log_softmax(teacher.div_scalar(temperature), 1);
    let ours = log_softmax(student.div_scalar(temperature), 1);
    let divergence = theirs.clone().exp() * (theirs - ours);
    divergence.sum().mul_scalar(temperature * temperature / n)
}

/// Logits, the largest of which lie where softmax has long been saturated: without gradients there,
/// an image that escapes leaves the batch's others their say, and itself to the peak penalty.
pub(crate) fn saturated(logits: Tensor<2>) -> Tensor<2> {
    logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
}

/// Mean squared difference of two feature maps, in units of the teacher's mean square.
pub(crate) fn feature_distance(student: Tensor<2>, teacher: Tensor<2>) -> Tensor<1> {
    let power = teacher.clone().square().mean().add_scalar(1e-6);
    (student - teacher).square().mean() / power
}

/// Where an activation's inputs should stay: what `known` has seen, and within `width` times its
/// root mean square unless that is 0.
pub(crate) fn wanted_range(known: &LayerStatistics, width: f32) -> Interval {
    let unit = known.rms.max(1e-6);
    let limit = if width > 0.0 { width * unit } else { f32::INFINITY };
    Interval { min: known.range.min.clamp(-limit, 0.0), max: known.range.max.clamp(0.0, limit), unit }
}

/// How many rows of `logits` (row-major) say the class that their label is.
pub(crate) fn correct(classes: &Classes, logits: &[f32], labels: &[u8]) -> usize {
    assert_eq!(logits.len(), classes.outputs() * labels.len(), "logits and outputs of {} images", labels.len());
    let rows = logits.chunks(classes.outputs()).zip(labels);
    rows.filter(|(row, label)| classes.class(row) == Some(usize::from(**label))).count()
}

#[cfg(test)]
mod tests {
    use beaa_ir::Range;

    use super::*;
    use crate::ops::{peak_penalty, range_penalty};

    fn scalar(t: Tensor<1>) -> f64 {
        f64::from(t.into_scalar::<f32>())
    }

    fn matrix(rows: [[f32; 3]; 2]) -> Tensor<2> {
        Tensor::from_data(TensorData::from(rows), &Device::flex())
    }

    fn softmax(row: [f32; 3], t: f64) -> [f64; 3] {
        let e = row.map(|v| (f64::from(v) / t).exp());
        let sum: f64 = e.iter().sum();
        e.map(|v| v / sum)
    }

    const STUDENT: [[f32; 3]; 2] = [[0.2, -1.0, 3.0], [1.0, 1.5, -0.5]];
    const TEACHER: [[f32; 3]; 2] = [[1.2, -2.0, 2.0], [0.0, 2.5, -1.5]];

    #[test]
    fn cross_entropy_is_the_mean_of_minus_log_p() {
        let loss = scalar(cross_entropy(matrix(STUDENT), targets(&[2, 0], None, 3, 0.0, &Device::flex())));
        let expected = -(softmax(STUDENT[0], 1.0)[2].ln() + softmax(STUDENT[1], 1.0)[0].ln()) / 2.0;
        assert!((loss - expected).abs() < 1e-6);
    }

    #[test]
    fn smoothing_spreads_the_target() {
        let t = targets(&[1], None, 4, 0.2, &Device::flex()).into_data();
        assert_eq!(t.try_into_vec::<f32>().unwrap(), [0.05, 0.85, 0.05, 0.05]);
    }

    #[test]
    fn what_is_pasted_counts_by_its_share() {
        let pasted = [Pasted { label: 0, share: 0.25 }, Pasted { label: 1, share: 0.5 }];
        let t = targets(&[1, 1], Some(&pasted), 2, 0.5, &Device::flex()).into_data();
        assert_eq!(t.try_into_vec::<f32>().unwrap(), [0.375, 0.625, 0.25, 0.75]);
    }

    #[test]
    fn distillation_is_scaled_divergence() {
        let loss = scalar(distillation(matrix(STUDENT), matrix(TEACHER), 4.0));
        let divergence: f64 = STUDENT
            .iter()
            .zip(TEACHER)
            .flat_map(|(s, t)| {
                let (s, t) = (softmax(*s, 4.0), softmax(t, 4.0));
                (0..3).map(move |k| t[k] * (t[k] / s[k]).ln())
            })
            .sum();
        assert!((loss - 16.0 * divergence / 2.0).abs() < 1e-5, "{loss}");
        assert!(scalar(distillation(matrix(TEACHER), matrix(TEACHER), 2.0)).abs() < 1e-6);
    }

    #[test]
    fn excursion_counts_only_what_is_outside() {
        let x = matrix([[-3.0, 0.5, 1.0], [2.0, 0.0, -1.0]]);
        let known = LayerStatistics { range: Range { min: -1.0, max: 1.0 }, rms: 2.0 };
        let loss = scalar(range_penalty(x.clone(), wanted_range(&known, 0.0)));
        assert!((loss - (1.0 + 0.25) / 6.0).abs() < 1e-6, "{loss}");
        let loss = scalar(peak_penalty(x, wanted_range(&known, 0.0)));
        assert!((loss - (2.0_f64.sqrt() - 1.0 + 1.25_f64.sqrt() - 1.0) / 2.0).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn inputs_should_stay_where_they_were_and_within_some_deviations() {
        let known = LayerStatistics { range: Range { min: -3.0, max: 40.0 }, rms: 2.0 };
        assert_eq!(wanted_range(&known, 0.0), Interval { min: -3.0, max: 40.0, unit: 2.0 });
        assert_eq!(wanted_range(&known, 6.0), Interval { min: -3.0, max: 12.0, unit: 2.0 });
        // The range always holds 0.
        let known = LayerStatistics { range: Range { min: 15.0, max: 40.0 }, rms: 2.0 };
        assert_eq!(wanted_range(&known, 6.0), Interval { min: 0.0, max: 12.0, unit: 2.0 });
    }

    #[test]
    fn feature_distance_is_relative() {
        let near = scalar(feature_distance(matrix(STUDENT).mul_scalar(10.0), matrix(TEACHER).mul_scalar(10.0)));
        let same = scalar(feature_distance(matrix(STUDENT), matrix(TEACHER)));
        assert!((near - same).abs() < 1e-5);
    }

    #[test]
    fn counts_correct_rows() {
        let two = Classes::new(vec![], 2, None).unwrap();
        assert_eq!(correct(&two, &[0.0, 1.0, 2.0, 1.0, f32::NAN, 0.0], &[1, 0, 0]), 2);
        assert_eq!(correct(&two, &[], &[]), 0);
    }
}
