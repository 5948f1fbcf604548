//! Archives made on the spot: both layouts, and every way an archive can be wrong.

use super::*;
use crate::Split;
use crate::testing::{Folder, npy, npz};

type Entries = Vec<(&'static str, Vec<u8>)>;

/// Training 3, validation 1, test 2 images of 2 x 2.
fn entries(tail: &str, size: usize) -> Entries {
    let mut entries = Vec::new();
    for (n, images, labels) in
        [(3, "train_images", "train_labels"), (1, "val_images", "val_labels"), (2, "test_images", "test_labels")]
    {
        let pixels: Vec<u8> = (0..n * size).map(|i| i as u8).collect();
        let classes: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
        entries.push((images, npy("|u1", false, &format!("({n}, {tail})"), &pixels)));
        entries.push((labels, npy("|u1", false, &format!("({n}, 1)"), &classes)));
    }
    entries
}

fn grey() -> Entries {
    entries("2, 2", 4)
}

fn load(entries: &Entries) -> Result<Dataset, Error> {
    load_bytes(&npz(entries))
}

fn load_bytes(bytes: &[u8]) -> Result<Dataset, Error> {
    let folder = Folder::new();
    let path = folder.write("x.npz", bytes);
    let result = MedMnistSource { name: "x".into(), file: MedMnistFile { file: path.clone(), classes: None } }.load();
    if let Err(error) = &result {
        assert!(error.to_string().contains(path.to_str().unwrap()), "the error names the file: {error}");
    }
    result
}

fn with(name: &str, bytes: Vec<u8>) -> Error {
    let mut all = grey();
    all.iter_mut().find(|entry| entry.0 == name).unwrap().1 = bytes;
    load(&all).unwrap_err()
}

#[test]
fn grey_and_colour() {
    let set = load(&grey()).unwrap();
    assert_eq!(set.shape(), [1, 2, 2]);
    assert_eq!(Split::ALL.map(|split| set.split(split).len()), [3, 1, 2]);
    assert_eq!(set.split(Split::Test).image(1), Some(&[4, 5, 6, 7][..]));
    assert_eq!(set.split(Split::Train).labels(), [0, 1, 0]);

    let set = load(&entries("2, 2, 3", 12)).unwrap();
    assert_eq!(set.shape(), [3, 2, 2]);
    assert_eq!(
        set.split(Split::Validation).image(0),
        Some(&[0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11][..]),
        "interleaved pixels become planes"
    );
}

#[test]
fn missing_entry_lists_what_is_there() {
    let mut all = grey();
    all.remove(2);
    match load(&all).unwrap_err() {
        Error::MissingEntry { entry, found, .. } => assert_eq!((entry.as_str(), found.len()), ("val_images.npy", 5)),
        other => panic!("{other}"),
    }
}

#[test]
fn wrong_type_order_and_shape() {
    let pixels = [0; 12];
    let images = |dtype, fortran, shape: &str| with("train_images", npy(dtype, fortran, shape, &pixels));
    assert!(matches!(images("<f4", false, "(3, 1, 1)"), Error::WrongDtype { found, .. } if found.contains("f4")));
    assert!(matches!(images("|i1", false, "(3, 2, 2)"), Error::WrongDtype { .. }));
    assert!(matches!(images("|u1", true, "(3, 2, 2)"), Error::FortranOrder { .. }));
    for shape in ["(3, 4)", "(1, 3, 2, 2)", "(12,)", "()"] {
        assert!(matches!(images("|u1", false, shape), Error::WrongShape { .. } | Error::TooLong { .. }), "{shape}");
    }
    let several = with("train_labels", npy("|u1", false, "(3, 2)", &[0; 6]));
    assert!(matches!(several, Error::WrongShape { found, .. } if found == [3, 2]));
}

#[test]
fn counts_sizes_and_labels_must_agree() {
    assert!(matches!(
        with("train_labels", npy("|u1", false, "(2, 1)", &[0, 1])),
        Error::CountMismatch { images: 3, labels: 2, .. }
    ));
    assert!(matches!(
        with("test_images", npy("|u1", false, "(2, 1, 2)", &[0; 4])),
        Error::MixedSizes { found: [1, 1, 2], expected: [1, 2, 2], .. }
    ));
    assert!(matches!(
        with("test_labels", npy("|u1", false, "(2, 1)", &[0, 5])),
        Error::LabelOutOfRange { index: 1, label: 5, classes: 2, .. }
    ));
    assert!(matches!(with("test_images", npy("|u1", false, "(0, 2, 2)", &[])), Error::NoImages { .. }));
}

#[test]
fn truncated_and_too_long_arrays() {
    let whole = npy("|u1", false, "(3, 2, 2)", &[0; 12]);
    for length in [0, 5, 9, 40, whole.len() - 1] {
        assert!(matches!(with("train_images", whole[..length].to_vec()), Error::Truncated { .. }), "{length}");
    }
    let long = [whole, vec![0]].concat();
    assert!(matches!(with("train_images", long), Error::TooLong { .. }));
}

#[test]
fn truncated_and_damaged_archives() {
    let whole = npz(&grey());
    for length in [0, 1] {
        assert!(matches!(load_bytes(&whole[..length]).unwrap_err(), Error::WrongMagic { .. }), "{length}");
    }
    for length in [2, 4, 100, whole.len() / 2, whole.len() - 1] {
        assert!(matches!(load_bytes(&whole[..length]).unwrap_err(), Error::Corrupt { .. }), "{length}");
    }
    let mut damaged = whole;
    damaged[60] ^= 0x55;
    assert!(load_bytes(&damaged).is_err());
    assert!(matches!(load_bytes(b"not an archive").unwrap_err(), Error::WrongMagic { .. }));
}

#[test]
fn no_single_flipped_byte_panics() {
    let whole = npz(&grey());
    for i in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[i] ^= 0xff;
        let _ = read("x", Path::new("x"), std::io::Cursor::new(damaged), None);
    }
}

#[test]
fn hostile_headers() {
    for shape in
        ["(4294967295, 4294967295, 4294967295)", "(99999999999999999999, 1)", "(0x7fffffffffffffff, 0x10, 0x10)"]
    {
        assert!(
            matches!(with("train_images", npy("|u1", false, shape, &[0; 12])), Error::AbsurdSize { .. }),
            "{shape}"
        );
    }
    assert!(matches!(with("train_images", npy("|u1", false, "(3, 20000, 20000)", &[0; 12])), Error::Truncated { .. }));
    assert!(matches!(with("train_images", npy("|u1", false, &"(".repeat(500), &[])), Error::AbsurdSize { .. }));
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    assert!(matches!(with("train_images", long), Error::AbsurdSize { .. }));
    assert!(matches!(with("train_images", npy("|u1", false, "oops", &[])), Error::Corrupt { .. }));
    assert!(matches!(with("train_images", vec![7; 200]), Error::WrongMagic { .. }));
}
