//! Rows that share their columns with no other, cut into windows of columns so that what one window
//! reads stays in the first-level cache while all rows pass.

use super::layout::WeightForm;

/// Columns of a window: all slots of so many fill most of the first-level cache.
const WINDOW: usize = 128;
/// Fewest columns of a row on average for windows to be worth it; fewer fit the cache as they are.
const MIN_COLUMNS_FOR_WINDOWS: usize = 64;

/// All such rows of a matrix.
#[derive(Debug, Clone, Default)]
pub(crate) struct SingletonRows {
    rows: Vec<SingletonRow>,
    /// Window by window, and in each row by row; a row's windows ascend.
    order: Vec<StoredSegment>,
    columns: Vec<u32>,
    weights: Vec<u64>,
}

/// One of the rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SingletonRow {
    pub(crate) row: u32,
    /// Its number among all rows of the matrix that have sums.
    pub(crate) sum_index: usize,
    /// The sum of its weights.
    pub(crate) total: i64,
}

#[derive(Debug, Clone, Copy)]
struct StoredSegment {
    row: u32,
    sum_index: usize,
    accumulates: bool,
    start: usize,
    end: usize,
}

/// What a row has in one window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub(crate) row: u32,
    /// See [`SingletonRow::sum_index`].
    pub(crate) sum_index: usize,
    /// Whether an earlier segment has begun the row.
    pub(crate) accumulates: bool,
    pub(crate) columns: &'a [u32],
    /// One for each column, in the kernel's form.
    pub(crate) weights: &'a [u64],
}

impl SingletonRows {
    /// Arranges the rows numbered `ids`, whose sums come after the first `first_sum`; `row` gives
    /// ascending columns, and weights.
    pub(super) fn new<'a>(
        ids: &[u32],
        first_sum: usize,
        columns: usize,
        form: WeightForm,
        row: &impl Fn(usize) -> (&'a [u32], &'a [i32]),
    ) -> Self {
        let entries: usize = ids.iter().map(|&r| row(r as usize).0.len()).sum();
        let window = if entries > ids.len() * MIN_COLUMNS_FOR_WINDOWS { WINDOW } else { columns };
        let mut result = Self::default();
        for (sum_index, &id) in (first_sum..).zip(ids) {
            let total = row(id as usize).1.iter().map(|&w| i64::from(w)).sum();
            result.rows.push(SingletonRow { row: id, sum_index, total });
        }
        let mut cursors = vec![0; ids.len()];
        for end in (0..columns).step_by(window.max(1)).map(|first| first + window) {
            for ((sum_index, &id), cursor) in (first_sum..).zip(ids).zip(&mut cursors) {
                let (columns, weights) = row(id as usize);
                let first = *cursor;
                *cursor += columns[first..].partition_point(|&c| (c as usize) < end);
                if *cursor == first {
                    continue;
                }
                let start = result.columns.len();
                result.columns.extend(&columns[first..*cursor]);
                result.weights.extend(weights[first..*cursor].iter().map(|&w| form.store(i64::from(w))));
                let end = result.columns.len();
                result.order.push(StoredSegment { row: id, sum_index, accumulates: first > 0, start, end });
            }
        }
        result
    }

    /// The rows, in the order of their sums.
    pub(crate) fn rows(&self) -> &[SingletonRow] {
        &self.rows
    }

    /// The columns of all segments, one after the other.
    pub(crate) fn columns(&self) -> &[u32] {
        &self.columns
    }

    /// The segments in the order in which to work on them.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.order.iter().map(|s| Segment {
            row: s.row,
            sum_index: s.sum_index,
            accumulates: s.accumulates,
            columns: &self.columns[s.start..s.end],
            weights: &self.weights[s.start..s.end],
        })
    }
}
