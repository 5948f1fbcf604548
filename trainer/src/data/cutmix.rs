//! Parts of images of a batch pasted into others (`CutMix`, Yun et al., 2019).

use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// What an image shows of another one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pasted {
    /// Of the other image.
    pub(crate) label: u8,
    /// Of the image's area, 0..1.
    pub(crate) share: f32,
}

/// Pastes into a `share` of `images`, each `[channels, rows, columns]`, a rectangle of any of them
/// as they were before, at the same position: its part of the area uniform before the border cuts
/// it, its centre anywhere. Returns what was pasted into each, of `labels`, one per image.
///
/// # Panics
/// If `labels` are not one per image.
pub(crate) fn cutmix(
    images: &mut [f32],
    [channels, height, width]: [usize; 3],
    labels: &[u8],
    share: f32,
    rng: &mut ChaCha8Rng,
) -> Vec<Pasted> {
    let (plane, size) = (height * width, channels * height * width);
    assert_eq!(images.len(), labels.len() * size, "labels, one per image");
    let before = images.to_vec();
    let mixed = images.chunks_mut(size).zip(labels).map(|(image, &label)| {
        if rng.random_range(0.0..1.0) >= share {
            return Pasted { label, share: 0.0 };
        }
        let other = rng.random_range(0..labels.len());
        let side = rng.random_range(0.0_f32..1.0).sqrt();
        let [rows, columns] = [height, width].map(|extent| {
            let centre = rng.random_range(0..extent);
            cut((side * extent as f32).round() as usize, centre, extent)
        });
        let source = &before[other * size..][..size];
        for (to, from) in image.chunks_mut(plane).zip(source.chunks(plane)) {
            for row in rows.clone() {
                let line = row * width + columns.start..row * width + columns.end;
                to[line.clone()].copy_from_slice(&from[line]);
            }
        }
        Pasted { label: labels[other], share: (rows.len() * columns.len()) as f32 / plane as f32 }
    });
    mixed.collect()
}

/// `side` pixels about `centre`, as many of them as lie within `extent`.
fn cut(side: usize, centre: usize, extent: usize) -> Range<usize> {
    let end = centre + side.div_ceil(2);
    end.saturating_sub(side)..end.min(extent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    const SHAPE: [usize; 3] = [2, 4, 5];
    const LABELS: [u8; 3] = [7, 8, 9];

    /// Each image of a number of its own, its channels apart.
    fn images() -> Vec<f32> {
        (0..120).map(|i| (i / 40 * 10 + i / 20 % 2) as f32).collect()
    }

    #[test]
    fn rectangles_of_other_images_count_by_their_area() {
        let (mut kept, mut shares, mut others) = (0, Vec::new(), std::collections::HashSet::new());
        for step in 0..400 {
            let mut mixed = images();
            let mut rng = stream(3, Purpose::AugmentTeacher, 0, step);
            let pasted = cutmix(&mut mixed, SHAPE, &LABELS, 0.75, &mut rng);
            for (k, (image, pasted)) in mixed.chunks(40).zip(&pasted).enumerate() {
                let of = |label: u8| f32::from(label - LABELS[0]) * 10.0;
                let foreign = |i: usize| image[i] != of(LABELS[k]);
                let area = (0..20).filter(|&i| foreign(i)).count();
                for i in 0..20 {
                    let expected = of(if foreign(i) { pasted.label } else { LABELS[k] });
                    assert_eq!([image[i], image[20 + i]], [expected, expected + 1.0], "both channels");
                }
                if pasted.label != LABELS[k] {
                    assert!((pasted.share - area as f32 / 20.0).abs() < 1e-6);
                    let rows = (0..4).filter(|r| (0..5).any(|c| foreign(r * 5 + c))).count();
                    let columns = (0..5).filter(|c| (0..4).any(|r| foreign(r * 5 + c))).count();
                    assert_eq!(area, rows * columns, "a rectangle");
                    others.insert((k, pasted.label));
                    shares.push(pasted.share);
                }
                kept += usize::from(pasted.share == 0.0);
            }
        }
        assert!((300..480).contains(&kept), "a quarter of 1200, and rectangles of no pixel: {kept}");
        assert_eq!(others.len(), 6, "every image into every other");
        assert!(shares.iter().any(|s| *s < 0.15) && shares.iter().any(|s| *s > 0.85));
    }

    #[test]
    fn nothing_is_pasted_where_no_share_is_asked_for() {
        let mut mixed = images();
        let pasted = cutmix(&mut mixed, SHAPE, &LABELS, 0.0, &mut stream(3, Purpose::AugmentTeacher, 0, 0));
        assert_eq!(mixed, images());
        assert_eq!(pasted, LABELS.map(|label| Pasted { label, share: 0.0 }));
    }
}
