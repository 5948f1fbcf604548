//! Networks in a folder, with what their exporters' libraries compute.

use std::path::Path;

use beaa_import::{Options, import_onnx};
use beaa_ir::{Model, evaluate};
use safetensors::SafeTensors;
use serde::Deserialize;

/// One network of `networks.json`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) exporter: String,
    /// `--shape`, for networks that need one.
    pub(crate) shape: Option<[usize; 3]>,
    /// `--output`, for networks of several.
    pub(crate) output: Option<String>,
    /// What stands behind the scores: nothing, `softmax`, `sigmoid` or `class`.
    pub(crate) behind: Option<String>,
}

/// The networks of a folder.
pub(crate) fn all(folder: &Path) -> Vec<Network> {
    let text = std::fs::read_to_string(folder.join("networks.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn rows(tensors: &SafeTensors<'_>, name: &str) -> Vec<Vec<f32>> {
    let view = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    let numbers: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    numbers.chunks(numbers.len() / view.shape()[0]).map(<[f32]>::to_vec).collect()
}

/// The model of a network.
pub(crate) fn import(folder: &Path, network: &Network) -> Result<Model, String> {
    let options = Options { shape: network.shape, output: network.output.clone(), ..Options::default() };
    let path = folder.join(format!("{}.onnx", network.name));
    import_onnx(&path, &options).map(|i| i.model).map_err(|e| e.to_string())
}

/// The largest difference between the model's answers and those of the exporter's library, in parts
/// of the largest answer where that is above 1.
pub(crate) fn difference(folder: &Path, network: &Network) -> Result<f64, String> {
    let model = import(folder, network)?;
    let bytes = std::fs::read(folder.join("answers.safetensors")).map_err(|e| e.to_string())?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| e.to_string())?;
    let images = rows(&tensors, &format!("{}.images", network.name));
    let expected = rows(&tensors, &format!("{}.scores", network.name));
    let mut largest = 0.0_f64;
    for (image, expected) in images.iter().zip(&expected) {
        let scores = evaluate(&model, image).map_err(|e| e.to_string())?;
        let found: Vec<f64> = match network.behind.as_deref() {
            Some("softmax") => {
                let shares: Vec<f64> = scores.iter().map(|v| v.exp()).collect();
                shares.iter().map(|v| v / shares.iter().sum::<f64>()).collect()
            }
            Some("sigmoid") => scores.iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect(),
            Some("pair") => {
                let p = 1.0 / (1.0 + (-scores[0]).exp());
                vec![1.0 - p, p]
            }
            Some("class") => {
                let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
                vec![best.unwrap_or(usize::MAX) as f64]
            }
            _ => scores,
        };
        if found.len() != expected.len() {
            return Err(format!("{} scores, expected {}", found.len(), expected.len()));
        }
        let size = expected.iter().fold(1.0_f64, |m, v| m.max(f64::from(v.abs())));
        for (f, e) in found.iter().zip(expected) {
            // Not `max`, which would pass over a NaN.
            let off = (f - f64::from(*e)).abs() / size;
            largest = if off > largest || off.is_nan() { off } else { largest };
        }
    }
    Ok(largest)
}
