//! Which band is computed when: depth first from the output, each band as soon as what it reads is
//! there, so that it can be freed early. No product is computed twice; squares and other cheap
//! pointwise steps are repeated for every reader, as storing them would take half as much memory
//! again.

use std::collections::HashMap;

use beaa_ir::Model;
use beaa_ir::ckks::{Program, ProgramShape, StepOp, StepShape, ValueId};

use super::layout::{Layout, shape_of};

/// A band of a value.
pub(super) type Band = (ValueId, usize);

/// One step of the banded program: an original step for one of its bands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    /// The original step.
    pub(super) step: usize,
    /// Which band of its result.
    pub(super) band: usize,
    /// What it reads: number of the term (0 where there are none), band of the term's input, value
    /// of the banded program.
    pub(super) reads: Vec<(usize, usize, ValueId)>,
}

/// The banded program without its numbers.
#[derive(Debug, Clone)]
pub(super) struct Banded {
    pub(super) instances: Vec<Instance>,
    /// The band that each value of the banded program holds; the first is the whole input.
    pub(super) bands: Vec<Band>,
    pub(super) shape: ProgramShape,
}

/// What bands of a program depend on whatever their size.
pub(super) struct TilingContext<'a> {
    pub(super) program: &'a Program,
    base: ProgramShape,
    /// For each value, the linear step's result, or the input, from which only element-wise steps
    /// lead to it.
    pub(super) roots: Vec<ValueId>,
    /// The layout of each root.
    layouts: Vec<Option<Layout>>,
    /// Whether a value is computed anew for each of its readers.
    repeated: Vec<bool>,
    /// For each linear step's result, for each term, for each atom: the atoms read, ascending.
    reads: Vec<Vec<Vec<Vec<u32>>>>,
    /// For each linear step's result, for each atom: its weights.
    entries: Vec<Vec<usize>>,
}

impl<'a> TilingContext<'a> {
    pub(super) fn new(program: &'a Program, model: &Model) -> Self {
        let base = ProgramShape::from(program);
        let count = base.values.len();
        let mut roots = vec![0];
        let mut layouts = vec![Some(Layout::new(base.values[0].len, Some(model.input().shape())))];
        for (step, info) in program.steps().iter().zip(base.values.iter().skip(1)) {
            let linear = matches!(step.op, StepOp::Linear { .. });
            roots.push(if linear { roots.len() } else { roots[step.op.input(0)] });
            layouts.push(linear.then(|| Layout::new(info.len, shape_of(model, &step.layer, info.len))));
        }
        let mut context = Self {
            program,
            roots,
            layouts,
            repeated: vec![false; count],
            reads: vec![Vec::new(); count],
            entries: vec![Vec::new(); count],
            base,
        };
        context.find_repeated();
        for v in 1..count {
            context.find_reads(v);
        }
        context
    }

    /// Cheap pointwise steps all of whose readers are pointwise too.
    fn find_repeated(&mut self) {
        let mut fused = vec![true; self.base.values.len()];
        for v in (1..self.base.values.len()).rev() {
            let op = &self.base.steps[v - 1].op;
            let cheap = matches!(op, StepOp::Square { .. } | StepOp::ScaleUp { .. } | StepOp::DropLimbs { .. });
            self.repeated[v] = cheap && fused[v] && v != self.base.output;
            let pointwise = matches!(op, StepOp::Linear { .. }) || self.repeated[v];
            op.inputs().for_each(|i| fused[i] &= pointwise);
        }
    }

    fn find_reads(&mut self, v: ValueId) {
        let StepOp::Linear { terms, .. } = &self.program.steps()[v - 1].op else { return };
        let layout = self.layout(v);
        let atoms = || layout.atoms.windows(2).map(|a| &layout.order[a[0]..a[1]]);
        let row = |t: usize, e: u32| terms[t].weights.row(e as usize).0;
        let reads = (0..terms.len()).map(|t| {
            let from = self.layout(self.roots[terms[t].input]);
            let mut atom_of = vec![0_u32; from.order.len()];
            for (atom, range) in from.atoms.windows(2).enumerate() {
                from.order[range[0]..range[1]].iter().for_each(|&e| atom_of[e as usize] = atom as u32);
            }
            let mut seen = vec![usize::MAX; from.atoms.len()];
            let read = |(atom, elements): (usize, &[u32])| {
                let mut found = Vec::new();
                for &c in elements.iter().flat_map(|&e| row(t, e)) {
                    let a = atom_of[c as usize];
                    if std::mem::replace(&mut seen[a as usize], atom) != atom {
                        found.push(a);
                    }
                }
                found.sort_unstable();
                found
            };
            atoms().enumerate().map(read).collect()
        });
        let reads = reads.collect();
        let weights =
            |elements: &[u32]| (0..terms.len()).map(|t| elements.iter().map(|&e| row(t, e).len()).sum::<usize>()).sum();
        self.entries[v] = atoms().map(weights).collect();
        self.reads[v] = reads;
    }

    /// The layout of a root.
    pub(super) fn layout(&self, root: ValueId) -> &Layout {
        self.layouts[root].as_ref().unwrap_or_else(|| unreachable!("value {root} is no root"))
    }

    /// The results of linear steps that may be cut: all but what the output is made of element by
    /// element.
    pub(super) fn cuttable(&self) -> Vec<ValueId> {
        let whole = self.roots[self.base.output];
        (1..self.roots.len()).filter(|&v| self.roots[v] == v && v != whole).collect()
    }

    /// The value that is stored, from which a repeated one is made.
    fn stored(&self, mut v: ValueId) -> ValueId {
        while self.repeated[v] {
            v = self.base.steps[v - 1].op.input(0);
        }
        v
    }

    /// What a band reads: number of the term and band of the term's input.
    fn band_reads(&self, cuts: &Cuts, (v, band): Band) -> Vec<(usize, usize)> {
        let StepOp::Linear { terms, .. } = &self.program.steps()[v - 1].op else { return vec![(0, band)] };
        let atoms = cuts.atoms(v, band);
        let mut found = Vec::new();
        let mut components = 0;
        for (t, term) in terms.iter().enumerate() {
            let root = self.roots[term.input];
            let mut bands: Vec<usize> =
                self.reads[v][t][atoms.clone()].iter().flatten().map(|&a| cuts.band_of(root, a as usize)).collect();
            bands.sort_unstable();
            bands.dedup();
            if !bands.is_empty() {
                components = components.max(self.base.values[term.input].components);
            }
            found.extend(bands.into_iter().map(|b| (t, b)));
        }
        // A band whose weights on some term are all zero still has as many components as the
        // others.
        let full = self.base.values[v].components;
        if components < full {
            let missing = terms.iter().position(|t| self.base.values[t.input].components == full);
            let missing = missing.unwrap_or_else(|| unreachable!("value {v} has {full} components, its inputs fewer"));
            let root = self.roots[terms[missing].input];
            let beside = cuts.bands(root) * band / cuts.bands(v);
            found.push((missing, beside));
            found.sort_unstable();
        }
        found
    }

    /// The banded program for these cuts.
    pub(super) fn banded(&self, cuts: &Cuts) -> Banded {
        let mut computed: HashMap<Band, ValueId> = HashMap::from([((0, 0), 0)]);
        let shape = ProgramShape { steps: Vec::new(), values: self.base.values[..1].to_vec(), ..self.base.clone() };
        let mut result = Banded { instances: Vec::new(), bands: vec![(0, 0)], shape };
        let output = (self.base.output, 0);
        let mut open: Vec<Open> = vec![self.open(cuts, output)];
        while let Some(top) = open.last_mut() {
            match top.needs.next() {
                Some(need) if computed.contains_key(&need) => {}
                Some(need) => open.push(self.open(cuts, need)),
                None => {
                    if let Some(done) = open.pop().filter(|o| !computed.contains_key(&o.band)) {
                        self.add_band(cuts, &done, &mut computed, &mut result);
                    }
                }
            }
        }
        result.shape.output = computed[&output];
        result
    }

    fn open(&self, cuts: &Cuts, band: Band) -> Open {
        let reads = if band.0 == 0 { Vec::new() } else { self.band_reads(cuts, band) };
        let needs: Vec<Band> =
            reads.iter().map(|&(t, b)| (self.stored(self.base.steps[band.0 - 1].op.input(t)), b)).collect();
        Open { band, reads, needs: needs.into_iter() }
    }

    /// Adds a band, and before it what is repeated for it only.
    fn add_band(&self, cuts: &Cuts, open: &Open, computed: &mut HashMap<Band, ValueId>, result: &mut Banded) {
        let (v, band) = open.band;
        let step = &self.base.steps[v - 1];
        let mut local: HashMap<Band, ValueId> = HashMap::new();
        let mut reads = Vec::with_capacity(open.reads.len());
        for &(term, from) in &open.reads {
            let mut chain = Vec::new();
            let mut at = step.op.input(term);
            while self.repeated[at] && !local.contains_key(&(at, from)) {
                chain.push(at);
                at = self.base.steps[at - 1].op.input(0);
            }
            let known = local.get(&(at, from)).or_else(|| computed.get(&(at, from)));
            let mut id = *known.unwrap_or_else(|| unreachable!("band {from} of value {at} is read before it is there"));
            for &link in chain.iter().rev() {
                id = self.push(cuts, (link, from), vec![(0, from, id)], result);
                local.insert((link, from), id);
            }
            reads.push((term, from, id));
        }
        let id = self.push(cuts, (v, band), reads, result);
        computed.insert((v, band), id);
    }

    fn push(&self, cuts: &Cuts, (v, band): Band, reads: Vec<(usize, usize, ValueId)>, result: &mut Banded) -> ValueId {
        let root = self.roots[v];
        let info = beaa_ir::ckks::ValueInfo { len: cuts.elements(root, band), ..self.base.values[v] };
        let op = &self.base.steps[v - 1].op;
        let entries = match op {
            StepOp::Linear { .. } => self.entries[v][cuts.atoms(v, band)].iter().sum(),
            _ => 0,
        };
        let inputs: Vec<ValueId> = reads.iter().map(|r| r.2).collect();
        result.shape.steps.push(StepShape { op: op.reading(&inputs), entries });
        result.shape.values.push(info);
        result.instances.push(Instance { step: v - 1, band, reads });
        result.bands.push((v, band));
        result.instances.len()
    }
}

struct Open {
    band: Band,
    reads: Vec<(usize, usize)>,
    needs: std::vec::IntoIter<Band>,
}

/// Where every root is cut.
pub(super) struct Cuts {
    /// For each root: the first atom of each band and, last, the number of atoms.
    firsts: Vec<Vec<usize>>,
    /// For each root: the band of each atom.
    band_of: Vec<Vec<u32>>,
    /// For each root: the elements before each band and, last, of all.
    pub(super) starts: Vec<Vec<usize>>,
}

impl Cuts {
    /// `level(root)` as in [`Layout::cut`].
    pub(super) fn new(context: &TilingContext<'_>, level: impl Fn(ValueId) -> u32) -> Self {
        let mut cuts = Self { firsts: Vec::new(), band_of: Vec::new(), starts: Vec::new() };
        for (v, layout) in context.layouts.iter().enumerate() {
            let firsts = layout.as_ref().map_or_else(Vec::new, |l| l.cut(level(v)));
            let band_of = firsts.windows(2).enumerate().flat_map(|(b, w)| std::iter::repeat_n(b as u32, w[1] - w[0]));
            cuts.band_of.push(band_of.collect());
            cuts.starts.push(layout.as_ref().map_or_else(Vec::new, |l| firsts.iter().map(|&a| l.atoms[a]).collect()));
            cuts.firsts.push(firsts);
        }
        cuts
    }

    pub(super) fn bands(&self, root: ValueId) -> usize {
        self.firsts[root].len() - 1
    }

    fn atoms(&self, root: ValueId, band: usize) -> std::ops::Range<usize> {
        self.firsts[root][band]..self.firsts[root][band + 1]
    }

    fn elements(&self, root: ValueId, band: usize) -> usize {
        self.starts[root][band + 1] - self.starts[root][band]
    }

    fn band_of(&self, root: ValueId, atom: usize) -> usize {
        self.band_of[root][atom] as usize
    }
}
