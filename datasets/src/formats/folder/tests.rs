//! Folders made on the spot: both layouts, conversions, and every way a folder can be wrong.

use image::{GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage};

use super::*;
use crate::testing::{Folder, encoded};
use crate::{Amount, Warning};

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
        let (Error::NotAnImage { file, .. } | Error::OtherFormat { file, .. }) = &error else { panic!("{error}") };
        assert!(file.ends_with("cat/3.png"), "{error}");
    }
    folder.write("cat/3.png", &png);
    folder.write("cat/more/1.png", &png);
    assert!(matches!(source(&folder, None).load(), Err(Error::FolderAmongPictures { .. })));
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
    assert!(matches!(survey(folder.path()), Err(Error::NotAnImage { .. })), "{:?}", survey(folder.path()));
    folder.write("loose.txt", &grey(2, 3, 1));
    assert!(matches!(survey(folder.path()), Err(Error::LooseImages { found: 1, .. })));
    assert!(matches!(source(&folder, None).load(), Err(Error::LooseImages { found: 1, .. })));
    assert!(matches!(survey(Folder::new().path()), Err(Error::EmptyFolder { .. })));
}

/// Two classes of 12 images, which are enough for all splits.
fn two_classes(folder: &Folder) {
    for class in ["a", "b"] {
        for i in 0..12 {
            folder.write(&format!("{class}/{i}.png"), &grey(2, 3, i));
        }
    }
}

fn warnings(folder: &Folder) -> Vec<Warning> {
    source(folder, None).load().unwrap().warnings().to_vec()
}

#[test]
fn what_is_left_out_is_named_once() {
    let folder = Folder::new();
    two_classes(&folder);
    assert_eq!(warnings(&folder), []);
    for hidden in [".DS_Store", "a/._0.png", "a/Thumbs.db", "b/DESKTOP.INI", "__MACOSX/a/._0.png"] {
        folder.write(hidden, b"x");
    }
    folder.write("labels.csv", b"0,a");
    folder.write("b/notes.txt", b"text");
    let [Warning::LeftOut { others, hidden, .. }] = &warnings(&folder)[..] else { panic!("{:?}", warnings(&folder)) };
    assert_eq!(others[..], ["labels.csv", "b/notes.txt"]);
    assert_eq!(hidden[..], [".DS_Store", "__MACOSX", "a/._0.png", "a/Thumbs.db", "b/DESKTOP.INI"]);
}

#[test]
fn pictures_are_known_by_their_content() {
    let folder = Folder::new();
    two_classes(&folder);
    folder.write("a/12.JFIF", &encoded(GrayImage::from_pixel(3, 2, Luma([9])).into(), ImageFormat::Jpeg));
    folder.write("a/13", &grey(2, 3, 9));
    folder.write("b/14.txt", &grey(2, 3, 9));
    folder.write("b/15.PNG", &grey(2, 3, 9));
    let set = source(&folder, None).load().unwrap();
    let images = Split::ALL.map(|split| set.split(split).len());
    assert_eq!((images.iter().sum::<usize>(), set.warnings()), (28, &[][..]));
    let mut names: Vec<String> =
        Split::ALL.iter().flat_map(|&split| set.split(split).names().unwrap()).cloned().collect();
    names.sort();
    assert_eq!(names[..3], ["a/0.png", "a/1.png", "a/10.png"]);
    assert!(names.contains(&"a/13".to_owned()));
}

#[test]
fn all_bad_files_are_told_at_once() {
    let folder = Folder::new();
    two_classes(&folder);
    folder.write("a/2.png", b"");
    folder.write("a/5.png", b"not a picture");
    folder.write("a/x.bmp", b"BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0");
    folder.write("a/scan.dcm", &[&[0; 128][..], b"DICM"].concat());
    let png = grey(2, 3, 1);
    folder.write("b/1.png", &png[..png.len() / 2]);
    folder.write("b/inner/0.png", &png);
    folder.write("broken.jpg", b"\xff\xd8");
    let found = source(&folder, None).load().unwrap_err();
    let Error::Several { errors, .. } = &found else { panic!("{found}") };
    assert_eq!(errors.len(), 7);
    let text = found.to_string();
    assert_eq!(text.lines().count(), 8, "{text}");
    for part in ["7 of the files", "2.png", "5.png", "BMP", "DICOM", "truncated", "found a folder", "broken.jpg"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let surveyed = survey(folder.path()).unwrap_err();
    assert!(matches!(&surveyed, Error::Several { errors, .. } if errors.len() == 7), "{surveyed}");
    for i in 0..30 {
        folder.write(&format!("b/empty{i}.jpg"), b"");
    }
    let text = source(&folder, None).load().unwrap_err().to_string();
    assert!(text.contains("37 of the files") && text.ends_with("\n  and 17 more"), "{text}");
}

#[test]
fn single_files_and_folders_go_the_same_way() {
    let folder = Folder::new();
    for name in ["2.png", "10.png", "noending"] {
        folder.write(name, &grey(2, 3, 7));
    }
    folder.write("._2.png", b"\0\x05\x16\x07");
    folder.write("notes.txt", b"text");
    let read = read_pictures(&[folder.path()], [1, 2, 3]).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    assert_eq!(read.images.names().unwrap(), ["10.png", "2.png", "noending"].map(path));
    let [Warning::LeftOut { others, hidden, .. }] = &read.warnings[..] else { panic!("{:?}", read.warnings) };
    assert_eq!((others[..].to_vec(), hidden[..].to_vec()), (vec![path("notes.txt")], vec![path("._2.png")]));
    folder.write("inner/1.png", &grey(2, 3, 7));
    folder.write("cut.png", &grey(2, 3, 7)[..40]);
    let error = read_pictures(&[folder.path()], [1, 2, 3]).unwrap_err();
    assert!(matches!(&error, Error::Several { errors, .. } if errors.len() == 2), "{error}");
    let nothing = Folder::new();
    assert!(matches!(read_pictures(&[nothing.path()], [1, 2, 3]), Err(Error::EmptyFolder { .. })));
    assert!(matches!(read_pictures(&[nothing.path().join("x.png")], [1, 2, 3]), Err(Error::Absent { .. })));
    assert!(matches!(read_pictures(&[nothing.path()], [2, 2, 3]), Err(Error::WrongShape { .. })));
}

#[test]
fn folders_of_splits_in_any_case_and_others_beside_them() {
    let folder = divided();
    for (from, to) in [("train", "Train"), ("val", "VAL")] {
        std::fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
    }
    folder.write("extra/a/x.png", &grey(1, 1, 0));
    let set = source(&folder, None).load().unwrap();
    assert_eq!(Split::ALL.map(|split| set.split(split).len()), [2, 2, 2]);
    assert!(matches!(&set.warnings()[0], Warning::LeftOut { others, .. } if others[..] == ["extra/"]));
    let flat = Folder::new();
    for class in ["training", "Testing"] {
        for i in 0..12 {
            flat.write(&format!("{class}/{i}.png"), &grey(1, 1, i));
        }
    }
    assert_eq!(warnings(&flat), [Warning::NamedAsSplits { classes: vec!["Testing".into(), "training".into()] }]);
}

#[test]
fn grey_levels_that_are_not_used_are_warned_of() {
    let folder = Folder::new();
    two_classes(&folder);
    let dark = ImageBuffer::<Luma<u16>, _>::from_pixel(3, 2, Luma([4080_u16]));
    folder.write("a/dark.png", &encoded(dark.into(), ImageFormat::Png));
    let files = vec!["a/dark.png".to_owned()];
    assert_eq!(warnings(&folder), [Warning::FewLevels { largest: 4080, full: 65535, files }]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_broken_ones_are_named() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new();
    two_classes(&folder);
    symlink("1.png", folder.path().join("a/link.png")).unwrap();
    symlink("a", folder.path().join("c")).unwrap();
    let set = source(&folder, None).load().unwrap();
    assert_eq!(set.classes(), ["a", "b", "c"]);
    symlink("gone.png", folder.path().join("a/broken.png")).unwrap();
    symlink("self.png", folder.path().join("b/self.png")).unwrap();
    symlink("..", folder.path().join("b/up")).unwrap();
    let error = source(&folder, None).load().unwrap_err();
    let text = error.to_string();
    // The first is met by class a and by class c.
    assert!(matches!(&error, Error::Several { errors, .. } if errors.len() == 4), "{text}");
    assert!(text.contains("broken.png") && text.contains("self.png") && text.contains("b/up"), "{text}");
}
