//! Integer matrices with most entries absent, by rows; no index lies outside the size, no entry is
//! zero (`malformed_parts_are_refused`).

use crate::{Error, Result};

/// A `rows x columns` matrix of integers in compressed sparse row form; columns ascend within a
/// row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseMatrix {
    columns_count: usize,
    row_starts: Vec<usize>,
    columns: Vec<u32>,
    weights: Vec<i32>,
}

impl Default for SparseMatrix {
    /// No rows and no columns.
    fn default() -> Self {
        Self { columns_count: 0, row_starts: vec![0], columns: Vec::new(), weights: Vec::new() }
    }
}

impl SparseMatrix {
    /// Takes the parts of the compressed form: `row_starts` has one entry more than there are rows,
    /// and row `r` holds the entries `row_starts[r]..row_starts[r + 1]`.
    ///
    /// # Errors
    /// If the parts do not fit each other, a column is out of order or out of range, or a weight
    /// is 0.
    pub fn new(columns_count: usize, row_starts: Vec<usize>, columns: Vec<u32>, weights: Vec<i32>) -> Result<Self> {
        let bad = |found: String, expected: &str| Err(Error::malformed("reading a weight matrix", found, expected));
        if columns.len() != weights.len() {
            return bad(format!("{} columns, {} weights", columns.len(), weights.len()), "as many of each");
        }
        if row_starts.first() != Some(&0) || row_starts.last() != Some(&columns.len()) || !row_starts.is_sorted() {
            return bad("row starts that do not span the entries".into(), "0, ascending, the number of entries");
        }
        for pair in row_starts.windows(2) {
            let row = &columns[pair[0]..pair[1]];
            if !row.windows(2).all(|w| w[0] < w[1]) || row.last().is_some_and(|&c| c as usize >= columns_count) {
                return bad("columns out of order or out of range".into(), "ascending columns within the matrix");
            }
        }
        if weights.contains(&0) {
            return bad("a zero weight".into(), "zeros left out");
        }
        Ok(Self { columns_count, row_starts, columns, weights })
    }

    /// Builds a matrix from one `(column, weight)` list per row; sorts, adds up repeated columns,
    /// drops zeros.
    ///
    /// # Errors
    /// If a column is out of range, or a sum of weights beyond 32 bits.
    pub fn from_rows(columns_count: usize, rows: Vec<Vec<(u32, i32)>>) -> Result<Self> {
        let mut row_starts = Vec::with_capacity(rows.len() + 1);
        let (mut columns, mut weights) = (Vec::new(), Vec::new());
        row_starts.push(0);
        for mut row in rows {
            row.sort_unstable_by_key(|e| e.0);
            let mut entries = row.into_iter().peekable();
            while let Some((column, mut weight)) = entries.next() {
                while let Some((_, more)) = entries.next_if(|e| e.0 == column) {
                    weight = weight.checked_add(more).ok_or_else(|| {
                        Error::malformed("building a weight matrix", "a weight beyond 32 bits", "smaller weights")
                    })?;
                }
                if weight != 0 {
                    columns.push(column);
                    weights.push(weight);
                }
            }
            row_starts.push(columns.len());
        }
        Self::new(columns_count, row_starts, columns, weights)
    }

    /// Number of outputs.
    pub fn rows(&self) -> usize {
        self.row_starts.len() - 1
    }

    /// Number of inputs.
    pub fn columns(&self) -> usize {
        self.columns_count
    }

    /// Number of entries, which is the number of products.
    pub fn entries(&self) -> usize {
        self.weights.len()
    }

    /// The columns and the weights of row `r`, which must be below [`Self::rows`].
    pub fn row(&self, r: usize) -> (&[u32], &[i32]) {
        let range = self.row_starts[r]..self.row_starts[r + 1];
        (&self.columns[range.clone()], &self.weights[range])
    }

    /// Bits needed for the largest absolute weight.
    pub fn weight_bits(&self) -> u32 {
        32 - self.weights.iter().map(|w| w.unsigned_abs()).max().unwrap_or(0).leading_zeros()
    }

    /// The largest sum of absolute weights over the rows: how much the matrix can enlarge a value.
    pub fn norm(&self) -> u64 {
        (0..self.rows()).map(|r| self.row(r).1.iter().map(|w| u64::from(w.unsigned_abs())).sum()).max().unwrap_or(0)
    }

    pub(crate) fn parts(&self) -> (&[usize], &[u32], &[i32]) {
        (&self.row_starts, &self.columns, &self.weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_merged_and_without_zeros() {
        let m = SparseMatrix::from_rows(4, vec![vec![(3, 2), (1, 5), (3, -2)], vec![], vec![(0, -7)]]).unwrap();
        assert_eq!((m.rows(), m.columns(), m.entries()), (3, 4, 2));
        assert_eq!(m.row(0), (&[1_u32][..], &[5][..]));
        assert_eq!(m.row(1), (&[][..], &[][..]));
        assert_eq!((m.weight_bits(), m.norm()), (3, 7));
    }

    #[test]
    fn malformed_parts_are_refused() {
        assert!(SparseMatrix::new(2, vec![0, 1], vec![2], vec![1]).is_err(), "column out of range");
        assert!(SparseMatrix::new(2, vec![0, 2], vec![1, 0], vec![1, 1]).is_err(), "columns out of order");
        assert!(SparseMatrix::new(2, vec![0, 2, 1], vec![0], vec![1]).is_err(), "row starts descend");
        assert!(SparseMatrix::new(2, vec![0, 1], vec![0], vec![0]).is_err(), "a zero");
        assert!(SparseMatrix::new(2, vec![], vec![], vec![]).is_err(), "no row start at all");
    }
}
