//! Files of look-up programs and of their client's side, and the fingerprint of a program.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::check::check_signature;
use super::program::{Program, ProgramLiteral, Signature, Stage};
use crate::container::{self, Kind};
use crate::payload::{PayloadReader, expect_fingerprint, fingerprint, row_starts};
use crate::{Result, SparseMatrix};

const READING: &str = "reading a look-up program";

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
///
/// # Errors
/// If the file cannot be written.
pub fn save_program(program: &Program, path: &Path) -> Result<()> {
    let (header, payload) = encode(program);
    container::write(path, Kind::TfheProgram, &header, payload.len() as u64, |w| w.write_all(&payload))
}

/// Reads and checks a program.
///
/// # Errors
/// If the file cannot be read, is damaged or of another kind or version, or the program contradicts
/// itself.
pub fn load_program(path: &Path) -> Result<Program> {
    let opened = container::open::<ProgramHeader>(path, Kind::TfheProgram)?;
    let mut reader = PayloadReader::new(READING, opened.payload());
    let mut columns =
        opened.header.signature.input.shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d)).unwrap_or(0);
    let mut stages = Vec::new();
    for h in &opened.header.stages {
        let (weights, bias) = matrix(&mut reader, h.rows, columns)?;
        let entries = h.rows.saturating_mul(h.levels as usize);
        let tables = reader.numbers::<2>(entries)?.map(i16::from_le_bytes).collect();
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
    let (last, last_bias) = matrix(&mut reader, opened.header.outputs, columns)?;
    reader.finish()?;
    Program::try_from(ProgramLiteral { signature: opened.header.signature.clone(), stages, last, last_bias })
}

/// A fingerprint of the whole program, hexadecimal: keys and ciphertexts name it so that none is
/// used with another.
pub fn program_hash(program: &Program) -> String {
    let (header, payload) = encode(program);
    fingerprint(&header, &payload)
}

/// What a client knows of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureFile {
    /// Shapes, scales, parameters.
    pub signature: Signature,
    /// The program's fingerprint, which ciphertexts name.
    pub program: String,
}

impl From<&Program> for SignatureFile {
    fn from(program: &Program) -> Self {
        Self { signature: program.signature().clone(), program: program_hash(program) }
    }
}

/// Writes the client's side of a program.
///
/// # Errors
/// If the file cannot be written.
pub fn save_signature(file: &SignatureFile, path: &Path) -> Result<()> {
    container::write(path, Kind::TfheSignature, file, 0, |_| Ok(()))
}

/// Reads and checks the client's side of a program, from its own file or from the program's.
///
/// # Errors
/// If the file cannot be read, is damaged or of another kind or version, or contradicts itself.
pub fn load_signature(path: &Path) -> Result<SignatureFile> {
    if container::kind(path)? == Some(Kind::TfheProgram) {
        return Ok(SignatureFile::from(&load_program(path)?));
    }
    let file = container::open::<SignatureFile>(path, Kind::TfheSignature)?.header;
    check_signature(&file.signature)?;
    expect_fingerprint("checking a program's signature", &file.program)?;
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

/// Reads the weights and biases of one linear map.
fn matrix(reader: &mut PayloadReader<'_>, rows: usize, columns: usize) -> Result<(SparseMatrix, Vec<i64>)> {
    let bias = reader.numbers::<8>(rows)?.map(i64::from_le_bytes).collect();
    let lengths = reader.numbers::<4>(rows)?.map(|bytes| u64::from(u32::from_le_bytes(bytes)));
    let starts = row_starts(READING, lengths)?;
    let entries = starts[rows];
    let index = reader.numbers::<4>(entries)?.map(u32::from_le_bytes).collect();
    let values = reader.numbers::<4>(entries)?.map(i32::from_le_bytes).collect();
    Ok((SparseMatrix::new(columns, starts, index, values)?, bias))
}
