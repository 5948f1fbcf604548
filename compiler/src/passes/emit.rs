//! The plan and the rounded maps become a checked program with its signature and notes. All
//! decisions were made before.

use beaa_base::words::count;
use beaa_ir::Model;
use beaa_ir::ckks::{
    ClientPacking, LayerNote, LinearTerm, Packing, ParameterSet, Program, ProgramLiteral, ReadElements, Signature,
    Step, StepOp, ValueInfo, infer_values,
};
use beaa_ir::promise::Promise;
use beaa_ir::stats::log2_product;

use crate::error::{Result, internal};
use crate::network::bounds::Bounds;
use crate::network::graph::{Graph, NodeId, Op};
use crate::passes::unread_inputs::narrow_steps;
use crate::plan::level_plan::PlannedStep;
use crate::plan::refine::RefinedPlan;

/// All that the passes have found out.
pub(crate) struct Lowered<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) bounds: &'a [Bounds],
    pub(crate) refined: RefinedPlan,
    pub(crate) promise: Option<Promise>,
    /// What the file says of the images that are promised for.
    pub(crate) coverage: Option<&'static str>,
    pub(crate) security: u32,
}

/// The program.
///
/// # Errors
/// [`Error::Program`](crate::Error::Program) for a program that does not check.
pub(crate) fn emit(model: &Model, mut lowered: Lowered<'_>) -> Result<Program> {
    let notes = (0..lowered.graph.nodes.len()).map(|id| note(id, &lowered)).collect();
    let maps = &mut lowered.refined.quantised.maps;
    let step = |s: &PlannedStep| {
        // Planned operations have no numbers; those of a linear map are its node's.
        let op = s.op.map(|terms, _, ()| {
            let r = maps[s.node].take().unwrap_or_else(|| unreachable!("node {} has no weights left", s.node));
            let terms = terms.iter().zip(r.terms).map(|(t, weights)| LinearTerm { input: t.input, weights }).collect();
            StepOp::Linear { terms, weight_scale: r.weight_scale, bias: r.bias }
        });
        Step { layer: lowered.graph.nodes[s.node].label.clone(), op }
    };
    let mut steps: Vec<Step> = lowered.refined.plan.steps.iter().map(step).collect();
    let plan = &lowered.refined.plan;
    let reads = match &plan.packed {
        Some(packed) => {
            narrow_steps(&mut steps, &packed.read)?;
            ReadElements::marked(&packed.read)
        }
        None => ReadElements::all(lowered.graph.len(0)),
    };
    let output = plan.values[lowered.graph.output];
    let input = ValueInfo {
        len: reads.count(),
        limbs: plan.moduli.len(),
        scale: f64::from(lowered.refined.plan.choice.input_bits).exp2(),
        components: 2,
    };
    // The checker's account of the values, which is everybody's.
    let values = infer_values(input, &steps, &plan.moduli)?;
    let result = values[output];
    let packing = plan.packed.as_ref().map(|packed| {
        let linear = plan.steps.iter().filter(|s| matches!(s.op, StepOp::Linear { .. }));
        Packing {
            input: packed.nodes[0].layout.clone(),
            maps: linear.map(|s| packed.map(s.node).map.clone()).collect(),
        }
    });
    let rotates = packing.as_ref().is_some_and(|p| !p.rotations().is_empty());
    let signature = Signature {
        model: model.name().into(),
        input: model.input().clone(),
        reads,
        classes: model.classes().clone(),
        parameters: ParameterSet {
            degree: plan.degree,
            moduli: plan.moduli.clone(),
            special: plan.special.clone(),
            security: lowered.security,
        },
        input_limbs: input.limbs,
        input_scale: input.scale,
        output_limbs: result.limbs,
        output_scale: result.scale,
        output_components: result.components,
        switches_keys: rotates || steps.iter().any(|s| s.op.switches_keys()),
        promise: lowered.promise.take(),
        packing: packing.as_ref().map(|p| ClientPacking::new(p, &steps, &values, output)),
    };
    let alternatives = std::mem::take(&mut lowered.refined.alternatives);
    Ok(Program::try_from(ProgramLiteral { signature, steps, output, notes, alternatives, packing })?)
}

fn note(id: NodeId, lowered: &Lowered<'_>) -> LayerNote {
    let node = &lowered.graph.nodes[id];
    let deviation = lowered.refined.prediction.nodes[id];
    let mut remarks = Vec::new();
    match &node.op {
        Op::Affine { .. } => {
            if lowered.refined.plan.is_exact(lowered.graph, id) {
                remarks.push("exact weights".into());
            } else {
                remarks.push(format!("{}-bit weights", lowered.refined.plan.choice.weight_bits[id]));
            }
            if let Some(packed) = &lowered.refined.plan.packed {
                let counts = packed.map(id).counts;
                remarks.push(format!(
                    "{} and {} in {}",
                    count(counts.babies + counts.giants + counts.outputs * counts.folds, "rotation"),
                    count(counts.products, "product"),
                    count(counts.outputs, "ciphertext")
                ));
            }
            if !node.folded.is_empty() {
                remarks.push(format!("with {}", node.folded.join(", ")));
            }
        }
        _ if lowered.refined.plan.packed.is_some() => {}
        _ if lowered.refined.plan.choice.relinearise_eagerly[id] => remarks.push("relinearised at once".into()),
        _ => {}
    }
    let split = read_beside(lowered.graph, id);
    if split > 0 {
        remarks.push(format!("{split} elements read beside their squares"));
    }
    if id == lowered.graph.output {
        remarks.extend(lowered.coverage.map(str::to_owned));
    }
    LayerNote {
        layer: node.label.clone(),
        value: lowered.refined.plan.values[id],
        bound: lowered.bounds[id].largest() * lowered.refined.quantised.units[id],
        error: deviation.encryption,
        rounding: Some(deviation.rounding),
        remark: remarks.join("; "),
    }
}

/// Elements of a square whose input some map reads beside it: split form, or a residual that joins
/// there.
fn read_beside(graph: &Graph, id: NodeId) -> usize {
    let Op::Square { input, .. } = graph.nodes[id].op else { return 0 };
    let mut read = vec![false; graph.len(id)];
    for node in &graph.nodes {
        let Op::Affine { terms, .. } = &node.op else { continue };
        if !terms.iter().any(|t| t.input == id) {
            continue;
        }
        for term in terms.iter().filter(|t| t.input == input) {
            (0..term.weights.rows()).flat_map(|r| term.weights.row(r)).for_each(|(c, _)| read[c] = true);
        }
    }
    read.into_iter().filter(|r| *r).count()
}

/// Refuses a program in which some value could outgrow the modulus that is left.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) for such a program.
pub(crate) fn check_overflow(program: &Program) -> Result<()> {
    let moduli = &program.signature().parameters.moduli;
    for note in program.notes() {
        let value = program.values()[note.value];
        let log_modulus = log2_product(&moduli[..value.limbs]);
        let needed = value.scale.log2() + note.bound.max(f64::MIN_POSITIVE).log2() + 1.0;
        if needed > log_modulus {
            return Err(internal("emit", format!("`{}` needs {needed:.1} bits of {log_modulus:.1}", note.layer)));
        }
    }
    Ok(())
}
