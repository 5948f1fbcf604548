//! Rows that share their columns with no other, cut into windows of columns so that what one window reads stays in the
//! first-level cache while all rows pass. Must never order a row's windows other than from its first column on.

use super::packed_weights::WeightForm;

/// Columns of a window: all slots of so many fill most of the first-level cache.
const WINDOW: usize = 128;
/// Fewest columns of a row on average for windows to be worth it; fewer fit the cache as they are.
const LONG: usize = 64;

/// All such rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct SingletonRows {
    pub(crate) rows: Vec<Row>,
    /// Window by window, and in each row by row.
    order: Vec<Segment>,
    pub(crate) columns: Vec<u32>,
    weights: Vec<u64>,
}

/// One of the rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) row: u32,
    /// Its place among all rows of the matrix that have sums.
    pub(crate) place: usize,
    /// The sum of its weights.
    pub(crate) total: i64,
}

/// What a row has in a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) row: u32,
    /// See [`Row::place`].
    pub(crate) place: usize,
    /// Whether an earlier segment has begun the row.
    pub(crate) accumulates: bool,
    start: usize,
    end: usize,
}

impl SingletonRows {
    /// The rows numbered `ids`, whose sums come after the first `done`; `row` gives ascending columns, and weights.
    pub(super) fn new<'a>(
        ids: &[u32],
        done: usize,
        columns: usize,
        form: WeightForm,
        row: &impl Fn(usize) -> (&'a [u32], &'a [i32]),
    ) -> Self {
        let entries: usize = ids.iter().map(|&r| row(r as usize).0.len()).sum();
        let window = if entries > ids.len() * LONG { WINDOW } else { columns };
        let mut result = Self::default();
        for (place, &id) in (done..).zip(ids) {
            let total = row(id as usize).1.iter().map(|&w| i64::from(w)).sum();
            result.rows.push(Row { row: id, place, total });
        }
        let mut cursors = vec![0; ids.len()];
        for end in (0..columns).step_by(window.max(1)).map(|first| first + window) {
            for ((place, &id), cursor) in (done..).zip(ids).zip(&mut cursors) {
                let (columns, weights) = row(id as usize);
                let rest = columns.get(*cursor..).unwrap_or_default();
                let count = rest.partition_point(|&c| (c as usize) < end);
                if count == 0 {
                    continue;
                }
                let start = result.columns.len();
                result.columns.extend(rest.iter().take(count));
                let weights = weights.get(*cursor..*cursor + count).unwrap_or_default();
                result.weights.extend(weights.iter().map(|&w| form.store(i64::from(w))));
                result.order.push(Segment { row: id, place, accumulates: *cursor > 0, start, end: start + count });
                *cursor += count;
            }
        }
        result
    }

    /// Each segment with its weights, in the order in which to work on them.
    pub(crate) fn segments(&self) -> impl Iterator<Item = (&Segment, &[u64])> {
        self.order.iter().map(|s| (s, self.weights.get(s.start..s.end).unwrap_or_default()))
    }

    /// The columns of a segment.
    pub(crate) fn columns_of(&self, segment: &Segment) -> &[u32] {
        self.columns.get(segment.start..segment.end).unwrap_or_default()
    }
}
