//! Tables made on the spot: how they are written, what they hold, and every way they can be wrong.

use super::*;
use crate::testing::{Folder, gz};
use crate::{Amount, Dataset};

fn source(folder: &Folder, description: &str) -> CsvSource {
    let mut files: CsvFiles = serde_json::from_str(description).unwrap();
    files.file = folder.path().join(&files.file);
    files.test_file = files.test_file.map(|file| folder.path().join(file));
    CsvSource { name: "t".into(), files, hold_out: none() }
}

/// Nothing is held out.
fn none() -> HoldOut {
    HoldOut { validation: Some(Amount::Count(0)), test: Some(Amount::Count(0)), seed: 0 }
}

fn load(table: &[u8], description: &str) -> Result<Dataset, String> {
    let folder = Folder::new();
    folder.write("t.csv", table);
    source(&folder, description).load().map_err(|e| e.to_string())
}

fn numbers(set: &Dataset) -> &[f32] {
    &set.split(Split::Train).reals().unwrap().numbers
}

const LABELLED: &str = r#"{"file": "t.csv", "label": "kind"}"#;

#[test]
fn a_table_with_names_is_read_in_its_order() {
    let set = load(
        b"id,age,kind,dose\n7,31,ill,0.5\n8,60,well,-1e-1\n",
        r#"{"file": "t.csv", "label": "kind", "ignore": ["id"]}"#,
    );
    let set = set.unwrap();
    assert_eq!((set.shape(), set.classes()), ([2, 1, 1], &["ill".to_owned(), "well".to_owned()][..]));
    assert_eq!(numbers(&set), [31.0, 0.5, 60.0, -0.1]);
    let train = set.split(Split::Train);
    assert_eq!(
        (train.labels(), train.names().unwrap()),
        (&[0, 1][..], &["line 2".to_owned(), "line 3".to_owned()][..])
    );
    assert_eq!(train.reals().unwrap().channels, ["age", "dose"]);
    assert_eq!(set.allowed().unwrap()[0], [16.5, 74.5], "half of what training spans beyond either end");
    let chosen = r#"{"file": "t.csv", "label": 2, "columns": ["dose", "age"]}"#;
    assert_eq!(
        numbers(&load(b"id,age,kind,dose\n7,31,ill,0.5\n8,60,well,1\n", chosen).unwrap()),
        [0.5, 31.0, 1.0, 60.0]
    );
}

#[test]
fn tables_are_written_in_many_ways() {
    let expected = [1.5, 2.0, -3.0, 4.0];
    for (table, how) in [
        (&b"\xef\xbb\xbfa,b,kind\r\n1.5,2,x\r\n-3,4,y\r\n"[..], ""),
        (b"\"a\",\"b\",\"kind\"\n\"1.5\",\"2\",\"x\"\n\n\"-3\",\"4\",\"y\"", ""),
        (b" a , b , kind \n 1.5 , 2 , x \n -3 , 4 , y\n", ""),
        (b"a;b;kind\n1,5;2;x\n-3;4;y\n", r#", "separator": ";", "decimal": ",""#),
        (b"a\tb\tkind\n1.5\t2\tx\n-3\t4\ty\n", r#", "separator": "\t""#),
        (b"a,b,kind\n1.5,2.0,x\n-0.3e1,+4,y\n", r#", "header": true"#),
    ] {
        let set = load(table, &format!(r#"{{"file": "t.csv", "label": "kind"{how}}}"#)).unwrap();
        assert_eq!(numbers(&set), expected, "{how}");
        assert_eq!(set.classes(), ["x", "y"]);
    }
    let folder = Folder::new();
    folder.write("t.csv", &gz(b"a,b,kind\n1.5,2,x\n-3,4,y\n".to_vec()));
    assert_eq!(numbers(&source(&folder, LABELLED).load().unwrap()), expected);
}

#[test]
fn a_table_without_names_has_columns_by_number() {
    let set = load(b"1,2,0.000e+00\n3,4,1.000e+00\n", r#"{"file": "t.csv", "label": -1}"#).unwrap();
    assert_eq!((numbers(&set), set.classes()), (&[1.0, 2.0, 3.0, 4.0][..], &["0".to_owned(), "1".to_owned()][..]));
    assert!(set.warnings().iter().any(|w| w.to_string().contains("read as a row")), "{:?}", set.warnings());
    let set = load(b"842302,M,17.99\n842517,B,20.5\n", r#"{"file": "t.csv", "label": 1, "ignore": [0]}"#).unwrap();
    assert_eq!((numbers(&set), set.split(Split::Train).labels()), (&[17.99, 20.5][..], &[1, 0][..]));
}

#[test]
fn signals_are_rows_of_a_stated_shape() {
    let signal = r#"{"file": "t.csv", "label": -1, "shape": [1, 1, 3], "ranges": [-5, 5]}"#;
    let set = load(b"1.5,2,2.5,n\n4,5,-3,v\n", signal).unwrap();
    assert_eq!((set.shape(), set.mean(), set.allowed().unwrap()), ([1, 1, 3], &[2.0][..], &[[-5.0, 5.0]][..]));
    assert!(set.split(Split::Train).reals().unwrap().channels.is_empty());
    let error = load(b"1.5,2,3,n\n4,5,-3,v\n", &signal.replace("[1, 1, 3]", "[2, 1, 3]")).unwrap_err();
    assert!(error.contains("3 numbers in each sample") && error.contains("[2, 1, 3]"), "{error}");
}

#[test]
fn cells_that_are_no_numbers_are_told_by_line_and_column() {
    for (cell, found) in [
        ("", "line 3, column `b`: nothing"),
        ("NA", "line 3, column `b`: `NA`"),
        ("nan", "line 3, column `b`: `nan`"),
        ("-inf", "`-inf`"),
        ("1e39", "`1e39`, beyond single precision"),
        ("\"2,5\"", "`2,5`, with a comma: if it is the decimal sign, state it"),
        ("0x10", "`0x10`"),
    ] {
        let error = load(format!("a,b,kind\n1,2,x\n1,{cell},y\n").as_bytes(), LABELLED).unwrap_err();
        assert!(error.contains(found) && error.contains("1 cell that is no number"), "{error}");
    }
    let error = load(b"a,kind\n?,x\n?,y\n?,x\n?,x\n?,x\n?,x\n?,x\n?,x\n", LABELLED).unwrap_err();
    assert!(error.contains("8 cells that are no number") && error.contains("and 2 more"), "{error}");
    let error = load(b"a,kind\n1,x\n2,\n", LABELLED).unwrap_err();
    assert!(error.contains("line 3, column `kind`: no label"), "{error}");
}

#[test]
fn what_is_not_as_described_is_refused() {
    for (table, description, parts) in [
        (&b"a;b;kind\n1;2;x\n"[..], LABELLED, &["`;` in it", r#"state "separator": ";""#][..]),
        (b"\xff\xfea\0", LABELLED, &["UTF-16", "UTF-8"]),
        (b"a,kind\n1,gutartig \xe4\n2,x\n", LABELLED, &["line 2, column 1", "another encoding"]),
        (b"a,b,kind\n1,2,x\n1,2\n", LABELLED, &["line 3: found 2 cells, expected 3"]),
        (b"a,b\n1,2\n", LABELLED, &["the columns `a`, `b`", "one called `kind`"]),
        (b"a,a,kind\n1,2,x\n", LABELLED, &["`a` again"]),
        (b",a,kind\n0,2,x\n1,3,y\n", LABELLED, &["column 0 without a name", r#""ignore": [0]"#]),
        (b"kind\nx\n", LABELLED, &["no column beside the label"]),
        (b"a,kind\n1,x\n2,x\n", LABELLED, &["the classes [`x`]", "at least two"]),
        (b"a,kind\n", LABELLED, &["holds no image"]),
        (b"", LABELLED, &["holds no image"]),
        (b"0,1,2,3\n5,6,7,8\n", r#"{"file": "t.csv", "label": -1}"#, &["line 1", r#"state "header""#]),
        (b"1,NA,x\n2,3,y\n", r#"{"file": "t.csv", "label": -1}"#, &["`NA` among them", r#"state "header""#]),
        (b"1,2\n2,3\n", r#"{"file": "t.csv", "label": 2}"#, &["2 columns and a column 2", "0 to 1"]),
        (
            b"a,kind\n1,x\n2,y\n",
            r#"{"file": "t.csv", "label": "kind", "columns": ["a", "kind"]}"#,
            &["the label among"],
        ),
        (b"a,kind\n1,x\n2,y\n", r#"{"file": "t.csv", "label": "kind", "columns": ["a", 0]}"#, &["column `a` twice"]),
        (b"a,kind\n1,x\n2,y\n", r#"{"file": "t.csv", "label": "kind", "decimal": ","}"#, &["a comma as decimal sign"]),
        (b"a,kind\n1,0.5\n2,0.25\n", LABELLED, &["column `kind`: found the label 0.25", "predicts no amount"]),
    ] {
        let error = load(table, description).unwrap_err();
        parts.iter().for_each(|part| assert!(error.contains(part), "{part}: {error}"));
    }
}

#[test]
fn a_line_without_end_is_refused_and_quotes_may_hold_line_breaks() {
    let set = load(b"\"a\nb\",kind\n1,x\n2,z\n", LABELLED).unwrap();
    assert_eq!(set.split(Split::Train).names().unwrap(), ["line 3", "line 4"]);
    let error = load(b"a,kind\n1,\"x\ny\"\n2,z\n", LABELLED).unwrap_err();
    assert!(error.contains("a name with control characters (x\ny)"), "{error}");
    let endless = [b"a,kind\n1,\"".to_vec(), vec![b'x'; 65 << 20]].concat();
    let error = load(&endless, LABELLED).unwrap_err();
    assert!(error.contains("line 2: found a line of more than 64 MiB"), "{error}");
}

#[test]
fn test_files_have_the_columns_of_training() {
    let folder = Folder::new();
    folder.write("t.csv", b"a,kind\n1,x\n2,y\n");
    let mut source = source(&folder, r#"{"file": "t.csv", "test_file": "u.csv", "label": "kind"}"#);
    source.hold_out.test = None;
    let with = |table: &[u8]| {
        folder.write("u.csv", table);
        source.load().map_err(|e| e.to_string())
    };
    let set = with(b"kind,a\ny,3\n").unwrap();
    assert_eq!(
        (set.split(Split::Test).labels(), set.split(Split::Test).reals().unwrap().numbers.as_slice()),
        (&[1][..], &[3.0][..])
    );
    let error = with(b"kind,b\ny,3\n").unwrap_err();
    assert!(error.contains("the columns `b`") && error.contains("the columns `a`"), "{error}");
    let error = with(b"a,kind\n3,z\n").unwrap_err();
    assert!(error.contains("line 2, column `kind`: found the label `z`"), "{error}");
}

#[test]
fn rows_for_a_network_are_found_by_name() {
    let folder = Folder::new();
    let names = ["b".to_owned(), "a".to_owned()];
    let read = |table: &str| {
        let path = folder.write("r.csv", table.as_bytes());
        read_csv_rows(&path, Dialect::default(), [2, 1, 1], &names).map_err(|e| e.to_string())
    };
    let (rows, notes) = read("id,a,b\nP7,1,2\nP8,3,4\n").unwrap();
    assert_eq!(rows.reals().unwrap().numbers, [2.0, 1.0, 4.0, 3.0]);
    assert_eq!((rows.reals().unwrap().channels.as_slice(), rows.labels()), (&names[..], &[0, 0][..]));
    assert!(notes[0].contains("`id`"), "{notes:?}");
    let (rows, notes) = read("1,2\n3,4\n").unwrap();
    assert_eq!(rows.reals().unwrap().numbers, [1.0, 2.0, 3.0, 4.0]);
    assert!(notes[0].contains("in their order"), "{notes:?}");
    assert!(read("a,c\n1,2\n").unwrap_err().contains("no column `b`"));
    assert!(read("1,5,3\n").unwrap_err().contains("3 columns, expected 2: `b`, `a`"));
}

#[test]
fn plain_lines_are_read_as_quoted_ones() {
    let cells = [
        "0",
        "255",
        "-3",
        "0.498039",
        "1e-3",
        "-2.5E+2",
        ".5",
        "7.",
        " 4 ",
        "123456789012345678",
        "0.1234567890123456",
        "1e22",
        "+8",
        "3e-45",
        "9007199254740993",
    ];
    let ways = [(",", ".", "\n"), (";", ",", "\r\n"), ("\t", ".", "\n\n"), (" ", ".", "\r\n\r\n"), (",", ".", "\r")];
    for (separator, decimal, end) in ways {
        let number = |i: usize| {
            let cell = cells[i % cells.len()].replace('.', decimal);
            if separator == " " { cell.trim().to_owned() } else { cell }
        };
        // The label in the middle, a column that is not read, and more than is read at a time. Some
        // lines are not plain in either table.
        let row = |i: usize, quote: &str| {
            let (quote, text) =
                if i.is_multiple_of(997) { ("\"", "two\nlines, \"\"quoted\"\"") } else { (quote, "text") };
            let row = [&number(i), &format!("k{}", i % 3), text, &number(7 * i + i / 11)];
            row.map(|cell| format!("{quote}{cell}{quote}")).join(separator) + end
        };
        let header = ["a", "kind", "n", "b"].join(separator) + end;
        let table = |quote: &str| header.clone() + &(0..70_000).map(|i| row(i, quote)).collect::<String>();
        let description = serde_json::json!({
            "file": "t.csv", "label": "kind", "columns": ["b", "a"], "separator": separator, "decimal": decimal,
        });
        let [plain, quoted] = ["", "\""].map(|quote| load(table(quote).as_bytes(), &description.to_string()).unwrap());
        assert!(plain == quoted, "{separator:?}");
    }
}
