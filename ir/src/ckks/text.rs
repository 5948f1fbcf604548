//! The stable text form of a program, for people and golden files.

use std::fmt::Write;

use super::packing::MapSize;
use super::program::{Program, StepOp};

/// One line for the parameters, one for each step. Weights are summarised: entries, bits, and the
/// largest row norm.
pub fn dump(program: &Program) -> String {
    let s = program.signature();
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "program {}: N {}, {} primes of {} bits, {} special, {} bits security",
        s.model,
        s.parameters.degree,
        s.parameters.moduli.len(),
        s.parameters.moduli.iter().map(|q| bits(*q).to_string()).collect::<Vec<_>>().join("+"),
        s.parameters.special.len(),
        s.parameters.security
    );
    if let Some(packing) = &s.packing {
        let (block, images, rotations) = (packing.block(), s.capacity(), &packing.rotations);
        let _ = writeln!(
            out,
            "packed: {block} positions of {images} images, input in {} ciphertexts, Galois keys for rotations by \
             {rotations:?} slots",
            packing.input.ciphertexts()
        );
    }
    if let Some(v) = program.values().first() {
        let _ = writeln!(
            out,
            "%0 = input {} x [limbs {}, scale 2^{:.3}, components {}]",
            v.len,
            v.limbs,
            v.scale.log2(),
            v.components
        );
    }
    for (i, (step, v)) in program.steps().iter().zip(program.values().iter().skip(1)).enumerate() {
        let detail = match &step.op {
            StepOp::Linear { terms, weight_scale, bias } => {
                let terms: Vec<String> = terms
                    .iter()
                    .map(|t| {
                        let w = &t.weights;
                        format!(
                            "{}x{} entries {} bits {} norm {} * %{}",
                            w.rows(),
                            w.columns(),
                            w.entries(),
                            w.weight_bits(),
                            w.norm(),
                            t.input
                        )
                    })
                    .collect();
                let packed = program.packed_map(i).map(|(_, size)| {
                    let MapSize { outputs, diagonals, rotations, .. } = size;
                    format!(", {outputs} ciphertexts by {diagonals} products, {rotations} rotations")
                });
                let (sum, scale) = (terms.join(" + "), weight_scale.log2());
                format!("{sum} + {} biases, weight scale 2^{scale:.3}{}", bias.len(), packed.as_deref().unwrap_or(""))
            }
            StepOp::ScaleUp { input, factor } => format!("%{input} by {factor}"),
            StepOp::Square { input } | StepOp::Relinearise { input } | StepOp::Rescale { input } => format!("%{input}"),
            StepOp::DropLimbs { input, limbs } => format!("%{input} to {limbs}"),
        };
        let _ = writeln!(
            out,
            "%{} = {} {detail} -> {} x [limbs {}, scale 2^{:.3}, components {}]  ; {}",
            i + 1,
            step.op.name(),
            v.len,
            v.limbs,
            v.scale.log2(),
            v.components,
            step.layer
        );
    }
    let _ = writeln!(out, "output %{}", program.output());
    out
}

fn bits(q: u64) -> u32 {
    64 - q.leading_zeros()
}
