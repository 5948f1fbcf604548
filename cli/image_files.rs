//! Picture files (PNG, JPEG) as pixels of a given shape, for images that are in no data set.

use std::path::PathBuf;

use anyhow::{Context, Result};
use beaa_datasets::{Images, path_text, read_image_file};

use crate::exit::Exit;

/// Reads pictures, resized (stretched) and converted to grey or colour as `shape` (channels, rows,
/// columns) says. A folder stands for the pictures in it, in the order of their names. All labels
/// are 0: they are not known.
pub(crate) fn read(paths: &[PathBuf], shape: [usize; 3]) -> Result<Images> {
    let files = list(paths)?;
    let mut pixels = Vec::new();
    for file in &files {
        pixels.extend(read_image_file(file, shape)?);
    }
    let names = files.iter().map(|file| path_text(file)).collect();
    Ok(Images::new("pictures", shape, pixels, vec![0; files.len()])?.with_names(names))
}

fn list(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let doing = || format!("reading folder {}", path.display());
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).with_context(doing)? {
            let entry = entry.with_context(doing)?.path();
            let extension = entry.extension().map(|e| e.to_string_lossy().to_lowercase());
            if matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg")) {
                inside.push(entry);
            }
        }
        if inside.is_empty() {
            return Err(bad("found no file ending in .png, .jpg or .jpeg; give a folder of pictures"))
                .with_context(doing);
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn bad(message: impl Into<String>) -> anyhow::Error {
    Exit::BadInput.because(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_become_planes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.png");
        image::RgbImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap().save(&path).unwrap();
        image::GrayImage::from_raw(1, 1, vec![9]).unwrap().save(folder.path().join("a.png")).unwrap();
        let images = read(&[folder.path().to_owned()], [3, 1, 2]).unwrap();
        assert_eq!(images.image(0).unwrap(), [9; 6]);
        assert_eq!(images.image(1).unwrap(), [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        std::fs::write(&path, b"not a picture").unwrap();
        let error = read(std::slice::from_ref(&path), [1, 2, 2]).unwrap_err();
        assert!(format!("{error:#}").contains("no known format"), "{error:#}");
        assert_eq!(crate::exit::classify(&error), Exit::BadInput);
        std::fs::remove_file(&path).unwrap();
        assert!(format!("{:#}", read(&[folder.path().to_owned()], [1, 2, 2]).unwrap_err()).contains("no file ending"));
    }
}
