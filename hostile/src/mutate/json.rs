//! Mutations of JSON by its structure: what comes out is still JSON, so that it gets past the
//! parser to whatever the fields mean.

use serde_json::{Map, Number, Value};

use super::bytes;
use crate::random::Choices;

/// Changes a JSON text, mostly by its structure. What is no JSON is changed as bytes.
pub(crate) fn change_text(text: &mut Vec<u8>, other: &[u8], choices: &mut Choices) {
    let parsed = serde_json::from_slice::<Value>(text);
    match parsed {
        Ok(mut value) if !choices.one_in(6) => {
            let other = serde_json::from_slice(other).unwrap_or(Value::Null);
            change(&mut value, &other, choices);
            *text = value.to_string().into_bytes();
            if choices.one_in(8) {
                twice(text, choices);
            }
        }
        _ => bytes::change(text, other, choices),
    }
}

/// Changes one record of a file of JSON lines.
pub(crate) fn change_lines(text: &mut Vec<u8>, other: &[u8], choices: &mut Choices) {
    let mut lines: Vec<Vec<u8>> = text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let at = choices.below(lines.len());
    let first = other.split(|b| *b == b'\n').next().unwrap_or(other);
    change_text(&mut lines[at], first, choices);
    *text = lines.join(&b'\n');
}

/// Changes one node of a value. `other` is another value of the same kind, from which parts may
/// come.
pub(crate) fn change(value: &mut Value, other: &Value, choices: &mut Choices) {
    let part = if choices.one_in(2) { node(other, choices) } else { node(value, choices) };
    let part = part.clone();
    let target = node_mut(value, choices);
    match choices.below(10) {
        0 => *target = part,
        1 => *target = anything(choices),
        2 => *target = nested(choices),
        _ => match target {
            Value::Null => *target = anything(choices),
            Value::Bool(b) => *b = !*b,
            Value::Number(n) => *target = Value::Number(number(n, choices)),
            Value::String(s) => string(s, &part, choices),
            Value::Array(a) => array(a, part, choices),
            Value::Object(o) => object(o, part, choices),
        },
    }
}

/// Any node, each with about the same probability.
fn node<'a>(value: &'a Value, choices: &mut Choices) -> &'a Value {
    let at = choices.below(count(value));
    let mut rest = at;
    find(value, &mut rest).unwrap_or(value)
}

fn find<'a>(value: &'a Value, rest: &mut usize) -> Option<&'a Value> {
    if *rest == 0 {
        return Some(value);
    }
    *rest -= 1;
    match value {
        Value::Array(a) => a.iter().find_map(|v| find(v, rest)),
        Value::Object(o) => o.values().find_map(|v| find(v, rest)),
        _ => None,
    }
}

fn node_mut<'a>(value: &'a mut Value, choices: &mut Choices) -> &'a mut Value {
    let rest = choices.below(count(value));
    descend(value, rest)
}

/// The node that is `rest` nodes behind this one, in order.
fn descend(value: &mut Value, rest: usize) -> &mut Value {
    if rest == 0 {
        return value;
    }
    let children: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Array(a) => Box::new(a.iter_mut()),
        Value::Object(o) => Box::new(o.values_mut()),
        _ => unreachable!("{rest} nodes behind one without children"),
    };
    let mut rest = rest - 1;
    for child in children {
        let nodes = count(child);
        if rest < nodes {
            return descend(child, rest);
        }
        rest -= nodes;
    }
    unreachable!("{rest} nodes more than were counted")
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(a) => a.iter().map(count).sum(),
        Value::Object(o) => o.values().map(count).sum(),
        _ => 0,
    }
}

fn number(old: &Number, choices: &mut Choices) -> Number {
    let float = old.as_f64().unwrap_or(0.0);
    let floats = [0.0, -0.0, -float, float * 2.0, float / 3.0, 1e-308, 5e-324, 1e-30, 1e38, 3.5e38, 1e300, f64::MAX];
    match choices.below(8) {
        0..=3 => Number::from(choices.number(old.as_u64().unwrap_or(0))),
        4 => Number::from(choices.number(old.as_u64().unwrap_or(0)).cast_signed()),
        _ => Number::from_f64(*choices.pick(&floats)).unwrap_or_else(|| Number::from(0)),
    }
}

fn string(old: &mut String, part: &Value, choices: &mut Choices) {
    *old = match (choices.below(8), part) {
        (0, _) => String::new(),
        (1, _) => "x".repeat(1 + choices.below(5000)),
        (2, _) => (*choices.pick(&["../../x", "/dev/zero", "/", ".", "a\0b", "\u{1b}[2J", "=1+1", "\u{202e}ä", "NaN"]))
            .to_owned(),
        (3, _) => old.chars().rev().collect(),
        (4, _) => old.chars().skip(1).collect(),
        (5, _) => format!("{old}{}", choices.number(0)),
        (_, Value::String(s)) => s.clone(),
        _ => format!("{old} "),
    };
}

fn array(old: &mut Vec<Value>, part: Value, choices: &mut Choices) {
    let at = choices.below(old.len());
    match choices.below(6) {
        0 => old.clear(),
        1 if !old.is_empty() => drop(old.remove(at)),
        2 if !old.is_empty() => old.insert(at, old[at].clone()),
        3 if old.len() > 1 => old.swap(at, choices.below(2)),
        // Many times the same.
        4 if !old.is_empty() && old.len() < 64 => {
            let times = *choices.pick(&[2, 16, 300]);
            old.splice(at..=at, vec![old[at].clone(); times]);
        }
        _ => old.push(part),
    }
}

fn object(old: &mut Map<String, Value>, part: Value, choices: &mut Choices) {
    let keys: Vec<String> = old.keys().cloned().collect();
    if keys.is_empty() {
        old.insert("unknown".to_owned(), part);
        return;
    }
    let key = choices.pick(&keys).clone();
    match choices.below(4) {
        0 => drop(old.remove(&key)),
        1 => drop(old.insert("unknown".to_owned(), part)),
        // The value goes to another field.
        2 => {
            let other = choices.pick(&keys).clone();
            if let Some(value) = old.get(&key).cloned() {
                old.insert(other, value);
            }
        }
        _ => drop(old.insert(key, part)),
    }
}

fn anything(choices: &mut Choices) -> Value {
    match choices.below(7) {
        0 => Value::Null,
        1 => Value::Bool(true),
        2 => Value::Array(Vec::new()),
        3 => Value::Object(Map::new()),
        4 => Value::String("nothing".to_owned()),
        5 => Value::from(-1),
        _ => Value::from(choices.number(0)),
    }
}

/// Deeply nested arrays.
fn nested(choices: &mut Choices) -> Value {
    let depth = *choices.pick(&[2, 100, 126, 127, 200]);
    (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
}

/// Writes a key of the text, with a value, a second time.
fn twice(text: &mut Vec<u8>, choices: &mut Choices) {
    let starts: Vec<usize> = (0..text.len()).filter(|i| text[*i..].starts_with(b"{\"")).take(1 << 10).collect();
    if starts.is_empty() {
        return;
    }
    let start = choices.pick(&starts) + 1;
    if let Some(length) = text[start + 1..].iter().position(|b| *b == b'"') {
        let mut key = text[start..start + length + 2].to_vec();
        key.extend(b":0,");
        text.splice(start..start, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_texts_are_mostly_json_and_mostly_different() {
        let text = br#"{"a": [1, 2.5, {"b": "c"}], "d": null, "e": true, "f": {}}"#;
        let (mut json, mut different) = (0, 0);
        for number in 0..1000 {
            let mut changed = text.to_vec();
            change_text(&mut changed, br#"{"z": [9]}"#, &mut Choices::new(2, "json", number));
            different += usize::from(changed != text);
            json += usize::from(serde_json::from_slice::<Value>(&changed).is_ok());
        }
        assert!(json > 700 && different > 900, "{json} {different}");
    }
}
