//! Sparse `f64` matrices by rows: the linear maps between import and rounding. They hold no zero,
//! and no column out of order or out of range, which
//! [`Matrix::disorder`] and [`Matrix::is_normal`] check after every pass.

/// `rows x columns`, compressed sparse rows; columns ascend within a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Matrix {
    columns: usize,
    starts: Vec<usize>,
    index: Vec<u32>,
    value: Vec<f64>,
}

impl Matrix {
    /// No rows yet; [`Self::push_row`] adds them.
    pub(crate) fn with_columns(columns: usize) -> Self {
        Self { columns, starts: vec![0], index: Vec::new(), value: Vec::new() }
    }

    /// A diagonal; zeros are left out.
    pub(crate) fn diagonal(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let mut m = Self::with_columns(values.len());
        for (i, v) in values.into_iter().enumerate() {
            m.push_row([(i, v)]);
        }
        m
    }

    /// Appends a row of `(column, value)` with ascending columns; zeros are left out.
    pub(crate) fn push_row(&mut self, row: impl IntoIterator<Item = (usize, f64)>) {
        for (column, value) in row {
            if value != 0.0 {
                self.index.push(column as u32);
                self.value.push(value);
            }
        }
        self.starts.push(self.index.len());
    }

    pub(crate) fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn entries(&self) -> usize {
        self.index.len()
    }

    /// `(column, value)` of one row, ascending.
    pub(crate) fn row(&self, r: usize) -> impl ExactSizeIterator<Item = (usize, f64)> + '_ {
        let range = self.starts[r]..self.starts[r + 1];
        self.index[range.clone()].iter().zip(&self.value[range]).map(|(&c, &v)| (c as usize, v))
    }

    /// The columns of one row, ascending.
    pub(crate) fn columns_of(&self, r: usize) -> &[u32] {
        &self.index[self.starts[r]..self.starts[r + 1]]
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.value
    }

    /// Whether there are entries and all are the same number, up to rounding.
    pub(crate) fn all_equal(&self) -> bool {
        self.value.first().is_some_and(|first| self.value.iter().all(|v| (v / first - 1.0).abs() < 1e-12))
    }

    pub(crate) fn scale_rows(&mut self, factors: &[f64]) {
        assert_eq!(factors.len(), self.rows(), "factors of rows");
        for (span, factor) in self.starts.windows(2).zip(factors) {
            self.value[span[0]..span[1]].iter_mut().for_each(|v| *v *= factor);
        }
    }

    /// Multiplies column `j` by `factors[j]`; columns whose factor is zero vanish.
    pub(crate) fn scale_columns(&mut self, factors: &[f64]) {
        assert_eq!(factors.len(), self.columns, "factors of columns");
        for (v, &c) in self.value.iter_mut().zip(&self.index) {
            *v *= factors[c as usize];
        }
        if self.value.contains(&0.0) {
            self.drop_zeros();
        }
    }

    /// `self * x`.
    #[cfg(test)]
    pub(crate) fn apply(&self, x: &[f64]) -> Vec<f64> {
        (0..self.rows()).map(|r| self.row(r).map(|(c, v)| v * x[c]).sum()).collect()
    }

    /// Products that [`Self::compose`] would make.
    pub(crate) fn compose_work(&self, inner: &Self) -> usize {
        self.index.iter().map(|&c| inner.starts[c as usize + 1] - inner.starts[c as usize]).sum()
    }

    /// The product `self * inner`, row by row with a dense accumulator (Gustavson 1978).
    pub(crate) fn compose(&self, inner: &Self) -> Self {
        assert_eq!(self.columns, inner.rows(), "columns of the outer and rows of the inner matrix");
        let mut out = Self::with_columns(inner.columns);
        let mut sums = vec![0.0; inner.columns];
        let mut present = vec![false; inner.columns];
        let mut touched: Vec<usize> = Vec::new();
        for r in 0..self.rows() {
            for (k, w) in self.row(r) {
                for (c, v) in inner.row(k) {
                    if !present[c] {
                        present[c] = true;
                        touched.push(c);
                    }
                    sums[c] += w * v;
                }
            }
            touched.sort_unstable();
            out.push_row(touched.iter().map(|&c| (c, sums[c])));
            for c in touched.drain(..) {
                sums[c] = 0.0;
                present[c] = false;
            }
        }
        out
    }

    /// The sum of two matrices of the same size.
    pub(crate) fn sum(&self, other: &Self) -> Self {
        assert_eq!((self.rows(), self.columns), (other.rows(), other.columns), "sizes of the two matrices");
        let mut out = Self::with_columns(self.columns);
        for r in 0..self.rows() {
            let (mut a, mut b) = (self.row(r).peekable(), other.row(r).peekable());
            let mut row = Vec::with_capacity(a.len() + b.len());
            loop {
                match (a.peek().copied(), b.peek().copied()) {
                    (Some((i, x)), Some((j, y))) if i == j => {
                        row.push((i, x + y));
                        a.next();
                        b.next();
                    }
                    (Some(x), Some(y)) if x.0 < y.0 => {
                        row.push(x);
                        a.next();
                    }
                    (_, Some(y)) => {
                        row.push(y);
                        b.next();
                    }
                    (Some(x), None) => {
                        row.push(x);
                        a.next();
                    }
                    (None, None) => break,
                }
            }
            out.push_row(row);
        }
        out
    }

    /// Whether every entry is a number and not zero.
    pub(crate) fn is_normal(&self) -> bool {
        self.value.iter().all(|v| *v != 0.0 && v.is_finite())
    }

    /// What is broken, if anything.
    pub(crate) fn disorder(&self) -> Option<&'static str> {
        let ordered = self.starts.windows(2).all(|s| self.index[s[0]..s[1]].windows(2).all(|w| w[0] < w[1]));
        if !ordered || self.index.iter().any(|&c| c as usize >= self.columns) {
            return Some("columns out of order or out of range");
        }
        None
    }

    fn drop_zeros(&mut self) {
        let old = std::mem::replace(self, Self::with_columns(self.columns));
        for r in 0..old.rows() {
            self.push_row(old.row(r));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rows: usize, columns: usize, seed: usize) -> Matrix {
        let mut m = Matrix::with_columns(columns);
        for r in 0..rows {
            m.push_row((0..columns).map(|c| (c, (((r * 7 + c * 13 + seed * 5) % 11) as f64 - 5.0).max(0.0))));
        }
        m
    }

    #[test]
    fn compose_and_sum_mean_what_they_say() {
        let (a, b, c) = (sample(3, 5, 1), sample(5, 4, 2), sample(5, 4, 3));
        let x = [0.5, -1.0, 2.0, 3.5];
        assert_eq!(a.compose(&b).apply(&x), a.apply(&b.apply(&x)));
        let sum: Vec<f64> = b.apply(&x).iter().zip(c.apply(&x)).map(|(p, q)| p + q).collect();
        assert_eq!(b.sum(&c).apply(&x), sum);
        for m in [a.compose(&b), b.sum(&c)] {
            assert!(m.disorder().is_none() && m.is_normal());
        }
        assert!(a.compose_work(&b) >= a.compose(&b).entries());
    }

    #[test]
    fn cancelled_entries_vanish() {
        let mut a = Matrix::with_columns(2);
        a.push_row([(0, 1.0), (1, 2.0)]);
        let mut b = Matrix::with_columns(2);
        b.push_row([(0, -1.0), (1, 1.0)]);
        assert_eq!(a.sum(&b).row(0).collect::<Vec<_>>(), [(1, 3.0)]);
        a.scale_columns(&[0.0, 1.0]);
        assert_eq!((a.entries(), a.disorder(), a.is_normal()), (1, None, true));
    }
}
