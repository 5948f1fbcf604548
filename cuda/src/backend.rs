//! The backend of a device: the operations of a program one after the other, each on whole vectors
//! of ciphertexts. It sees ciphertexts and the evaluation key, never a secret one.

use std::borrow::Cow;

use beaa_ckks::{Batch, CompressedBatch, KeyedRotation, Parameters};
use beaa_ir::ckks::{Program, Step, StepOp, ValueId, ValueInfo};
use beaa_runtime::backend::{Backend, Operand, Sequence, Term, Timed};
use beaa_runtime::ckks::{CiphertextBackend, PackedSums, ServerKey, packed_constants, packed_elements};
use beaa_runtime::{Error as RuntimeError, Result};

use crate::operations::{self, PackedTerm, diagonals, linear, relinearise, rescale, scale, square};
use crate::{Device, DeviceDiagonals, DeviceGaloisKeys, DeviceKey, DevicePanels, DeviceValue, Ring};

/// Runs programs on a device.
#[derive(Debug)]
pub struct DeviceBackend<'d, D: Device> {
    ring: Ring<'d, D>,
    program: &'d Program,
    /// None for programs that switch no keys.
    key: Option<DeviceKey<D::Memory>>,
    /// None for programs that rotate nothing.
    rotations: Option<DeviceGaloisKeys<D::Memory>>,
}

/// Ciphertexts with their scale: what 1.0 is encoded as.
#[derive(Debug)]
pub struct ScaledValue<M> {
    value: DeviceValue<M>,
    scale: f64,
    /// Elements, where they are not as many as ciphertexts.
    elements: Option<usize>,
}

/// The weights of a term.
#[derive(Debug)]
pub enum DeviceWeights<M> {
    /// Where each ciphertext holds one element.
    Panels(DevicePanels<M>),
    /// Where ciphertexts hold several.
    Diagonals(DeviceDiagonals<M>),
}

impl<M> Clone for ScaledValue<M> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..*self }
    }
}

impl<M> DeviceWeights<M> {
    fn panels(&self) -> &DevicePanels<M> {
        match self {
            Self::Panels(panels) => panels,
            Self::Diagonals(_) => unreachable!("diagonals of a step that is not packed"),
        }
    }

    fn diagonals(&self) -> &DeviceDiagonals<M> {
        match self {
            Self::Diagonals(diagonals) => diagonals,
            Self::Panels(_) => unreachable!("panels of a packed step"),
        }
    }
}

impl<'d, D: Device> DeviceBackend<'d, D> {
    /// Copies to the device what a program of these parameters needs, and the server's key if there
    /// is one.
    ///
    /// # Errors
    /// When the device has no kernels for the degree, the key belongs to other parameters, or the
    /// device fails.
    pub fn new(device: &'d D, parameters: &Parameters, program: &'d Program, key: Option<&ServerKey>) -> Result<Self> {
        let ring = Ring::new(device, parameters)?;
        let key = key.filter(|_| program.switches_keys());
        let packing = program.signature().packing.iter();
        let needed = packing.flat_map(|p| p.rotations.iter().zip(p.key_limbs()));
        let needed: Vec<KeyedRotation> =
            needed.map(|(&slots, limbs)| KeyedRotation { slots: slots as usize, limbs }).collect();
        let galois = key.and_then(ServerKey::galois).filter(|_| !needed.is_empty());
        let rotations = galois.map(|keys| DeviceGaloisKeys::new(&ring, keys, &needed)).transpose()?;
        let key = key.map(|key| DeviceKey::new(&ring, key.evaluation_key())).transpose()?;
        Ok(Self { ring, program, key, rotations })
    }

    /// One pointwise step, which has this number in the program.
    fn step(
        &self,
        (number, step): (usize, &Step),
        weights: &[DeviceWeights<D::Memory>],
        read: impl Fn(ValueId) -> ScaledValue<D::Memory>,
    ) -> Result<ScaledValue<D::Memory>> {
        let ring = &self.ring;
        Ok(match &step.op {
            StepOp::Linear { terms, weight_scale, bias } if self.program.packing().is_some() => {
                let inputs: Vec<ScaledValue<D::Memory>> = terms.iter().map(|t| read(t.input)).collect();
                let sums = PackedSums::of(self.program, number)?;
                let mut products: Vec<PackedTerm<'_, D::Memory>> = Vec::with_capacity(inputs.len());
                for (input, weights) in inputs.iter().zip(weights) {
                    let (input, weights) = (&input.value, weights.diagonals());
                    fits_packed(input, weights, sums.bias.len())?;
                    expect(
                        "evaluating a packed linear layer",
                        "limbs of a term",
                        input.limbs(),
                        inputs[0].value.limbs(),
                    )?;
                    products.push(PackedTerm { input, weights });
                }
                let value = diagonals(ring, self.rotations.as_ref(), &products, &sums)?;
                ScaledValue { value, scale: inputs[0].scale * weight_scale, elements: Some(bias.len()) }
            }
            StepOp::Linear { terms, weight_scale, bias } => {
                let inputs: Vec<ScaledValue<D::Memory>> = terms.iter().map(|t| read(t.input)).collect();
                let limbs = inputs[0].value.limbs();
                let products = inputs.iter().zip(weights.iter().map(DeviceWeights::panels));
                for (input, weights) in products.clone() {
                    fits(input, weights, bias.len(), limbs)?;
                }
                let products: Vec<operations::Term<'_, D::Memory>> =
                    products.map(|(input, weights)| operations::Term { input: &input.value, weights }).collect();
                let value = linear(ring, &products, bias, limbs)?;
                ScaledValue { value, scale: inputs[0].scale * weight_scale, elements: None }
            }
            StepOp::Square { input } => {
                let ScaledValue { value, scale, elements } = read(*input);
                expect("squaring", "components", value.components(), 2)?;
                ScaledValue { value: square(ring, &value, value.limbs())?, scale: scale.powi(2), elements }
            }
            StepOp::ScaleUp { input, factor } => {
                let ScaledValue { value, scale: before, elements } = read(*input);
                let value = scale(ring, &value, value.limbs(), *factor)?;
                ScaledValue { value, scale: before * *factor as f64, elements }
            }
            StepOp::DropLimbs { input, limbs } => self.drop_limbs(&read(*input), *limbs)?,
            StepOp::Relinearise { .. } | StepOp::Rescale { .. } => unreachable!("a sequence is pointwise"),
        })
    }
}

impl<D: Device> Backend for DeviceBackend<'_, D> {
    type Value = ScaledValue<D::Memory>;
    type Weights<'m> = DeviceWeights<D::Memory>;

    fn info(&self, value: &Self::Value) -> ValueInfo {
        let ScaledValue { value, scale, elements } = value;
        ValueInfo {
            len: elements.unwrap_or(value.len()),
            limbs: value.limbs(),
            scale: *scale,
            components: value.components(),
        }
    }

    fn arrange(&self, term: Term<'_>) -> Result<DeviceWeights<D::Memory>> {
        let ring = &self.ring;
        Ok(if self.program.packing().is_some() {
            let constants = packed_constants(&ring.parameters, self.program, &term)?;
            DeviceWeights::Diagonals(DeviceDiagonals::new(ring, &constants)?)
        } else {
            DeviceWeights::Panels(DevicePanels::new(ring.device, term.weights)?)
        })
    }

    fn fused(&self, sequence: &Sequence<'_, Self::Value, DeviceWeights<D::Memory>>) -> Result<Timed<Self::Value>> {
        let inputs: Vec<&Self::Value> = sequence.inputs().collect();
        let mut results: Vec<Self::Value> = Vec::with_capacity(sequence.steps().len());
        let steps = (sequence.first()..).zip(sequence.steps());
        for (step, weights) in steps.zip(sequence.weights()) {
            let read = |value: ValueId| match sequence.operand(value) {
                Operand::Input(k) => inputs[k].clone(),
                Operand::Result(k) => results[k].clone(),
            };
            let result = self.step(step, weights, read)?;
            results.push(result);
        }
        // So that times of parts are of what they compute, not of what they launch.
        self.ring.device.synchronise()?;
        match results.pop() {
            Some(result) => Ok(Timed::untimed(result)),
            None => unreachable!("a sequence without a step"),
        }
    }

    fn key_switch(&self, value: &Self::Value, relinearises: bool, rescales: usize) -> Result<Timed<Self::Value>> {
        let ScaledValue { value, scale, elements } = value.clone();
        let before = value.limbs();
        if before <= rescales {
            return Err(refused("rescaling", format!("{before} limbs"), format!("more than {rescales}")));
        }
        let mut value = value;
        if relinearises {
            expect("relinearising", "components", value.components(), 3)?;
            let key = self.key.as_ref().ok_or(RuntimeError::NoEvaluationKey)?;
            value = relinearise(&self.ring, key, &value)?;
        }
        for _ in 0..rescales {
            value = rescale(&self.ring, &value)?;
        }
        self.ring.device.synchronise()?;
        let dropped = &self.ring.primes[value.limbs()..before];
        let scale = dropped.iter().rev().fold(scale, |scale, &q| scale / q as f64);
        Ok(Timed::untimed(ScaledValue { value, scale, elements }))
    }

    fn drop_limbs(&self, value: &Self::Value, limbs: usize) -> Result<Self::Value> {
        let ScaledValue { value, scale, elements } = value;
        if !(1..=value.limbs()).contains(&limbs) {
            return Err(refused("dropping limbs", format!("{limbs} limbs"), format!("1 to {}", value.limbs())));
        }
        Ok(ScaledValue { value: value.first_limbs(limbs), scale: *scale, elements: *elements })
    }
}

impl<'v, D: Device> CiphertextBackend<'v> for DeviceBackend<'_, D> {
    fn input(&self, program: &Program, ciphertexts: CompressedBatch<'v>, scale: f64) -> Result<Self::Value> {
        let elements = packed_elements(program, ciphertexts.len())?;
        if !ciphertexts.belongs_to(&self.ring.parameters) {
            return Err(self.of_others(format!("{ciphertexts:?}")));
        }
        Ok(ScaledValue { value: operations::unpack(&self.ring, &ciphertexts)?, scale, elements })
    }

    fn output<'b>(&self, value: &'b Self::Value) -> Result<Cow<'b, Batch>> {
        Ok(Cow::Owned(operations::download(&self.ring, &value.value)?))
    }
}

impl<D: Device> DeviceBackend<'_, D> {
    /// Copies ciphertexts that hold one element each to the device.
    ///
    /// # Errors
    /// When they belong to other parameters, or the device fails.
    pub fn stored(&self, batch: &Batch, scale: f64) -> Result<ScaledValue<D::Memory>> {
        if !batch.belongs_to(&self.ring.parameters) {
            return Err(self.of_others(format!("{batch:?}")));
        }
        Ok(ScaledValue { value: operations::upload(&self.ring, batch)?, scale, elements: None })
    }

    fn of_others(&self, found: String) -> RuntimeError {
        refused("copying ciphertexts to a device", found, self.ring.parameters.ring().to_string())
    }
}

/// Refuses an input that does not fit the weights and the other inputs.
fn fits<M>(input: &ScaledValue<M>, weights: &DevicePanels<M>, outputs: usize, limbs: usize) -> Result<()>
where
    M: crate::Memory,
{
    expect("evaluating a linear layer", "columns of weights", weights.columns, input.value.len())?;
    expect("evaluating a linear layer", "rows of weights", weights.rows, outputs)?;
    expect("evaluating a linear layer", "limbs of a term", input.value.limbs(), limbs)
}

/// Refuses a packed input that does not fit the constants.
fn fits_packed<M: crate::Memory>(input: &DeviceValue<M>, weights: &DeviceDiagonals<M>, outputs: usize) -> Result<()> {
    const OPERATION: &str = "evaluating a packed linear layer";
    expect(OPERATION, "components", input.components(), 2)?;
    expect(OPERATION, "limbs of a term", input.limbs(), weights.limbs)?;
    expect(OPERATION, "ciphertexts of a term", input.len(), weights.inputs)?;
    expect(OPERATION, "ciphertexts of the result", outputs, weights.outputs)
}

fn expect(operation: &'static str, what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(refused(operation, format!("{found} {what}"), expected.to_string()))
}

fn refused(operation: &'static str, found: String, expected: String) -> RuntimeError {
    beaa_ckks::Error::Operand { operation, found, expected }.into()
}
