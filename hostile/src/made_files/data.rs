//! Good data sets and pictures, small ones of each format. The `.xz` file among them is not made
//! here: no library of ours writes that format.

use std::io::{Cursor, Write};

use anyhow::Result;
use image::{GrayImage, ImageFormat, RgbImage};
use zip::write::SimpleFileOptions;

use crate::files::keep;

/// Samples of every set.
const SAMPLES: usize = 10;

fn pixels(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 37 % 251) as u8).collect()
}

fn labels() -> Vec<u8> {
    (0..SAMPLES).map(|i| (i % 3) as u8).collect()
}

fn idx(sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let sizes_big_endian = sizes.iter().flat_map(|size| size.to_be_bytes());
    [0, 0, 8, sizes.len() as u8].into_iter().chain(sizes_big_endian).chain(data.iter().copied()).collect()
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes)?;
    Ok(packer.finish()?)
}

/// An array in NumPy's format 1.0; `shape` as Python writes it.
fn npy(numbers: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{numbers}', 'fortran_order': False, 'shape': {shape}, }}");
    header.push_str(&" ".repeat((64 - (header.len() + 11) % 64) % 64));
    header.push('\n');
    let start = [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes()].concat();
    [&start, header.as_bytes(), data].concat()
}

fn npz(entries: &[(&str, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Writes the files of every reader.
pub(super) fn make() -> Result<()> {
    let images = idx(&[SAMPLES as u32, 3, 4], &pixels(SAMPLES * 12));
    keep("idx-images", "images.idx", &images)?;
    keep("idx-images", "images.gz", &gzip(&images)?)?;
    let names = idx(&[SAMPLES as u32], &labels());
    keep("idx-labels", "labels.idx", &names)?;
    keep("idx-labels", "labels.gz", &gzip(&names)?)?;
    keep("class-names", "names.txt", b"zero\none\ntwo\n")?;
    let records: Vec<u8> = (0..4_u8).flat_map(|i| [vec![i % 3], pixels(3072)].concat()).collect();
    keep("cifar", "batch.bin.gz", &gzip(&records)?)?;
    medmnist()?;
    tables()?;
    pictures()
}

fn medmnist() -> Result<()> {
    let grey: Vec<(&str, Vec<u8>)> = [
        ("train_images", true, 8),
        ("train_labels", false, 8),
        ("val_images", true, 2),
        ("val_labels", false, 2),
        ("test_images", true, 3),
        ("test_labels", false, 3),
    ]
    .map(|(name, image, n)| {
        let bytes = if image {
            npy("|u1", &format!("({n}, 3, 3)"), &pixels(9 * n))
        } else {
            npy("|u1", &format!("({n}, 1)"), &labels()[..n])
        };
        (name, bytes)
    })
    .to_vec();
    keep("medmnist", "grey.npz", &npz(&grey)?)
}

fn tables() -> Result<()> {
    let reals: Vec<u8> = (0..2 * SAMPLES).flat_map(|i| (i as f64 / 7.0 - 1.0).to_le_bytes()).collect();
    let single: Vec<u8> = (0..2 * SAMPLES).flat_map(|i| (i as f32 / 3.0).to_le_bytes()).collect();
    let classes: Vec<u8> = labels().iter().flat_map(|l| i64::from(*l).to_le_bytes()).collect();
    let words: Vec<u8> = labels().iter().flat_map(|l| [b'a' + l, 0, 0, 0, b'x', 0, 0, 0]).collect();
    let x = npy("<f8", &format!("({SAMPLES}, 2)"), &reals);
    let y = npy("<i8", &format!("({SAMPLES},)"), &classes);
    keep("npy", "x.npy", &x)?;
    keep("npy", "single.npy", &npy("<f4", &format!("({SAMPLES}, 2, 1)"), &single))?;
    keep("npy", "y.npy", &y)?;
    keep("npy", "words.npy", &npy("<U2", &format!("({SAMPLES},)"), &words))?;
    keep("npz", "set.npz", &npz(&[("x", x), ("y", y)])?)?;
    let mut table = String::from("id,age,height,dose,class\n");
    for i in 0..SAMPLES {
        let class = ["well", "ill"][i % 2];
        table += &format!("{i},{},{:.1},{:e},\"{class}\"\n", 20 + 3 * i, 150.5 + i as f64, 0.01 * i as f64);
    }
    keep("csv", "table.csv", table.as_bytes())?;
    keep("csv", "crlf.csv", table.replace('\n', "\r\n").as_bytes())?;
    keep("rows", "numbers.txt", b"0 0.5 1\n1e-3\t0.25 0\n\n1 1 1\n")?;
    keep("rows", "numbers.txt.gz", &gzip(b"0 0.5 1\n0 1 0.125\n")?)?;
    let sets = [
        r#"{"idx": {"train": {"images": "images.gz", "labels": "labels.idx"},
            "test": {"images": "images.gz", "labels": "labels.idx"}}, "validation": 1, "preprocess": [
            {"pad": {"top": 1, "bottom": 2, "value": 9}}, {"resize": {"height": 8, "width": 5}},
            {"crop": {"top": 2, "left": 1, "height": 4, "width": 3}}]}"#,
        r#""pneumoniamnist""#,
        r#"{"name": "pneumoniamnist", "seed": 0}"#,
        r#"{"csv": {"file": "table.csv", "label": "class", "ignore": ["id"]}, "test": 0.2, "seed": 3}"#,
        r#"{"npy": {"x": "x.npy", "y": "y.npy"}, "name": "arrays", "test": 2}"#,
        r#"{"idx": {"train": {"images": "images.gz", "labels": "labels.idx"},
            "test": {"images": "images.gz", "labels": "labels.idx"}, "classes": ["a", "b", "c"]}, "validation": 1}"#,
    ];
    sets.iter().enumerate().try_for_each(|(i, set)| keep("data-set", &format!("{i}.json"), set.as_bytes()))
}

fn pictures() -> Result<()> {
    let write = |image: image::DynamicImage, format| -> Result<Vec<u8>> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format)?;
        Ok(bytes.into_inner())
    };
    let grey = GrayImage::from_raw(6, 6, pixels(36)).map(image::DynamicImage::from);
    let wide = GrayImage::from_raw(1 << 13, 1, pixels(1 << 13)).map(image::DynamicImage::from);
    let colour = RgbImage::from_raw(5, 4, pixels(60)).map(image::DynamicImage::from);
    for (name, picture) in [("grey.png", grey), ("colour.png", colour), ("wide.png", wide)] {
        if let Some(picture) = picture {
            let bytes = write(picture.clone(), ImageFormat::Png)?;
            keep("png", name, &bytes)?;
            keep("folder", name, &bytes)?;
            if name == "grey.png" {
                let deep = image::DynamicImage::from(picture.to_rgba16());
                keep("png", "deep.png", &write(deep, ImageFormat::Png)?)?;
            }
        }
    }
    Ok(())
}
