//! Arrays made on the spot: rows, signals, labels of either kind, and what is refused.

use super::*;
use crate::Amount;
use crate::testing::{Folder, npy, npz};

fn floats(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn source(folder: &Folder, description: &str) -> NpySource {
    let mut files: NpyFiles = serde_json::from_str(description).unwrap();
    match &mut files.file {
        Some(file) => *file = folder.path().join(&file),
        None => (files.x, files.y) = (folder.path().join(&files.x), folder.path().join(&files.y)),
    }
    let hold_out = HoldOut { validation: Some(Amount::Count(0)), test: Some(Amount::Count(0)), seed: 0 };
    NpySource { name: "t".into(), files, hold_out }
}

fn load(x: Vec<u8>, y: Vec<u8>, more: &str) -> Result<Dataset, String> {
    let folder = Folder::new();
    folder.write("x.npy", &x);
    folder.write("y.npy", &y);
    source(&folder, &format!(r#"{{"x": "x.npy", "y": "y.npy"{more}}}"#)).load().map_err(|e| e.to_string())
}

fn numbers(set: &Dataset) -> &[f32] {
    &set.split(Split::Train).reals().unwrap().numbers
}

/// Labels 0 and 1.
fn two() -> Vec<u8> {
    npy("<i8", false, "(2,)", &[0_i64.to_le_bytes(), 1_i64.to_le_bytes()].concat())
}

#[test]
fn rows_of_numbers_with_whole_numbers_as_labels() {
    let set = load(npy("<f8", false, "(2, 2)", &floats(&[1.0, 2.0, 3.0, 5.0])), two(), r#", "columns": ["a", "b"]"#);
    let set = set.unwrap();
    assert_eq!((set.shape(), numbers(&set)), ([2, 1, 1], &[1.0, 2.0, 3.0, 5.0][..]));
    assert_eq!((set.classes(), set.mean()), (&["0".to_owned(), "1".to_owned()][..], &[2.0, 3.5][..]));
    assert_eq!(set.split(Split::Train).reals().unwrap().channels, ["a", "b"]);
    let fortran = load(npy("<f8", true, "(2, 2)", &floats(&[1.0, 3.0, 2.0, 5.0])), two(), "").unwrap();
    assert_eq!(numbers(&fortran), numbers(&set));
}

#[test]
fn signals_have_leads_first_or_last() {
    let values = floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0]);
    let first = load(npy("<f8", false, "(2, 2, 3)", &values), two(), "").unwrap();
    assert_eq!((first.shape(), first.mean()), ([2, 1, 3], &[5.0, 8.0][..]));
    let last = load(npy("<f8", false, "(2, 3, 2)", &values), two(), r#", "channels_last": true"#).unwrap();
    assert_eq!(last.shape(), [2, 1, 3]);
    assert_eq!(numbers(&last)[..6], [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    let shaped = load(npy("<f8", false, "(2, 6)", &values), two(), r#", "shape": [1, 1, 6]"#).unwrap();
    assert_eq!(shaped.shape(), [1, 1, 6]);
    let error = load(npy("<f8", false, "(2, 6)", &values), two(), r#", "shape": [1, 1, 5]"#).unwrap_err();
    assert!(error.contains("6 numbers in each sample"), "{error}");
}

#[test]
fn an_archive_has_arrays_by_name_and_names_as_labels() {
    let folder = Folder::new();
    let names: Vec<u8> = ['n', 'v'].iter().flat_map(|&c| u32::from(c).to_le_bytes()).collect();
    let entries = [
        ("X", npy("<f8", false, "(2, 1)", &floats(&[1.0, 2.0]))),
        ("y", npy("<U1", false, "(2,)", &names)),
        ("X_test", npy("<f8", false, "(1, 1)", &floats(&[3.0]))),
        ("y_test", npy("<U1", false, "(1,)", &names[4..])),
    ];
    folder.write("a.npz", &npz(&entries));
    let description = r#"{"file": "a.npz", "x": "X", "y": "y.npy", "x_test": "X_test", "y_test": "y_test"}"#;
    let mut with_test = source(&folder, description);
    with_test.hold_out.test = None;
    let set = with_test.load().unwrap();
    assert_eq!(set.classes(), ["n", "v"]);
    assert_eq!(set.split(Split::Test).labels(), [1]);
    let error = source(&folder, r#"{"file": "a.npz", "x": "Z", "y": "y"}"#).load().unwrap_err().to_string();
    assert!(error.contains("Z.npy") && error.contains("X.npy"), "{error}");
    let error = source(&folder, r#"{"file": "a.npz", "x": "X", "y": "y", "x_test": "X_test"}"#).load().unwrap_err();
    assert!(error.to_string().contains("go together"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let rows = |numbers: &[f64]| npy("<f8", false, "(2, 2)", &floats(numbers));
    let error = load(rows(&[1.0, 2.0, f64::NAN, 1e300]), two(), "").unwrap_err();
    assert!(error.contains("row 1, number 0: NaN; row 1, number 1: inf"), "{error}");
    let error = load(rows(&[1.0, 2.0, f64::NAN, 4.0]), two(), r#", "columns": ["age", "dose"]"#).unwrap_err();
    assert!(error.contains("row 1, column `age`: NaN"), "{error}");
    let one_hot = npy("|u1", false, "(2, 2)", &[1, 0, 0, 1]);
    assert!(load(rows(&[1.0, 2.0, 3.0, 4.0]), one_hot, "").unwrap_err().contains("np.argmax"));
    let three = npy("|u1", false, "(3,)", &[0, 1, 1]);
    assert!(load(rows(&[1.0, 2.0, 3.0, 4.0]), three, "").unwrap_err().contains("3 labels for 2 images"));
    let flat = npy("<f8", false, "(2,)", &floats(&[1.0, 2.0]));
    assert!(load(flat, two(), "").unwrap_err().contains("two to four dimensions"));
}

#[test]
fn rows_for_a_network_have_its_shape() {
    let folder = Folder::new();
    let path = folder.write("x.npy", &npy("<f4", false, "(1, 2, 3)", &[0; 24]));
    assert_eq!(read_npy_rows(&path, [2, 1, 3], &[]).unwrap().labels(), [0]);
    assert!(read_npy_rows(&path, [2, 1, 4], &[]).unwrap_err().to_string().contains("6 numbers"));
    let path = folder.write("y.npy", &npy("<f4", false, "(6,)", &[0; 24]));
    assert!(read_npy_rows(&path, [6, 1, 1], &[]).unwrap_err().to_string().contains("reshape one sample to (1, -1)"));
}
