//! Files of look-up programs and of their client's side. Must never hand out one that has not been checked.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::check::check_signature;
use super::{Program, ProgramLiteral, Signature, SignatureFile, Stage};
use crate::container::{self, Kind, plain_json};
use crate::{Error, Result, SparseMatrix};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramHeader {
    signature: Signature,
    stages: Vec<StageHeader>,
    outputs: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageHeader {
    layer: String,
    rows: usize,
    drop: u32,
    levels: u32,
    proven: bool,
}

/// Writes `program` to `path`.
pub fn save_program(program: &Program, path: &Path) -> Result<()> {
    let (header, payload) = encode(program);
    container::write(path, Kind::TfheProgram, &header, payload.len() as u64, |w| w.write_all(&payload))
}

/// Reads and checks a program.
pub fn load_program(path: &Path) -> Result<Program> {
    let opened = container::open::<ProgramHeader>(path, Kind::TfheProgram)?;
    let mut rest = opened.payload();
    let mut columns =
        opened.header.signature.input.shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)).unwrap_or(0);
    let mut stages = Vec::new();
    for h in &opened.header.stages {
        let (weights, bias) = matrix(&mut rest, h.rows, columns)?;
        let entries = h.rows.saturating_mul(h.levels as usize);
        let tables = numbers::<2>(&mut rest, entries)?.map(i16::from_le_bytes).collect();
        columns = h.rows;
        stages.push(Stage {
            layer: h.layer.clone(),
            weights,
            bias,
            dropped_bits: h.drop,
            levels: h.levels,
            tables,
            proven: h.proven,
        });
    }
    let (last, last_bias) = matrix(&mut rest, opened.header.outputs, columns)?;
    if !rest.is_empty() {
        return Err(Error::malformed(
            "reading a look-up program",
            format!("{} bytes too many", rest.len()),
            "weights only",
        ));
    }
    Program::try_from(ProgramLiteral { signature: opened.header.signature.clone(), stages, last, last_bias })
}

/// A fingerprint of the whole program, hexadecimal: keys and ciphertexts name it so that none is used with another.
pub fn program_hash(program: &Program) -> String {
    let (header, payload) = encode(program);
    let mut hash = blake3::Hasher::new();
    hash.update(&plain_json(&header));
    hash.update(&payload);
    hash.finalize().to_hex().to_string()
}

/// Writes the client's side of a program.
pub fn save_signature(file: &SignatureFile, path: &Path) -> Result<()> {
    container::write(path, Kind::TfheSignature, file, 0, |_| Ok(()))
}

/// Reads and checks the client's side of a program, from its own file or from the program's.
pub fn load_signature(path: &Path) -> Result<SignatureFile> {
    if container::kind(path)? == Some(Kind::TfheProgram) {
        return Ok(SignatureFile::from(&load_program(path)?));
    }
    let file = container::open::<SignatureFile>(path, Kind::TfheSignature)?.header;
    check_signature(&file.signature)?;
    Ok(file)
}

fn encode(program: &Program) -> (ProgramHeader, Vec<u8>) {
    let mut payload = Vec::new();
    let stages = program.stages().iter().map(|s| {
        put(&mut payload, &s.weights, &s.bias);
        payload.extend(s.tables.iter().flat_map(|t| t.to_le_bytes()));
        StageHeader {
            layer: s.layer.clone(),
            rows: s.bias.len(),
            drop: s.dropped_bits,
            levels: s.levels,
            proven: s.proven,
        }
    });
    let stages = stages.collect();
    put(&mut payload, program.last(), program.last_bias());
    (ProgramHeader { signature: program.signature().clone(), stages, outputs: program.last_bias().len() }, payload)
}

fn put(payload: &mut Vec<u8>, weights: &SparseMatrix, bias: &[i64]) {
    let (starts, columns, values) = weights.parts();
    payload.extend(bias.iter().flat_map(|b| b.to_le_bytes()));
    payload.extend(starts.windows(2).flat_map(|w| ((w[1] - w[0]) as u32).to_le_bytes()));
    payload.extend(columns.iter().flat_map(|c| c.to_le_bytes()));
    payload.extend(values.iter().flat_map(|w| w.to_le_bytes()));
}

fn matrix(rest: &mut &[u8], rows: usize, columns: usize) -> Result<(SparseMatrix, Vec<i64>)> {
    let bias = numbers::<8>(rest, rows)?.map(i64::from_le_bytes).collect();
    let mut starts = vec![0_usize];
    // Each length is below 2^32 and there are less than 2^61 of them in memory.
    for length in numbers::<4>(rest, rows)?.map(u32::from_le_bytes) {
        starts.push(starts.last().copied().unwrap_or(0) + length as usize);
    }
    let entries = starts.last().copied().unwrap_or(0);
    let index = numbers::<4>(rest, entries)?.map(u32::from_le_bytes).collect();
    let values = numbers::<4>(rest, entries)?.map(i32::from_le_bytes).collect();
    Ok((SparseMatrix::new(columns, starts, index, values)?, bias))
}

/// `count` little-endian numbers of `W` bytes; nothing is allocated before the bytes are known to be there.
fn numbers<'a, const W: usize>(
    rest: &mut &'a [u8],
    count: usize,
) -> Result<impl Iterator<Item = [u8; W]> + use<'a, W>> {
    let wanted = count.checked_mul(W).filter(|n| *n <= rest.len());
    let Some((head, tail)) = wanted.and_then(|n| rest.split_at_checked(n)) else {
        let found = format!("{} bytes left", rest.len());
        return Err(Error::malformed("reading a look-up program", found, format!("{count} numbers of {W} bytes")));
    };
    *rest = tail;
    Ok(head.as_chunks::<W>().0.iter().copied())
}
