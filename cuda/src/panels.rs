//! Integer weights arranged for the kernels: rows that read the same columns lie together in panels
//! of eight, four, two or one, so that a residue is read once for all of them.

use std::collections::HashMap;

use beaa_ir::SparseMatrix;

use crate::kernel::COLUMNS;
use crate::words::pairs;
use crate::{Argument, Device, Kernel, Memory, Result};

/// Sums of products of a weight and half a residue stay below 2^63 as long as the weights' absolute
/// sum is at most this.
const EXACT: u64 = 1 << 38;

/// A weight matrix in memory of a device.
#[derive(Debug)]
pub struct DevicePanels<M> {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Those of one size together.
    pub(crate) groups: Vec<PanelGroup<M>>,
}

/// Panels of one size.
#[derive(Debug)]
pub(crate) struct PanelGroup<M> {
    pub(crate) kernel: Kernel,
    pub(crate) panels: usize,
    interval: u64,
    table: M,
    columns: M,
    weights: M,
    rows: M,
}

impl<M: Memory> PanelGroup<M> {
    /// `Panels` of `kernels/linear.cu`.
    pub(crate) fn argument(&self) -> Argument {
        let [table, columns, weights, rows] =
            [&self.table, &self.columns, &self.weights, &self.rows].map(Memory::address);
        Argument::new([table, columns, weights, rows, self.panels as u64, self.interval])
    }
}

impl<M: Memory> DevicePanels<M> {
    /// Arranges a matrix and copies it to the device.
    ///
    /// # Errors
    /// When the device fails.
    pub fn new(device: &impl Device<Memory = M>, matrix: &SparseMatrix) -> Result<Self> {
        let mut groups = Vec::new();
        for words in arrange(matrix) {
            groups.push(PanelGroup {
                kernel: words.size.kernel(),
                panels: words.table.len() / 3,
                interval: words.interval,
                table: device.upload(&words.table)?,
                columns: device.upload(&pairs(words.columns.iter().copied()))?,
                weights: device.upload(&pairs(words.weights.iter().map(|w| w.cast_unsigned())))?,
                rows: device.upload(&pairs(words.rows.iter().copied()))?,
            });
        }
        Ok(Self { rows: matrix.rows(), columns: matrix.columns(), groups })
    }
}

/// Rows of a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PanelSize {
    One,
    Two,
    Four,
    Eight,
}

impl PanelSize {
    const ALL: [Self; 4] = [Self::Eight, Self::Four, Self::Two, Self::One];

    fn rows(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    fn kernel(self) -> Kernel {
        match self {
            Self::One => Kernel::Linear1,
            Self::Two => Kernel::Linear2,
            Self::Four => Kernel::Linear4,
            Self::Eight => Kernel::Linear8,
        }
    }
}

/// Panels of one size, as `kernels/linear.cu` reads them.
struct PanelWords {
    size: PanelSize,
    table: Vec<u64>,
    columns: Vec<u32>,
    weights: Vec<i32>,
    rows: Vec<u32>,
    interval: u64,
}

/// The panels of a matrix; each row is in exactly one of them.
fn arrange(matrix: &SparseMatrix) -> Vec<PanelWords> {
    let interval = interval(matrix);
    let mut all = PanelSize::ALL.map(|size| PanelWords {
        size,
        table: Vec::new(),
        columns: Vec::new(),
        weights: Vec::new(),
        rows: Vec::new(),
        interval,
    });
    for rows in alike(matrix) {
        let mut rest = rows.as_slice();
        for words in &mut all {
            while let Some((panel, tail)) = rest.split_at_checked(words.size.rows()) {
                words.add(matrix, panel);
                rest = tail;
            }
        }
    }
    all.into_iter().filter(|words| !words.table.is_empty()).collect()
}

impl PanelWords {
    fn add(&mut self, matrix: &SparseMatrix, rows: &[usize]) {
        let (columns, _) = matrix.row(rows[0]);
        self.table.extend([self.columns.len(), columns.len(), self.weights.len()].map(|n| n as u64));
        self.columns.extend(columns);
        for position in 0..columns.len() {
            self.weights.extend(rows.iter().map(|&row| matrix.row(row).1[position]));
        }
        self.rows.extend(rows.iter().map(|&row| row as u32));
    }
}

/// Rows with the same columns, in the order of their first ones.
fn alike(matrix: &SparseMatrix) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<&[u32], usize> = HashMap::new();
    for row in 0..matrix.rows() {
        let group = *known.entry(matrix.row(row).0).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(row);
    }
    groups
}

/// Tiles of columns after which sums must be reduced.
fn interval(matrix: &SparseMatrix) -> u64 {
    let weights = (0..matrix.rows()).flat_map(|row| matrix.row(row).1);
    let largest = weights.map(|w| u64::from(w.unsigned_abs())).max().map_or(1, |w| w.max(1));
    EXACT / (largest * COLUMNS as u64)
}
