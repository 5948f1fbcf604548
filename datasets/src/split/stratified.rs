//! Holds images out of training for a split the files do not have. It never takes the last training image.

use std::fmt;
use std::path::Path;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::shuffle::permutation;
use crate::dataset::count;
use crate::{Error, Images};

/// How much to hold out: in JSON an integer is a count of images, a decimal number a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// So many images.
    Count(usize),
    /// This part of the images, 0 <= fraction < 1, rounded to whole images.
    Fraction(f64),
}

/// What to carve out of training when the files have no such split, and the seed that decides which images.
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
}

impl Amount {
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
            Self::Count(n) => write!(f, "{n} images"),
            Self::Fraction(part) => write!(f, "a fraction of {part}"),
        }
    }
}

/// Divides `images` into what stays and what is held out, class by class in proportion (largest remainder), so that small
/// classes are in both parts. Both parts keep the order of `images`. Deterministic in `seed` and `stream`.
pub(crate) fn carve(
    origin: &Path,
    images: &Images,
    amount: Amount,
    seed: u64,
    stream: u64,
) -> Result<(Images, Images), Error> {
    let n = images.len();
    let out = amount.of(n).filter(|&out| out < n);
    let Some(out) = out else {
        return Err(Error::HoldOut { file: origin.to_owned(), asked: amount.to_string(), available: n });
    };
    let mut quota = quotas(images.labels(), out);
    let mut held = vec![false; n];
    for i in permutation(b"beaa.carve......", n, seed, stream) {
        let left = &mut quota[usize::from(images.labels()[i])];
        if *left > 0 {
            *left -= 1;
            held[i] = true;
        }
    }
    let pick = |wanted: bool| -> Images {
        let indices: Vec<usize> = (0..n).filter(|&i| held[i] == wanted).collect();
        images.subset(&indices)
    };
    Ok((pick(false), pick(true)))
}

/// How many of each class make up `out` images: proportional, rest to the largest remainders, ties to the lower class.
fn quotas(labels: &[u8], out: usize) -> [u64; 256] {
    let n = labels.len().max(1) as u128;
    let counts = count(labels);
    let share = counts.map(|c| u128::from(c) * out as u128);
    let mut quota = share.map(|share| (share / n) as u64);
    let mut by_remainder: Vec<usize> = (0..256).filter(|&class| counts[class] > 0).collect();
    by_remainder.sort_by_key(|&class| std::cmp::Reverse(share[class] % n));
    let rest = out as u64 - quota.iter().sum::<u64>();
    for &class in by_remainder.iter().take(rest as usize) {
        quota[class] += 1;
    }
    quota
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

    fn images(labels: Vec<u8>) -> Images {
        let pixels = (0..labels.len()).map(|i| i as u8).collect();
        Images::new("t", [1, 1, 1], pixels, labels).unwrap()
    }

    #[test]
    fn parts_are_disjoint_complete_seeded_and_in_proportion() {
        let labels: Vec<u8> = (0..100).map(|i| u8::from(i % 10 == 0)).collect();
        let all = images(labels);
        let (rest, held) = carve(Path::new("t"), &all, Amount::Fraction(0.2), 7, 0).unwrap();
        assert_eq!((rest.len(), held.len()), (80, 20));
        assert_eq!((count(rest.labels())[1], count(held.labels())[1]), (8, 2));
        let mut seen = [rest.pixels(), held.pixels()].concat();
        assert!(rest.pixels().is_sorted() && held.pixels().is_sorted());
        seen.sort_unstable();
        assert_eq!(seen, all.pixels());
        let again = carve(Path::new("t"), &all, Amount::Count(20), 7, 0).unwrap();
        assert_eq!(again, (rest, held.clone()));
        assert_ne!(carve(Path::new("t"), &all, Amount::Count(20), 8, 0).unwrap().1, held);
        assert_ne!(carve(Path::new("t"), &all, Amount::Count(20), 7, 1).unwrap().1, held);
    }

    #[test]
    fn counts_are_exact_whatever_the_classes() {
        let all = images(vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]);
        for out in 0..11 {
            let (rest, held) = carve(Path::new("t"), &all, Amount::Count(out), 1, 0).unwrap();
            assert_eq!((rest.len(), held.len()), (11 - out, out));
        }
    }

    #[test]
    fn refuses_to_empty_training() {
        let all = images(vec![0, 1]);
        for amount in [
            Amount::Count(2),
            Amount::Count(9),
            Amount::Fraction(0.9),
            Amount::Fraction(-0.1),
            Amount::Fraction(f64::NAN),
        ] {
            assert!(matches!(carve(Path::new("t"), &all, amount, 1, 0), Err(Error::HoldOut { .. })), "{amount}");
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
