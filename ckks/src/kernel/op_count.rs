//! How much work a product is: what predictions of its time need beside the number of weights.

use super::Panels;

impl Panels {
    /// Counts the products made for one slot: one for every row and column of a panel, zeros that
    /// rows share panels for included.
    pub fn products(&self) -> usize {
        let panels = self.groups().iter().flat_map(|g| g.panels.iter().map(move |p| g.columns.len() * p.rows.len()));
        panels.sum::<usize>() + self.singletons().columns().len()
    }

    /// Counts the inputs read for one slot: each panel reads each of its columns once.
    pub fn loads(&self) -> usize {
        self.groups().iter().map(|g| g.columns.len() * g.panels.len()).sum::<usize>()
            + self.singletons().columns().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kernel;
    use crate::kernel::layout::PANEL_ROWS;

    #[test]
    fn rows_that_share_columns_share_loads() {
        let (columns, weights) = ([0, 2, 5], [1, 2, 3]);
        let shared = Panels::new(Kernel::Portable, PANEL_ROWS, 6, |_| (&columns, &weights)).unwrap();
        assert_eq!((shared.products(), shared.loads()), (3 * PANEL_ROWS, 3));
        let pairs: Vec<[u32; 2]> = (0..3).map(|r| [2 * r, 2 * r + 1]).collect();
        let apart = Panels::new(Kernel::Portable, 3, 6, |r| (&pairs[r], &[7, 7])).unwrap();
        assert_eq!((apart.products(), apart.loads()), (6, 6));
    }
}
