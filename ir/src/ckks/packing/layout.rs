//! Where each element of a value is when a ciphertext holds several of them.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

const CHECKING: &str = "checking a layout";
/// Ciphertexts of one value, at most.
const MAX_CIPHERTEXTS: usize = 1 << 16;
/// Positions of one value, at most: what a short file can make a reader reserve.
const MAX_POSITIONS: usize = 1 << 22;

/// Which element each position of each ciphertext holds, if any. A ciphertext has `block`
/// positions, each of them `N / block` slots wide, one for every image. An element may be at
/// several positions, and is at one at least.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "LayoutLiteral", into = "LayoutLiteral")]
pub struct Layout {
    block: usize,
    elements: usize,
    /// Of every position, through all ciphertexts.
    held: Vec<Option<u32>>,
}

impl Layout {
    /// Takes what each position holds: `held[ciphertext * block + position]`.
    ///
    /// # Errors
    /// When the block is no power of two or the positions are no whole ciphertexts, when one holds
    /// an element beyond `elements`, or when an element is nowhere.
    pub fn new(block: usize, elements: usize, held: Vec<Option<u32>>) -> Result<Self> {
        let bad = |found: String, expected: String| Err(Error::malformed(CHECKING, found, expected));
        if !block.is_power_of_two() {
            return bad(format!("{block} positions in a ciphertext"), "a power of two".into());
        }
        let positions = held.len();
        let fits = positions <= MAX_POSITIONS && positions / block <= MAX_CIPHERTEXTS;
        if positions == 0 || !positions.is_multiple_of(block) || !fits {
            let expected =
                format!("whole ciphertexts of {block}, at least one, at most {MAX_CIPHERTEXTS} and {MAX_POSITIONS}");
            return bad(format!("{positions} positions"), expected);
        }
        // Every element has a position, so that there are no more of them than positions.
        if elements > positions {
            return bad(format!("{elements} elements at {positions} positions"), "a position for each".into());
        }
        let mut found = vec![false; elements];
        for element in held.iter().flatten() {
            match found.get_mut(*element as usize) {
                Some(found) => *found = true,
                None => return bad(format!("element {element}"), format!("one of {elements}")),
            }
        }
        if let Some(missing) = found.iter().position(|f| !f) {
            return bad(format!("no position of element {missing}"), "at least one".into());
        }
        Ok(Self { block, elements, held })
    }

    /// Positions of one ciphertext.
    pub fn block(&self) -> usize {
        self.block
    }

    /// Elements of the value.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Ciphertexts of the value.
    pub fn ciphertexts(&self) -> usize {
        self.held.len() / self.block
    }

    /// What each position holds, through all ciphertexts.
    pub fn held(&self) -> &[Option<u32>] {
        &self.held
    }

    /// What the positions of one ciphertext hold.
    pub fn of_ciphertext(&self, ciphertext: usize) -> &[Option<u32>] {
        &self.held[ciphertext * self.block..(ciphertext + 1) * self.block]
    }

    /// The first position of each element, through all ciphertexts.
    pub fn first_positions(&self) -> Vec<usize> {
        let mut first = vec![usize::MAX; self.elements];
        for (position, element) in self.held.iter().enumerate().rev() {
            if let Some(element) = element {
                first[*element as usize] = position;
            }
        }
        first
    }
}

/// A layout as a file has it: runs of positions whose elements are equally far apart.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayoutLiteral {
    block: usize,
    elements: usize,
    ciphertexts: usize,
    /// First position, first element, what the next position's element is more, positions.
    runs: Vec<[u32; 4]>,
}

impl LayoutLiteral {
    /// The positions that it says there are.
    pub(super) fn positions(&self) -> usize {
        self.ciphertexts.saturating_mul(self.block)
    }
}

impl From<Layout> for LayoutLiteral {
    fn from(layout: Layout) -> Self {
        let mut runs: Vec<[u32; 4]> = Vec::new();
        for (position, element) in (0_u32..).zip(&layout.held) {
            let Some(element) = *element else { continue };
            if let Some([first, start, step, count]) = runs.last_mut()
                && *first + *count == position
            {
                let next = element.checked_sub(*start);
                if *count == 1
                    && let Some(next) = next
                {
                    (*step, *count) = (next, 2);
                    continue;
                }
                if next.is_some() && next == step.checked_mul(*count) {
                    *count += 1;
                    continue;
                }
            }
            runs.push([position, element, 0, 1]);
        }
        Self { block: layout.block, elements: layout.elements, ciphertexts: layout.ciphertexts(), runs }
    }
}

impl TryFrom<LayoutLiteral> for Layout {
    type Error = Error;

    fn try_from(literal: LayoutLiteral) -> Result<Self> {
        let LayoutLiteral { block, elements, ciphertexts, runs } = literal;
        let positions = ciphertexts.checked_mul(block).filter(|p| *p <= MAX_POSITIONS);
        let listed = runs.iter().try_fold(0_usize, |sum, run| sum.checked_add(run[3] as usize));
        // No position is listed twice.
        let Some(positions) = positions.filter(|&p| listed.is_some_and(|l| l <= p)) else {
            let found = format!("{ciphertexts} ciphertexts of {block} positions");
            return Err(Error::malformed(CHECKING, found, "as many as runs fit in"));
        };
        let mut held = vec![None; positions];
        for [first, start, step, count] in runs {
            for k in 0..count {
                let element = step.checked_mul(k).and_then(|more| start.checked_add(more));
                match (held.get_mut(first as usize + k as usize), element) {
                    (Some(free @ None), Some(element)) => *free = Some(element),
                    _ => {
                        let found = format!("a run of {count} from position {first}");
                        return Err(Error::malformed(CHECKING, found, "runs of free positions"));
                    }
                }
            }
        }
        Self::new(block, elements, held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(held: &[i32]) -> Result<Layout> {
        Layout::new(4, 3, held.iter().map(|&e| u32::try_from(e).ok()).collect())
    }

    #[test]
    fn files_hold_what_is_where() {
        for held in [[0, 1, 2, -1, 0, 1, 2, -1], [2, 2, 0, -1, -1, 1, -1, 0], [0, 2, 1, 1, 1, 1, 0, 2]] {
            let some = layout(&held).unwrap();
            let text = serde_json::to_string(&some).unwrap();
            assert_eq!(serde_json::from_str::<Layout>(&text).unwrap(), some, "{text}");
        }
        assert_eq!(layout(&[-1, 2, 0, 1, 0, 1, 2, -1]).unwrap().first_positions(), [2, 3, 1]);
    }

    #[test]
    fn layouts_that_contradict_themselves_are_refused() {
        assert!(layout(&[0, 1, 2]).is_err(), "no whole ciphertext");
        assert!(layout(&[0, 1, -1, -1]).is_err(), "an element without a position");
        assert!(layout(&[0, 1, 2, 3]).is_err(), "an element that is none");
        assert!(Layout::new(3, 3, vec![Some(0), Some(1), Some(2)]).is_err(), "a block of 3");
        for runs in
            ["[[0, 0, 1, 5]]", "[[0, 0, 1, 3], [2, 0, 0, 1]]", "[[4294967295, 0, 1, 3]]", "[[1, 2, 4294967295, 2]]"]
        {
            let text = format!(r#"{{"block": 4, "elements": 3, "ciphertexts": 1, "runs": {runs}}}"#);
            assert!(serde_json::from_str::<Layout>(&text).is_err(), "{text}");
        }
        let endless = r#"{"block": 1048576, "elements": 3, "ciphertexts": 18446744073709551615, "runs": []}"#;
        assert!(serde_json::from_str::<Layout>(endless).is_err());
        let huge = r#"{"block": 1048576, "elements": 1, "ciphertexts": 65536, "runs": [[0, 0, 0, 1]]}"#;
        assert!(serde_json::from_str::<Layout>(huge).is_err());
    }
}
