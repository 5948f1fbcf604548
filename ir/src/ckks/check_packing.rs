//! Checks that a program can be run on packed ciphertexts, and counts what its linear maps compute
//! with.

use std::collections::BTreeSet;

use super::packing::{ClientPacking, Layout, MapSize, PackedAccount, PackedMap, Packing, Place, keyed_rotations};
use super::program::{LinearTerm, ProgramLiteral, Step, StepOp};
use super::value::{ValueId, ValueInfo};
use crate::{Error, Result};

const CHECKING: &str = "checking a packed program";
/// Positions that are looked at to find where the weights of a program meet their inputs, at most.
const MOST_LOOKS: u64 = 1 << 33;

/// For each value the number of the linear step whose layout it has; none for that of the input.
fn layouts(steps: &[Step]) -> Vec<Option<usize>> {
    let (mut of, mut maps) = (vec![None], 0);
    for step in steps {
        of.push(match &step.op {
            StepOp::Linear { .. } => {
                maps += 1;
                Some(maps - 1)
            }
            op => of[op.input(0)],
        });
    }
    of
}

impl PackedAccount {
    /// Checks that a program, whose values are known, can be run on packed ciphertexts.
    pub(super) fn new(packing: &Packing, literal: &ProgramLiteral, values: &[ValueInfo]) -> Result<Self> {
        let bad = |found: String, expected: String| Err(Error::malformed(CHECKING, found, expected));
        let linear = |(i, s): (usize, &Step)| match &s.op {
            StepOp::Linear { bias, .. } => Some((i, bias.len())),
            _ => None,
        };
        let linear: Vec<(usize, usize)> = literal.steps.iter().enumerate().filter_map(linear).collect();
        if linear.len() != packing.maps.len() {
            return bad(
                format!("{} maps for {} linear steps", packing.maps.len(), linear.len()),
                "one for each".into(),
            );
        }
        let layouts = layouts(&literal.steps);
        let (mut sizes, mut looks) = (Vec::with_capacity(linear.len()), 0_u64);
        for (map, &(step, outputs)) in packing.maps.iter().zip(&linear) {
            let StepOp::Linear { terms, .. } = &literal.steps[step].op else { unreachable!("step {step} is linear") };
            let (block, elements) = (map.layout.block(), map.layout.elements());
            if (block, elements) != (packing.block(), outputs) {
                let found = format!("step {step} with {elements} elements at {block} positions");
                return bad(found, format!("{outputs} at {}", packing.block()));
            }
            let (degree, images) = (literal.signature.parameters.degree, map.images);
            if images.checked_mul(block) != Some(degree) {
                let found = format!("step {step} with {images} images at {block} positions");
                return bad(found, format!("{degree} slots"));
            }
            let from: Vec<&Layout> = terms.iter().map(|t| packing.layout(layouts[t.input])).collect();
            for f in &from {
                looks = looks.saturating_add(work(map, f));
            }
            if looks > MOST_LOOKS {
                return bad(format!("more than {MOST_LOOKS} positions to look at"), "smaller maps".into());
            }
            map.check()?;
            if let Some(term) = terms.iter().find(|t| values[t.input].components != 2) {
                let found = format!("step {step} on {} components", values[term.input].components);
                return bad(found, "2, which can be rotated".into());
            }
            sizes.push(MapSize::new(map, terms, &from)?);
        }
        let account = Self { layouts, sizes };
        let client = ClientPacking::new(packing, &literal.steps, values, literal.output);
        if literal.signature.packing.as_ref() != Some(&client) {
            return bad("a signature with another packing".into(), "that of the program".into());
        }
        Ok(account)
    }
}

/// How often [`PackedMap::locate`] and [`PackedMap::check`] look at a position, at most.
fn work(map: &PackedMap, from: &Layout) -> u64 {
    let factors = [map.layout.held().len(), map.offsets.len().max(1), 1 << map.folds.len().min(32), from.ciphertexts()];
    factors.iter().fold(1_u64, |product, &f| product.saturating_mul(f as u64))
}

impl MapSize {
    /// Counts what `map` computes `terms` with, whose inputs have the layouts `from`.
    ///
    /// # Errors
    /// As [`PackedMap::locate`], and when a map without masks has diagonals of several weights.
    pub fn new(map: &PackedMap, terms: &[LinearTerm], from: &[&Layout]) -> Result<Self> {
        let mut size = Self { outputs: map.layout.ciphertexts(), ..Self::default() };
        let mut sums = BTreeSet::new();
        for (term, from) in terms.iter().zip(from) {
            let found = if map.unmasked { unmasked(map, term, from)? } else { masked(map, term, from)? };
            let mut rotated = BTreeSet::new();
            for &(output, offset, input) in &found {
                let (baby, giant) = map.steps(offset);
                rotated.insert((input, baby));
                sums.insert((output, giant));
            }
            size.inputs += from.ciphertexts();
            // Without any weight there is still a vector of zeros.
            size.diagonals += found.len().max(1);
            size.rotated += rotated.len().max(1);
            let of_input = |input| rotated.iter().filter(|(i, _)| *i == input).count();
            size.babies = (0..from.ciphertexts() as u32).map(of_input).fold(size.babies.max(1), usize::max);
            let moved = || rotated.iter().filter(|(_, baby)| *baby != 0);
            size.decomposed += moved().map(|(input, _)| input).collect::<BTreeSet<_>>().len();
            size.rotations += moved().count();
        }
        size.sums = sums.len().max(1);
        size.giants = sums.iter().filter(|(_, giant)| *giant != 0).count();
        size.rotations += size.giants + map.folds.len() * size.outputs;
        Ok(size)
    }
}

/// Output, offset and input of each diagonal of a term.
type Diagonals = BTreeSet<(u32, i32, u32)>;

fn masked(map: &PackedMap, term: &LinearTerm, from: &Layout) -> Result<Diagonals> {
    let mut found = BTreeSet::new();
    map.locate(
        from,
        |r| term.weights.row(r).0,
        |_, _, Place { input, output, offset, .. }| {
            found.insert((output, offset, input));
        },
    )?;
    Ok(found)
}

fn unmasked(map: &PackedMap, term: &LinearTerm, from: &Layout) -> Result<Diagonals> {
    let diagonals = map.diagonals(from, |r| term.weights.row(r))?;
    if let Some(d) = diagonals.iter().find(|d| d.same_for_all(&map.layout).is_none()) {
        let found = format!("a map without masks, whose weights at offset {} differ or are missing", d.offset);
        return Err(Error::malformed(CHECKING, found, "one weight for all positions that hold elements"));
    }
    Ok(diagonals.iter().map(|d| (d.output, d.offset, d.input)).collect())
}

impl ClientPacking {
    /// The client's side of the packing of a program with these steps, values and output.
    ///
    /// # Panics
    /// When the packing has fewer maps than there are linear steps, or there is no such value.
    pub fn new(packing: &Packing, steps: &[Step], values: &[ValueInfo], output: ValueId) -> Self {
        let of = layouts(steps)[output];
        let output = of.map_or(&packing.input, |map| &packing.maps[map].layout);
        let inputs = steps.iter().filter_map(|step| match &step.op {
            StepOp::Linear { terms, .. } => Some(terms.iter().map(|t| values[t.input].limbs).max().unwrap_or(1)),
            _ => None,
        });
        let keyed = keyed_rotations(packing.maps.iter().zip(inputs));
        let (rotations, limbs) = keyed.into_iter().map(|(rotation, limbs)| (rotation, limbs as u32)).unzip();
        Self { input: packing.input.clone(), output: output.clone(), rotations, limbs }
    }
}
