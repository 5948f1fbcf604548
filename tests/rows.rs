//! Rows of real numbers from a table to decrypted answers, by the command alone: train, compile,
//! encrypt, run, decrypt; and what a table must be for that.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod kit;

use std::fmt::Write;

use kit::{bad, folder, good, text};
use serde_json::{Value, json};

/// Numbers from 0 to 1, the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1_u32 << 31)
    }
}

/// Patients whose age, temperature and blood say whether they are ill, in units of a thousandth to
/// thousands; `rows` are the cells as text.
fn patients(count: usize, seed: u64) -> Vec<[String; 5]> {
    let mut numbers = Numbers(seed);
    let row = |i: usize| {
        let [age, temperature, leucocytes, potassium] = [(); 4].map(|()| numbers.next());
        let ill = 2.0 * temperature + leucocytes - 0.5 * potassium + 0.3 * age > 1.5;
        let (age, temperature) = (18.0 + 70.0 * age, 36.0 + 4.0 * temperature);
        let (leucocytes, potassium) = (4000.0 + 12_000.0 * leucocytes, 0.003 + 0.003 * potassium);
        let cells = [i.to_string(), format!("{age:.0}"), format!("{temperature:.1}"), format!("{leucocytes:.0}")];
        let [id, age, temperature, leucocytes] = cells;
        [format!("{id}/{}", if ill { "ill" } else { "well" }), age, temperature, leucocytes, format!("{potassium:.5}")]
    };
    (0..count).map(row).collect()
}

const HEADER: &str = "patient,diagnosis,age,temperature,leucocytes,potassium\n";

/// A table with a column of numbers and a column of diagnoses first.
fn labelled(rows: &[[String; 5]]) -> String {
    let mut text = HEADER.to_owned();
    for [first, rest @ ..] in rows {
        let (id, diagnosis) = first.split_once('/').unwrap();
        writeln!(text, "{id},{diagnosis},{}", rest.join(",")).unwrap();
    }
    text
}

#[test]
fn a_table_becomes_a_program_that_answers_as_the_model_in_clear() {
    let root = folder("rows/whole");
    let at = |name: &str| root.join(name);
    let (table, config, run) = (at("patients.csv"), at("config.json"), at("run"));
    let rows = patients(600, 1);
    std::fs::write(&table, labelled(&rows)).unwrap();
    let source = json!({
        "csv": {"file": table, "label": "diagnosis", "ignore": ["patient"], "ranges": {"age": [0, 120]}},
        "validation": 0.1, "test": 0.2, "seed": 1,
    });
    let optimiser = json!({"learning_rate": 0.01});
    let experiment = json!({
        "name": "patients", "data": {"source": source},
        "network": ["flatten", {"linear": {"out": 8}}, "activation", {"linear": {"out": "classes"}}],
        "teacher": {"epochs": 20, "batch": 32, "optimiser": optimiser},
        "student": {"epochs": 20, "batch": 32, "optimiser": optimiser},
    });
    std::fs::write(&config, experiment.to_string()).unwrap();
    let trained = good(&["train", text(&config), "--out", text(&run)]);
    let accuracy = trained["student"]["test"].as_f64().unwrap();
    assert!(accuracy > 0.9, "{trained}");

    let (model, program) = (run.join("student.safetensors"), at("patients.beaa"));
    let shown = good(&["inspect", text(&model)]);
    assert_eq!(shown["input"]["values"]["reals"]["names"], json!(["age", "temperature", "leucocytes", "potassium"]));
    assert_eq!(shown["input"]["values"]["reals"]["max"][0], 120.0);
    let samples = source.to_string();
    good(&["compile", text(&model), "-o", text(&program), "--batch", "200", "--samples", &samples]);
    good(&["keygen", text(&program), "--out", text(&at("keys"))]);
    let (secret, evaluation) = (at("keys/secret.key"), at("keys/evaluation.key"));
    let (input, labels, output) = (at("input.ct"), at("labels.json"), at("output.ct"));
    let encrypt = ["encrypt", text(&program), "--key", text(&secret), "-o", text(&input)];
    let set = ["--data-set", &samples, "--clip", "--labels", text(&labels)];
    assert_eq!(good(&[&encrypt[..], &set].concat())["images"], 120);
    let run = ["run", text(&program), "--keys", text(&evaluation), "--input", text(&input), "-o", text(&output)];
    good(&run);
    let decrypt = ["decrypt", text(&program), "--key", text(&secret), "--input", text(&output)];
    let answers = good(&[&decrypt[..], &["--labels", text(&labels)]].concat());
    assert_eq!(answers["accuracy"].as_f64().unwrap(), accuracy, "encrypted as in clear");
    assert_eq!(good(&["eval", text(&model), "--program", text(&program)])["accuracy"].as_f64().unwrap(), accuracy);

    // Rows without labels: columns in another order, with another one among them.
    let others = patients(5, 2);
    let unlabelled = |rows: &[[String; 5]], temperature: Option<&str>| {
        let mut table = "potassium,ward,temperature,age,leucocytes\n".to_owned();
        for (i, [_, age, measured, leucocytes, potassium]) in rows.iter().enumerate() {
            let shown = temperature.filter(|_| i == 3).unwrap_or(measured);
            writeln!(table, "{potassium},A,{shown},{age},{leucocytes}").unwrap();
        }
        let path = at("others.csv");
        std::fs::write(&path, table).unwrap();
        path
    };
    let table = unlabelled(&others, None);
    let with_rows = [&encrypt[..], &["--rows", text(&table)]].concat();
    assert_eq!(good(&with_rows)["images"], 5);
    good(&run);
    let answers = good(&decrypt);
    let expected: Vec<&str> = others.iter().map(|row| row[0].split_once('/').unwrap().1).collect();
    let found: Vec<&str> =
        answers["images"].as_array().unwrap().iter().map(|image| image["class"].as_str().unwrap()).collect();
    assert_eq!(found, expected);

    unlabelled(&others, Some("98.6"));
    bad(3, &["line 5", "`temperature`: 98.6, allowed 34", "1 of 5", "--clip"], &with_rows);
    assert_eq!(good(&[&with_rows[..], &["--clip"]].concat())["images"], 5);
    unlabelled(&others, Some(""));
    bad(3, &["others.csv", "line 5, column `temperature`: nothing"], &with_rows);
    bad(3, &["real numbers", "--rows"], &[&encrypt[..], &["--images", text(&table)]].concat());
    // A set of other classes is refused before anybody looks at its pixels.
    bad(3, &["normal, pneumonia", "ill, well"], &["eval", text(&model), "--data-set", "pneumoniamnist"]);
}

#[test]
fn a_network_from_elsewhere_takes_real_numbers_with_a_stated_range() {
    let model = folder("rows/import").join("m.safetensors");
    let import = ["import", "tests/data/import/cryptonets.dynamo.onnx", "-o", text(&model)];
    let record = good(&[&import[..], &["--min", "-5", "--max", "5", "--mean", "1", "--std", "2"]].concat());
    assert_eq!(record["input"]["values"]["reals"], json!({"min": [-5.0], "max": [5.0]}));
    bad(2, &["--max"], &[&import[..], &["--min", "0"]].concat());
    bad(2, &["--columns", "--min and --max"], &[&import[..], &["--columns", "a"]].concat());
    bad(3, &["out of order"], &[&import[..], &["--min", "5", "--max", "-5"]].concat());
}

#[test]
fn settings_about_pixels_are_refused() {
    let root = folder("rows/settings");
    let (table, config) = (root.join("t.csv"), root.join("config.json"));
    std::fs::write(&table, labelled(&patients(60, 3))).unwrap();
    let source = json!({"csv": {"file": table, "label": "diagnosis", "ignore": ["patient"]}});
    let train = |more: Value| {
        let mut experiment =
            json!({"data": {"source": source}, "network": ["flatten", {"linear": {"out": "classes"}}]});
        experiment["student"] = json!({"activation": "relu"});
        for (key, value) in more.as_object().unwrap() {
            experiment[key] = value.clone();
        }
        std::fs::write(&config, experiment.to_string()).unwrap();
        ["train".to_owned(), text(&config).to_owned(), "--out".to_owned(), text(&root.join("run")).to_owned()]
    };
    let refused = |more: Value, word: &str| {
        let arguments = train(more);
        bad(3, &[word, "about pixels"], &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    };
    refused(json!({"augmentation": {"shift": 1}}), "`augmentation`");
    refused(json!({"data": {"source": source, "pixel_bits": 2}}), "`data.pixel_bits`");
}
