//! The little dense linear algebra that rounding of weights takes: symmetric matrices, row by row,
//! positive definite after damping.

/// A square matrix, rows one after the other.
#[derive(Clone)]
pub(crate) struct SquareMatrix {
    pub(crate) n: usize,
    pub(crate) a: Vec<f64>,
}

impl SquareMatrix {
    pub(crate) fn zeros(n: usize) -> Self {
        Self { n, a: vec![0.0; n * n] }
    }

    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.a[i * self.n..(i + 1) * self.n]
    }

    fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.a[i * self.n..(i + 1) * self.n]
    }

    /// The covariance of columns: `samples` holds rows of `n` numbers.
    pub(crate) fn covariance(samples: &[Vec<f64>], n: usize) -> Self {
        let count = samples.len().max(1) as f64;
        let mean: Vec<f64> = (0..n).map(|j| samples.iter().map(|s| s[j]).sum::<f64>() / count).collect();
        let mut c = Self::zeros(n);
        let mut centred = vec![0.0; n];
        for sample in samples {
            centred.iter_mut().zip(sample.iter().zip(&mean)).for_each(|(t, (x, m))| *t = x - m);
            for i in 0..n {
                let x = centred[i];
                if x != 0.0 {
                    c.row_mut(i)[i..].iter_mut().zip(&centred[i..]).for_each(|(t, y)| *t += x * y);
                }
            }
        }
        for i in 0..n {
            for j in i..n {
                c.a[i * n + j] /= count;
                c.a[j * n + i] = c.a[i * n + j];
            }
        }
        c
    }

    /// The mean of the diagonal.
    pub(crate) fn scale(&self) -> f64 {
        (0..self.n).map(|i| self.a[i * self.n + i]).sum::<f64>() / self.n.max(1) as f64
    }

    /// Adds to the diagonal.
    pub(crate) fn damped(mut self, by: f64) -> Self {
        (0..self.n).for_each(|i| self.a[i * self.n + i] += by);
        self
    }

    /// Rows and columns in another order.
    pub(crate) fn permuted(&self, order: &[usize]) -> Self {
        let a = order.iter().flat_map(|&i| order.iter().map(move |&j| self.a[i * self.n + j])).collect();
        Self { n: self.n, a }
    }

    /// The lower triangle L with `L L^T = self`.
    pub(crate) fn cholesky(&self) -> Self {
        let n = self.n;
        let mut l = Self::zeros(n);
        for i in 0..n {
            let (done, rest) = l.a.split_at_mut(i * n);
            let target = &mut rest[..n];
            for j in 0..i {
                let other = &done[j * n..j * n + j + 1];
                let sum = dot(&target[..j], &other[..j]);
                target[j] = (self.a[i * n + j] - sum) / other[j];
            }
            let square = self.a[i * n + i] - dot(&target[..i], &target[..i]);
            // Damping keeps this positive; rounding may not.
            target[i] = square.max(1e-300).sqrt();
        }
        l
    }

    /// Solves `self x = b` for a lower triangle `self` of a Cholesky decomposition: `L L^T x = b`.
    pub(crate) fn solve(&self, b: &mut [f64]) {
        let n = self.n;
        for i in 0..n {
            b[i] = (b[i] - dot(&self.row(i)[..i], &b[..i])) / self.a[i * n + i];
        }
        for i in (0..n).rev() {
            b[i] /= self.a[i * n + i];
            let (x, row) = (b[i], &self.a[i * n..i * n + i]);
            b[..i].iter_mut().zip(row).for_each(|(t, l)| *t -= l * x);
        }
    }

    /// The inverse, from a Cholesky decomposition's lower triangle.
    pub(crate) fn inverse(&self) -> Self {
        let n = self.n;
        let mut out = Self::zeros(n);
        for i in 0..n {
            let row = out.row_mut(i);
            row[i] = 1.0;
            self.solve(row);
        }
        out
    }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Eight sums: the compiler may not reorder one.
    let mut sums = [0.0; 8];
    let (x, y) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = x.remainder().iter().zip(y.remainder()).map(|(p, q)| p * q).sum();
    for (p, q) in x.zip(y) {
        for k in 0..8 {
            sums[k] += p[k] * q[k];
        }
    }
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decompositions_undo_themselves() {
        let samples: Vec<Vec<f64>> =
            (0..40).map(|i| (0..7).map(|j| f64::from((i * 31 + j * j * 17 + i * j) % 23)).collect()).collect();
        let c = SquareMatrix::covariance(&samples, 7).damped(0.5);
        let inverse = c.cholesky().inverse();
        for i in 0..7 {
            for j in 0..7 {
                let product: f64 = (0..7).map(|k| c.row(i)[k] * inverse.row(k)[j]).sum();
                assert!((product - f64::from(i == j)).abs() < 1e-9, "{i} {j} {product}");
            }
        }
        assert!((dot(&[1.0; 19], &[2.0; 19]) - 38.0).abs() < 1e-12);
    }
}
