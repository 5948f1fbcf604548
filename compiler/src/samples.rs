//! The images that a program is planned with.

use beaa_ir::images::ImageMajor;

/// Images that the program will see, normalised as the model wants them, `[image][channel, row,
/// column]`: hundreds at least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Samples<'a> {
    /// Errors and ranges are predicted on these.
    pub images: &'a ImageMajor<f32>,
    /// Images that the model was not trained on: agreement is measured on these, and on
    /// [`Self::images`] too where they are too few. A network is surer of the images that it has
    /// learnt, and of them more would keep their class.
    pub held_out: Option<&'a ImageMajor<f32>>,
}

impl<'a> From<&'a ImageMajor<f32>> for Samples<'a> {
    /// Images of which it is not known whether the model was trained on them.
    fn from(images: &'a ImageMajor<f32>) -> Self {
        Self { images, held_out: None }
    }
}
