//! One split of a data set, for who needs neither the others nor, at times, labels: a client that
//! encrypts, an evaluation.

use beaa_base::preprocessing::{Preprocessing, PreprocessingStep};

use crate::dataset::Dataset;
use crate::error::Error;
use crate::images::Images;
use crate::preprocess::preprocess;
use crate::split::Split;

/// The images of one split. Not every class needs to have one.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedSplit {
    /// Name of the set.
    pub name: String,
    /// Names of the classes; label `i` is class `i`. Empty where nobody said: then labels count the
    /// classes of the network.
    pub classes: Vec<String>,
    /// The images; their labels are 0 where they are not known.
    pub images: Images,
    /// Whether the labels are known.
    pub labelled: bool,
}

impl LoadedSplit {
    /// That of a whole set.
    pub(crate) fn of(set: &Dataset, split: Split) -> Self {
        let (name, classes) = (set.name().to_owned(), set.classes().to_vec());
        Self { name, classes, images: set.split(split).clone(), labelled: true }
    }

    /// The same split, its pictures preprocessed.
    ///
    /// # Errors
    /// Steps that do not fit the pictures, or real numbers.
    pub(crate) fn preprocessed(self, steps: &[PreprocessingStep]) -> Result<Self, Error> {
        let preprocessing = Preprocessing::new(self.images.shape(), steps.to_vec())?;
        Ok(Self { images: preprocess(&self.images, &preprocessing)?, ..self })
    }
}
