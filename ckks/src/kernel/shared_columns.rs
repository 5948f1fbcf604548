//! Rows that read the same columns, so that what they read is brought to the cache once for all.

use std::collections::HashMap;

use super::Kernel;
use super::row_grouping::RowGroup;

/// Fewer columns than this stay in the first-level cache from group to group.
const MIN_COLUMNS_FOR_JOINING: usize = 128;
/// Cycles that a group takes for a column whatever its panels: to bring all slots of a tile to the
/// first-level cache, and to add them for the offset. An estimate, from the shares of a profile
/// with AVX-512 IFMA.
pub(super) const CACHED_COLUMN_COST: f64 = 7.0;

/// All rows that read the same columns, panel by panel.
pub(super) struct SharedColumns {
    /// Ascending.
    pub(super) columns: Vec<u32>,
    pub(super) panels: Vec<Vec<u32>>,
}

/// Brings panels with the same columns together, in the order in which columns first occur.
pub(super) fn by_columns(panels: Vec<RowGroup>) -> Vec<SharedColumns> {
    let mut result: Vec<SharedColumns> = Vec::new();
    let mut index: HashMap<Vec<u32>, usize> = HashMap::new();
    for RowGroup { rows, columns } in panels {
        if let Some(&i) = index.get(&columns) {
            result[i].panels.push(rows);
        } else {
            index.insert(columns.clone(), result.len());
            result.push(SharedColumns { columns, panels: vec![rows] });
        }
    }
    result
}

/// Joins groups, one after the other, that read nearly the same columns, where zeros for the others
/// cost less than to bring all columns to the cache once more: rows of trained integers have a few
/// zeros each, and no two panels quite the same columns.
pub(super) fn joined(kernel: Kernel, groups: Vec<SharedColumns>) -> Vec<SharedColumns> {
    let (mut all, mut last): (Vec<SharedColumns>, Option<usize>) = (Vec::new(), None);
    for group in groups {
        if group.single_row().is_some() || group.columns.len() < MIN_COLUMNS_FOR_JOINING {
            all.push(group);
            continue;
        }
        if let Some(before) = last.map(|last| &mut all[last])
            && let Some(columns) = before.columns_if_joined(kernel, &group)
        {
            before.columns = columns;
            before.panels.extend(group.panels);
        } else {
            last = Some(all.len());
            all.push(group);
        }
    }
    all
}

impl SharedColumns {
    /// The only row, if there is one.
    pub(super) fn single_row(&self) -> Option<u32> {
        match self.panels.as_slice() {
            [panel] if panel.len() == 1 => Some(panel[0]),
            _ => None,
        }
    }

    /// Cycles that all panels take for a column.
    pub(super) fn panel_cost(&self, kernel: Kernel) -> f64 {
        self.panels.iter().map(|rows| kernel.column_cost()[rows.len() - 1]).sum()
    }

    /// The columns of both groups, if both together cost less than each by itself.
    fn columns_if_joined(&self, kernel: Kernel, other: &Self) -> Option<Vec<u32>> {
        let (here, there) = (self.panel_cost(kernel), other.panel_cost(kernel));
        let cost = |columns: usize, panels: f64| columns as f64 * (CACHED_COLUMN_COST + panels);
        let apart = cost(self.columns.len(), here) + cost(other.columns.len(), there);
        // The union is as large as the larger of both, at least: mostly that decides.
        let least = self.columns.len().max(other.columns.len());
        if cost(least, here + there) >= apart {
            return None;
        }
        let mut columns = [self.columns.as_slice(), &other.columns].concat();
        // Two ascending runs, which a stable sort merges.
        columns.sort();
        columns.dedup();
        (cost(columns.len(), here + there) < apart).then_some(columns)
    }
}
