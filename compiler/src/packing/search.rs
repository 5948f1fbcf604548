//! The packing of least predicted cost: a beam search over the layouts of all nodes, in their
//! order.

use std::collections::HashMap;
use std::rc::Rc;

use beaa_ir::ckks::Layout;

use super::candidates::{Candidate, candidates, grids};
use super::grid::{Grid, line};
use super::inputs::{gathered, layouts};
use super::offsets::PackedTerm;
use super::{ChosenMap, PackedGraph, PackedNode};
use crate::cost::ops::{Boundary, OpContext, SizedOp, seconds};
use crate::network::graph::{Graph, Node, NodeId, Op, Term};
use crate::passes::dead_elements::{kept, retain};

/// Packings that are followed at a time.
const BEAM: usize = 12;
/// Limbs that a square and the map before it are taken to use up, before anything is planned.
const LIMBS_PER_SQUARE: usize = 2;
/// Limbs that masks are taken to use up where no square follows.
const LIMBS_PER_MASK: f64 = 0.4;
/// Bits that a limb is taken to have.
const BITS_PER_LIMB: f64 = 30.0;

/// What is to be packed, and where.
#[derive(Clone, Copy)]
pub(crate) struct PackingTask<'a> {
    pub(crate) graph: &'a Graph,
    /// Ring degree.
    pub(crate) degree: usize,
    /// Positions of a ciphertext.
    pub(crate) block: usize,
    /// Seconds that a byte sent counts for.
    pub(crate) seconds_per_byte: f64,
}

/// A packing of the first nodes.
#[derive(Clone)]
struct Partial {
    nodes: Vec<Placed>,
    cost: f64,
    /// The map of an input that was packed for it, until its turn comes.
    ready: Option<(NodeId, Rc<ChosenMap>)>,
}

#[derive(Clone)]
struct Placed {
    layout: Rc<Layout>,
    grid: Option<Grid>,
    map: Option<Rc<ChosenMap>>,
}

/// The cheapest packing found; none where a map has none.
pub(crate) fn pack(task: PackingTask<'_>) -> Option<PackedGraph> {
    let (graph, read) = without_unread(task.graph);
    pack_all(PackingTask { graph: &graph, ..task }, read)
}

/// The graph with the elements of the input that some map reads, and which of all these are.
fn without_unread(graph: &Graph) -> (Graph, Vec<bool>) {
    let (mut graph, mut read) = (graph.clone(), vec![false; graph.len(0)]);
    let mut others = graph.output == 0;
    for node in &graph.nodes {
        match &node.op {
            Op::Affine { terms, .. } => {
                for term in terms.iter().filter(|t| t.input == 0) {
                    let rows = 0..term.weights.rows();
                    rows.flat_map(|r| term.weights.columns_of(r)).for_each(|&c| read[c as usize] = true);
                }
            }
            Op::Square { input, .. } | Op::Quadratic { input, .. } => others |= *input == 0,
            Op::Input(_) => {}
        }
    }
    if others || !read.contains(&true) {
        read.fill(true);
    }
    for node in &mut graph.nodes {
        match &mut node.op {
            Op::Affine { terms, .. } => {
                let rows = vec![true; node.coordinates.len()];
                terms.iter_mut().filter(|t| t.input == 0).for_each(|t| t.weights = kept(&t.weights, &rows, &read));
            }
            Op::Input(intervals) => retain(intervals, &read),
            Op::Square { .. } | Op::Quadratic { .. } => {}
        }
    }
    let input = &mut graph.nodes[0];
    retain(&mut input.coordinates, &read);
    input.observed_range.iter_mut().for_each(|range| retain(range, &read));
    (graph, read)
}

fn pack_all(task: PackingTask<'_>, read: Vec<bool>) -> Option<PackedGraph> {
    let mut search = Search { task, layouts: Vec::new(), known: HashMap::new() };
    let mut beam = vec![Partial { nodes: Vec::new(), cost: 0.0, ready: None }];
    for id in 0..task.graph.nodes.len() {
        let mut next: Vec<Partial> = beam.iter().flat_map(|partial| search.extended(id, partial)).collect();
        next.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        let read = task.read_after(id);
        let mut best: Vec<Partial> = Vec::new();
        for partial in next {
            // Of packings that what follows cannot tell apart, the cheapest.
            if best.len() < BEAM && !best.iter().any(|b| b.looks_like(&partial, &read)) {
                best.push(partial);
            }
        }
        beam = best;
    }
    let best = beam.into_iter().next()?;
    let node = |(placed, node): (Placed, &Node)| PackedNode {
        layout: (*placed.layout).clone(),
        map: placed.map.map(|map| (*map).clone()),
        inputs: node.op.inputs(),
    };
    let nodes = best.nodes.into_iter().zip(&task.graph.nodes).map(node).collect();
    Some(PackedGraph { block: task.block, read, nodes })
}

impl Partial {
    /// Whether another has the same layouts and grids of the nodes that are read.
    fn looks_like(&self, other: &Self, read: &[NodeId]) -> bool {
        let reader = |p: &Self| p.ready.as_ref().map(|(_, map)| Rc::as_ptr(map));
        let same = |a: &Placed, b: &Placed| Rc::ptr_eq(&a.layout, &b.layout) && a.grid == b.grid;
        reader(self) == reader(other) && read.iter().all(|&id| same(&self.nodes[id], &other.nodes[id]))
    }
}

/// Candidates with layouts that are equal only if they are the same.
type Found = Vec<(Rc<ChosenMap>, Rc<Layout>, Option<Grid>)>;

/// A node, with the layouts of what it reads, whether their other positions are zero, and the grid.
type Read = (NodeId, Vec<(*const Layout, bool)>, Option<Grid>);

/// A search under way.
struct Search<'a> {
    task: PackingTask<'a>,
    /// Each layout once.
    layouts: Vec<Rc<Layout>>,
    /// Candidates of a node, by what it reads.
    known: HashMap<Read, Rc<Found>>,
}

impl Search<'_> {
    fn interned(&mut self, layout: &Layout) -> Rc<Layout> {
        if let Some(known) = self.layouts.iter().find(|l| ***l == *layout) {
            return Rc::clone(known);
        }
        self.layouts.push(Rc::new(layout.clone()));
        Rc::clone(&self.layouts[self.layouts.len() - 1])
    }

    fn extended(&mut self, id: NodeId, partial: &Partial) -> Vec<Partial> {
        let task = self.task;
        let with = |placed: Placed, cost: f64| {
            let mut next = partial.clone();
            next.nodes.push(placed);
            next.cost += cost;
            next
        };
        let node = &task.graph.nodes[id];
        match &node.op {
            Op::Input(_) => self.inputs(partial),
            Op::Square { input, .. } | Op::Quadratic { input, .. } => {
                let Placed { layout, grid, .. } = partial.nodes[*input].clone();
                let cost = task.square(id, layout.ciphertexts());
                vec![with(Placed { layout, grid, map: None }, cost)]
            }
            Op::Affine { terms, .. } => {
                if let Some((_, map)) = partial.ready.as_ref().filter(|(reader, _)| *reader == id) {
                    let first = map.map.layout.first_positions();
                    let grid = grids(&node.coordinates, None).into_iter().find(|g| {
                        g.layout(&node.coordinates, task.block).is_some_and(|l| l.first_positions() == first)
                    });
                    let layout = self.interned(&map.map.layout);
                    let mut next = with(Placed { layout, grid, map: Some(Rc::clone(map)) }, task.map(id, map));
                    next.ready = None;
                    return vec![next];
                }
                let from = |t: &Term| (Rc::clone(&partial.nodes[t.input].layout), task.is_clean(t.input, partial));
                let froms: Vec<(Rc<Layout>, bool)> = terms.iter().map(from).collect();
                let grid = terms.first().and_then(|t| partial.nodes[t.input].grid);
                let found = self.candidates(id, terms, &froms, grid);
                let each = found.iter().map(|(map, layout, grid)| {
                    let placed = Placed { layout: Rc::clone(layout), grid: *grid, map: Some(Rc::clone(map)) };
                    with(placed, task.map(id, map) + task.masks(id, map) * partial.cost)
                });
                each.collect()
            }
        }
    }

    fn candidates(
        &mut self,
        id: NodeId,
        terms: &[Term],
        froms: &[(Rc<Layout>, bool)],
        grid: Option<Grid>,
    ) -> Rc<Found> {
        let key = (id, froms.iter().map(|(from, clean)| (Rc::as_ptr(from), *clean)).collect::<Vec<_>>(), grid);
        if let Some(found) = self.known.get(&key) {
            return Rc::clone(found);
        }
        let task = self.task;
        let packed =
            froms.iter().zip(terms).map(|((from, clean), t)| PackedTerm { from, clean: *clean, weights: &t.weights });
        let packed: Vec<PackedTerm<'_>> = packed.collect();
        let all = candidates(&packed, &task.graph.nodes[id].coordinates, grid, task.context(id));
        let of = |c: Candidate| (Rc::new(c.chosen), c.grid);
        let all: Vec<_> = all.into_iter().map(of).collect();
        let found = all.into_iter().map(|(map, grid)| {
            let layout = self.interned(&map.map.layout);
            (map, layout, grid)
        });
        let found = Rc::new(found.collect::<Found>());
        self.known.insert(key, Rc::clone(&found));
        found
    }

    /// Packings of the input: those that follow the image, and those for its only reader.
    fn inputs(&mut self, partial: &Partial) -> Vec<Partial> {
        let task = self.task;
        let found = task.inputs();
        let each = found.into_iter().map(|(layout, grid, ready)| {
            let cost = partial.cost + task.sent(layout.ciphertexts());
            let layout = self.interned(&layout);
            Partial { nodes: vec![Placed { layout, grid, map: None }], cost, ready }
        });
        each.collect()
    }
}

/// A packing of the input, the grid that it follows, and the map that it was made for.
type InputChoice = (Layout, Option<Grid>, Option<(NodeId, Rc<ChosenMap>)>);

impl PackingTask<'_> {
    /// Where a node's operations run, about: limbs for all squares that follow, and one special
    /// prime, whatever the plan will have.
    fn context(&self, id: NodeId) -> OpContext {
        let squares = self.graph.nodes.iter().skip(id).filter(|n| matches!(n.op, Op::Square { .. })).count();
        OpContext { degree: self.degree, limbs: 1 + LIMBS_PER_SQUARE * squares, special: 1 }
    }

    /// Whether positions of a node that hold none of its elements are zero.
    fn is_clean(&self, id: NodeId, partial: &Partial) -> bool {
        match &self.graph.nodes[id].op {
            Op::Input(_) => true,
            Op::Square { input, .. } | Op::Quadratic { input, .. } => self.is_clean(*input, partial),
            Op::Affine { .. } => partial.nodes[id].map.as_ref().is_some_and(|map| map.leaves_nothing_else()),
        }
    }

    /// Nodes up to `id` that later ones read, or the output.
    fn read_after(&self, id: NodeId) -> Vec<NodeId> {
        let users = self.graph.users();
        (0..=id).filter(|&n| users[n].iter().any(|&u| u > id) || n == self.graph.output).collect()
    }

    /// Packings of the input: those that follow the image, and those for its only reader.
    fn inputs(&self) -> Vec<InputChoice> {
        let graph = self.graph;
        let found = layouts(&graph.nodes[0].coordinates, self.block);
        let mut all: Vec<InputChoice> = found.into_iter().map(|i| (i.layout, i.grid, None)).collect();
        let users = graph.users();
        if let &[reader] = users[0].as_slice()
            && let Op::Affine { terms, bias } = &graph.nodes[reader].op
            && let [term] = terms.as_slice()
        {
            let coordinates = &graph.nodes[reader].coordinates;
            let results = grids(coordinates, None).into_iter().map(|g| g.layout(coordinates, self.block));
            for result in results.chain([line(bias.len(), self.block)]).flatten() {
                for folded in [false, true] {
                    let context = self.context(reader);
                    if let Some((layout, map)) = gathered(&term.weights, coordinates, &result, folded, context) {
                        all.push((layout, None, Some((reader, Rc::new(map)))));
                    }
                }
            }
        }
        all
    }

    /// Seconds that so many ciphertexts count for on their way to the server.
    fn sent(&self, ciphertexts: usize) -> f64 {
        let bits = self.context(0).limbs as f64 * BITS_PER_LIMB;
        (ciphertexts * self.degree) as f64 * bits / 8.0 * self.seconds_per_byte
    }

    fn map(&self, id: NodeId, map: &ChosenMap) -> f64 {
        seconds(SizedOp::Rotations(map.counts), self.context(id))
    }

    /// By what share everything before gets dearer for the modulus that a map's masks take up,
    /// where it is not squared, and so not rescaled for itself.
    fn masks(&self, id: NodeId, map: &ChosenMap) -> f64 {
        let squared = self.graph.nodes.iter().any(|n| matches!(n.op, Op::Square { input, .. } if input == id));
        if squared || map.map.unmasked { 0.0 } else { LIMBS_PER_MASK / self.context(id).limbs as f64 }
    }

    fn square(&self, id: NodeId, len: usize) -> f64 {
        let context = self.context(id);
        let boundary = Boundary { gathers: true, scatters: true };
        let ops = [
            SizedOp::Square { len },
            SizedOp::Relinearise { len, boundary },
            SizedOp::Rescale { len, components: 2, boundary },
        ];
        ops.into_iter().map(|op| seconds(op, context)).sum()
    }
}
