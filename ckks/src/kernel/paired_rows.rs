//! Rows that are multiplied two columns at a time, with weights of 16 bits: for paths that split
//! residues into pieces of 16 bits. Columns that the same groups read are paired, once for the
//! whole matrix, so that each is split once whatever reads it.

use std::collections::HashMap;

use super::Kernel;
use super::shared_columns::{CACHED_COLUMN_COST, SharedColumns};

/// Bits of the largest weight that is paired, its sign included.
const MOST_WEIGHT_BITS: u32 = 16;
/// Cycles in which a column is split. An estimate, from the instructions that it takes.
const SPLIT_COLUMN_COST: f64 = 20.0;
/// The position of a column that no group reads.
const NOWHERE: u32 = u32::MAX;

/// Rows of a matrix that share columns, a pair of these at a time. All columns are of the matrix,
/// and all pairs of groups among [`Self::pairs`].
#[derive(Debug, Clone, Default)]
pub(crate) struct PairedRows {
    /// A column without a partner is paired with itself, and has a second weight of zero.
    pairs: Vec<[u32; 2]>,
    groups: Vec<PairedGroup>,
    rows: usize,
    norms: Box<PairNorms>,
}

/// Windows whose norms are kept: of 1, 2, 4, ... pairs.
const WINDOW_SIZES: usize = 24;

/// Largest sums of a row's absolute weights over aligned windows of 1, 2, 4, ... pairs.
#[derive(Debug, Clone, Default)]
pub(crate) struct PairNorms([u64; WINDOW_SIZES]);

impl PairNorms {
    /// How many pairs, counted from the first, have sums of at most `largest`: a power of two; none
    /// where a single pair has more.
    pub(crate) fn interval(&self, largest: u64) -> Option<usize> {
        self.0.iter().rposition(|&norm| norm <= largest).map(|i| 1 << i)
    }

    /// Those of one row, of which these are the sums of each pair.
    fn of(mut sums: Vec<u64>) -> Self {
        Self(std::array::from_fn(|_| {
            let largest = sums.iter().fold(0, |most, &sum| sum.max(most));
            sums = sums.chunks(2).map(|both| both.iter().sum()).collect();
            largest
        }))
    }

    fn raise_to(&mut self, other: &Self) {
        for (norm, &other) in self.0.iter_mut().zip(&other.0) {
            *norm = other.max(*norm);
        }
    }
}

/// Rows that read the same pairs.
#[derive(Debug, Clone)]
pub(crate) struct PairedGroup {
    /// Numbers of pairs, ascending.
    pub(crate) pairs: Vec<u32>,
    pub(crate) panels: Vec<PairedPanel>,
    pub(crate) norms: PairNorms,
}

/// A few rows of a group.
#[derive(Debug, Clone)]
pub(crate) struct PairedPanel {
    pub(crate) rows: Vec<u32>,
    /// Rows with sums before this panel's.
    pub(crate) first_sum: usize,
    /// Pair by pair, for each row the weights of both columns, the first in the low half.
    pub(crate) weights: Vec<u32>,
}

impl PairedRows {
    /// Pairs the columns of groups, where residues of so many bits are then multiplied sooner than
    /// column by column; otherwise there are no rows.
    pub(super) fn if_faster<'a>(
        kernel: Kernel,
        bits: u32,
        weight_bits: u32,
        groups: &[SharedColumns],
        columns: usize,
        row: &impl Fn(usize) -> (&'a [u32], &'a [i32]),
    ) -> Self {
        let none = PairNorms::default();
        if kernel.paired_cost(1, &none).is_none() || weight_bits > MOST_WEIGHT_BITS || groups.is_empty() {
            return Self::default();
        }
        let paired = Pairing::new(groups, columns).arrange(groups, row);
        let widest = 1_u64.unbounded_shl(bits.max(1)).wrapping_sub(1);
        let by_column = groups.iter().map(|g| g.columns.len() as f64 * (CACHED_COLUMN_COST + g.panel_cost(kernel)));
        let by_pair = groups.iter().zip(&paired.groups).map(|(g, paired)| {
            let share = kernel.paired_cost(widest, &paired.norms).unwrap_or(f64::INFINITY);
            // A pair takes about as much of the cache as a column does by itself.
            paired.pairs.len() as f64 * (CACHED_COLUMN_COST + 2.0 * share * g.panel_cost(kernel))
        });
        let splitting = 2.0 * paired.pairs.len() as f64 * SPLIT_COLUMN_COST;
        if splitting + by_pair.sum::<f64>() < by_column.sum() { paired } else { Self::default() }
    }

    /// The columns that are split together.
    pub(crate) fn pairs(&self) -> &[[u32; 2]] {
        &self.pairs
    }

    pub(crate) fn groups(&self) -> &[PairedGroup] {
        &self.groups
    }

    /// Over all groups.
    pub(crate) fn norms(&self) -> &PairNorms {
        &self.norms
    }

    /// How many rows these are.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The weights of one row of a panel, each with its column.
    pub(crate) fn terms(&self, group: &PairedGroup, panel: &PairedPanel, lane: usize) -> Vec<(i64, u32)> {
        let weights = panel.weights.iter().skip(lane).step_by(panel.rows.len());
        let both = group.pairs.iter().zip(weights).flat_map(|(&pair, &weights)| {
            let [low, high] = [weights, weights >> 16].map(|w| i64::from(w as u16 as i16));
            let [first, second] = self.pairs[pair as usize];
            [(low, first), (high, second)]
        });
        both.collect()
    }
}

/// Which columns are paired, and the pairs that each group reads.
struct Pairing {
    pairs: Vec<[u32; 2]>,
    /// Per column twice the number of its pair, and one more for the second.
    positions: Vec<u32>,
    /// Per group, ascending.
    read: Vec<Vec<u32>>,
}

impl Pairing {
    /// Columns that the same groups read lie side by side, in the order in which they first occur.
    fn new(groups: &[SharedColumns], columns: usize) -> Self {
        let mut readers: Vec<Vec<u32>> = vec![Vec::new(); columns];
        for (number, group) in (0..).zip(groups) {
            for &column in &group.columns {
                readers[column as usize].push(number);
            }
        }
        let mut alike: Vec<Vec<u32>> = Vec::new();
        let mut index: HashMap<&[u32], usize> = HashMap::new();
        for (column, readers) in (0..).zip(&readers).filter(|(_, readers)| !readers.is_empty()) {
            let number = *index.entry(readers).or_insert(alike.len());
            if number == alike.len() {
                alike.push(Vec::new());
            }
            alike[number].push(column);
        }
        let mut pairs: Vec<[u32; 2]> = Vec::new();
        let mut positions = vec![NOWHERE; columns];
        let mut read = vec![Vec::new(); groups.len()];
        for both in alike.iter().flat_map(|columns| columns.chunks(2)) {
            let number = u32::try_from(pairs.len()).unwrap_or_else(|_| unreachable!("{} pairs", pairs.len()));
            for (position, &column) in (2 * number..).zip(both) {
                positions[column as usize] = position;
            }
            for &group in &readers[both[0] as usize] {
                read[group as usize].push(number);
            }
            pairs.push([both[0], *both.last().unwrap_or(&both[0])]);
        }
        Self { pairs, positions, read }
    }

    fn arrange<'a>(self, groups: &[SharedColumns], row: &impl Fn(usize) -> (&'a [u32], &'a [i32])) -> PairedRows {
        let Self { pairs, positions, read } = self;
        // Where in the group at hand a pair is.
        let mut numbers = vec![0; pairs.len()];
        let (mut sums, mut arranged) = (0, Vec::with_capacity(groups.len()));
        let mut all_norms = PairNorms::default();
        for (group, pairs) in groups.iter().zip(read) {
            for (number, &pair) in pairs.iter().enumerate() {
                numbers[pair as usize] = number;
            }
            let mut group_norms = PairNorms::default();
            let mut panels = Vec::with_capacity(group.panels.len());
            for ids in &group.panels {
                let mut weights = vec![0_u32; pairs.len() * ids.len()];
                for (lane, &id) in ids.iter().enumerate() {
                    let mut sums_of_pairs = vec![0_u64; pairs.len()];
                    let (columns, values) = row(id as usize);
                    for (&column, &w) in columns.iter().zip(values) {
                        let position = positions[column as usize];
                        let number = numbers[position as usize / 2];
                        weights[number * ids.len() + lane] |= u32::from(w as i16 as u16) << (16 * (position % 2));
                        sums_of_pairs[number] += u64::from(w.unsigned_abs());
                    }
                    group_norms.raise_to(&PairNorms::of(sums_of_pairs));
                }
                panels.push(PairedPanel { rows: ids.clone(), first_sum: sums, weights });
                sums += ids.len();
            }
            all_norms.raise_to(&group_norms);
            arranged.push(PairedGroup { pairs, panels, norms: group_norms });
        }
        PairedRows { pairs, groups: arranged, rows: sums, norms: Box::new(all_norms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(all: &[(&[u32], usize)]) -> Vec<SharedColumns> {
        let mut first = 0;
        let mut panel = |rows: usize| {
            first += rows as u32;
            (first - rows as u32..first).collect::<Vec<_>>()
        };
        all.iter()
            .map(|(columns, rows)| SharedColumns { columns: columns.to_vec(), panels: vec![panel(*rows)] })
            .collect()
    }

    #[test]
    fn columns_with_the_same_readers_are_paired_once() {
        let both = groups(&[(&[0, 1, 2, 3, 4], 2), (&[3, 4, 5, 7], 2)]);
        let pairing = Pairing::new(&both, 8);
        assert_eq!(pairing.pairs, [[0, 1], [2, 2], [3, 4], [5, 7]]);
        assert_eq!(pairing.read, [vec![0, 1, 2], vec![2, 3]]);
        assert_eq!(pairing.positions[6], NOWHERE);
    }

    #[test]
    fn arranged_weights_are_those_of_the_matrix() {
        let both = groups(&[(&[0, 1, 2, 3, 4], 2), (&[3, 4, 5, 7], 3)]);
        let rows: [(&[u32], &[i32]); 5] = [
            (&[0, 1, 2, 3, 4], &[1, -2, 3, -32_768 + 1, 5]),
            (&[0, 2, 4], &[32_767, -1, 9]),
            (&[3, 4, 5, 7], &[-7, 8, -9, 10]),
            (&[5], &[2]),
            (&[3, 7], &[11, -12]),
        ];
        let arranged = Pairing::new(&both, 8).arrange(&both, &|r| rows[r]);
        assert_eq!(arranged.rows(), 5);
        for group in arranged.groups() {
            for panel in &group.panels {
                for (lane, &id) in panel.rows.iter().enumerate() {
                    let terms = arranged.terms(group, panel, lane).into_iter().filter(|&(w, _)| w != 0);
                    let mut found: Vec<(u32, i32)> = terms.map(|(w, column)| (column, w as i32)).collect();
                    found.sort_unstable();
                    let (columns, weights) = rows[id as usize];
                    let expected: Vec<_> = columns.iter().copied().zip(weights.iter().copied()).collect();
                    assert_eq!(found, expected, "row {id}");
                }
            }
        }
    }

    #[test]
    fn intervals_are_the_longest_whose_sums_are_small_enough() {
        let norms = PairNorms::of(vec![20, 20, 25]);
        let all = Some(1 << (WINDOW_SIZES - 1));
        assert_eq!([65, 64, 39, 24].map(|most| norms.interval(most)), [all, Some(2), Some(1), None]);
        let mut both = PairNorms::of(vec![3; 400]);
        assert_eq!(both.interval(400), Some(128));
        both.raise_to(&norms);
        assert_eq!([400, 64, 39, 24].map(|most| both.interval(most)), [Some(128), Some(2), Some(1), None]);
        assert_eq!(PairNorms::default().interval(0), all);
    }
}
