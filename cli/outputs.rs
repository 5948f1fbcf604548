//! The files that one invocation reads and writes, checked together before the work begins: the
//! rule is that of [`beaa_base::target`].

use std::path::Path;

use anyhow::Result;
use beaa_base::target::{self, Planned};
use beaa_base::words::article;
use beaa_ir::container::{self, Kind};
use beaa_ir::stats::residue_bits;
use beaa_ir::{ckks, is_model};
use clap::Args;
use serde_json::Value;

/// Whether files of another kind are replaced.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Replace {
    /// Replace what is at the outputs' names, whatever it is.
    #[arg(long)]
    pub(crate) force: bool,
}

/// What an output is, and what it may replace without `--force`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OutputKind {
    /// A file of one of these kinds, the first for messages.
    Container(&'static [Kind]),
    /// A model.
    Model,
    /// JSON that has these fields, with its name for messages.
    Json(&'static str, &'static [&'static str]),
    /// Text that a test knows, with its name for messages.
    Text(&'static str, fn(&str) -> bool),
}

/// The programs of both backends.
pub(crate) const PROGRAM: OutputKind = OutputKind::Container(&[Kind::Program, Kind::TfheProgram]);
/// Their signatures.
pub(crate) const SIGNATURE: OutputKind = OutputKind::Container(&[Kind::Signature, Kind::TfheSignature]);
/// Ciphertexts of both backends.
pub(crate) const CIPHERTEXTS: OutputKind = OutputKind::Container(&[Kind::Ciphertexts, Kind::TfheCiphertexts]);

/// The receipt of a batch.
pub(crate) const RECEIPT: OutputKind = OutputKind::Container(&[Kind::Receipt]);

/// What one invocation reads and writes.
#[derive(Default)]
pub(crate) struct Files<'a> {
    inputs: Vec<(&'static str, &'a Path)>,
    outputs: Vec<(&'static str, &'a Path, OutputKind, u64)>,
}

impl<'a> Files<'a> {
    /// Also reads `path`, if there is one.
    pub(crate) fn reads(mut self, option: &'static str, path: impl Into<Option<&'a Path>>) -> Self {
        self.inputs.extend(path.into().map(|path| (option, path)));
        self
    }

    /// Also writes `path`, if there is one: so many bytes as far as it is known before.
    pub(crate) fn writes(
        mut self,
        option: &'static str,
        path: impl Into<Option<&'a Path>>,
        kind: OutputKind,
        bytes: u64,
    ) -> Self {
        self.outputs.extend(path.into().map(|path| (option, path, kind, bytes)));
        self
    }

    /// Refuses what would destroy something or could not be written.
    pub(crate) fn check(&self, replace: &Replace) -> Result<()> {
        let names: Vec<String> = self.outputs.iter().map(|(_, _, kind, _)| kind.name()).collect();
        let tests: Vec<_> = self.outputs.iter().map(|(_, _, kind, _)| move |path: &Path| kind.is(path)).collect();
        let planned = self.outputs.iter().zip(&names).zip(&tests).map(|((output, what), same_kind)| {
            let &(option, path, _, bytes) = output;
            Planned { option, path, what, same_kind, bytes }
        });
        target::check(&planned.collect::<Vec<_>>(), &self.inputs, replace.force)?;
        Ok(())
    }
}

impl OutputKind {
    fn name(self) -> String {
        match self {
            Self::Container(kinds) => article(&format!("{} file", kinds[0].name())),
            Self::Model => "a model of beaa".to_owned(),
            Self::Json(name, _) | Self::Text(name, _) => article(name),
        }
    }

    /// Whether a file is of this kind.
    fn is(self, path: &Path) -> bool {
        match self {
            Self::Container(kinds) => container::kind(path).is_ok_and(|k| k.is_some_and(|k| kinds.contains(&k))),
            Self::Model => is_model(path),
            Self::Text(_, is) => beaa_base::text::read_text("reading", path).is_ok_and(|text| is(&text)),
            Self::Json(_, fields) => beaa_base::text::read_text("reading", path)
                .ok()
                .and_then(|text| serde_json::from_str::<Value>(&text).ok())
                .is_some_and(|value| fields.iter().all(|field| value.get(field).is_some())),
        }
    }
}

/// Bytes of so many ciphertexts of a program, each of `limbs` limbs, of which `components` are
/// stored: what residues take when they are packed.
pub(crate) fn ciphertext_bytes(set: &ckks::ParameterSet, limbs: usize, components: usize, ciphertexts: usize) -> u64 {
    let bits: u64 = set.moduli.iter().take(limbs).map(|&q| u64::from(residue_bits(q))).sum();
    let halves = (components as u64).saturating_mul(ciphertexts as u64);
    (bits * set.degree as u64 / 8).saturating_mul(halves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_contents() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        container::write(&at("p"), Kind::Signature, &1, 0, |_| Ok(())).unwrap();
        std::fs::write(at("labels"), r#"{"labels": [1], "split": "test"}"#).unwrap();
        std::fs::write(at("notes"), "labels").unwrap();
        assert!(SIGNATURE.is(&at("p")) && !PROGRAM.is(&at("p")) && !OutputKind::Model.is(&at("p")));
        let labels = OutputKind::Json("labels file", &["labels"]);
        assert!(labels.is(&at("labels")) && !labels.is(&at("notes")) && !labels.is(&at("p")));
        assert_eq!(OutputKind::Container(&[Kind::EvaluationKey]).name(), "an evaluation key file");
    }

    #[test]
    fn inputs_are_never_outputs() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, "secret").unwrap();
        let files = Files::default().reads("--key", key.as_path()).writes("--out", key.as_path(), CIPHERTEXTS, 0);
        let error = files.check(&Replace { force: true }).unwrap_err();
        assert!(error.to_string().contains("the same file for --key and for --out"), "{error}");
        assert_eq!(crate::exit::classify(&error), crate::exit::Exit::Usage);
    }
}
