//! How many images are held out of training, for a split that the files do not have.

use std::fmt;
use std::path::Path;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::part::Split;
use super::stratified::stratified_split;
use crate::error::Error;
use crate::images::Images;

/// How much to hold out: in JSON an integer is a count of images, a decimal number a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// So many images.
    Count(usize),
    /// This part of the images, 0 <= fraction < 1, rounded to whole images.
    Fraction(f64),
}

/// What to hold out of training when the files have no such split, and the seed that decides which
/// images.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HoldOut {
    /// For validation; `None` is a tenth.
    pub validation: Option<Amount>,
    /// For test (only sets without test files); `None` is a tenth.
    pub test: Option<Amount>,
    /// Decides which images are held out.
    pub seed: u64,
}

impl HoldOut {
    /// Held out when nothing is configured.
    pub const DEFAULT: Amount = Amount::Fraction(0.1);

    /// Returns what stays in training, and the images of `split`: those that were `published`, or
    /// else some of `train`. `origin` names the data set in errors.
    ///
    /// # Errors
    /// `HasSplit` if images are to be held out for a split that was published, `HoldOut` if none
    /// would stay in training.
    pub(crate) fn part(
        self,
        origin: &Path,
        train: Images,
        published: Option<Images>,
        split: Split,
    ) -> Result<(Images, Images), Error> {
        let (amount, stream) = if split == Split::Test { (self.test, 1) } else { (self.validation, 0) };
        match (published, amount) {
            (Some(_), Some(_)) => Err(Error::HasSplit { file: origin.to_owned(), split }),
            (Some(images), None) => Ok((train, images)),
            (None, amount) => {
                let (amount, available) = (amount.unwrap_or(Self::DEFAULT), train.len());
                match amount.of(available).filter(|&count| count < available) {
                    Some(count) => Ok(stratified_split(&train, count, self.seed, stream)),
                    None => Err(Error::HoldOut { file: origin.to_owned(), amount: amount.to_string(), available }),
                }
            }
        }
    }
}

impl Amount {
    /// The number of images, if there are so many.
    fn of(self, available: usize) -> Option<usize> {
        match self {
            Self::Count(n) => Some(n).filter(|&n| n <= available),
            Self::Fraction(part) if (0.0..1.0).contains(&part) => Some((part * available as f64).round() as usize),
            Self::Fraction(_) => None,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => f.write_str(&beaa_base::words::count(*n, "image")),
            Self::Fraction(part) => write!(f, "a fraction of {part}"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Count(n) => serializer.serialize_u64(n as u64),
            Self::Fraction(part) => serializer.serialize_f64(part),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count of images (an integer) or a fraction (a decimal number, at least 0.0 and below 1.0)")
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Amount, E> {
        usize::try_from(n).map(Amount::Count).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(n), &self))
    }

    fn visit_f64<E: de::Error>(self, part: f64) -> Result<Amount, E> {
        match part {
            0.0..1.0 => Ok(Amount::Fraction(part)),
            _ => Err(E::invalid_value(de::Unexpected::Float(part), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_to_empty_training() {
        let train = Images::new("t", [1, 1, 1], vec![0, 1], vec![0, 1]).unwrap();
        for amount in [
            Amount::Count(2),
            Amount::Count(9),
            Amount::Fraction(0.9),
            Amount::Fraction(-0.1),
            Amount::Fraction(f64::NAN),
        ] {
            let hold_out = HoldOut { validation: Some(amount), ..HoldOut::default() };
            let parts = hold_out.part(Path::new("t"), train.clone(), None, Split::Validation);
            assert!(matches!(parts, Err(Error::HoldOut { .. })), "{amount}");
        }
    }

    #[test]
    fn integer_is_a_count_and_decimal_a_fraction() {
        let read = |text: &str| serde_json::from_str::<Amount>(text);
        assert_eq!(read("5").unwrap(), Amount::Count(5));
        assert_eq!(read("0.25").unwrap(), Amount::Fraction(0.25));
        for bad in ["1.0", "-1", "-0.5", "\"5\""] {
            assert!(read(bad).unwrap_err().to_string().contains("a count of images"), "{bad}");
        }
        assert_eq!(serde_json::to_string(&[Amount::Count(5), Amount::Fraction(0.25)]).unwrap(), "[5,0.25]");
    }
}
