//! `beaa bench` as a user sees it: quick runs, the file of rates, the page.
#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn beaa(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beaa"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.env_remove("BEAA_MACHINE").env_remove("BEAA_THREADS").env("HOME", home).env("XDG_CACHE_HOME", home);
    command.output().unwrap()
}

fn json(home: &Path, arguments: &[&str]) -> Value {
    let output = beaa(home, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn kernels_come_with_their_peak() {
    let home = folder("bench_kernels");
    let found = json(&home, &["bench", "kernels", "--quick", "--json"]);
    let kernels = found["kernels"].as_array().unwrap();
    assert_eq!(kernels.iter().filter(|k| k["used"] == true).count(), 1);
    for k in kernels {
        let [peak, dense, fraction] = ["peak", "dense", "fraction"].map(|f| k[f].as_f64().unwrap());
        assert!(peak > 0.0 && (dense / peak - fraction).abs() < 1e-9, "{k}");
    }
    assert!(found["network"].is_null() && found["calibrated"] == false);
    let checks = found["checks"].as_array().unwrap();
    let holds = checks.iter().all(|c| c["holds"] == true);
    // The verdict may differ between two noisy runs, never between a run's words and its exit code.
    let output = beaa(&home, &["bench", "kernels", "--quick", "--json", "--check"]);
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    let held = again["checks"].as_array().unwrap().iter().all(|c| c["holds"] == true);
    assert_eq!(output.status.code(), Some(if held { 0 } else { 4 }), "{holds} before");
}

#[test]
fn measured_rates_are_kept_and_used() {
    let home = folder("bench_rates");
    let file = home.join("machine.json");
    let named = ["--machine", file.to_str().unwrap()];
    let output = beaa(&home, &[&["inspect", "tests/data/v1/program.beaa"][..], &named].concat());
    assert_eq!(output.status.code(), Some(3), "a named file must be there");
    json(&home, &[&["bench", "calibrate", "kernels", "--quick", "--json"][..], &named].concat());
    let rates: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert!(rates["rates"]["product"].as_f64().unwrap() > 0.0);
    #[cfg(feature = "tfhe")]
    assert!(rates["lookup"]["rotation"][2].as_f64().unwrap() > 0.0);
    let inspected =
        |more: &[&str]| json(&home, &[&["inspect", "tests/data/v1/program.beaa", "--json"][..], more].concat());
    let (before, after) = (inspected(&[]), inspected(&named));
    assert_eq!(before["report"]["totals"]["calibrated"], false);
    assert_eq!(after["report"]["totals"]["calibrated"], true);
    assert_ne!(before["report"]["totals"]["seconds"], after["report"]["totals"]["seconds"]);
    std::fs::write(&file, "{}").unwrap();
    let output = beaa(&home, &[&["inspect", "tests/data/v1/program.beaa"][..], &named].concat());
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("calibrate"));
}

#[test]
fn a_network_is_measured_whole_and_written_into_a_page() {
    let home = folder("bench_network");
    let page = home.join("page.md");
    std::fs::write(&page, "# Mine\n\n<!-- bench network -->\n<!-- end -->\n\nend\n").unwrap();
    let found = json(&home, &["bench", "network", "--quick", "--json", "--docs", page.to_str().unwrap()]);
    let network = &found["network"];
    assert_eq!(network["degree"], 8192);
    assert!(network["largest_error"].as_f64().unwrap() < network["allowed_error"].as_f64().unwrap());
    let parts = network["parts"].as_array().unwrap();
    let products: u64 = parts.iter().map(|p| p["products"].as_u64().unwrap()).sum();
    // At least the products of the network for every slot, once for each of two components and one
    // limb.
    assert!(products > 2 * 8192 * 100_000, "{products}");
    for figure in ["run", "run_threads", "encrypt", "decrypt"] {
        assert!(network[figure]["minimum"].as_f64().unwrap() > 0.0, "{figure}");
    }
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.starts_with("# Mine") && text.ends_with("end\n"));
    assert!(text.contains("| run per image, one core |") && text.contains("| encrypted over plain"));
}
