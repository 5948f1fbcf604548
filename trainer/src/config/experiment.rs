//! Files of experiments: a training configuration, and beside its fields a section for the
//! compiler, which is not known here.

use std::borrow::Cow;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::literal::TrainLiteral;

/// Name of the section.
const SECTION: &str = "compile";

/// Reads an experiment: the fields of a training configuration, and the section `compile` as a `C`
/// if there is one.
///
/// # Errors
/// If the text is not such JSON; the error says line and column.
pub fn parse_experiment<C: DeserializeOwned>(text: &str) -> serde_json::Result<(TrainLiteral, Option<C>)> {
    let File { train, compile } = beaa_base::json::parse(text)?;
    Ok((train, compile))
}

struct File<C> {
    train: TrainLiteral,
    compile: Option<C>,
}

impl<'de, C: DeserializeOwned> Deserialize<'de> for File<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FileVisitor(std::marker::PhantomData))
    }
}

struct FileVisitor<C>(std::marker::PhantomData<C>);

impl<'de, C: DeserializeOwned> Visitor<'de> for FileVisitor<C> {
    type Value = File<C>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an experiment")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<File<C>, A::Error> {
        let mut compile = None;
        let rest = Rest { fields, compile: &mut compile };
        let train = TrainLiteral::deserialize(MapAccessDeserializer::new(rest))?;
        Ok(File { train, compile })
    }
}

/// The fields of a file without the section, which is put aside.
struct Rest<'a, A, C> {
    fields: A,
    compile: &'a mut Option<C>,
}

impl<'de, A: MapAccess<'de>, C: DeserializeOwned> MapAccess<'de> for Rest<'_, A, C> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.fields.next_key::<Cow<'de, str>>()? {
            if key != SECTION {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
            if self.compile.replace(self.fields.next_value()?).is_some() {
                return Err(A::Error::duplicate_field(SECTION));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.fields.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Section {
        batch: usize,
    }

    #[test]
    fn the_section_is_put_aside_wherever_it_stands() {
        for text in [r#"{"compile": {"batch": 3}, "seed": 5}"#, r#"{"seed": 5, "compile": {"batch": 3}}"#] {
            let (train, compile) = parse_experiment(text).unwrap();
            assert_eq!((train.seed, compile), (5, Some(Section { batch: 3 })));
        }
        let (train, compile) = parse_experiment::<Section>(r#"{"seed": 5}"#).unwrap();
        assert_eq!((train.seed, compile), (5, None));
    }

    #[test]
    fn mistakes_have_line_and_column_on_either_side() {
        for (text, what, line) in [
            ("{\"compile\": {\"batch\": 3},\n\n\"sead\": 5}", "sead", 3),
            ("{\"seed\": 5,\n\"compile\": {\"batsh\": 3}}", "batsh", 2),
            ("{\"compile\": {\"batch\": 3},\n\"compile\": {\"batch\": 3}}", "duplicate field `compile`", 2),
            ("[\n1]", "an experiment", 1),
        ] {
            let error = parse_experiment::<Section>(text).map(|_| ()).unwrap_err();
            assert_eq!(error.line(), line, "{error}");
            // A text that does not begin as an object is wrong before its first column.
            let placed = error.column() > 0 || text.starts_with('[');
            assert!(placed && error.to_string().contains(what), "{error}");
        }
    }
}
