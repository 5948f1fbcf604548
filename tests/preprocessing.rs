//! Pictures as people have them, cropped and resized by the network's own description: training,
//! evaluation and encryption treat the same picture alike, whichever file it comes in.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod kit;

use std::path::Path;

use kit::{bad, folder, good, text};
use serde_json::{Value, json};

/// Pixels a side of a picture.
const SIDE: usize = 8;

/// Pictures that are bright in the upper or in the lower half of their middle, with a border of
/// noise that is brighter in the other half: whoever does not crop it off is wrong.
fn pictures(count: usize, mut seed: u64) -> Vec<Vec<u8>> {
    let mut random = |most: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % most) as u8
    };
    let mut picture = |class: usize| {
        let pixel = |i: usize| {
            let (row, column) = (i / SIDE, i % SIDE);
            let inside = (2..6).contains(&row) && (2..6).contains(&column);
            let bright = (row < SIDE / 2) == ((class == 0) == inside);
            if bright { 180 + random(70) } else { random(90) }
        };
        (0..SIDE * SIDE).map(pixel).collect()
    };
    (0..count).map(|i| picture(i % 2)).collect()
}

fn idx(sizes: &[usize], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    file.extend(sizes.iter().flat_map(|&size| (size as u32).to_be_bytes()));
    file.extend(bytes);
    file
}

/// Images and labels of alternating classes as IDX files, and their description.
fn write_idx(folder: &Path, name: &str, pictures: &[Vec<u8>]) -> Value {
    let labels: Vec<u8> = (0..pictures.len()).map(|i| (i % 2) as u8).collect();
    let [images_file, labels_file] = ["images", "labels"].map(|what| folder.join(format!("{name}-{what}")));
    std::fs::write(&images_file, idx(&[pictures.len(), SIDE, SIDE], &pictures.concat())).unwrap();
    std::fs::write(&labels_file, idx(&[labels.len()], &labels)).unwrap();
    json!({"images": images_file, "labels": labels_file})
}

fn lines(pictures: &[Vec<u8>], separator: &str, cell: impl Fn(u8) -> String) -> String {
    let line = |picture: &Vec<u8>| picture.iter().map(|&p| cell(p)).collect::<Vec<_>>().join(separator) + "\n";
    pictures.iter().map(line).collect()
}

/// An array of unsigned bytes, as NumPy saves it.
fn npy(shape: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    header.extend(std::iter::repeat_n(' ', 117 - header.len()));
    header.push('\n');
    [&b"\x93NUMPY\x01\x00\x76\x00"[..], header.as_bytes(), bytes].concat()
}

#[test]
fn a_picture_is_the_same_whichever_file_it_comes_in() {
    let root = folder("preprocessing/forms");
    let at = |name: &str| root.join(name);
    let steps = json!([
        {"crop": {"top": 2, "left": 2, "height": 4, "width": 4}},
        {"pad": {"top": 0, "left": 0, "bottom": 0, "right": 2, "value": 7}},
        {"resize": {"height": 2, "width": 3}},
    ]);
    let test = pictures(12, 9);
    let (train_files, test_files) = (write_idx(&root, "train", &pictures(200, 5)), write_idx(&root, "test", &test));
    let mut source = json!({
        "name": "halves", "validation": 20, "preprocess": steps,
        "idx": {"train": train_files, "test": test_files, "classes": ["upper", "lower"]},
    });
    let optimiser = json!({"learning_rate": 0.02});
    let experiment = json!({
        "name": "halves", "data": {"source": source},
        "network": ["flatten", {"linear": {"out": 4}}, "activation", {"linear": {"out": "classes"}}],
        "teacher": {"epochs": 12, "batch": 20, "optimiser": optimiser},
        "student": {"epochs": 12, "batch": 20, "optimiser": optimiser},
    });
    std::fs::write(at("config.json"), experiment.to_string()).unwrap();
    let trained = good(&["train", text(&at("config.json")), "--out", text(&at("run"))]);
    assert_eq!(trained["student"]["test"], 1.0, "{trained}");
    let (model, program) = (at("run/student.safetensors"), at("p.beaa"));
    let shown = good(&["inspect", text(&model)]);
    assert_eq!(shown["input"]["shape"], json!([1, 2, 3]));
    assert_eq!(shown["input"]["preprocessing"], json!({"from": [1, 8, 8], "steps": steps}));

    // The set as it was described, and as it comes, alone.
    let as_it_comes = json!({"idx": {"test": test_files}}).to_string();
    for set in [&source.to_string(), &as_it_comes] {
        assert_eq!(good(&["eval", text(&model), "--data-set", set])["accuracy"], 1.0);
    }
    source["preprocess"] = json!([{"crop": {"top": 2, "left": 2, "height": 2, "width": 3}}]);
    let other = source.to_string();
    bad(
        3,
        &["were preprocessed: 8 x 8 pictures, crop to 2 x 3", "resize to 2 x 3"],
        &["eval", text(&model), "--data-set", &other],
    );

    good(&["compile", text(&model), "-o", text(&program), "--batch", "16"]);
    let signature = at("p.beaa.signature");
    good(&["keygen", text(&signature), "--out", text(&at("keys"))]);
    let (secret, evaluation) = (at("keys/secret.key"), at("keys/evaluation.key"));
    let logits = |name: &str, data: &[&str], images: usize| {
        let (input, output) = (at(&format!("{name}.ct")), at(&format!("{name}.out")));
        let encrypt = ["encrypt", text(&signature), "--key", text(&secret), "-o", text(&input)];
        assert_eq!(good(&[&encrypt[..], data].concat())["images"], images, "{name}");
        good(&["run", text(&program), "--keys", text(&evaluation), "--input", text(&input), "-o", text(&output)]);
        let receipt = at(&format!("{name}.ct.receipt"));
        let decrypt = ["decrypt", text(&signature), "--key", text(&secret), "--input", text(&output)];
        let answers = good(&[&decrypt[..], &["--receipt", text(&receipt)]].concat());
        let of_image =
            |image: &Value| image["logits"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
        answers["images"].as_array().unwrap().iter().map(of_image).collect::<Vec<_>>()
    };
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(at(name), bytes).unwrap();
        text(&at(name)).to_owned()
    };
    let by_one = |p: u8| format!("{:.6}", f64::from(p) / 255.0);
    let named = write("a.txt", lines(&test, " ", by_one).as_bytes());
    let expected = logits("text", &["--rows", &named, "--row-format", "text", "--pixels", "1"], 12);
    let agree = |name: &str, data: &[&str], images: usize| {
        let found = logits(name, data, images);
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 0.02, "{name}: {found} and {expected}");
        }
    };
    for (image, logits) in expected.iter().enumerate() {
        assert!(logits[image % 2] > logits[1 - image % 2], "image {image}: {logits:?}");
    }
    agree("set", &["--data-set", &as_it_comes], 12);
    let named = write("a.csv", lines(&test, ",", |p| p.to_string()).as_bytes());
    agree("csv", &["--rows", &named, "--pixels", "255"], 12);
    let named = write("a.npy", &npy("(12, 8, 8)", &test.concat()));
    agree("npy", &["--rows", &named, "--pixels", "255"], 12);
    let named = write("a.bin", &test.concat());
    agree("bytes", &["--rows", &named, "--pixels", "255", "--row-format", "bytes", "--limit", "3"], 3);
    // One image, without labels.
    let one = at("one");
    std::fs::write(&one, idx(&[1, SIDE, SIDE], &test[0])).unwrap();
    let one_image = json!({"idx": {"test": {"images": one}}}).to_string();
    agree("idx", &["--data-set", &one_image], 1);
    let picture = at("a.png");
    image::GrayImage::from_raw(8, 8, test[0].clone()).unwrap().save(&picture).unwrap();
    agree("picture", &["--images", text(&picture)], 1);

    let nowhere = at("x.ct");
    let encrypt = ["encrypt", text(&signature), "--key", text(&secret), "-o", text(&nowhere)];
    let refused = |code: i32, words: &[&str], file: &str, data: &[&str]| {
        let file = at(file);
        bad(code, words, &[&encrypt[..], data, &["--rows", text(&file)]].concat());
    };
    refused(3, &["--pixels 255 or --pixels 1"], "a.csv", &[]);
    refused(3, &["no number from 0 to 1", "line 1, number 0"], "a.csv", &["--pixels", "1"]);
    refused(3, &["found 63 numbers"], "short.txt", {
        write("short.txt", lines(&[test[0][1..].to_vec()], " ", by_one).as_bytes());
        &["--pixels", "1", "--row-format", "text"]
    });
    refused(2, &["1 or 255"], "a.csv", &["--pixels", "256"]);
    refused(
        2,
        &["--row-format, expected csv"],
        "a.txt",
        &["--pixels", "1", "--row-format", "text", "--separator", ";"],
    );
    let labels = text(&at("labels.json")).to_owned();
    bad(2, &["without labels"], &[&encrypt[..], &["--data-set", &one_image, "--labels", &labels]].concat());
    bad(3, &["without labels"], &["eval", text(&model), "--data-set", &one_image]);
}

#[test]
fn numbers_are_images_where_a_description_says_so() {
    let root = folder("preprocessing/tables");
    let rows = pictures(120, 3);
    let table = root.join("pixels.csv");
    let row = |(i, line): (usize, &str)| format!("{},{line}\n", ["upper", "lower"][i % 2]);
    let text_of_rows = lines(&rows, ",", |p| p.to_string());
    std::fs::write(&table, text_of_rows.lines().enumerate().map(row).collect::<String>()).unwrap();
    let mut csv = json!({"file": table, "label": 0, "header": false, "pixels": 255, "shape": [1, 8, 8]});
    let inspect = |csv: &Value| {
        let set = json!({"csv": csv, "preprocess": [{"crop": {"top": 2, "left": 2, "height": 4, "width": 4}}]});
        let experiment = json!({
            "data": {"source": set},
            "network": ["flatten", {"linear": {"out": 2}}, "activation", {"linear": {"out": "classes"}}],
            "teacher": {"epochs": 8, "batch": 20, "optimiser": {"learning_rate": 0.02}},
            "student": {"epochs": 8, "batch": 20, "optimiser": {"learning_rate": 0.02}},
        });
        std::fs::write(root.join("config.json"), experiment.to_string()).unwrap();
        let _ = std::fs::remove_dir_all(root.join("run"));
        [text(&root.join("config.json")).to_owned(), text(&root.join("run")).to_owned()]
    };
    let [config, run] = inspect(&csv);
    let trained = good(&["train", &config, "--out", &run]);
    assert_eq!(trained["student"]["test"], 1.0, "{trained}");
    csv["pixels"] = json!(1);
    let [config, run] = inspect(&csv);
    bad(3, &["no number from 0 to 1", "line 1"], &["train", &config, "--out", &run]);
    csv["ranges"] = json!([0, 1]);
    let [config, run] = inspect(&csv);
    bad(3, &["\"pixels\" and \"ranges\""], &["train", &config, "--out", &run]);
}

#[test]
fn an_imported_network_says_what_it_crops() {
    let model = folder("preprocessing/import").join("m.safetensors");
    let import = ["import", "tests/data/import/cryptonets.dynamo.onnx", "-o", text(&model), "--preprocess"];
    let crop = |from: &str, width: usize| {
        format!(r#"{{"from": {from}, "steps": [{{"crop": {{"top": 2, "left": 2, "height": 28, "width": {width}}}}}]}}"#)
    };
    let record = good(&[&import[..], &[&crop("[1, 32, 32]", 28)]].concat());
    assert_eq!(record["input"]["preprocessing"]["from"], json!([1, 32, 32]));
    bad(3, &["preprocessing to [1, 28, 27]", "[1, 28, 28]"], &[&import[..], &[&crop("[1, 32, 32]", 27)]].concat());
    bad(2, &["step 0 (crop)", "within the picture"], &[&import[..], &[&crop("[1, 28, 28]", 28)]].concat());
}
