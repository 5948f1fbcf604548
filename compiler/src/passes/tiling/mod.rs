//! Pass `bands`: cuts feature maps into bands of rows, so that a deep network needs only a part of each at a time. A
//! program-to-program rewrite that adds no kind of step. Must never change what is computed, and leaves alone what fits.

mod layout;
mod order;
mod rewrite;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use beaa_ir::Model;
use beaa_ir::ckks::{MemoryModel, Program, ProgramShape, Schedule, ValueId, schedule};

use crate::error::{Error, Result, internal};
use order::{Banded, Cuts, TilingContext};

/// Threads that memory is planned for: more than most machines have, and each takes a few megabytes only.
const THREADS: usize = 16;

/// The machine that programs are planned for.
pub(crate) const MACHINE: MemoryModel = MemoryModel {
    threads: THREADS,
    tile: beaa_ckks::TILE,
    chunk: beaa_ckks::CHUNK,
    input_in_place: true,
    arranged_weights_kept: false,
};

/// The program in bands so large that it takes at most `memory` bytes.
pub(crate) fn tile(program: Program, model: &Model, memory: Option<u64>) -> Result<Program> {
    let Some(memory) = memory else { return Ok(program) };
    let whole = plan(&ProgramShape::from(&program)).peak_bytes;
    if whole <= memory {
        return Ok(program);
    }
    let context = TilingContext::new(&program, model);
    let (cuts, banded) = choose(&context, memory, whole)?;
    rewrite::rewrite(&context, &cuts, &banded)
}

fn plan(outline: &ProgramShape) -> Schedule {
    schedule(outline, &MACHINE, true)
}

/// Levels of all roots, and what they come to.
struct Candidate {
    levels: HashMap<ValueId, u32>,
    cuts: Cuts,
    banded: Banded,
    schedule: Schedule,
}

fn candidate(context: &TilingContext<'_>, levels: HashMap<ValueId, u32>) -> Candidate {
    let cuts = Cuts::new(context, |v| levels.get(&v).copied().unwrap_or(0));
    let banded = context.banded(&cuts);
    let schedule = plan(&banded.outline);
    Candidate { levels, cuts, banded, schedule }
}

/// The largest bands that fit: of the same share of every map first, then each map's as large as the others leave room for.
fn choose(context: &TilingContext<'_>, memory: u64, whole: u64) -> Result<(Cuts, Banded)> {
    let roots = context.cuttable();
    let finest: Vec<u32> =
        roots.iter().map(|&r| context.layouts[r].as_ref().map_or(0, layout::Layout::finest)).collect();
    let shares = (0..=finest.iter().copied().max().unwrap_or(0))
        .map(|level| candidate(context, roots.iter().zip(&finest).map(|(&r, &f)| (r, f.min(level))).collect()));
    let fits = |c: &Candidate| c.schedule.peak_bytes <= memory;
    let mut best: Option<Candidate> = None;
    for next in shares {
        if best.as_ref().is_none_or(|b| next.schedule.peak_bytes < b.schedule.peak_bytes) {
            best = Some(next);
        }
        if best.as_ref().is_some_and(fits) {
            break;
        }
    }
    let Some(mut best) = best else { return Err(internal("bands", "no candidate")) };
    if !fits(&best) {
        best = climb(context, best, &roots, 1, |next, best| next.schedule.peak_bytes < best.schedule.peak_bytes);
        best = climb(context, best, &roots, -1, |next, best| next.schedule.peak_bytes < best.schedule.peak_bytes);
    }
    if !fits(&best) {
        let part = best.schedule.worst().map_or(0, |p| p.last);
        let step = best.banded.instances.get(part).and_then(|i| context.program.steps().get(i.step));
        let least = best.schedule.peak_bytes.min(whole);
        let layer = step.map_or_else(String::new, |s| s.layer.clone());
        let degree = context.program.signature().parameters.degree;
        return Err(Error::Memory { requested: memory, least, layer, degree });
    }
    best = climb(context, best, &roots, -1, |next, _| fits(next));
    Ok((best.cuts, best.banded))
}

/// Turns one root's level after the other as long as that is found good.
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
            let Some(level) = best.levels.get(&root).and_then(|l| l.checked_add_signed(by)) else { continue };
            if level > context.layouts[root].as_ref().map_or(0, layout::Layout::finest) {
                continue;
            }
            let mut levels = best.levels.clone();
            levels.insert(root, level);
            let next = candidate(context, levels);
            if good(&next, &best) {
                (best, changed) = (next, true);
            }
        }
        if !changed {
            return best;
        }
    }
}
