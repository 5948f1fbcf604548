//! Program files: the signature, steps and notes as the JSON header, weights and biases as the payload. Must never
//! hand out a program that has not been checked.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::program::{LayerNote, LinearTerm, Program, ProgramLiteral, Signature, Step, StepOp, ValueId};
use crate::container::{self, Kind};
use crate::{Error, Result, SparseMatrix};

/// Writes `program` to `path`.
pub fn save_program(program: &Program, path: &Path) -> Result<()> {
    let (header, payload) = encode(program);
    container::write(path, Kind::Program, &header, payload.len() as u64, |w| w.write_all(&payload))
}

/// Reads and checks a program.
pub fn load_program(path: &Path) -> Result<Program> {
    let opened = container::open::<ProgramHeader>(path, Kind::Program)?;
    let mut reader = Reader { bytes: opened.payload() };
    let header = &opened.header;
    let steps = header.steps.iter().map(|s| decode_step(s, &mut reader)).collect::<Result<Vec<_>>>()?;
    if !reader.bytes.is_empty() {
        return Err(Error::malformed(
            "reading a program",
            format!("{} bytes too many", reader.bytes.len()),
            "weights only",
        ));
    }
    Program::try_from(ProgramLiteral {
        signature: header.signature.clone(),
        steps,
        output: header.output,
        notes: header.notes.clone(),
    })
}

/// A fingerprint of the whole program, hexadecimal: keys and ciphertexts name it so that none is used with another.
pub fn program_hash(program: &Program) -> String {
    let (header, payload) = encode(program);
    let mut hash = blake3::Hasher::new();
    // Serialising plain data to memory cannot fail; an empty header would only make the fingerprint depend on less.
    hash.update(&serde_json::to_vec(&header).unwrap_or_default());
    hash.update(&payload);
    hash.finalize().to_hex().to_string()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramHeader {
    signature: Signature,
    steps: Vec<StepHeader>,
    output: ValueId,
    notes: Vec<LayerNote>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepHeader {
    layer: String,
    op: OpHeader,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum OpHeader {
    Linear { terms: Vec<TermHeader>, weight_scale: f64, outputs: usize },
    ScaleUp { input: ValueId, factor: u64 },
    Square { input: ValueId },
    Relinearise { input: ValueId },
    Rescale { input: ValueId },
    DropLimbs { input: ValueId, limbs: usize },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TermHeader {
    input: ValueId,
    columns: usize,
    entries: usize,
}

fn encode(program: &Program) -> (ProgramHeader, Vec<u8>) {
    let mut payload = Vec::new();
    let steps = program
        .steps()
        .iter()
        .map(|s| StepHeader { layer: s.layer.clone(), op: encode_op(&s.op, &mut payload) })
        .collect();
    let header = ProgramHeader {
        signature: program.signature().clone(),
        steps,
        output: program.output(),
        notes: program.notes().to_vec(),
    };
    (header, payload)
}

fn encode_op(op: &StepOp, payload: &mut Vec<u8>) -> OpHeader {
    match op {
        StepOp::Linear { terms, weight_scale, bias } => {
            payload.extend(bias.iter().flat_map(|b| b.to_le_bytes()));
            let terms = terms
                .iter()
                .map(|t| {
                    let (row_starts, columns, weights) = t.weights.parts();
                    payload.extend(row_starts.windows(2).flat_map(|w| ((w[1] - w[0]) as u64).to_le_bytes()));
                    payload.extend(columns.iter().flat_map(|c| c.to_le_bytes()));
                    payload.extend(weights.iter().flat_map(|w| w.to_le_bytes()));
                    TermHeader { input: t.input, columns: t.weights.columns(), entries: t.weights.entries() }
                })
                .collect();
            OpHeader::Linear { terms, weight_scale: *weight_scale, outputs: bias.len() }
        }
        StepOp::ScaleUp { input, factor } => OpHeader::ScaleUp { input: *input, factor: *factor },
        StepOp::Square { input } => OpHeader::Square { input: *input },
        StepOp::Relinearise { input } => OpHeader::Relinearise { input: *input },
        StepOp::Rescale { input } => OpHeader::Rescale { input: *input },
        StepOp::DropLimbs { input, limbs } => OpHeader::DropLimbs { input: *input, limbs: *limbs },
    }
}

fn decode_step(step: &StepHeader, reader: &mut Reader<'_>) -> Result<Step> {
    let op = match &step.op {
        OpHeader::Linear { terms, weight_scale, outputs } => {
            let bias = reader.array::<16>(*outputs)?.map(i128::from_le_bytes).collect();
            let terms = terms.iter().map(|t| decode_term(t, *outputs, reader)).collect::<Result<Vec<_>>>()?;
            StepOp::Linear { terms, weight_scale: *weight_scale, bias }
        }
        OpHeader::ScaleUp { input, factor } => StepOp::ScaleUp { input: *input, factor: *factor },
        OpHeader::Square { input } => StepOp::Square { input: *input },
        OpHeader::Relinearise { input } => StepOp::Relinearise { input: *input },
        OpHeader::Rescale { input } => StepOp::Rescale { input: *input },
        OpHeader::DropLimbs { input, limbs } => StepOp::DropLimbs { input: *input, limbs: *limbs },
    };
    Ok(Step { layer: step.layer.clone(), op })
}

fn decode_term(term: &TermHeader, outputs: usize, reader: &mut Reader<'_>) -> Result<LinearTerm> {
    let mut row_starts = vec![0_usize];
    let mut total = 0_usize;
    for length in reader.array::<8>(outputs)?.map(u64::from_le_bytes) {
        total = usize::try_from(length).ok().and_then(|l| total.checked_add(l)).ok_or_else(|| {
            Error::malformed("reading a program", format!("a row of {length} weights"), "rows that fit in memory")
        })?;
        row_starts.push(total);
    }
    let columns = reader.array::<4>(term.entries)?.map(u32::from_le_bytes).collect();
    let weights = reader.array::<4>(term.entries)?.map(i32::from_le_bytes).collect();
    Ok(LinearTerm { input: term.input, weights: SparseMatrix::new(term.columns, row_starts, columns, weights)? })
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// `count` little-endian numbers of `W` bytes; nothing is allocated before the bytes are known to be there.
    fn array<const W: usize>(&mut self, count: usize) -> Result<impl Iterator<Item = [u8; W]> + use<'a, W>> {
        let wanted = count.checked_mul(W).filter(|n| *n <= self.bytes.len());
        let Some((head, tail)) = wanted.and_then(|n| self.bytes.split_at_checked(n)) else {
            return Err(Error::malformed(
                "reading a program",
                format!("{} bytes left", self.bytes.len()),
                format!("{count} numbers of {W} bytes"),
            ));
        };
        self.bytes = tail;
        Ok(head.as_chunks::<W>().0.iter().copied())
    }
}
