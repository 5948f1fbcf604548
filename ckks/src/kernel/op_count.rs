//! How much work a product is: what predictions of its time need beside the number of weights.

use super::{Kernel, Panels};

impl Panels {
    /// Counts the products made for one slot: one for every row and column of a panel, zeros that
    /// rows share panels for included. Those of pairs of columns, which a kernel makes sooner,
    /// count for what they cost modulo `q`.
    pub fn products(&self, kernel: Kernel, q: u64) -> f64 {
        let panels = self.groups().iter().flat_map(|g| g.panels.iter().map(move |p| g.columns.len() * p.rows.len()));
        let one_by_one = panels.sum::<usize>() + self.singletons().columns().len();
        let pairs = self.paired().groups().iter().map(|g| {
            let rows: usize = g.panels.iter().map(|p| p.rows.len()).sum();
            (2 * g.pairs.len() * rows) as f64 * kernel.paired_cost(q, &g.norms).unwrap_or(1.0)
        });
        one_by_one as f64 + pairs.sum::<f64>()
    }

    /// Counts the inputs read for one slot: each panel reads each of its columns once.
    pub fn loads(&self) -> usize {
        self.groups().iter().map(|g| g.columns.len() * g.panels.len()).sum::<usize>()
            + self.singletons().columns().len()
            + self.paired().groups().iter().map(|g| 2 * g.pairs.len() * g.panels.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::layout::PANEL_ROWS;

    #[test]
    fn rows_that_share_columns_share_loads() {
        let (columns, weights) = ([0, 2, 5], [1, 2, 3]);
        let shared = Panels::new(Kernel::Portable, PANEL_ROWS, 6, |_| (&columns, &weights)).unwrap();
        assert_eq!((shared.products(Kernel::Portable, 97), shared.loads()), ((3 * PANEL_ROWS) as f64, 3));
        let pairs: Vec<[u32; 2]> = (0..3).map(|r| [2 * r, 2 * r + 1]).collect();
        let apart = Panels::new(Kernel::Portable, 3, 6, |r| (&pairs[r], &[7, 7])).unwrap();
        assert_eq!((apart.products(Kernel::Portable, 97), apart.loads()), (6.0, 6));
    }

    #[test]
    fn products_of_pairs_count_for_what_they_cost() {
        let columns: Vec<u32> = (0..600).collect();
        let weights: Vec<i32> = (0..600).map(|c| c % 13 - 6).collect();
        for kernel in Kernel::available() {
            let panels = Panels::for_residues(kernel, 36, 60, 600, |_| (&columns, &weights)).unwrap();
            let [narrow, wide] = [1 << 30, 1 << 40].map(|q| panels.products(kernel, q) / 36_000.0);
            match panels.paired().groups().len() {
                0 => assert_eq!([narrow, wide], [1.0; 2], "{kernel:?}"),
                _ => assert!(narrow < 0.6 && (0.6..0.9).contains(&wide), "{kernel:?}: {narrow}, {wide}"),
            }
        }
    }
}
