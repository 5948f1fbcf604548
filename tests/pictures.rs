//! Folders of pictures, as hospitals have them, through the command: what is wrong is told at once,
//! what is left out is told once.

#![cfg(feature = "command")]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{GrayImage, ImageFormat, Luma};

fn beaa(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_beaa")).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A picture that fits no other by chance.
fn picture(shade: u8) -> GrayImage {
    GrayImage::from_fn(12, 12, |x, y| Luma([shade.wrapping_add((x * y) as u8)]))
}

/// What a folder may hold beside pictures.
fn clutter(folder: &Path) {
    for name in [".DS_Store", "._0.png", "Thumbs.db"] {
        std::fs::write(folder.join(name), b"\0\x05\x16\x07").unwrap();
    }
    std::fs::write(folder.join("notes.txt"), "seen by K.").unwrap();
}

/// Three files that cannot be used.
fn faults(folder: &Path) {
    std::fs::write(folder.join("empty.png"), b"").unwrap();
    let whole = std::fs::read("tests/data/pictures/baseline.jpg").unwrap();
    std::fs::write(folder.join("cut.jpg"), &whole[..whole.len() / 2]).unwrap();
    picture(3).save_with_format(folder.join("tomography"), ImageFormat::Png).unwrap();
    std::fs::write(folder.join("scan.dcm"), [&[0; 128][..], b"DICM"].concat()).unwrap();
}

fn refused(output: &Output) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("3 of the files cannot be used"), "{said}");
    for part in ["empty.png: not a whole PNG or JPEG image (it is empty)", "cut.jpg", "truncated", "found DICOM"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

#[test]
fn training_and_encryption_read_folders_alike() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let classes: Vec<PathBuf> = ["data/benign", "data/malignant"].iter().map(|class| at(class)).collect();
    for (folder, shade) in classes.iter().zip([0, 120]) {
        std::fs::create_dir_all(folder).unwrap();
        for i in 0..12 {
            picture(shade + i).save(folder.join(format!("{i}.png"))).unwrap();
        }
    }
    clutter(&classes[0]);
    let (run, data) = (at("run"), at("data"));
    let train = ["train", text(&data), "--out", text(&run), "--set", "teacher.epochs=1", "--set", "student.epochs=1"];
    let trained = beaa(&train);
    let said = stderr(&trained);
    assert!(trained.status.success(), "{said}");
    let warnings: Vec<&str> = said.lines().filter(|line| line.contains("left out")).collect();
    assert!(warnings.len() == 1 && warnings[0].starts_with("warning:"), "{said}");
    for name in ["benign/notes.txt", "benign/.DS_Store", "benign/._0.png", "benign/Thumbs.db"] {
        assert!(warnings[0].contains(name), "no {name} in {said}");
    }
    let (program, keys, out) = (at("p.beaa"), at("keys"), at("in.ct"));
    let compiled = beaa(&["compile", text(&run.join("student.safetensors")), "-o", text(&program), "--batch", "16"]);
    assert!(compiled.status.success(), "{}", stderr(&compiled));
    assert!(beaa(&["keygen", text(&program), "--out", text(&keys)]).status.success());
    let encrypt = |folder: &Path| {
        let secret = keys.join("secret.key");
        beaa(&["encrypt", text(&program), "--key", text(&secret), "--images", text(folder), "-o", text(&out), "--json"])
    };
    let encrypted = encrypt(&classes[0]);
    let said = stderr(&encrypted);
    assert!(encrypted.status.success(), "{said}");
    let record: serde_json::Value = serde_json::from_slice(&encrypted.stdout).unwrap();
    assert_eq!(record["images"], 12);
    assert_eq!(said.matches("notes.txt").count(), 1, "{said}");
    assert!(said.contains("3 hidden or desktop files"), "{said}");
    faults(&classes[0]);
    std::fs::remove_file(&out).unwrap();
    refused(&encrypt(&classes[0]));
    assert!(!out.exists());
    refused(&beaa(&[&train[..], &["--force"]].concat()));
}
