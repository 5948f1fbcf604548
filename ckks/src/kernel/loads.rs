//! How often a product reads its inputs: what predictions of its time need beside the number of weights. Must never be
//! more than the kernels really read.

use super::Panels;

impl Panels {
    /// Inputs read for one slot: each group of rows that is worked on together reads each of its columns once.
    pub fn loads(&self) -> usize {
        self.groups.iter().map(|g| g.columns.len() * g.panels.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::panels::PANEL_ROWS;

    #[test]
    fn rows_that_share_columns_share_loads() {
        let (columns, weights) = ([0, 2, 5], [1, 2, 3]);
        let shared = Panels::new(PANEL_ROWS, 6, |_| (&columns, &weights)).unwrap();
        assert_eq!(shared.loads(), 3);
        let own: Vec<[u32; 2]> = (0..4).map(|r| [r, r + 1]).collect();
        let apart = Panels::new(4, 6, |r| (&own[r], &[7, 7])).unwrap();
        assert_eq!(apart.loads(), 8);
    }
}
