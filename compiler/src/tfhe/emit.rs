//! From a chain to a look-up program, stage by stage, each rounded for the integers that the stages
//! before it really make. Every stage aims at the sums of the real network, not at those of rounded
//! predecessors.

use beaa_ir::tfhe::{Parameters, Program, ProgramLiteral, Signature, Stage};
use beaa_ir::{InputSpec, Model, Range, SparseMatrix};

use super::budget::{self, SumOrigin};
use super::chain::{Affine, Chain};
use super::dead_elements::drop_dead_elements;
use super::options::Options;
use super::stage::{self, IntegerRow, RoundingTarget, Table, TableSize};
use crate::error::UnsupportedLayer;
use crate::{Error, Result};

/// A table of fewer levels is not worth its bootstrapping; more digits in the decomposition serve
/// better.
const MIN_LEVELS: u32 = 12;
/// Outputs of fewer bits say too little.
const MIN_OUTPUT_BITS: u32 = 6;

/// A stage of that shape without elements.
fn bare(levels: u32, drop: u32) -> Stage {
    let weights = SparseMatrix::default();
    Stage {
        layer: String::new(),
        weights,
        bias: Vec::new(),
        dropped_bits: drop,
        levels,
        tables: Vec::new(),
        proven: false,
    }
}

/// Sums of every linear map on every sample in real arithmetic: `[map][output][sample]`.
pub(crate) fn real_sums(chain: &Chain, samples: &[Vec<f64>]) -> Vec<Vec<Vec<f64>>> {
    let mut out: Vec<Vec<Vec<f64>>> =
        chain.maps.iter().map(|m| vec![Vec::with_capacity(samples.len()); m.bias.len()]).collect();
    for sample in samples {
        let mut x = sample.clone();
        for (k, map) in chain.maps.iter().enumerate() {
            let sums: Vec<f64> = map
                .bias
                .iter()
                .enumerate()
                .map(|(r, b)| b + map.weights.row(r).map(|(c, w)| w * x[c]).sum::<f64>())
                .collect();
            out[k].iter_mut().zip(&sums).for_each(|(column, &s)| column.push(s));
            x = match chain.functions.get(k) {
                Some(f) => sums.iter().enumerate().map(|(j, &v)| f.at(j, v)).collect(),
                None => sums,
            };
        }
    }
    out
}

/// A real number per unit of an input's integer, and what zero means.
struct Units {
    unit: Vec<f64>,
    zero: Vec<f64>,
}

/// Numbers of an image as integers, `0..=steps` from the smallest to the largest that is allowed:
/// `x = unit * integer + zero`.
fn input_units(input: &InputSpec, steps: u32) -> Units {
    let plane = input.shape[1] * input.shape[2];
    let spread = |f: &dyn Fn(Range, f64, f64) -> f64| -> Vec<f64> {
        let channels = input.allowed_values().into_iter().zip(input.mean.iter().zip(&input.std));
        channels.flat_map(|(r, (&m, &s))| std::iter::repeat_n(f(r, f64::from(m), f64::from(s)), plane)).collect()
    };
    Units {
        unit: spread(&|r, _, s| f64::from(r.max - r.min) / (s * f64::from(steps))),
        zero: spread(&|r, m, s| (f64::from(r.min) - m) / s),
    }
}

/// The map on integers: real weights per unit of each input.
fn on_integers(map: &Affine, units: &Units) -> Affine {
    let mut weights = map.weights.clone();
    weights.scale_columns(&units.unit);
    let bias =
        map.bias.iter().enumerate().map(|(r, b)| b + map.weights.row(r).map(|(c, w)| w * units.zero[c]).sum::<f64>());
    Affine { layer: map.layer.clone(), bias: bias.collect(), weights }
}

/// What decides cost and precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Setting {
    /// A pixel is `0..=pixel_steps`.
    pub(crate) pixel_steps: u32,
    /// A table's entry is `0..=steps`.
    pub(crate) steps: u32,
    /// Bits taken off the sums of the first stage, one bootstrapping each.
    pub(crate) first_dropped_bits: u32,
    /// Bits taken off the sums of later stages.
    pub(crate) dropped_bits: u32,
    pub(crate) decomposition: (usize, usize),
}

/// The images that are calibrated on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Samples<'a> {
    /// Sums of the real network, [map][output][sample].
    pub(crate) wanted: &'a [Vec<Vec<f64>>],
    /// Pixels as integers, [sample][pixel].
    pub(crate) integers: &'a [Vec<i64>],
}

/// Lowers with one setting.
///
/// # Errors
/// [`Error::TfheNoise`] or [`Error::TfheOutputs`] for a layer whose noise the setting cannot carry.
pub(crate) fn lower(
    model: &Model,
    chain: &Chain,
    Samples { wanted, integers }: Samples<'_>,
    setting: &Setting,
    options: &Options,
) -> Result<Program> {
    let parameters = Parameters::new(setting.decomposition);
    let steps = setting.steps;
    let bootstrappings: usize = chain.maps.iter().map(|m| m.bias.len() * 8).sum();
    let per_element = options.log2_failure - (bootstrappings.max(2) as f64).log2();
    let mut units = input_units(model.input(), setting.pixel_steps);
    let mut largest = vec![i64::from(setting.pixel_steps); model.input().shape().len()];
    let mut values: Vec<Vec<f64>> = integers.iter().map(|s| s.iter().map(|&v| v as f64).collect()).collect();
    let mut stages = Vec::new();
    for (k, function) in chain.functions.iter().enumerate() {
        let drop = if k == 0 { setting.first_dropped_bits } else { setting.dropped_bits };
        let origin = SumOrigin::of(k, drop);
        let map = on_integers(&chain.maps[k], &units);
        let target = RoundingTarget {
            map: &map,
            samples: &values,
            wanted: &wanted[k],
            largest: &largest,
            slots: 0,
            margin: options.margin,
            prove: k == 0,
        };
        let (levels, rows) = rows_of_stage(target, origin, drop, &parameters, per_element)?;
        assert!(k > 0 || rows.iter().all(|r| r.proven), "a sum of stage `{}` may wrap", map.layer);
        let size = TableSize { levels, dropped_bits: drop, steps };
        let tables: Vec<Table> =
            rows.iter().enumerate().map(|(j, r)| stage::table(r, &wanted[k][j], function, j, size)).collect();
        values = (0..values.len())
            .map(|s| rows.iter().zip(&tables).map(|(r, t)| entry(t, (r.sums[s] - r.low) >> drop)).collect())
            .collect();
        units = Units { unit: tables.iter().map(|t| t.step).collect(), zero: tables.iter().map(|t| t.zero).collect() };
        largest = vec![i64::from(steps); rows.len()];
        stages.push(Stage {
            layer: map.layer.clone(),
            bias: rows.iter().map(|r| -r.low).collect(),
            dropped_bits: drop,
            levels,
            tables: tables.into_iter().flat_map(|t| t.entries).collect(),
            proven: rows.iter().all(|r| r.proven),
            weights: matrix(&rows, map.weights.columns())?,
        });
    }
    // A chain ends with a linear map.
    let map = on_integers(&chain.maps[chain.maps.len() - 1], &units);
    let wanted = &wanted[chain.functions.len()];
    let target =
        RoundingTarget { map: &map, samples: &values, wanted, largest: &largest, slots: 0, margin: 1.0, prove: true };
    let (bits, rows) = rows_of_outputs(target, &parameters, per_element)?;
    let half = 1_i64 << (bits - 1);
    let Some(first) = stages.first() else {
        let layer = UnsupportedLayer {
            layer: map.layer,
            found: "the only linear map, without an activation".into(),
            remedy: "nothing is looked up in such a network; compile for ckks",
        };
        return Err(Error::Unsupported { model: model.name().into(), layers: vec![layer] });
    };
    let signature = Signature {
        model: model.name().into(),
        input: model.input().clone(),
        classes: model.classes().clone(),
        pixel_steps: setting.pixel_steps,
        input_slots: first.slots(),
        input_large_key: first.dropped_bits > 0,
        output_bits: bits,
        output_scale: rows.iter().map(|r| r.scale).collect(),
        output_offset: rows.iter().zip(wanted).map(|(r, w)| output_offset(r, w, half)).collect(),
        parameters,
        log2_failure: 0.0,
        promise: None,
    };
    let last_bias = rows.iter().map(|r| -r.low - half).collect();
    let last = matrix(&rows, map.weights.columns())?;
    Ok(Program::try_from(drop_dead_elements(ProgramLiteral { signature, stages, last, last_bias })?)?)
}

/// Rows with as many levels as noise allows, for a target whose slots are still open.
fn rows_of_stage(
    mut target: RoundingTarget<'_>,
    origin: SumOrigin,
    drop: u32,
    parameters: &Parameters,
    per_element: f64,
) -> Result<(u32, Vec<IntegerRow>)> {
    let fits =
        |norm: f64, levels: u32| budget::element_failure(origin, norm, &bare(levels, drop), parameters) <= per_element;
    // Levels are found for a norm and the norm for levels; the norm hardly matters here, so a few
    // rounds do.
    let mut norm = 64.0;
    for _ in 0..3 {
        let Some(levels) = (MIN_LEVELS..=64).rev().find(|&levels| fits(norm, levels)) else { break };
        target.slots = u64::from(levels) << drop;
        let rows = stage::rows(&target);
        norm = rows.iter().map(IntegerRow::norm).fold(1.0, f64::max);
        if fits(norm, levels) {
            return Ok((levels, rows));
        }
    }
    let layer = target.map.layer.clone();
    Err(Error::TfheNoise { layer, norm: norm.sqrt(), dropped_bits: drop, levels: MIN_LEVELS })
}

fn entry(table: &Table, level: i64) -> f64 {
    f64::from(table.entries[level as usize])
}

/// The outputs' rows, of as many bits as noise allows and are of use, for a target whose slots are
/// still open.
fn rows_of_outputs(
    mut target: RoundingTarget<'_>,
    parameters: &Parameters,
    per_element: f64,
) -> Result<(u32, Vec<IntegerRow>)> {
    for bits in (MIN_OUTPUT_BITS..=14).rev() {
        target.slots = 1 << bits;
        let rows = stage::rows(&target);
        let norm = rows.iter().map(IntegerRow::norm).fold(1.0, f64::max);
        if budget::output_failure(norm, bits, parameters) <= per_element {
            return Ok((bits, rows));
        }
    }
    Err(Error::TfheOutputs { layer: target.map.layer.clone(), bits: MIN_OUTPUT_BITS })
}

/// What an output's integer of zero means, so that the real outputs have the same mean on the
/// samples.
fn output_offset(row: &IntegerRow, wanted: &[f64], half: i64) -> f64 {
    let mean = |v: &mut dyn Iterator<Item = f64>| v.sum::<f64>() / row.sums.len().max(1) as f64;
    let offset = mean(&mut wanted.iter().copied()) - row.scale * mean(&mut row.sums.iter().map(|&s| s as f64));
    // The sum starts at `low`, the integer at minus half the modulus.
    offset + row.scale * (row.low + half) as f64
}

fn matrix(rows: &[IntegerRow], columns: usize) -> Result<SparseMatrix> {
    let rows = rows.iter().map(|r| r.weights.iter().map(|&(c, w)| (c as u32, w)).collect()).collect();
    Ok(SparseMatrix::from_rows(columns, rows)?)
}
