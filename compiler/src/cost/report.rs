//! The cost of a program, layer by layer: the same walk for one that was just compiled and for one
//! read from a file.

use beaa_ir::ckks::{Program, ProgramShape, StepOp, schedule, switching_digits};
use beaa_ir::stats::{log2_product, residue_bits};
use serde::Serialize;

use crate::cost::coverage::Coverage;
use crate::cost::forecast::forecast;
use crate::cost::machine::Machine;
use crate::cost::memory::PLANNED_MEMORY;

/// What a program costs and how precise it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Name of the model.
    pub model: String,
    /// The layers, in order of evaluation.
    pub layers: Vec<LayerCost>,
    /// Sums over the whole program.
    pub totals: Totals,
    /// How long each pass took; empty for a program that was read from a file.
    pub passes: Vec<PassTime>,
}

/// One layer. Errors and bounds are in the units of the program's values (integer over scale);
/// hidden values are the model's up to a shift and a positive factor for each element, outputs are
/// the model's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerCost {
    /// Name of the model's layer.
    pub layer: String,
    /// Entries of its weights, over all terms.
    pub entries: usize,
    /// Residue products for one slot: entries times components times limbs.
    pub products: u64,
    /// Ciphertexts squared.
    pub squares: usize,
    /// Ciphertexts relinearised.
    pub relinearisations: usize,
    /// Ciphertexts from which one prime was dropped, counted once for each prime.
    pub rescales: usize,
    /// Ciphertexts of the result.
    pub ciphertexts: usize,
    /// Limbs of the result.
    pub limbs: usize,
    /// Components of the result.
    pub components: usize,
    /// log2 of the result's scale.
    pub log_scale: f64,
    /// log2 of the modulus that is left.
    pub log_modulus: f64,
    /// Largest absolute value expected.
    pub bound: Option<f64>,
    /// Predicted error of the encrypted value, root mean square over elements and images.
    pub error: Option<f64>,
    /// Predicted error that rounding of weights adds, root mean square over elements and images.
    pub rounding: Option<f64>,
    /// Predicted seconds of one core, for all slots, at the rates of [`Totals::machine`].
    pub seconds: f64,
    /// How the choice for this layer was made.
    pub remark: String,
}

/// The whole program.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Totals {
    /// Ring degree, which is the number of slots.
    pub degree: usize,
    /// Images that a batch holds at most: as many as slots, unless each has several positions in a
    /// ciphertext.
    pub images: usize,
    /// Rotations of ciphertexts.
    pub rotations: usize,
    /// Bits of security.
    pub security: u32,
    /// Limbs of a fresh ciphertext.
    pub limbs: usize,
    /// log2 of the ciphertext modulus.
    pub log_q: f64,
    /// log2 of the ciphertext modulus and the special primes together.
    pub log_qp: f64,
    /// Residue products for one slot.
    pub products: u64,
    /// Ciphertexts relinearised.
    pub relinearisations: usize,
    /// Bytes of the key that the server needs, its uniform half as a seed, packed to the primes'
    /// width.
    pub key_bytes: u64,
    /// Bytes that a client uploads for each image when all slots are used, uniform half as a seed,
    /// packed.
    pub input_bytes_per_image: f64,
    /// Bytes of an answer for each image when all slots are used, packed.
    pub output_bytes_per_image: f64,
    /// Most memory that a run takes at once: live values as 64-bit residues, working memory,
    /// weights and key.
    pub peak_bytes: u64,
    /// Predicted error of the outputs from encryption, root mean square.
    pub output_error: Option<f64>,
    /// Predicted error of the outputs from rounding weights, against the model, root mean square.
    pub output_rounding: Option<f64>,
    /// Predicted seconds of one core for packing the output; part of [`Self::seconds`], of no
    /// layer.
    pub output_seconds: f64,
    /// Predicted seconds of one core for encoding the constants of a packed program, once for each
    /// process that runs it; no part of [`Self::seconds`].
    pub prepare_seconds: f64,
    /// Predicted share of images whose class is the model's; known right after compiling with
    /// images.
    pub agreement: Option<Agreement>,
    /// Share of the images given that leave the ranges which the program is made for, the safety
    /// factor included; known right after compiling with images.
    pub out_of_range: Option<f64>,
    /// Whether errors were predicted on made-up images, for want of real ones; false where it is
    /// not known.
    pub made_up_images: bool,
    /// For which images all this is promised; known right after compiling.
    pub coverage: Option<Coverage>,
    /// Outputs that are the same for all images that were looked at; known right after compiling.
    pub constant_outputs: Vec<usize>,
    /// How many images it is for, and the batches that they take; known right after compiling.
    pub planned: Option<PlannedImages>,
    /// Predicted seconds of one core for all slots.
    pub seconds: f64,
    /// Name of the machine whose rates were used.
    pub machine: String,
    /// Whether these rates were measured, rather than built in.
    pub calibrated: bool,
}

/// Images that a program was compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PlannedImages {
    /// How many are run together.
    pub images: usize,
    /// Batches that they take.
    pub batches: usize,
}

/// How many images keep the class that the model gives them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// The share of all images like those that it was measured on, as predicted.
    pub predicted: f64,
    /// At least this share, with a confidence of 95 %: what is promised.
    pub at_least: f64,
    /// Images that it was measured on and that the model was not trained on.
    pub held_out: usize,
    /// Images among the samples that it was measured on.
    pub samples: usize,
}

/// How long a pass took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PassTime {
    /// Name of the pass.
    pub pass: &'static str,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl Report {
    /// Replaces the seconds by those of `machine`.
    pub fn on(mut self, program: &Program, machine: &Machine) -> Self {
        let forecast = forecast(program, machine);
        for layer in &mut self.layers {
            let steps = program.steps().iter().zip(&forecast.steps).filter(|(s, _)| s.layer == layer.layer);
            layer.seconds = steps.map(|(_, seconds)| seconds).sum();
        }
        self.totals.output_seconds = forecast.output;
        self.totals.prepare_seconds = forecast.prepare;
        self.totals.seconds = forecast.seconds();
        self.totals.machine = machine.literal().name.clone();
        self.totals.calibrated = machine.calibrated();
        self
    }
}

/// Walks a program and adds up, with the seconds of the reference machine; [`Report::on`] has those
/// of another.
pub fn cost(program: &Program) -> Report {
    let signature = program.signature();
    let parameters = &signature.parameters;
    let log_modulus = |limbs: usize| log2_product(&parameters.moduli[..limbs]);
    let mut layers: Vec<LayerCost> = Vec::new();
    // Of each layer: ciphertexts of the value that its note is on, all bands together.
    let mut noted: Vec<usize> = Vec::new();
    for (i, step) in program.steps().iter().enumerate() {
        let (result, len) = (&program.values()[i + 1], program.ciphertexts(i + 1));
        // Layers whose steps are not adjacent (a value rescued for a residual) stay one line.
        let at = layers.iter().position(|l| l.layer == step.layer).unwrap_or_else(|| {
            layers.push(empty(&step.layer));
            noted.push(0);
            layers.len() - 1
        });
        let layer = &mut layers[at];
        match &step.op {
            StepOp::Linear { terms, .. } => {
                let products: usize =
                    terms.iter().map(|t| t.weights.entries() * program.values()[t.input].components).sum();
                layer.entries += terms.iter().map(|t| t.weights.entries()).sum::<usize>();
                layer.products += (products * result.limbs) as u64;
            }
            StepOp::Square { .. } => layer.squares += len,
            StepOp::Relinearise { .. } => layer.relinearisations += len,
            StepOp::Rescale { .. } => layer.rescales += len,
            StepOp::ScaleUp { .. } | StepOp::DropLimbs { .. } => {}
        }
        if !matches!(step.op, StepOp::ScaleUp { .. } | StepOp::DropLimbs { .. }) || layer.ciphertexts == 0 {
            layer.ciphertexts = len;
            layer.limbs = result.limbs;
            layer.components = result.components;
            layer.log_scale = result.scale.log2();
            layer.log_modulus = log_modulus(result.limbs);
        }
        if let Some(note) = program.notes().iter().find(|n| n.value == i + 1) {
            let same = layer.bound == Some(note.bound) && layer.remark == note.remark;
            // Bands of one value are noted one by one.
            noted[at] = if same { noted[at] } else { 0 } + len;
            layer.bound = Some(note.bound);
            layer.error = Some(note.error);
            layer.rounding = note.rounding;
            layer.remark.clone_from(&note.remark);
        }
    }
    for (layer, noted) in layers.iter_mut().zip(noted).filter(|(_, n)| *n > 0) {
        layer.ciphertexts = noted;
    }
    let totals = totals(program, &layers);
    Report { model: signature.model.clone(), layers, totals, passes: Vec::new() }.on(program, &Machine::reference())
}

fn totals(program: &Program, layers: &[LayerCost]) -> Totals {
    let signature = program.signature();
    let parameters = &signature.parameters;
    let width = |q: &u64| f64::from(residue_bits(*q));
    let bits = |limbs: usize| parameters.moduli[..limbs].iter().map(width).sum::<f64>();
    let capacity = signature.capacity() as f64;
    // What slots hold of one image.
    let share = parameters.degree as f64 / capacity;
    let steps = 0..program.steps().len();
    let note = program.notes().iter().find(|n| n.value == program.output());
    let relinearisations = layers.iter().map(|l| l.relinearisations).sum();
    let special_bits: f64 = parameters.special.iter().map(width).sum();
    let digits = |limbs: usize| switching_digits(limbs, parameters.special.len());
    let key_bits = |limbs: usize| (digits(limbs) * parameters.degree) as f64 * (bits(limbs) + special_bits);
    let all_limbs = parameters.moduli.len();
    let galois = signature.packing.iter().flat_map(|packing| packing.key_limbs());
    let squares = program.switches_keys().then_some(all_limbs);
    let key_bits: f64 = squares.into_iter().chain(galois).map(key_bits).sum();
    let output_bits =
        bits(signature.output_limbs) * (program.ciphertexts(program.output()) * signature.output_components) as f64;
    Totals {
        degree: parameters.degree,
        images: signature.capacity(),
        rotations: steps.filter_map(|i| program.packed_map(i)).map(|(_, size)| size.rotations).sum(),
        security: parameters.security,
        limbs: parameters.moduli.len(),
        log_q: log2_product(&parameters.moduli),
        log_qp: log2_product(&parameters.moduli) + log2_product(&parameters.special),
        products: layers.iter().map(|l| l.products).sum(),
        relinearisations,
        key_bytes: (key_bits / 8.0).ceil() as u64,
        input_bytes_per_image: program.ciphertexts(0) as f64 * bits(signature.input_limbs) / 8.0 * share,
        output_bytes_per_image: output_bits / 8.0 * share,
        peak_bytes: schedule(&ProgramShape::from(program), &PLANNED_MEMORY, true).peak_bytes,
        output_error: note.map(|n| n.error),
        output_rounding: note.and_then(|n| n.rounding),
        agreement: None,
        out_of_range: None,
        made_up_images: false,
        coverage: None,
        constant_outputs: Vec::new(),
        planned: None,
        output_seconds: 0.0,
        prepare_seconds: 0.0,
        seconds: 0.0,
        machine: String::new(),
        calibrated: false,
    }
}

fn empty(layer: &str) -> LayerCost {
    LayerCost {
        layer: layer.into(),
        entries: 0,
        products: 0,
        squares: 0,
        relinearisations: 0,
        rescales: 0,
        ciphertexts: 0,
        limbs: 0,
        components: 0,
        log_scale: 0.0,
        log_modulus: 0.0,
        bound: None,
        error: None,
        rounding: None,
        seconds: 0.0,
        remark: String::new(),
    }
}
