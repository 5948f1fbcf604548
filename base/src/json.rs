//! JSON that people write: no key twice, and numbers called what they are. Errors are those of
//! serde_json, with line and column.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::text::without_mark;

/// Reads a `T` from JSON text; a byte order mark before it is left out.
///
/// # Errors
/// If the text is no JSON, if an object has a key twice, wherever it stands, or if the value is no
/// `T`.
pub fn parse<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    let text = without_mark(text);
    serde_json::from_str::<Strict>(text)?;
    serde_json::from_str(text).map_err(|error| plainer(&error, text))
}

/// The same error in words: a whole number too large for its field is not called a floating point,
/// and types are told by their ranges.
pub fn plainer(error: &serde_json::Error, text: &str) -> serde_json::Error {
    let mut words = error.to_string();
    if let Some((before, rest)) = words.split_once("invalid type: floating point `")
        && let Some((number, after)) = rest.split_once('`')
        && let Ok(value) = number.parse::<f64>()
        && value.fract() == 0.0
        && let Some(literal) = whole_numbers(text).find(|n| n.parse() == Ok(value))
    {
        words = format!("{before}invalid value: integer `{literal}`{after}");
    }
    for (name, range) in [
        ("u64", format!("a whole number from 0 to {}", u64::MAX)),
        ("usize", format!("a whole number from 0 to {}", usize::MAX)),
        ("u32", format!("a whole number from 0 to {}", u32::MAX)),
        ("u8", format!("a whole number from 0 to {}", u8::MAX)),
        ("f64", "a number".to_owned()),
        ("f32", "a number".to_owned()),
    ] {
        let (ends, goes_on) = (format!("expected {name}"), format!("expected {name} "));
        if words.ends_with(&ends) || words.contains(&goes_on) {
            words = words.replacen(&ends, &format!("expected {range}"), 1);
        }
    }
    // The position at the end of the words becomes the error's again.
    serde_json::Error::custom(words)
}

/// The numbers of a JSON text without fraction and exponent, as they are written.
fn whole_numbers(text: &str) -> impl Iterator<Item = &str> {
    let mut within = false;
    let mut escaped = false;
    let outside = text.split(move |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if within => escaped = true,
            '"' => within = !within,
            _ => {}
        }
        within || !(c.is_ascii_digit() || "+-.eE".contains(c))
    });
    outside.filter(|n| {
        n.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) && !n.contains(['.', 'e', 'E'])
    })
}

/// Any value, in which no object has a key twice.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        while items.next_element::<Strict>()?.is_some() {}
        Ok(Strict)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Strict, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("duplicate field `{key}`")));
            }
            keys.insert(key);
            fields.next_value::<Strict>()?;
        }
        Ok(Strict)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Seeded {
        seed: u64,
    }

    #[test]
    fn keys_stand_once_wherever_they_are() {
        for (text, line) in [
            ("{\"a\": 1,\n\"a\": 1}", 2),
            ("{\"x\": [{\"b\": 1,\n\n\"b\": 2}]}", 3),
            (r#"{"x": {"b": 1, "\u0062": 2}}"#, 1),
        ] {
            let error = parse::<Value>(text).unwrap_err();
            assert!(error.to_string().contains("duplicate field"), "{error}");
            assert_eq!(error.line(), line, "{error}");
        }
        assert_eq!(
            parse::<Value>("\u{feff}{\"a\": {\"a\": [1, null, true, \"x\", 1.5]}}").unwrap()["a"]["a"][1],
            Value::Null
        );
    }

    #[test]
    fn whole_numbers_are_called_so() {
        let text = "{\"name\": \"18446744073709551616\",\n\"seed\": 18446744073709551616}";
        let error = parse::<Seeded>(text).unwrap_err();
        let words = error.to_string();
        assert!(words.contains("integer `18446744073709551616`, expected a whole number from 0 to"), "{words}");
        assert!(!words.contains("floating"), "{words}");
        assert_eq!(error.line(), 2, "{words}");
        let words = parse::<Seeded>(r#"{"seed": -1}"#).unwrap_err().to_string();
        assert!(words.contains("`-1`, expected a whole number from 0 to 18446744073709551615"), "{words}");
        let words = parse::<Seeded>(r#"{"seed": 1.5}"#).unwrap_err().to_string();
        assert!(words.contains("floating point `1.5`, expected a whole number"), "{words}");
        assert_eq!(parse::<Seeded>(r#"{"seed": 18446744073709551615}"#).unwrap().seed, u64::MAX);
    }
}
