//! Folders made on the spot: both layouts, conversions, and every way a folder can be wrong.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};

use super::*;
use crate::Amount;
use crate::testing::Folder;

fn encoded(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn grey(height: u32, width: u32, value: u8) -> Vec<u8> {
    encoded(GrayImage::from_pixel(width, height, Luma([value])).into(), ImageFormat::Png)
}

fn colour(value: [u8; 3], format: ImageFormat) -> Vec<u8> {
    encoded(RgbImage::from_pixel(3, 2, Rgb(value)).into(), format)
}

fn source(folder: &Folder, shape: Option<[usize; 3]>) -> FolderSource {
    let files = FolderFiles { path: folder.path().to_owned(), shape };
    FolderSource { name: "f".into(), files, hold_out: HoldOut::default() }
}

/// Ten images of 2 x 3 in each of two classes, grey level 10 i + class.
fn flat() -> Folder {
    let folder = Folder::new();
    for (label, class) in ["cat", "dog"].iter().enumerate() {
        for i in 0..10 {
            folder.write(&format!("{class}/{i}.png"), &grey(2, 3, (10 * i + label) as u8));
        }
    }
    folder
}

/// One image of 1 x 1 per class and split.
fn divided() -> Folder {
    let folder = Folder::new();
    for (split, value) in [("train", 1), ("val", 2), ("test", 3)] {
        for class in ["a", "b"] {
            folder.write(&format!("{split}/{class}/x.png"), &grey(1, 1, value));
        }
    }
    folder
}

#[test]
fn one_folder_per_class_is_split_by_seed() {
    let folder = flat();
    folder.write("README.md", b"loose files are no classes");
    folder.write("cat/.hidden", b"");
    folder.write("dog/Thumbs.db", b"");
    let mut source = source(&folder, None);
    let set = source.load().unwrap();
    assert_eq!(set.classes(), ["cat", "dog"]);
    assert_eq!(set.shape(), [1, 2, 3]);
    assert_eq!(Split::ALL.map(|split| set.split(split).len()), [16, 2, 2]);
    let mut levels: Vec<u8> =
        Split::ALL.iter().flat_map(|&split| set.split(split).pixels().iter().step_by(6).copied()).collect();
    levels.sort_unstable();
    assert_eq!(levels, (0..10).flat_map(|i| [10 * i, 10 * i + 1]).collect::<Vec<u8>>(), "every image is in one split");
    for split in Split::ALL {
        let images = set.split(split);
        for i in 0..images.len() {
            assert_eq!(images.image(i).unwrap()[0] % 10, images.label(i).unwrap());
        }
    }
    assert_eq!(source.load().unwrap(), set);
    source.hold_out.seed = 1;
    assert_ne!(source.load().unwrap(), set);
    source.hold_out = HoldOut { validation: Some(Amount::Count(4)), test: Some(Amount::Fraction(0.5)), seed: 1 };
    assert_eq!(Split::ALL.map(|split| source.load().unwrap().split(split).len()), [6, 4, 10]);
}

#[test]
fn own_split_folders() {
    let folder = divided();
    let mut source = source(&folder, None);
    let set = source.load().unwrap();
    for (split, value) in Split::ALL.into_iter().zip(1..) {
        assert_eq!(set.split(split).pixels(), [value, value]);
        assert_eq!(set.split(split).labels(), [0, 1]);
    }
    source.hold_out.test = Some(Amount::Count(1));
    assert!(matches!(source.load(), Err(Error::HasSplit { split: Split::Test, .. })));
}

#[test]
fn images_become_the_configured_shape() {
    let folder = Folder::new();
    folder.write("a/1.png", &colour([200, 100, 50], ImageFormat::Png));
    folder.write("a/2.jpg", &colour([200, 100, 50], ImageFormat::Jpeg));
    folder.write("a/3.png", &grey(7, 5, 90));
    let mut source = source(&folder, Some([3, 2, 2]));
    source.hold_out = HoldOut { validation: Some(Amount::Count(0)), test: Some(Amount::Count(0)), seed: 0 };
    let set = source.load().unwrap();
    let train = set.split(Split::Train);
    assert_eq!(train.image(0), Some(&[200, 200, 200, 200, 100, 100, 100, 100, 50, 50, 50, 50][..]));
    let jpeg = train.image(1).unwrap();
    assert!(jpeg.iter().zip(train.image(0).unwrap()).all(|(a, b)| a.abs_diff(*b) <= 4), "{jpeg:?}");
    assert_eq!(train.image(2), Some(&[90; 12][..]));
    source.files.shape = Some([1, 4, 4]);
    let set = source.load().unwrap();
    // Rec. 709 luma: 0.2126 * 200 + 0.7152 * 100 + 0.0722 * 50.
    assert!(set.split(Split::Train).image(0).unwrap().iter().all(|&level| level.abs_diff(118) <= 1));
    for shape in [[2, 2, 2], [1, 0, 2], [1, 2, 1 << 20]] {
        source.files.shape = Some(shape);
        assert!(matches!(source.load(), Err(Error::WrongShape { .. })), "{shape:?}");
    }
}

#[test]
fn without_a_shape_all_images_are_of_one_size_and_kind() {
    let folder = flat();
    folder.write("dog/5.png", &grey(2, 4, 0));
    let error = source(&folder, None).load().unwrap_err();
    let Error::MixedSizes { file, found: [1, 2, 4], expected: [1, 2, 3] } = &error else { panic!("{error}") };
    assert!(file.ends_with("dog/5.png"));
    folder.write("dog/5.png", &colour([1, 2, 3], ImageFormat::Png));
    assert!(matches!(source(&folder, None).load(), Err(Error::MixedSizes { found: [3, 2, 3], .. })));
}

#[test]
fn what_is_no_image_is_an_error() {
    let folder = flat();
    let png = grey(2, 3, 1);
    let mut damaged = png.clone();
    damaged[20] ^= 0xff;
    let mut absurd = png.clone();
    absurd[16..24].copy_from_slice(&[0x7f; 8]);
    for bad in [&b"hello"[..], b"", &png[..30], &damaged, &absurd, b"GIF89a\x01\x00\x01\x00\x00\x00\x00"] {
        folder.write("cat/3.png", bad);
        let error = source(&folder, Some([1, 2, 3])).load().unwrap_err();
        assert!(matches!(&error, Error::NotAnImage { file, .. } if file.ends_with("cat/3.png")), "{error}");
    }
    folder.write("cat/3.png", &png);
    folder.write("cat/more/1.png", &png);
    assert!(matches!(source(&folder, None).load(), Err(Error::NotAnImage { .. })));
}

#[test]
fn missing_and_unknown_classes() {
    let folder = divided();
    std::fs::remove_dir_all(folder.path().join("test/b")).unwrap();
    let error = source(&folder, None).load().unwrap_err();
    assert!(matches!(&error, Error::MissingClass { class, split: Split::Test, .. } if class == "b"), "{error}");
    folder.write("test/b/x.png", &grey(1, 1, 0));
    folder.write("val/c/x.png", &grey(1, 1, 0));
    let error = source(&folder, None).load().unwrap_err();
    assert!(matches!(&error, Error::UnknownClass { class, file } if class == "c" && file.ends_with("val")), "{error}");
}

#[test]
fn empty_and_absent_folders() {
    let folder = Folder::new();
    assert!(matches!(source(&folder, None).load(), Err(Error::EmptyFolder { .. })));
    folder.write("a/x.png", &grey(1, 1, 0));
    std::fs::create_dir(folder.path().join("b")).unwrap();
    assert!(matches!(source(&folder, None).load(), Err(Error::EmptyFolder { file, .. }) if file.ends_with("b")));
    let mut source = source(&folder, None);
    source.files.path = folder.path().join("nowhere");
    assert!(matches!(source.load(), Err(Error::Absent { .. })));
    let many = Folder::new();
    for i in 0..257 {
        std::fs::create_dir(many.path().join(i.to_string())).unwrap();
    }
    source.files.path = many.path().to_owned();
    assert!(matches!(source.load(), Err(Error::TooManyClasses { found: 257, .. })));
}

#[test]
fn a_survey_counts_sizes_classes_and_colour() {
    let folder = flat();
    folder.write("dog/x.png", &grey(5, 4, 9));
    folder.write("dog/y.png", &colour([7, 7, 7], ImageFormat::Png));
    let found = survey(folder.path()).unwrap();
    assert_eq!(found.classes, [("cat".to_owned(), 10), ("dog".to_owned(), 12)]);
    assert_eq!(found.sizes, [([2, 3], 21), ([5, 4], 1)]);
    assert_eq!((found.colour, found.images(), found.test), (0, 22, false), "grey saved in colour is grey");
    folder.write("dog/z.png", &colour([7, 8, 7], ImageFormat::Png));
    assert_eq!(survey(folder.path()).unwrap().colour, 1);
}

#[test]
fn a_survey_says_what_is_wrong_with_a_folder() {
    let folder = Folder::new();
    folder.write("cat/0.png", &grey(2, 3, 1));
    assert!(matches!(survey(folder.path()), Err(Error::OneClass { class, .. }) if class == "cat"));
    folder.write("dog/0.png", b"no image");
    assert!(matches!(survey(folder.path()), Err(Error::NotAnImage { .. })));
    folder.write("loose.JPG", b"");
    assert!(matches!(survey(folder.path()), Err(Error::LooseImages { found: 1, .. })));
    assert!(matches!(survey(Folder::new().path()), Err(Error::EmptyFolder { .. })));
}
