//! Cuts feature maps into bands of rows, so that a deep network needs only a part of each at a
//! time. A program-to-program rewrite that adds no kind of step and no product, and leaves a
//! program alone that fits.

mod layout;
mod order;
mod rewrite;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use beaa_ir::Model;
use beaa_ir::ckks::{Program, ProgramShape, Schedule, ValueId, schedule};

use crate::cost::memory::PLANNED_MEMORY;
use crate::error::{Error, Result};
use order::{Banded, Cuts, TilingContext};

/// The program in bands so large that it takes at most `memory` bytes.
///
/// # Errors
/// [`Error::Memory`] where no bands are small enough, or the program is packed and takes more.
pub(crate) fn tile(program: Program, model: &Model, memory: Option<u64>) -> Result<Program> {
    let Some(memory) = memory else { return Ok(program) };
    let whole = plan(&ProgramShape::from(&program)).peak_bytes;
    if whole <= memory {
        return Ok(program);
    }
    if program.packing().is_some() {
        // Its ciphertexts hold whole maps, which have no bands.
        let (shape, degree) = (ProgramShape::from(&program), program.signature().parameters.degree);
        let worst = plan(&shape).worst().map(|part| program.steps()[part.last].layer.clone());
        // Without any step it is the input alone.
        let layer = worst.unwrap_or_else(|| "input".into());
        return Err(Error::Memory { requested: memory, least: whole, layer, degree });
    }
    let context = TilingContext::new(&program, model);
    let (cuts, banded) = choose(&context, memory, whole)?;
    rewrite::rewrite(&context, &cuts, &banded)
}

fn plan(shape: &ProgramShape) -> Schedule {
    schedule(shape, &PLANNED_MEMORY, true)
}

/// Levels of the roots (one more is about twice as many bands), and what they come to.
struct Candidate {
    levels: HashMap<ValueId, u32>,
    cuts: Cuts,
    banded: Banded,
    schedule: Schedule,
}

impl Candidate {
    fn new(context: &TilingContext<'_>, levels: HashMap<ValueId, u32>) -> Self {
        let cuts = Cuts::new(context, |v| levels.get(&v).copied().unwrap_or(0));
        let banded = context.banded(&cuts);
        let schedule = plan(&banded.shape);
        Self { levels, cuts, banded, schedule }
    }

    fn peak_bytes(&self) -> u64 {
        self.schedule.peak_bytes
    }
}

/// The largest bands that fit: of the same share of every map first, then each map's as large as
/// the others leave room for.
fn choose(context: &TilingContext<'_>, memory: u64, whole: u64) -> Result<(Cuts, Banded)> {
    let roots = context.cuttable();
    let finest: Vec<u32> = roots.iter().map(|&r| context.layout(r).finest()).collect();
    let share =
        |level: u32| Candidate::new(context, roots.iter().zip(&finest).map(|(&r, &f)| (r, f.min(level))).collect());
    let fits = |c: &Candidate| c.peak_bytes() <= memory;
    let mut best = share(0);
    for level in 1..=finest.iter().copied().max().unwrap_or(0) {
        if fits(&best) {
            break;
        }
        let next = share(level);
        if next.peak_bytes() < best.peak_bytes() {
            best = next;
        }
    }
    if !fits(&best) {
        let less = |next: &Candidate, best: &Candidate| next.peak_bytes() < best.peak_bytes();
        best = climb(context, best, &roots, 1, less);
        best = climb(context, best, &roots, -1, less);
    }
    if !fits(&best) {
        let step = best.schedule.worst().map(|part| best.banded.instances[part.last].step);
        let layer = step.map_or_else(String::new, |step| context.program.steps()[step].layer.clone());
        let least = best.peak_bytes().min(whole);
        let degree = context.program.signature().parameters.degree;
        return Err(Error::Memory { requested: memory, least, layer, degree });
    }
    best = climb(context, best, &roots, -1, |next, _| fits(next));
    Ok((best.cuts, best.banded))
}

/// Steps the level of one root after the other as long as that is good.
fn climb(
    context: &TilingContext<'_>,
    mut best: Candidate,
    roots: &[ValueId],
    by: i32,
    good: impl Fn(&Candidate, &Candidate) -> bool,
) -> Candidate {
    loop {
        let mut changed = false;
        for &root in roots {
            let level = best.levels[&root].checked_add_signed(by).filter(|l| *l <= context.layout(root).finest());
            let Some(level) = level else { continue };
            let mut levels = best.levels.clone();
            levels.insert(root, level);
            let next = Candidate::new(context, levels);
            if good(&next, &best) {
                (best, changed) = (next, true);
            }
        }
        if !changed {
            return best;
        }
    }
}
