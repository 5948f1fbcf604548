//! What a configuration says about a data set, as JSON. No file is opened here.
//!
//! A plain string is a named set. Otherwise an object with `name` for a named set, or exactly one
//! of `idx`, `cifar`, `medmnist`, `folder`, `csv` and `npy`; beside it `validation` and `test`
//! (what to hold out of training: an integer is a count, a decimal number a fraction), `seed` where
//! they apply, and `preprocess`, what is done to pictures of any format.

use std::fmt;
use std::str::FromStr;

use beaa_base::preprocessing::PreprocessingStep;
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;
use crate::formats::{CifarFiles, CsvFiles, FolderFiles, IdxFiles, MedMnistFile, NpyFiles};
use crate::split::{Amount, HoldOut, Split};

/// Which data set to read.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceSpec {
    /// A set of the catalogue: `"mnist"` or `{"name": "mnist", "validation": 5000, "seed": 1}`.
    Named {
        /// Its name.
        name: String,
        /// What to hold out of training, for sets without such files.
        hold_out: HoldOut,
    },
    /// `{"idx": {"train": {"images": "a", "labels": "b"}, "test": {...}, "classes": "names.txt"}}`.
    Idx {
        /// Name to give the set; that of the folder otherwise.
        name: Option<String>,
        /// Its files.
        files: IdxFiles,
        /// What to hold out of training.
        hold_out: HoldOut,
    },
    /// `{"cifar": {"train": ["batch_1.bin"], "test": ["test.bin"], "classes": ["cat", "dog"]}}`.
    Cifar {
        /// Name to give the set; that of the folder otherwise.
        name: Option<String>,
        /// Its files.
        files: CifarFiles,
        /// What to hold out of training.
        hold_out: HoldOut,
    },
    /// `{"medmnist": {"file": "pathmnist.npz"}}`.
    MedMnist {
        /// Name to give the set; that of the file otherwise.
        name: Option<String>,
        /// Its file.
        file: MedMnistFile,
    },
    /// `{"folder": {"path": "scans", "shape": [1, 64, 64]}, "validation": 0.1, "test": 0.2}`.
    Folder {
        /// Name to give the set; that of the folder otherwise.
        name: Option<String>,
        /// Where it is.
        files: FolderFiles,
        /// What to hold out of training.
        hold_out: HoldOut,
    },
    /// `{"csv": {"file": "patients.csv", "label": "diagnosis", "ignore": ["id"]}, "test": 0.2}`.
    Csv {
        /// Name to give the set; that of the file otherwise.
        name: Option<String>,
        /// Its files. Boxed, as it is the largest.
        files: Box<CsvFiles>,
        /// What to hold out of training.
        hold_out: HoldOut,
    },
    /// `{"npy": {"x": "X.npy", "y": "y.npy"}}`, or
    /// `{"npy": {"file": "ecg.npz", "x": "X", "y": "y"}}`.
    Npy {
        /// Name to give the set; that of the file otherwise.
        name: Option<String>,
        /// Its files. Boxed, as it is large.
        files: Box<NpyFiles>,
        /// What to hold out of training.
        hold_out: HoldOut,
    },
    /// Any of these with its pictures cut out, framed or resized:
    /// `{"name": "mnist", "preprocess": [{"resize": {"height": 14, "width": 14}}]}`.
    Preprocessed {
        /// What the pictures are.
        source: Box<SourceSpec>,
        /// What is done to them; at least one step.
        steps: Vec<PreprocessingStep>,
    },
}

impl SourceSpec {
    /// A set of the catalogue, with the usual tenth for validation where it has no such files.
    pub fn named(name: impl Into<String>) -> Self {
        Self::Named { name: name.into(), hold_out: HoldOut::default() }
    }

    /// What the pictures are, and what is done to them.
    pub(crate) fn source_and_steps(&self) -> (&Self, &[PreprocessingStep]) {
        match self {
            Self::Preprocessed { source, steps } => (source, steps),
            other => (other, &[]),
        }
    }
}

/// The keys of formats, for messages.
const FORMATS: &str = "\"idx\", \"cifar\", \"medmnist\", \"folder\", \"csv\", \"npy\"";

/// All keys of the JSON object; which go together is checked afterwards.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idx: Option<IdxFiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cifar: Option<CifarFiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    medmnist: Option<MedMnistFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<FolderFiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    csv: Option<CsvFiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    npy: Option<NpyFiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    preprocess: Vec<PreprocessingStep>,
}

impl TryFrom<Table> for SourceSpec {
    type Error = Error;

    fn try_from(table: Table) -> Result<Self, Error> {
        let Table { name, idx, cifar, medmnist, folder, csv, npy, validation, test, seed, preprocess } = table;
        let hold_out = HoldOut { validation, test, seed: seed.unwrap_or(0) };
        if test.is_some() && folder.is_none() && csv.is_none() && npy.is_none() {
            return Err(Error::Spec(
                "\"test\" goes with \"folder\", \"csv\" and \"npy\" only; other sets have their own test files".into(),
            ));
        }
        if medmnist.is_some() && (validation.is_some() || seed.is_some()) {
            return Err(Error::Spec(
                "\"validation\" and \"seed\" do not go with \"medmnist\": the file has its own splits".into(),
            ));
        }
        let mut formats = [
            idx.map(|files| Self::Idx { name: name.clone(), files, hold_out }),
            cifar.map(|files| Self::Cifar { name: name.clone(), files, hold_out }),
            medmnist.map(|file| Self::MedMnist { name: name.clone(), file }),
            folder.map(|files| Self::Folder { name: name.clone(), files, hold_out }),
            csv.map(|files| Self::Csv { name: name.clone(), files: Box::new(files), hold_out }),
            npy.map(|files| Self::Npy { name: name.clone(), files: Box::new(files), hold_out }),
        ]
        .into_iter()
        .flatten();
        let source = match (formats.next(), formats.next(), name) {
            (Some(format), None, _) => format,
            (None, _, Some(name)) => Self::Named { name, hold_out },
            (None, _, None) => {
                return Err(Error::Spec(format!("nothing to read; give \"name\" or one of {FORMATS}")));
            }
            (Some(_), Some(_), _) => {
                return Err(Error::Spec(format!("several formats at once; give one of {FORMATS}")));
            }
        };
        if preprocess.is_empty() {
            return Ok(source);
        }
        Ok(Self::Preprocessed { source: Box::new(source), steps: preprocess })
    }
}

impl From<SourceSpec> for Table {
    fn from(spec: SourceSpec) -> Self {
        let held = |name, hold_out: HoldOut| Self {
            name,
            validation: hold_out.validation,
            test: hold_out.test,
            seed: Some(hold_out.seed).filter(|&seed| seed != 0),
            ..Self::default()
        };
        match spec {
            SourceSpec::Named { name, hold_out } => held(Some(name), hold_out),
            SourceSpec::Idx { name, files, hold_out } => Self { idx: Some(files), ..held(name, hold_out) },
            SourceSpec::Cifar { name, files, hold_out } => Self { cifar: Some(files), ..held(name, hold_out) },
            SourceSpec::MedMnist { name, file } => Self { name, medmnist: Some(file), ..Self::default() },
            SourceSpec::Folder { name, files, hold_out } => Self { folder: Some(files), ..held(name, hold_out) },
            SourceSpec::Csv { name, files, hold_out } => Self { csv: Some(*files), ..held(name, hold_out) },
            SourceSpec::Npy { name, files, hold_out } => Self { npy: Some(*files), ..held(name, hold_out) },
            SourceSpec::Preprocessed { source, steps } => Self { preprocess: steps, ..Self::from(*source) },
        }
    }
}

impl Serialize for SourceSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named { name, hold_out } if *hold_out == HoldOut::default() => serializer.serialize_str(name),
            other => Table::from(other.clone()).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SourceSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpecVisitor)
    }
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|split| split.name() == text)
            .ok_or_else(|| Error::Spec(format!("unknown split {text:?}; known: train, validation, test")))
    }
}

/// By hand rather than `untagged`, so that a wrong key is named in the error.
struct SpecVisitor;

impl<'de> Visitor<'de> for SpecVisitor {
    type Value = SourceSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a data set or an object that describes one")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<SourceSpec, E> {
        Ok(SourceSpec::named(name))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SourceSpec, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        SourceSpec::try_from(table).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Classes;

    #[test]
    fn text_and_json_agree() {
        for split in Split::ALL {
            assert_eq!(split.to_string().parse::<Split>().unwrap(), split);
            assert_eq!(serde_json::to_string(&split).unwrap(), format!("\"{split}\""));
        }
        assert!("Train".parse::<Split>().is_err());
    }

    fn read(text: &str) -> Result<SourceSpec, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_form_is_read_and_written() {
        for text in [
            r#""mnist""#,
            r#"{"name":"mnist","validation":5000,"seed":1}"#,
            concat!(
                r#"{"idx":{"train":{"images":"a","labels":"b"},"test":{"images":"c","labels":"d"},"classes":"e"},"#,
                r#""validation":0.25}"#
            ),
            r#"{"name":"n","cifar":{"train":["a","b"],"test":["c"],"classes":["x","y"]}}"#,
            r#"{"medmnist":{"file":"a.npz"}}"#,
            r#"{"folder":{"path":"p","shape":[1,64,64]},"validation":0.5,"test":7}"#,
            concat!(
                r#"{"csv":{"file":"a.csv","label":-1,"columns":["x",2],"ignore":["id"],"classes":["b","a"],"#,
                r#""separator":";","decimal":",","header":true,"shape":[2,1,1],"ranges":{"x":[0.0,1.0]}},"test":0.5}"#
            ),
            r#"{"npy":{"file":"a.npz","x":"X","y":"y","channels_last":true,"ranges":[-5.0,5.0]},"seed":3}"#,
            r#"{"npy":{"x":"X","y":"y","pixels":255}}"#,
            r#"{"idx":{"test":{"images":"c"}}}"#,
            r#"{"cifar":{"test":["c"]}}"#,
            concat!(
                r#"{"name":"mnist","preprocess":[{"crop":{"top":3,"left":3,"height":22,"width":22}},"#,
                r#"{"pad":{"top":0,"left":0,"bottom":1,"right":0,"value":0}},{"resize":{"height":2,"width":2}}]}"#
            ),
        ] {
            let spec = read(text).unwrap();
            assert_eq!(serde_json::to_string(&spec).unwrap(), text);
        }
        assert_eq!(read(r#"{"name":"mnist"}"#).unwrap(), SourceSpec::named("mnist"));
        let SourceSpec::Idx { files, .. } =
            read(r#"{"idx":{"train":{"images":"a","labels":"b"},"test":{"images":"c","labels":"d"},"classes":["x"]}}"#)
                .unwrap()
        else {
            panic!("another form")
        };
        assert_eq!(files.classes, Some(Classes::Names(vec!["x".into()])));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (text, part) in [
            ("7", "the name of a data set"),
            ("{}", "nothing to read"),
            (r#"{"nmae":"mnist"}"#, "nmae"),
            (r#"{"folder":{"path":"p"},"medmnist":{"file":"a"}}"#, "several formats"),
            (r#"{"name":"mnist","test":0.1}"#, "\"test\" goes with"),
            (r#"{"medmnist":{"file":"a"},"validation":0.1}"#, "own splits"),
            (r#"{"name":"mnist","validation":2.5}"#, "a count of images"),
            (r#"{"folder":{"path":"p","size":[1,2,3]}}"#, "size"),
            (r#"{"name":"mnist","preprocess":[{"crop":{"top":3}}]}"#, "left"),
            (r#"{"npy":{"x":"X","y":"y","pixels":256}}"#, "1 or 255"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
