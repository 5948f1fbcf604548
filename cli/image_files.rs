//! Picture files (PNG, JPEG) as pixels of a given shape, for images that are in no data set.

use std::path::PathBuf;

use anyhow::{Context, Result};
use beaa_datasets::{Images, read_pictures};

/// Reads pictures, resized (stretched) and converted to grey or colour as `shape` (channels, rows,
/// columns) says. A folder stands for the pictures in it, sorted by name. All labels are 0: they
/// are not known.
pub(crate) fn read(paths: &[PathBuf], shape: [usize; 3]) -> Result<Images> {
    Ok(read_pictures(paths, shape).context("reading the pictures")?.images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn pictures_become_planes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.png");
        image::RgbImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap().save(&path).unwrap();
        image::GrayImage::from_raw(1, 1, vec![9]).unwrap().save(folder.path().join("a.png")).unwrap();
        let images = read(&[folder.path().to_owned()], [3, 1, 2]).unwrap();
        assert_eq!(images.image(0).unwrap(), [9; 6]);
        assert_eq!(images.image(1).unwrap(), [1, 4, 2, 5, 3, 6]);
        assert!(images.names().unwrap()[1].ends_with("b.png"));
    }

    #[test]
    fn what_is_no_picture_is_bad_input() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        std::fs::write(&path, b"not a picture").unwrap();
        let error = read(std::slice::from_ref(&path), [1, 2, 2]).unwrap_err();
        assert!(format!("{error:#}").contains("no known format"), "{error:#}");
        assert_eq!(crate::exit::classify(&error), Exit::BadInput);
        std::fs::remove_file(&path).unwrap();
        let error = read(&[folder.path().to_owned()], [1, 2, 2]).unwrap_err();
        assert!(format!("{error:#}").contains("found nothing to read"), "{error:#}");
    }
}
