//! Which rows of a sparse matrix are worked on together: those that read nearly the same columns
//! share loads, and pay for a zero weight where they differ.

use std::cmp::Reverse;

use super::Kernel;
use super::layout::PANEL_ROWS;

/// Columns of a row by which its relatives are found.
const SAMPLE: usize = 16;

/// Rows that are worked on together, and all columns that any of them reads, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowGroup {
    pub(super) rows: Vec<u32>,
    pub(super) columns: Vec<u32>,
}

/// Puts every row that has columns into exactly one group of at most [`PANEL_ROWS`]. `row(r)` gives
/// the ascending columns of row `r`, all below `columns`.
pub(super) fn group_rows<'a>(
    kernel: Kernel,
    rows: usize,
    columns: usize,
    row: &impl Fn(usize) -> &'a [u32],
) -> Vec<RowGroup> {
    let costs = kernel.column_cost();
    let readers = Readers::new(rows, columns, row);
    let mut grouped = vec![false; rows];
    let mut votes = vec![0_u32; rows];
    let mut union = Union::new(columns);
    let mut result = Vec::new();
    for (leader, id) in (0..rows).zip(0_u32..) {
        let leader_columns = row(leader);
        if leader_columns.is_empty() || grouped[leader] {
            continue;
        }
        let mut relatives = Vec::new();
        let step = leader_columns.len().div_ceil(SAMPLE);
        for &column in leader_columns.iter().step_by(step) {
            for &r in readers.of(column) {
                if r <= id || grouped[r as usize] {
                    continue;
                }
                if votes[r as usize] == 0 {
                    relatives.push(r);
                }
                votes[r as usize] += 1;
            }
        }
        // The closest first; among equals the order of the matrix, so that the result is always the
        // same.
        let closest = relatives.len().min(PANEL_ROWS - 1);
        if relatives.len() > closest {
            relatives.select_nth_unstable_by_key(closest, |&r| (Reverse(votes[r as usize]), r));
        }
        let mut chosen = relatives[..closest].to_vec();
        chosen.sort_unstable_by_key(|&r| (Reverse(votes[r as usize]), r));
        for r in relatives {
            votes[r as usize] = 0;
        }
        let group = cheapest(&costs, &mut union, id, &chosen, row);
        for &r in &group.rows {
            grouped[r as usize] = true;
        }
        result.push(group);
    }
    result
}

/// The leader with as many of its relatives, in order, as make a product cheapest.
fn cheapest<'a>(
    costs: &[f64; PANEL_ROWS],
    union: &mut Union,
    leader: u32,
    relatives: &[u32],
    row: &impl Fn(usize) -> &'a [u32],
) -> RowGroup {
    union.clear();
    union.add(row(leader as usize));
    let mut products = union.columns.len();
    let (mut best, mut read, mut least) = (0, products, costs[0]);
    for (count, &relative) in (1..).zip(relatives) {
        let columns = row(relative as usize);
        products += columns.len();
        union.add(columns);
        let per_product = costs[count] * union.columns.len() as f64 / products as f64;
        if per_product < least {
            (best, read, least) = (count, union.columns.len(), per_product);
        }
    }
    let rows = std::iter::once(leader).chain(relatives[..best].iter().copied()).collect();
    let mut columns = union.columns[..read].to_vec();
    columns.sort_unstable();
    RowGroup { rows, columns }
}

/// The columns of some rows, in the order in which they came, each once.
struct Union {
    columns: Vec<u32>,
    is_in: Vec<bool>,
}

impl Union {
    fn new(columns: usize) -> Self {
        Self { columns: Vec::new(), is_in: vec![false; columns] }
    }

    fn clear(&mut self) {
        for column in self.columns.drain(..) {
            self.is_in[column as usize] = false;
        }
    }

    fn add(&mut self, columns: &[u32]) {
        for &column in columns {
            if !std::mem::replace(&mut self.is_in[column as usize], true) {
                self.columns.push(column);
            }
        }
    }
}

/// The rows that read each column.
struct Readers {
    /// Where each column's rows begin, and where the last one's end.
    starts: Vec<usize>,
    rows: Vec<u32>,
}

impl Readers {
    fn new<'a>(rows: usize, columns: usize, row: &impl Fn(usize) -> &'a [u32]) -> Self {
        let mut starts = vec![0_usize; columns + 1];
        for r in 0..rows {
            for &c in row(r) {
                starts[c as usize + 1] += 1;
            }
        }
        let mut sum = 0;
        for s in &mut starts {
            sum += *s;
            *s = sum;
        }
        let mut next = starts.clone();
        let mut readers = vec![0; sum];
        for (r, id) in (0..rows).zip(0_u32..) {
            for &c in row(r) {
                readers[next[c as usize]] = id;
                next[c as usize] += 1;
            }
        }
        Self { starts, rows: readers }
    }

    fn of(&self, column: u32) -> &[u32] {
        &self.rows[self.starts[column as usize]..self.starts[column as usize + 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(rows: &[Vec<u32>], columns: usize) -> Vec<RowGroup> {
        let found = group_rows(Kernel::Portable, rows.len(), columns, &|r| &rows[r]);
        let mut seen: Vec<u32> = found.iter().flat_map(|c| c.rows.clone()).collect();
        seen.sort_unstable();
        let expected: Vec<u32> = (0..rows.len() as u32).filter(|&r| !rows[r as usize].is_empty()).collect();
        assert_eq!(seen, expected, "every row once");
        for c in &found {
            for &r in &c.rows {
                assert!(rows[r as usize].iter().all(|x| c.columns.contains(x)), "all columns are there");
            }
        }
        found
    }

    #[test]
    fn nearly_equal_rows_share_a_panel() {
        // Dense but for one zero per row, as rounding leaves it.
        let rows: Vec<Vec<u32>> = (0..13).map(|r| (0..100).filter(|&c| c != r * 7).collect()).collect();
        let found = cluster(&rows, 100);
        assert_eq!(found.iter().map(|c| c.rows.len()).collect::<Vec<_>>(), [6, 6, 1]);
        assert_eq!(found[0].columns.len(), 100);
    }

    #[test]
    fn windows_of_a_convolution_find_each_other_across_channels() {
        // Three windows, five channels, channel by channel.
        let window = |w: u32| (0..25).map(|k| w * 20 + k).collect::<Vec<u32>>();
        let rows: Vec<Vec<u32>> = (0..5).flat_map(|_| (0..3).map(window)).collect();
        let found = cluster(&rows, 65);
        assert_eq!(found.iter().map(|c| c.rows.clone()).collect::<Vec<_>>()[0], [0, 3, 6, 9, 12]);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn rows_of_a_pruned_layer_stay_singletons() {
        let rows: Vec<Vec<u32>> =
            (0..20_u32).map(|r| (0..200).filter(|c| (c * 31 + r * 17 + c * r).is_multiple_of(10)).collect()).collect();
        assert!(cluster(&rows, 200).iter().all(|c| c.rows.len() == 1));
    }

    #[test]
    fn a_union_has_each_column_once() {
        let mut union = Union::new(10);
        union.add(&[1, 3, 5, 9]);
        union.add(&[0, 3, 4]);
        assert_eq!(union.columns, [1, 3, 5, 9, 0, 4]);
        union.clear();
        union.add(&[3]);
        assert_eq!(union.columns, [3]);
    }

    #[test]
    fn empty_rows_are_left_out() {
        assert_eq!(cluster(&[vec![], vec![1], vec![]], 2).len(), 1);
    }
}
