//! Picture files (PNG, JPEG) as pixels of a given shape, for images that are in no data set. Must never trust a size in a
//! file before the decoder has checked it.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use beaa_datasets::Images;
use image::imageops::FilterType;
use image::{ImageFormat, ImageReader, Limits};

use crate::exit::Exit;

/// Larger pictures are refused.
const LARGEST_SIDE: u32 = 1 << 14;
const MOST_MEMORY: u64 = 512 << 20;

/// Reads pictures, resized (stretched) and converted to grey or colour as `shape` (channels, rows, columns) says. A folder
/// stands for the pictures in it, in the order of their names. All labels are 0: they are not known.
pub(crate) fn read(paths: &[PathBuf], shape: [usize; 3]) -> Result<(Images, Vec<PathBuf>)> {
    let files = list(paths)?;
    let mut pixels = Vec::new();
    for file in &files {
        pixels.extend(decode(file, shape).with_context(|| format!("reading picture {}", file.display()))?);
    }
    let images = Images::new("pictures", shape, pixels, vec![0; files.len()])?;
    Ok((images, files))
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

fn decode(file: &Path, [channels, height, width]: [usize; 3]) -> Result<Vec<u8>> {
    let open = |e: std::io::Error| bad(e.to_string());
    // The file's name is not asked: a wrong extension must neither help nor hurt.
    let bytes = BufReader::new(File::open(file).map_err(open)?);
    let mut reader = ImageReader::new(bytes).with_guessed_format().map_err(open)?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg)) {
        return Err(bad("its first bytes are neither PNG nor JPEG; convert it"));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let picture = reader.decode().map_err(|e| bad(format!("{e}; the file is damaged or too large")))?;
    let side = |n: usize| u32::try_from(n).ok().filter(|&n| n <= LARGEST_SIDE);
    let (Some(rows), Some(columns)) = (side(height), side(width)) else {
        return Err(bad(format!(
            "the program wants {height} x {width} pixels, expected at most {LARGEST_SIDE} each way"
        )));
    };
    let sized = match picture.width() == columns && picture.height() == rows {
        true => picture,
        false => picture.resize_exact(columns, rows, FilterType::Triangle),
    };
    match channels {
        1 => Ok(sized.into_luma8().into_raw()),
        3 => {
            let colour = sized.into_rgb8().into_raw();
            Ok((0..3).flat_map(|channel| colour.iter().skip(channel).step_by(3).copied()).collect())
        }
        other => Err(bad(format!("the program wants {other} channels, pictures have 1 (grey) or 3 (colour)"))),
    }
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
        let (images, files) = read(&[folder.path().to_owned()], [3, 1, 2]).unwrap();
        assert_eq!(files[1], path);
        assert_eq!(images.image(0).unwrap(), [9; 6]);
        assert_eq!(images.image(1).unwrap(), [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        std::fs::write(&path, b"not a picture").unwrap();
        let error = read(std::slice::from_ref(&path), [1, 2, 2]).unwrap_err();
        assert!(format!("{error:#}").contains("neither PNG nor JPEG"), "{error:#}");
        assert_eq!(crate::exit::classify(&error), Exit::BadInput);
        std::fs::remove_file(&path).unwrap();
        assert!(format!("{:#}", read(&[folder.path().to_owned()], [1, 2, 2]).unwrap_err()).contains("no file ending"));
    }
}
