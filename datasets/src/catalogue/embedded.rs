//! The data set that ships inside the crate: PneumoniaMNIST (see `data/ATTRIBUTION.md`).

use std::io::Cursor;
use std::path::Path;

use super::entry;
use crate::classes::Classes;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::formats::read_medmnist;

/// Name of the embedded set, in the catalogue too.
pub(crate) const NAME: &str = "pneumoniamnist";

static BYTES: &[u8] = include_bytes!("../../data/pneumoniamnist.npz");

/// Reads PneumoniaMNIST: 4,708 / 524 / 624 chest X-rays of 1 x 28 x 28, normal or pneumonia. CC BY
/// 4.0, Yang et al. 2023, Kermany et al. 2018.
///
/// # Errors
/// None in practice; the embedded archive is checked like any other.
pub fn embedded() -> Result<Dataset, Error> {
    let classes = Classes::Names(entry(NAME)?.class_names());
    read_medmnist(NAME, Path::new("(embedded) pneumoniamnist.npz"), Cursor::new(BYTES), Some(&classes))
}

/// Returns the bytes of the embedded archive, for those who want the file.
pub fn embedded_bytes() -> &'static [u8] {
    BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Split;

    /// Of the pixels and labels, so the public archive must give it as well.
    const CHECKSUM: &str = "ba21b4a99623bf652775ec19837006938d687ecd334c2cba33328cbfefdf9806";

    #[test]
    fn embedded_set_is_what_it_says() {
        let set = embedded().unwrap();
        assert_eq!(set.name(), "pneumoniamnist");
        assert_eq!(set.classes(), ["normal", "pneumonia"]);
        assert_eq!(set.shape(), [1, 28, 28]);
        assert_eq!(Split::ALL.map(|split| set.split(split).len()), [4708, 524, 624]);
        assert_eq!(set.checksum(), CHECKSUM);
    }

    #[test]
    fn statistics_of_the_embedded_set() {
        let set = embedded().unwrap();
        // Computed apart from this crate, over all bytes of train_images.
        assert!((set.mean()[0] - 0.571_921_6).abs() < 1e-7, "{:?}", set.mean());
        let pneumonia = set.split(Split::Test).labels().iter().filter(|&&label| label == 1).count();
        assert_eq!(pneumonia, 390);
    }
}
