//! Files of programs (signature, steps and notes as the JSON header, weights and biases as the
//! payload), of their client's side, and the fingerprint of a program.

use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::packing::Packing;
use super::program::{Alternative, LayerNote, LinearTerm, Program, ProgramLiteral, Step, StepOp};
use super::signature::{Signature, check_signature};
use super::value::ValueId;
use crate::container::{self, Kind, Opened};
use crate::payload::{PayloadReader, expect_fingerprint, fingerprint, row_starts};
use crate::{Error, Result, SparseMatrix};

const READING: &str = "reading a program";
const CHECKING_SIGNATURE: &str = "checking a program's signature";

/// Writes `program` to `path`.
///
/// # Errors
/// If the file cannot be written.
pub fn save_program(program: &Program, path: &Path) -> Result<()> {
    let (header, payload) = encode(program);
    container::write(path, Kind::Program, &header, payload.len() as u64, |w| w.write_all(&payload))
}

/// Gives the bytes of the file that [`save_program`] writes.
///
/// # Errors
/// If the header has no form in JSON.
pub fn program_to_bytes(program: &Program) -> Result<Vec<u8>> {
    let (header, payload) = encode(program);
    container::to_bytes(Kind::Program, &header, payload.len() as u64, |w| w.write_all(&payload))
}

/// Reads and checks a program.
///
/// # Errors
/// If the file cannot be read, is damaged or of another kind or version, or the program contradicts
/// itself.
pub fn load_program(path: &Path) -> Result<Program> {
    decode(&container::open(path, Kind::Program)?)
}

/// Reads and checks the bytes of a program's file.
///
/// # Errors
/// As [`load_program`].
pub fn program_from_bytes(bytes: Vec<u8>) -> Result<Program> {
    decode(&container::open_bytes(Kind::Program, bytes)?)
}

fn decode(opened: &Opened<ProgramHeader>) -> Result<Program> {
    let mut reader = PayloadReader::new(READING, opened.payload());
    let header = &opened.header;
    let steps = header.steps.iter().map(|s| decode_step(s, &mut reader)).collect::<Result<Vec<_>>>()?;
    reader.finish()?;
    Program::try_from(ProgramLiteral {
        signature: header.signature.clone(),
        steps,
        output: header.output,
        notes: header.notes.iter().map(NoteHeader::note).collect(),
        alternatives: header.notes.iter().flat_map(|n| n.alternatives.clone()).collect(),
        packing: header.packing.clone(),
    })
}

/// Works out the fingerprint of the whole program, hexadecimal: keys and ciphertexts name it so
/// that none is used with another.
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
    /// Predicted standard deviation of an output's error, where the compiler said.
    pub output_error: Option<f64>,
}

impl From<&Program> for SignatureFile {
    fn from(program: &Program) -> Self {
        let note = program.notes().iter().find(|n| n.value == program.output());
        Self {
            signature: program.signature().clone(),
            program: program_hash(program),
            output_error: note.map(|n| n.error).filter(|e| e.is_finite() && *e > 0.0),
        }
    }
}

/// Writes the client's side of a program.
///
/// # Errors
/// If the file cannot be written.
pub fn save_signature(file: &SignatureFile, path: &Path) -> Result<()> {
    container::write(path, Kind::Signature, file, 0, |_| Ok(()))
}

/// Gives the bytes of the file that [`save_signature`] writes.
///
/// # Errors
/// If the signature has no form in JSON.
pub fn signature_to_bytes(file: &SignatureFile) -> Result<Vec<u8>> {
    container::to_bytes(Kind::Signature, file, 0, |_| Ok(()))
}

/// Reads and checks the client's side of a program, from its own file or from the program's.
///
/// # Errors
/// If the file cannot be read, is damaged or of another kind or version, or contradicts itself.
pub fn load_signature(path: &Path) -> Result<SignatureFile> {
    if container::kind(path)? == Some(Kind::Program) {
        return Ok(SignatureFile::from(&load_program(path)?));
    }
    checked(container::open(path, Kind::Signature)?)
}

/// Reads and checks the bytes of a signature's file.
///
/// # Errors
/// As [`load_signature`].
pub fn signature_from_bytes(bytes: Vec<u8>) -> Result<SignatureFile> {
    checked(container::open_bytes(Kind::Signature, bytes)?)
}

fn checked(opened: Opened<SignatureFile>) -> Result<SignatureFile> {
    let file = opened.header;
    check_signature(&file.signature)?;
    expect_fingerprint(CHECKING_SIGNATURE, &file.program)?;
    if let Some(error) = file.output_error.filter(|e| !(e.is_finite() && *e > 0.0)) {
        let expected = "a finite number above 0, or none";
        return Err(Error::malformed(CHECKING_SIGNATURE, format!("an output error of {error}"), expected));
    }
    Ok(file)
}

/// A program without the numbers of its weights, as JSON. Its bytes are part of the fingerprint.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramHeader {
    signature: Signature,
    steps: Vec<StepHeader>,
    output: ValueId,
    notes: Vec<NoteHeader>,
    /// None where each ciphertext holds one element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    packing: Option<Packing>,
}

/// An operation with sizes in place of weights and biases.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepHeader {
    layer: String,
    op: StepOp<MatrixSize, usize>,
}

#[derive(Clone, Copy)]
struct MatrixSize {
    columns: usize,
    entries: usize,
}

/// A term as it lies in the file, its size beside its input.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TermHeader {
    input: ValueId,
    columns: usize,
    entries: usize,
}

impl Serialize for LinearTerm<MatrixSize> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let MatrixSize { columns, entries } = self.weights;
        TermHeader { input: self.input, columns, entries }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LinearTerm<MatrixSize> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let TermHeader { input, columns, entries } = TermHeader::deserialize(deserializer)?;
        Ok(Self { input, weights: MatrixSize { columns, entries } })
    }
}

/// A note as it lies in the file: the first one holds the program's alternatives.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoteHeader {
    layer: String,
    value: ValueId,
    bound: f64,
    error: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rounding: Option<f64>,
    remark: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    alternatives: Vec<Alternative>,
}

impl NoteHeader {
    fn new(note: &LayerNote, alternatives: Vec<Alternative>) -> Self {
        let LayerNote { layer, value, bound, error, rounding, remark } = note.clone();
        Self { layer, value, bound, error, rounding, remark, alternatives }
    }

    fn note(&self) -> LayerNote {
        LayerNote {
            layer: self.layer.clone(),
            value: self.value,
            bound: self.bound,
            error: self.error,
            rounding: self.rounding,
            remark: self.remark.clone(),
        }
    }
}

fn encode(program: &Program) -> (ProgramHeader, Vec<u8>) {
    let mut payload = Vec::new();
    let steps = program
        .steps()
        .iter()
        .map(|s| StepHeader { layer: s.layer.clone(), op: encode_op(&s.op, &mut payload) })
        .collect();
    let alternatives = |i: usize| if i == 0 { program.alternatives().to_vec() } else { Vec::new() };
    let header = ProgramHeader {
        signature: program.signature().clone(),
        steps,
        output: program.output(),
        notes: program.notes().iter().enumerate().map(|(i, n)| NoteHeader::new(n, alternatives(i))).collect(),
        packing: program.packing().cloned(),
    };
    (header, payload)
}

/// Writes biases and weights to `payload`; their sizes stay.
fn encode_op(op: &StepOp, payload: &mut Vec<u8>) -> StepOp<MatrixSize, usize> {
    op.map(|terms, weight_scale, bias| {
        payload.extend(bias.iter().flat_map(|b| b.to_le_bytes()));
        let size = |t: &LinearTerm| {
            let (row_starts, columns, weights) = t.weights.parts();
            payload.extend(row_starts.windows(2).flat_map(|w| ((w[1] - w[0]) as u64).to_le_bytes()));
            payload.extend(columns.iter().flat_map(|c| c.to_le_bytes()));
            payload.extend(weights.iter().flat_map(|w| w.to_le_bytes()));
            let size = MatrixSize { columns: t.weights.columns(), entries: t.weights.entries() };
            LinearTerm { input: t.input, weights: size }
        };
        StepOp::Linear { terms: terms.iter().map(size).collect(), weight_scale, bias: bias.len() }
    })
}

fn decode_step(step: &StepHeader, reader: &mut PayloadReader<'_>) -> Result<Step> {
    let op = step.op.try_map(|terms, weight_scale, &outputs| {
        let bias = reader.numbers::<16>(outputs)?.map(i128::from_le_bytes).collect();
        let terms = terms.iter().map(|t| decode_term(t, outputs, reader)).collect::<Result<Vec<_>>>()?;
        Ok::<_, crate::Error>(StepOp::Linear { terms, weight_scale, bias })
    })?;
    Ok(Step { layer: step.layer.clone(), op })
}

fn decode_term(term: &LinearTerm<MatrixSize>, outputs: usize, reader: &mut PayloadReader<'_>) -> Result<LinearTerm> {
    let starts = row_starts(READING, reader.numbers::<8>(outputs)?.map(u64::from_le_bytes))?;
    let columns = reader.numbers::<4>(term.weights.entries)?.map(u32::from_le_bytes).collect();
    let weights = reader.numbers::<4>(term.weights.entries)?.map(i32::from_le_bytes).collect();
    Ok(LinearTerm { input: term.input, weights: SparseMatrix::new(term.weights.columns, starts, columns, weights)? })
}
