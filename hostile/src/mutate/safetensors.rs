//! Mutations of `.safetensors` files: the JSON before the numbers, the architecture of a model in
//! it, and the numbers. A model's checksum is left out and its format set to the last one without.

use serde_json::Value;

use super::{bytes, json};
use crate::random::Choices;

/// Where a model has its architecture.
const METADATA: &str = "__metadata__";
const MODEL: &str = "beaa.model";

/// Changes a file.
pub(crate) fn change(file: &mut Vec<u8>, other: &[u8], choices: &mut Choices) {
    let (Some((mut header, mut numbers)), false) = (parts(file), choices.one_in(8)) else {
        return bytes::change(file, other, choices);
    };
    let (other, donor) = parts(other).unwrap_or_default();
    let of_model = |header: &Value| serde_json::from_str::<Value>(header.get(METADATA)?.get(MODEL)?.as_str()?).ok();
    if let Some(mut model) = of_model(&header) {
        if let Some(fields) = model.as_object_mut() {
            fields.remove("checksum");
            fields.insert("format".to_owned(), 2.into());
        }
        if !choices.one_in(4) {
            json::change(&mut model, &of_model(&other).unwrap_or(Value::Null), choices);
        }
        header[METADATA][MODEL] = model.to_string().into();
    }
    match choices.below(4) {
        0 => json::change(&mut header, &other, choices),
        1 => bytes::change(&mut numbers, &donor, choices),
        // A number of one tensor.
        2 if numbers.len() >= 4 => {
            let odd = [0.0, -0.0, 1e-45, 1e-30, 1e30, f32::MAX, f32::MIN, f32::NAN, f32::INFINITY, -1.0, 1e9];
            let at = choices.below(numbers.len() / 4) * 4;
            numbers[at..at + 4].copy_from_slice(&choices.pick(&odd).to_le_bytes());
        }
        _ => {}
    }
    let header = header.to_string().into_bytes();
    *file = [&(header.len() as u64).to_le_bytes()[..], &header, &numbers].concat();
}

fn parts(file: &[u8]) -> Option<(Value, Vec<u8>)> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let (header, numbers) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((serde_json::from_slice(header).ok()?, numbers.to_vec()))
}
