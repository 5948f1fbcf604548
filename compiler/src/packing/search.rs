//! The packing of least predicted cost: a beam search over the layouts of all nodes, in their order.

use std::rc::Rc;

use beaa_ir::ckks::Layout;

use super::candidates::{candidates, grids};
use super::grid::{Grid, line};
use super::inputs::{gathered, layouts};
use super::offsets::PackedTerm;
use super::{ChosenMap, PackedGraph, PackedNode};
use crate::cost::ops::{Boundary, OpContext, SizedOp, seconds};
use crate::network::graph::{Graph, NodeId, Op};

/// Packings that are followed at a time.
const BEAM: usize = 12;
/// Limbs that a square and the map before it are taken to use up, before anything is planned.
const LIMBS_PER_SQUARE: usize = 2;
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
    let mut beam = vec![Partial { nodes: Vec::new(), cost: 0.0, ready: None }];
    for id in 0..task.graph.nodes.len() {
        let mut next: Vec<Partial> = beam.iter().flat_map(|partial| task.extended(id, partial)).collect();
        next.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        next.truncate(BEAM);
        beam = next;
    }
    let best = beam.into_iter().next()?;
    let node =
        |placed: Placed| PackedNode { layout: (*placed.layout).clone(), map: placed.map.map(|map| (*map).clone()) };
    Some(PackedGraph { nodes: best.nodes.into_iter().map(node).collect() })
}

impl PackingTask<'_> {
    /// Where a node's operations run, about: limbs for all squares that follow.
    fn context(&self, id: NodeId) -> OpContext {
        let squares = self.graph.nodes.iter().skip(id).filter(|n| matches!(n.op, Op::Square { .. })).count();
        OpContext { degree: self.degree, limbs: 1 + LIMBS_PER_SQUARE * squares, special: 1 }
    }

    fn extended(&self, id: NodeId, partial: &Partial) -> Vec<Partial> {
        let with = |placed: Placed, cost: f64| {
            let mut next = partial.clone();
            next.nodes.push(placed);
            next.cost += cost;
            next
        };
        let node = &self.graph.nodes[id];
        match &node.op {
            Op::Input(_) => self.inputs(partial),
            Op::Square { input, .. } | Op::Quadratic { input, .. } => {
                let Placed { layout, grid, .. } = partial.nodes[*input].clone();
                let cost = self.square(id, layout.ciphertexts());
                vec![with(Placed { layout, grid, map: None }, cost)]
            }
            Op::Affine { terms, .. } => {
                let placed = |map: Rc<ChosenMap>, grid| {
                    let cost = self.map(id, &map);
                    with(Placed { layout: Rc::new(map.map.layout.clone()), grid, map: Some(map) }, cost)
                };
                if let Some((_, map)) = partial.ready.as_ref().filter(|(reader, _)| *reader == id) {
                    let found = grids(&node.coordinates, None).into_iter().find(|g| {
                        let first = map.map.layout.first_positions();
                        g.layout(&node.coordinates, self.block).is_some_and(|l| l.first_positions() == first)
                    });
                    return vec![placed(Rc::clone(map), found)];
                }
                let term = |t: &'_ crate::network::graph::Term| (Rc::clone(&partial.nodes[t.input].layout), t.input);
                let froms: Vec<_> = terms.iter().map(term).collect();
                let packed: Vec<PackedTerm<'_>> =
                    froms.iter().zip(terms).map(|((from, _), t)| PackedTerm { from, weights: &t.weights }).collect();
                let grid = froms.first().and_then(|(_, input)| partial.nodes[*input].grid);
                let found = candidates(&packed, &node.coordinates, grid, self.context(id));
                found.into_iter().map(|c| placed(Rc::new(c.chosen), c.grid)).collect()
            }
        }
    }

    /// Packings of the input: those that follow the image, and those for its only reader.
    fn inputs(&self, partial: &Partial) -> Vec<Partial> {
        let graph = self.graph;
        let with = |layout: Layout, grid: Option<Grid>, ready: Option<(NodeId, Rc<ChosenMap>)>| {
            let cost = self.sent(layout.ciphertexts());
            let placed = Placed { layout: Rc::new(layout), grid, map: None };
            Partial { nodes: vec![placed], cost: partial.cost + cost, ready }
        };
        let found = layouts(&graph.nodes[0].coordinates, self.block);
        let mut all: Vec<Partial> = found.into_iter().map(|i| with(i.layout, i.grid, None)).collect();
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
                        all.push(with(layout, None, Some((reader, Rc::new(map)))));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore]
    fn show() {
        let path = std::env::var("MODEL").unwrap();
        let model = beaa_ir::load_model(std::path::Path::new(&path)).unwrap();
        let graph = crate::pipeline::graph_after("equalise_rows", &model);
        println!("{graph}");
        for degree in [8192, 16384] {
            for images in [1, 16, 64, 256] {
                let started = std::time::Instant::now();
                let task = PackingTask { graph: &graph, degree, block: degree / images, seconds_per_byte: 8e-9 };
                let Some(found) = pack(task) else {
                    println!("none");
                    continue;
                };
                println!("N {degree} images {images} ({:.2} s)", started.elapsed().as_secs_f64());
                let mut sum = 0.0;
                for (id, node) in found.nodes.iter().enumerate() {
                    let cost = match &node.map {
                        Some(map) => task.map(id, map),
                        None if id == 0 => task.sent(node.layout.ciphertexts()),
                        None => task.square(id, node.layout.ciphertexts()),
                    };
                    sum += cost;
                    let first = &node.layout.first_positions();
                    println!(
                        "  %{id} {} ciphertexts, {:.2} ms {:?} giant {:?} folds {:?} first {:?}",
                        node.layout.ciphertexts(),
                        1e3 * cost,
                        node.map.as_ref().map(|m| m.counts),
                        node.map.as_ref().map(|m| m.map.giant),
                        node.map.as_ref().map(|m| &m.map.folds),
                        &first[..first.len().min(12)]
                    );
                }
                println!("  total {:.2} ms", 1e3 * sum);
            }
        }
    }
}
