//! What a client knows of a packing: where inputs and outputs are, and which keys a server needs.

use serde::{Deserialize, Serialize};

use super::Layout;
use crate::{Error, Result};

/// The largest ring whose slots are rotated.
const MAX_DEGREE: usize = 1 << 16;

/// The client's side of a packing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientPacking {
    /// Of the elements that are read.
    pub input: Layout,
    /// Of the outputs; other positions hold partial sums.
    pub output: Layout,
    /// Rotations in slots, ascending, each once: those that need a Galois key. (Files of earlier
    /// versions count them in positions, called `rotations`, and lay out slots otherwise: they are
    /// refused.)
    #[serde(rename = "rotation_slots")]
    pub rotations: Vec<u32>,
    /// For each rotation the most limbs of what is rotated, which its key must have.
    pub limbs: Vec<u32>,
}

impl ClientPacking {
    /// Positions of a ciphertext.
    pub fn block(&self) -> usize {
        self.input.block()
    }

    /// For each rotation the limbs of its key.
    pub fn key_limbs(&self) -> impl Iterator<Item = usize> + '_ {
        self.limbs.iter().map(|&limbs| limbs as usize)
    }

    /// Refuses what contradicts itself, in a ring of this degree and so many limbs, and for so many
    /// elements that are read and outputs.
    pub(in crate::ckks) fn check(&self, (degree, limbs): (usize, usize), read: usize, outputs: usize) -> Result<()> {
        let bad = |found: String, expected: String| Err(Error::malformed("checking a packing", found, expected));
        let block = self.block();
        if block > degree || degree > MAX_DEGREE {
            let expected = format!("no more positions than slots, at most {MAX_DEGREE}");
            return bad(format!("{block} positions and {degree} slots"), expected);
        }
        if self.output.block() != block {
            return bad(format!("outputs at {} positions", self.output.block()), format!("{block}, as the input"));
        }
        let elements = [self.input.elements(), self.output.elements()];
        if elements != [read, outputs] {
            let [input, output] = elements;
            return bad(format!("{input} elements and {output} outputs"), format!("{read} and {outputs}"));
        }
        let ascending = self.rotations.windows(2).all(|w| w[0] < w[1]);
        if !ascending || self.rotations.iter().any(|r| !(1..degree).contains(&(*r as usize))) {
            return bad(format!("rotations {:?}", self.rotations), format!("ascending, from 1 to below {degree}"));
        }
        let within = self.limbs.iter().all(|l| (1..=limbs).contains(&(*l as usize)));
        if !within || self.limbs.len() != self.rotations.len() {
            let expected = format!("from 1 to {limbs} for each of {} rotations", self.rotations.len());
            return bad(format!("rotations with {:?} limbs", self.limbs), expected);
        }
        Ok(())
    }
}
