//! Data sets and pictures: a file of each format beside good ones, opened as a configuration would.

use std::path::Path;

use anyhow::{Result, ensure};
use beaa_datasets::{
    Dataset, Dialect, PixelScale, RowFormat, RowShape, SourceSpec, Split, open, open_split, read_pictures, read_rows,
    survey,
};
use serde_json::{Value, json};

use crate::files::good_file;
use crate::scratch::Scratch;

/// A description of a data set. It may name files of the scratch folder, which are good ones; all
/// other paths lead nowhere.
pub(super) fn description(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let spec: SourceSpec = serde_json::from_slice(bytes)?;
    let text = serde_json::to_string(&spec)?;
    let again: SourceSpec = serde_json::from_str(&text)?;
    assert!(again == spec, "a description that was written is read as another: {text}");
    // No file of the machine is read on behalf of a changed path.
    ensure!(!["..", "\"/", "/dev"].iter().any(|path| text.contains(path)), "a path that leads elsewhere");
    for (folder, name) in [("csv", "table.csv"), ("npy", "x.npy"), ("npy", "y.npy"), ("idx-images", "images.gz")] {
        if !scratch.path().join(name).exists() {
            scratch.write(name, &std::fs::read(good_file(folder, name))?)?;
        }
    }
    if !scratch.path().join("labels.idx").exists() {
        scratch.write("labels.idx", &std::fs::read(good_file("idx-labels", "labels.idx"))?)?;
    }
    let roots = [scratch.path().to_owned()];
    used(&open(&spec, &roots)?);
    let _ = open_split(&spec, Split::Test, &roots)?;
    Ok(())
}

pub(super) fn class_names(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let names = scratch.write("names.txt", bytes)?;
    let pair =
        json!({"images": good_file("idx-images", "images.idx"), "labels": good_file("idx-labels", "labels.idx")});
    opened(&json!({"idx": {"train": pair, "test": pair, "classes": names}, "validation": 1}))
}

pub(super) fn idx_images(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let pair = json!({"images": scratch.write("images", bytes)?, "labels": good_file("idx-labels", "labels.idx")});
    opened(&json!({"idx": {"train": pair, "test": pair}, "validation": 1}))
}

pub(super) fn idx_labels(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let pair = json!({"images": good_file("idx-images", "images.idx"), "labels": scratch.write("labels", bytes)?});
    opened(&json!({"idx": {"train": pair, "test": pair}, "validation": 1}))
}

pub(super) fn cifar(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let batch = [scratch.write("batch.bin", bytes)?];
    opened(&json!({"cifar": {"train": batch, "test": batch, "classes": ["a", "b", "c"]}, "validation": 1}))
}

pub(super) fn medmnist(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    opened(&json!({"medmnist": {"file": scratch.write("x.npz", bytes)?}}))
}

pub(super) fn npy(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let array = scratch.write("x.npy", bytes)?;
    // As labels, as rows for a network, as samples.
    let labels = opened(&json!({"npy": {"x": good_file("npy", "x.npy"), "y": array}, "test": 0.2, "seed": 1}));
    let wanted = RowShape { shape: [2, 1, 1], names: &[], pixels: None };
    let rows = read_rows(&array, None, Dialect::default(), wanted);
    let _ = read_rows(&array, None, Dialect::default(), RowShape { pixels: Some(PixelScale::One), ..wanted });
    let samples = opened(&json!({"npy": {"x": array, "y": good_file("npy", "y.npy")}, "test": 0.2, "seed": 1}));
    // Most arrays are one of these only.
    labels.or(samples).or_else(|error| if rows.is_ok() { Ok(()) } else { Err(error) })
}

pub(super) fn npz(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let archive = scratch.write("x.npz", bytes)?;
    opened(&json!({"npy": {"file": archive, "x": "x", "y": "y"}, "test": 0.2, "seed": 1}))
}

pub(super) fn csv(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let table = scratch.write("x.csv", bytes)?;
    for dialect in [Dialect::default(), Dialect { separator: Some(';'), decimal: Some(','), header: Some(true) }] {
        let names = ["age", "height", "dose"].map(str::to_owned);
        let _ = read_rows(&table, None, dialect, RowShape { shape: [3, 1, 1], names: &names, pixels: None });
        let _ = read_rows(&table, None, dialect, RowShape { shape: [1, 1, 4], names: &[], pixels: None });
    }
    opened(&json!({"csv": {"file": table, "label": "class"}, "test": 0.2, "seed": 1}))
}

/// Numbers without labels, as text and as bytes.
pub(super) fn rows(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let file = scratch.write("x.txt", bytes)?;
    let wanted = |pixels| RowShape { shape: [1, 1, 3], names: &[], pixels };
    let _ = read_rows(&file, Some(RowFormat::Bytes), Dialect::default(), wanted(Some(PixelScale::Byte)));
    let _ = read_rows(&file, Some(RowFormat::Text), Dialect::default(), wanted(Some(PixelScale::One)));
    let (images, _) = read_rows(&file, Some(RowFormat::Text), Dialect::default(), wanted(None))?;
    ensure!(images.shape() == [1, 1, 3] && !images.is_empty(), "rows of three numbers");
    Ok(())
}

pub(super) fn png(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    picture(&scratch.write("x.png", bytes)?)
}

pub(super) fn jpeg(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    picture(&scratch.write("x.jpg", bytes)?)
}

fn picture(path: &Path) -> Result<()> {
    let grey = read_pictures(&[path], [1, 8, 8])?;
    ensure!(grey.images.len() == 1, "one picture");
    // Higher than any picture is: what lies between a wide one and this is large.
    let high = read_pictures(&[path], [1, 1 << 14, 1])?;
    ensure!(high.images.shape() == [1, 1 << 14, 1], "the shape that was asked for");
    let colour = read_pictures(&[path], [3, 5, 7])?;
    ensure!(colour.images.shape() == [3, 5, 7], "the shape that was asked for");
    Ok(())
}

/// One changed picture in a folder of good ones.
pub(super) fn folder(scratch: &Scratch, bytes: &[u8]) -> Result<()> {
    let good = std::fs::read(good_file("png", "grey.png"))?;
    for (name, content) in
        [("a/1.png", bytes), ("a/2.png", &good), ("a/3.png", &good), ("b/1.png", &good), ("b/2.png", &good)]
    {
        if name == "a/1.png" || !scratch.path().join("set").join(name).exists() {
            scratch.write(&format!("set/{name}"), content)?;
        }
    }
    let path = scratch.path().join("set");
    let found = survey(&path)?;
    ensure!(found.images() > 0, "a folder with pictures");
    opened(&json!({"folder": {"path": path, "shape": [1, 6, 6]}, "validation": 1, "test": 1}))
}

/// Opens a data set and uses what it has.
fn opened(description: &Value) -> Result<()> {
    let spec: SourceSpec = serde_json::from_value(description.clone())?;
    used(&open(&spec, &[])?);
    ensure!(!open_split(&spec, Split::Test, &[])?.images.is_empty(), "images to test with");
    Ok(())
}

/// Every sample has its label and its class.
fn used(set: &Dataset) {
    for split in Split::ALL {
        let images = set.split(split);
        assert!(images.labels().len() == images.len(), "labels for other images");
        let classes = set.classes().len();
        assert!(images.labels().iter().all(|l| usize::from(*l) < classes), "a label without a class");
    }
    let _ = set.checksum();
}
