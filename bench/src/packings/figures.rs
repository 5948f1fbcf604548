//! What packings cost, by the images answered together, and where one overtakes another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Packings by the images answered together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackingFigures {
    /// The network.
    pub name: String,
    /// In the order of methods, then of images.
    pub points: Vec<PackingPoint>,
}

/// How images are put into ciphertexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackingMethod {
    /// One element of every image in a ciphertext.
    Element,
    /// One image in a ciphertext.
    Channel,
    /// All slots shared by the images.
    Block,
    /// What the compiler takes.
    Auto,
    /// Single images of whole numbers, by the `tfhe` backend.
    Tfhe,
}

impl fmt::Display for PackingMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Element => "element",
            Self::Channel => "channel",
            Self::Block => "block",
            Self::Auto => "auto",
            Self::Tfhe => "tfhe",
        })
    }
}

/// One method with so many images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackingPoint {
    /// How they are packed.
    pub method: PackingMethod,
    /// Images answered together.
    pub images: usize,
    /// Ring degree; of `tfhe` the size of its polynomials.
    pub degree: usize,
    /// Positions of an image in each ciphertext.
    pub positions: usize,
    /// Batches that the images take.
    pub batches: usize,
    /// Rotations of a run.
    pub rotations: usize,
    /// Processor seconds for all images; a multiple of one batch's where there are many.
    pub seconds: f64,
    /// Milliseconds for each image.
    pub milliseconds_per_image: f64,
    /// Processor seconds of preparing constants, once.
    pub prepare_seconds: f64,
    /// Bytes of the key that the server needs.
    pub key_bytes: u64,
    /// Bytes sent for all images.
    pub input_bytes: u64,
    /// Bytes answered for all images.
    pub output_bytes: u64,
}

impl PackingFigures {
    /// The points of one method, by images.
    pub fn of(&self, method: PackingMethod) -> impl Iterator<Item = &PackingPoint> {
        self.points.iter().filter(move |p| p.method == method)
    }

    /// Which share of the time for each image `method` saves against `than`, with so many images
    /// together; none if one of them was not measured with these.
    pub fn saved(&self, method: PackingMethod, than: PackingMethod, images: usize) -> Option<f64> {
        let seconds = |method| self.of(method).find(|p| p.images == images).map(|p| p.seconds);
        Some(1.0 - seconds(method)? / seconds(than)?)
    }

    /// The fewest images, of those that both were measured with, from which on `method` takes no
    /// longer than `than`; none if there are none.
    pub fn overtakes(&self, method: PackingMethod, than: PackingMethod) -> Option<usize> {
        let mut both: Vec<(usize, bool)> = Vec::new();
        for point in self.of(method) {
            let other = self.of(than).find(|p| p.images == point.images);
            both.extend(other.map(|o| (point.images, point.seconds <= o.seconds)));
        }
        both.sort_unstable();
        both.iter().rev().take_while(|(_, sooner)| *sooner).last().map(|(images, _)| *images)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `element` takes a second for any number of images, `channel` and `tfhe` so much for each.
    pub(crate) fn example() -> PackingFigures {
        let point = |method, images: usize, seconds: f64| PackingPoint {
            method,
            images,
            degree: 4096,
            positions: 1,
            batches: 1,
            rotations: 0,
            seconds,
            milliseconds_per_image: 1e3 * seconds / images as f64,
            prepare_seconds: 0.0,
            key_bytes: 1,
            input_bytes: 1,
            output_bytes: 1,
        };
        let mut points = Vec::new();
        for images in [1, 4, 16, 4096] {
            points.push(point(PackingMethod::Element, images, 1.0));
            points.push(point(PackingMethod::Channel, images, 0.125 * images as f64));
            points.push(point(PackingMethod::Auto, images, (0.125 * images as f64).min(1.0)));
            points.push(point(PackingMethod::Tfhe, images, 2.0 * images as f64));
        }
        PackingFigures { name: "x".into(), points }
    }

    #[test]
    fn packings_overtake_where_their_curves_cross() {
        use PackingMethod::{Auto, Block, Channel, Element, Tfhe};
        let figures = example();
        assert_eq!(figures.overtakes(Element, Channel), Some(16));
        assert_eq!(figures.overtakes(Channel, Element), None);
        assert_eq!(figures.overtakes(Element, Tfhe), Some(1));
        assert_eq!(figures.overtakes(Auto, Element), Some(1));
        assert_eq!(figures.overtakes(Element, Block), None);
        assert_eq!(figures.saved(Element, Channel, 4096), Some(1.0 - 1.0 / 512.0));
        assert_eq!(figures.saved(Element, Channel, 5), None);
    }
}
