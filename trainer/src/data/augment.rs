//! Random changes of training images: shift, rotation, scale, mirror, contrast, brightness, squares
//! left out.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::config::Augmentation;

impl Augmentation {
    /// Says whether no image would change.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

/// Changes one image `[channels, rows, columns]` of pixels 0..255 in place; off, it stays as it is.
/// A square that is left out becomes `mean`, one number per channel.
pub(crate) fn augment(
    image: &mut [f32],
    [channels, height, width]: [usize; 3],
    settings: &Augmentation,
    mean: &[f32],
    rng: &mut ChaCha8Rng,
) {
    assert_eq!(mean.len(), channels, "means, one per channel");
    // Drawn always and in this order, so that none of these settings changes what another draws.
    let shift = settings.shift as i64;
    let (dy, dx) = (rng.random_range(-shift..=shift), rng.random_range(-shift..=shift));
    let angle = settings.rotate.to_radians() * rng.random_range(-1.0_f32..=1.0);
    let zoom = 1.0 + settings.scale * rng.random_range(-1.0_f32..=1.0);
    let mirrored = settings.flip && rng.random_range(0..2) == 1;
    let contrast = 1.0 + settings.contrast * rng.random_range(-1.0_f32..=1.0);
    let brightness = 255.0 * settings.brightness * rng.random_range(-1.0_f32..=1.0);

    let plane = height * width;
    let bent = settings.rotate > 0.0 || settings.scale > 0.0;
    if bent || dy != 0 || dx != 0 || mirrored {
        let source = image.to_vec();
        let (centre_y, centre_x) = ((height as f32 - 1.0) / 2.0, (width as f32 - 1.0) / 2.0);
        let (sin, cos) = angle.sin_cos();
        for row in 0..height {
            for column in 0..width {
                let column_in = if mirrored { width - 1 - column } else { column };
                // Where this pixel comes from.
                let (y, x) = if bent {
                    let (v, u) = (row as f32 - dy as f32 - centre_y, column_in as f32 - dx as f32 - centre_x);
                    ((cos * v - sin * u) / zoom + centre_y, (sin * v + cos * u) / zoom + centre_x)
                } else {
                    (row as f32 - dy as f32, column_in as f32 - dx as f32)
                };
                for channel in 0..channels {
                    let from = &source[channel * plane..][..plane];
                    image[channel * plane + row * width + column] = sample(from, height, width, y, x);
                }
            }
        }
    }
    if settings.contrast > 0.0 || settings.brightness > 0.0 {
        let mean = image.iter().sum::<f32>() / image.len().max(1) as f32;
        image.iter_mut().for_each(|v| *v = ((*v - mean) * contrast + mean + brightness).clamp(0.0, 255.0));
    }
    // Drawn only where it is asked for: it came after the others, whose numbers without it are for
    // each seed what they were.
    if settings.cutout > 0 {
        let [rows, columns] = [height, width].map(|extent| {
            let centre = rng.random_range(0..extent);
            let first = (centre + settings.cutout / 2 + 1).saturating_sub(settings.cutout);
            first..(centre + settings.cutout / 2 + 1).min(extent)
        });
        for (plane, &mean) in image.chunks_mut(plane).zip(mean) {
            for row in rows.clone() {
                plane[row * width..][columns.clone()].fill(mean);
            }
        }
    }
}

/// Bilinear, the border repeated outwards.
fn sample(plane: &[f32], height: usize, width: usize, y: f32, x: f32) -> f32 {
    let y = y.clamp(0.0, height as f32 - 1.0);
    let x = x.clamp(0.0, width as f32 - 1.0);
    let (row, column) = (y.floor(), x.floor());
    let (fy, fx) = (y - row, x - column);
    let at = |r: usize, c: usize| plane[r.min(height - 1) * width + c.min(width - 1)];
    let (r, c) = (row as usize, column as usize);
    let top = at(r, c) * (1.0 - fx) + at(r, c + 1) * fx;
    let bottom = at(r + 1, c) * (1.0 - fx) + at(r + 1, c + 1) * fx;
    top * (1.0 - fy) + bottom * fy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    const SHAPE: [usize; 3] = [2, 5, 6];
    const MEAN: [f32; 2] = [500.0, 600.0];

    fn image() -> Vec<f32> {
        (0..60).map(|i| (i * 37 % 256) as f32).collect()
    }

    fn augmented(settings: &Augmentation, step: usize) -> Vec<f32> {
        let mut out = image();
        augment(&mut out, SHAPE, settings, &MEAN, &mut stream(3, Purpose::AugmentTeacher, 0, step));
        out
    }

    #[test]
    fn off_changes_nothing() {
        assert!(Augmentation::default().is_off());
        assert_eq!(augmented(&Augmentation::default(), 0), image());
    }

    #[test]
    fn same_seed_same_image() {
        let all = Augmentation {
            shift: 2,
            rotate: 10.0,
            scale: 0.1,
            flip: true,
            contrast: 0.2,
            brightness: 0.1,
            cutout: 3,
            ..Augmentation::default()
        };
        assert_eq!(augmented(&all, 4), augmented(&all, 4));
        assert_ne!(augmented(&all, 4), augmented(&all, 5));
    }

    #[test]
    fn shift_moves_whole_pixels_and_repeats_the_border() {
        let settings = Augmentation { shift: 2, ..Augmentation::default() };
        let mut seen = std::collections::HashSet::new();
        for step in 0..200 {
            let out = augmented(&settings, step);
            let found = (-2_i64..=2).flat_map(|dy| (-2_i64..=2).map(move |dx| (dy, dx))).find(|&(dy, dx)| {
                (0..60).all(|i| {
                    let (c, r, k) = (i / 30, (i / 6 % 5) as i64, (i % 6) as i64);
                    let (r, k) = ((r - dy).clamp(0, 4), (k - dx).clamp(0, 5));
                    out[i] == image()[c * 30 + (r * 6 + k) as usize]
                })
            });
            seen.insert(found.expect("a shift by at most 2"));
        }
        assert_eq!(seen.len(), 25, "every shift occurs");
    }

    #[test]
    fn flip_mirrors_half_of_the_images() {
        let settings = Augmentation { flip: true, ..Augmentation::default() };
        let mirror: Vec<f32> =
            image().chunks(6).flat_map(|row| row.iter().rev().copied().collect::<Vec<_>>()).collect();
        let mirrored = (0..200).filter(|&step| {
            let out = augmented(&settings, step);
            assert!(out == image() || out == mirror);
            out == mirror
        });
        assert!((60..140).contains(&mirrored.count()));
    }

    #[test]
    fn values_stay_in_range() {
        let all = Augmentation {
            shift: 1,
            rotate: 30.0,
            scale: 0.3,
            flip: true,
            contrast: 0.9,
            brightness: 0.9,
            ..Augmentation::default()
        };
        assert!((0..50).all(|s| augmented(&all, s).iter().all(|v| (0.0..=255.0).contains(v))));
    }

    #[test]
    fn a_square_is_left_out_that_may_reach_over_the_border() {
        for side in [1, 3, 4, 64] {
            let settings = Augmentation { cutout: side, ..Augmentation::default() };
            let mut seen = std::collections::HashSet::new();
            for step in 0..300 {
                let out = augmented(&settings, step);
                let missing: Vec<bool> = out[..30].iter().map(|v| *v == MEAN[0]).collect();
                for (i, (found, of_image)) in out.iter().zip(image()).enumerate() {
                    assert_eq!(*found, if missing[i % 30] { MEAN[i / 30] } else { of_image }, "{side} {i}");
                }
                let is_missing = |r: usize, c: usize| missing[r * 6 + c];
                let rows: Vec<usize> = (0..5).filter(|&r| (0..6).any(|c| is_missing(r, c))).collect();
                let columns: Vec<usize> = (0..6).filter(|&c| (0..5).any(|r| is_missing(r, c))).collect();
                assert_eq!(missing.iter().filter(|m| **m).count(), rows.len() * columns.len(), "a rectangle");
                assert!((1..=side).contains(&rows.len()) && (1..=side).contains(&columns.len()));
                for (lines, last) in [(&rows, 4), (&columns, 5)] {
                    assert_eq!(lines[lines.len() - 1] - lines[0] + 1, lines.len(), "without gaps");
                    let cut = lines[0] == 0 || lines[lines.len() - 1] == last;
                    assert!(lines.len() == side || cut, "whole but at the border");
                }
                seen.insert((rows[0], rows.len(), columns[0], columns.len()));
            }
            assert_eq!(seen.len(), if side == 64 { 1 } else { 30 }, "every centre occurs, {side}");
        }
    }
}
