//! What stands in front of ciphertexts: whose they are, what each of them is, and the batches in
//! the order in which they follow. Formats 2 and 3 know a single batch.

use beaa_ckks::PublicSeed;
use serde::{Deserialize, Serialize};

use crate::BatchId;
use crate::receipt::{Belonging, NamedBatch};

/// The header of a file of ciphertexts: one or more batches of the same number of ciphertexts, all
/// images or all results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "HeaderLiteral", into = "HeaderLiteral")]
pub(crate) struct CiphertextHeader {
    /// Fingerprint of the program that these are for or from.
    pub(crate) program: String,
    /// Whose key they are under.
    pub(crate) key: String,
    /// Ciphertexts of each batch.
    pub(crate) ciphertexts: usize,
    pub(crate) limbs: usize,
    /// 1 with seeds: only the halves `b` are there.
    pub(crate) stored_components: usize,
    /// Whether they are INSECURE: encrypted with a number in place of randomness, or under a key
    /// derived from one.
    pub(crate) from_seed: bool,
    /// At least one; images have seeds, results have none.
    batches: Vec<BatchHeader>,
}

/// One of the batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchHeader {
    /// Slots in use, copies aside.
    pub(crate) images: usize,
    /// Of the uniform halves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<PublicSeed>,
    /// The batch that these are or answer; format 2 does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<BatchId>,
}

/// What all batches of a file have in common.
pub(crate) struct Common {
    pub(crate) program: String,
    pub(crate) key: String,
    pub(crate) ciphertexts: usize,
    pub(crate) limbs: usize,
    pub(crate) stored_components: usize,
    pub(crate) from_seed: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLiteral {
    program: String,
    key: String,
    ciphertexts: usize,
    limbs: usize,
    stored_components: usize,
    /// Written only where it is so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    from_seed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batches: Option<Vec<BatchHeader>>,
    /// The single batch of formats 2 and 3.
    #[serde(default, skip_serializing)]
    images: Option<usize>,
    #[serde(default, skip_serializing)]
    seed: Option<PublicSeed>,
    #[serde(default, skip_serializing)]
    batch: Option<BatchId>,
}

impl CiphertextHeader {
    /// The header of batches of which there is at least one, all with a seed or none.
    pub(crate) fn new(common: Common, batches: Vec<BatchHeader>) -> Self {
        let Common { program, key, ciphertexts, limbs, stored_components, from_seed } = common;
        assert!(fault(&batches).is_none(), "{:?}", fault(&batches));
        Self { program, key, ciphertexts, limbs, stored_components, from_seed, batches }
    }

    /// The batches, in order; at least one.
    pub(crate) fn batches(&self) -> &[BatchHeader] {
        &self.batches
    }

    /// Whether the uniform halves come from seeds.
    pub(crate) fn is_seeded(&self) -> bool {
        self.batches.iter().all(|b| b.seed.is_some())
    }

    /// Images of all batches together.
    pub(crate) fn images(&self) -> usize {
        self.batches.iter().map(|b| b.images).sum()
    }

    pub(crate) fn belonging(&self) -> Belonging<'_> {
        let batches = self.batches.iter().map(|b| NamedBatch { batch: b.batch.as_ref(), images: b.images });
        Belonging { program: &self.program, key: &self.key, batches: batches.collect() }
    }
}

/// What is wrong with a list of batches.
fn fault(batches: &[BatchHeader]) -> Option<&'static str> {
    let seeds = batches.iter().filter(|b| b.seed.is_some()).count();
    let images = batches.iter().try_fold(0_usize, |sum, b| sum.checked_add(b.images));
    match images {
        _ if batches.is_empty() => Some("no batch"),
        _ if seeds > 0 && seeds < batches.len() => Some("batches with a seed and batches without"),
        None => Some("more images than can be counted"),
        Some(_) => None,
    }
}

impl TryFrom<HeaderLiteral> for CiphertextHeader {
    type Error = &'static str;

    fn try_from(literal: HeaderLiteral) -> Result<Self, &'static str> {
        let HeaderLiteral { program, key, ciphertexts, limbs, stored_components, from_seed, .. } = literal;
        let HeaderLiteral { batches, images, seed, batch, .. } = literal;
        let batches = match (batches, images) {
            (Some(batches), None) if seed.is_none() && batch.is_none() => batches,
            (None, Some(images)) => vec![BatchHeader { images, seed, batch }],
            _ => return Err("neither a list of batches nor a single batch"),
        };
        if let Some(fault) = fault(&batches) {
            return Err(fault);
        }
        Ok(Self { program, key, ciphertexts, limbs, stored_components, from_seed, batches })
    }
}

impl From<CiphertextHeader> for HeaderLiteral {
    fn from(header: CiphertextHeader) -> Self {
        let CiphertextHeader { program, key, ciphertexts, limbs, stored_components, from_seed, batches } = header;
        Self {
            program,
            key,
            ciphertexts,
            limbs,
            stored_components,
            from_seed,
            batches: Some(batches),
            images: None,
            seed: None,
            batch: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(batches: &str) -> Result<CiphertextHeader, serde_json::Error> {
        let common = r#""program": "p", "key": "k", "ciphertexts": 3, "limbs": 1, "stored_components": 1"#;
        serde_json::from_str(&format!("{{{common}, {batches}}}"))
    }

    #[test]
    fn one_batch_of_older_formats_and_many() {
        let seed = serde_json::to_string(&[7_u8; 32]).unwrap();
        let single = read(&format!(r#""images": 5, "seed": {seed}"#)).unwrap();
        assert!(single.images() == 5 && single.is_seeded() && single.batches().len() == 1);
        let many = read(&format!(r#""batches": [{{"images": 5, "seed": {seed}}}, {{"images": 4, "seed": {seed}}}]"#));
        let many = many.unwrap();
        assert_eq!((many.images(), many.batches().len()), (9, 2));
        let written = serde_json::to_string(&many).unwrap();
        assert_eq!(serde_json::from_str::<CiphertextHeader>(&written).unwrap(), many);
    }

    #[test]
    fn lists_that_contradict_themselves_are_refused() {
        let seed = serde_json::to_string(&[7_u8; 32]).unwrap();
        for bad in [
            r#""batches": []"#.to_owned(),
            r#""seed": null"#.to_owned(),
            r#""images": 1, "batches": [{"images": 1}]"#.to_owned(),
            format!(r#""seed": {seed}, "batches": [{{"images": 1}}]"#),
            format!(r#""batches": [{{"images": 1, "seed": {seed}}}, {{"images": 1}}]"#),
            format!(r#""batches": [{{"images": {}}}, {{"images": 1}}]"#, usize::MAX),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}
