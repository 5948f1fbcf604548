//! One scan of a JPEG file: walks over all its blocks as a decoder would, without the pixels.

use super::entropy::{Bits, HuffmanTable, damaged};
use super::frame::{Component, Frame};
use super::{Tables, array};

/// Which components a scan holds, and which part of their coefficients.
pub(super) struct ScanHeader {
    /// Index of the component in the frame, number of its DC table, number of its AC table.
    components: Vec<[usize; 3]>,
    /// First and last coefficient, in zigzag order.
    band: [usize; 2],
    /// Whether the coefficients were sent before and get one more bit.
    refines: bool,
}

impl ScanHeader {
    /// Reads the header of a scan and notes in `frame` what it sends.
    pub(super) fn parse(content: &[u8], frame: &mut Frame) -> Result<Self, String> {
        let wrong = "a scan out of bounds; the file is damaged";
        let [count] = array(content)?;
        let (entries, rest) = content[1..].split_at_checked(2 * usize::from(count)).ok_or(wrong)?;
        let [first, last, bits] = array(rest)?;
        let (band, high, low) = if frame.progressive {
            ([usize::from(first), usize::from(last)], bits >> 4, bits & 15)
        } else {
            ([0, 63], 0, 0)
        };
        let of_one = band[0] > 0;
        let in_order = if of_one { band[0] <= band[1] && band[1] < 64 } else { !frame.progressive || band[1] == 0 };
        if count == 0 || !in_order || (of_one && count != 1) {
            return Err(wrong.to_owned());
        }
        let mut components = Vec::new();
        for entry in entries.chunks_exact(2) {
            let index = frame.components.iter().position(|component| component.id == entry[0]).ok_or(wrong)?;
            frame.components[index].send(band[0]..=band[1], high, low)?;
            components.push([index, usize::from(entry[1] >> 4), usize::from(entry[1] & 15)]);
        }
        Ok(Self { components, band, refines: high > 0 })
    }
}

/// Walks over the data of the scan at `at` and returns the position of the marker after it.
pub(super) fn check(
    file: &[u8],
    at: usize,
    header: &ScanHeader,
    frame: &mut Frame,
    tables: &Tables,
) -> Result<usize, String> {
    if frame.progressive && header.band[0] > 0 {
        for &[index, ..] in &header.components {
            let [across, down] = frame.padded_blocks(&frame.components[index]);
            frame.components[index].non_zero.resize(across * down, 0);
        }
    }
    let [across, down] = match header.components[..] {
        [[index, ..]] => frame.blocks(&frame.components[index]),
        _ => frame.units(),
    };
    let interval = if tables.restart_interval == 0 { across * down } else { tables.restart_interval };
    let strides: Vec<usize> = frame.components.iter().map(|c| frame.padded_blocks(c)[0]).collect();
    let progressive = frame.progressive;
    let mut walk = Walk { bits: Bits::new(file, at), empty_blocks: 0, header, progressive, tables };
    for unit in 0..across * down {
        if unit > 0 && unit % interval == 0 {
            let marker = walk.end()?;
            let expected = [0xff, 0xd0 + ((unit / interval - 1) % 8) as u8];
            if file.get(marker..marker + 2) != Some(&expected) {
                return Err("a restart marker is missing; the file is damaged".to_owned());
            }
            walk = Walk { bits: Bits::new(file, marker + 2), empty_blocks: 0, header, progressive, tables };
        }
        if let [[index, dc, ac]] = header.components[..] {
            let block = unit / across * strides[index] + unit % across;
            walk.block(&mut frame.components[index], block, [dc, ac])?;
            continue;
        }
        for &[index, dc, ac] in &header.components {
            let [blocks_across, blocks_down] = frame.components[index].sampling;
            for _ in 0..blocks_across * blocks_down {
                // Interleaved scans of progressive files hold DC coefficients only: no block is
                // looked up.
                walk.block(&mut frame.components[index], 0, [dc, ac])?;
            }
        }
    }
    walk.end()
}

/// Where the walk is.
struct Walk<'a> {
    bits: Bits<'a>,
    /// Blocks to come without further coefficients in this scan.
    empty_blocks: u32,
    header: &'a ScanHeader,
    progressive: bool,
    tables: &'a Tables,
}

impl Walk<'_> {
    fn block(&mut self, component: &mut Component, block: usize, [dc, ac]: [usize; 2]) -> Result<(), String> {
        let tables = self.tables;
        let table = |class: usize, index: usize| {
            let found = tables.huffman[class].get(index).and_then(Option::as_ref);
            found.ok_or_else(|| "a Huffman table is missing; the file is damaged".to_owned())
        };
        let band = self.header.band;
        match (self.progressive, band[0], self.header.refines) {
            (false, ..) => {
                self.dc(table(0, dc)?)?;
                self.sequential_ac(table(1, ac)?)
            }
            (true, 0, false) => self.dc(table(0, dc)?),
            (true, 0, true) => self.bits.take(1).map(drop),
            (true, _, false) => self.first_ac(table(1, ac)?, band, &mut component.non_zero[block]),
            (true, _, true) => self.refined_ac(table(1, ac)?, band, &mut component.non_zero[block]),
        }
    }

    fn dc(&mut self, table: &HuffmanTable) -> Result<(), String> {
        match self.bits.symbol(table)? {
            bits @ 0..=11 => self.bits.take(bits.into()).map(drop),
            _ => Err(damaged()),
        }
    }

    fn sequential_ac(&mut self, table: &HuffmanTable) -> Result<(), String> {
        let mut k = 1;
        while k < 64 {
            let symbol = self.bits.symbol(table)?;
            let (run, bits) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (run, bits) {
                (15, 0) => k += 16,
                (_, 0) => return Ok(()),
                _ if k + run > 63 => return Err(damaged()),
                _ => {
                    self.bits.take(bits)?;
                    k += run + 1;
                }
            }
        }
        Ok(())
    }

    fn first_ac(&mut self, table: &HuffmanTable, [first, last]: [usize; 2], non_zero: &mut u64) -> Result<(), String> {
        if self.empty_blocks > 0 {
            self.empty_blocks -= 1;
            return Ok(());
        }
        let mut k = first;
        while k <= last {
            let symbol = self.bits.symbol(table)?;
            let (run, bits) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (run, bits) {
                (15, 0) => k += 16,
                (run, 0) => {
                    self.empty_blocks = (1 << run) - 1 + self.bits.take(run as u32)?;
                    return Ok(());
                }
                _ if k + run > last => return Err(damaged()),
                _ => {
                    self.bits.take(bits)?;
                    *non_zero |= 1 << (k + run);
                    k += run + 1;
                }
            }
        }
        Ok(())
    }

    fn refined_ac(
        &mut self,
        table: &HuffmanTable,
        [first, last]: [usize; 2],
        non_zero: &mut u64,
    ) -> Result<(), String> {
        let before = *non_zero;
        let mut k = first;
        while k <= last && self.empty_blocks == 0 {
            let symbol = self.bits.symbol(table)?;
            let (mut run, bits) = (u32::from(symbol >> 4), symbol & 15);
            match bits {
                0 if run < 15 => {
                    self.empty_blocks = (1 << run) + self.bits.take(run)?;
                    break;
                }
                0 => {}
                1 => self.bits.take(1).map(drop)?,
                _ => return Err(damaged()),
            }
            // Over `run` coefficients that stay zero; those that are not get a bit each.
            while k <= last {
                if before >> k & 1 == 1 {
                    self.bits.take(1)?;
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                k += 1;
            }
            if bits == 1 {
                if k > last {
                    return Err(damaged());
                }
                *non_zero |= 1 << k;
            }
            k += 1;
        }
        if self.empty_blocks > 0 {
            let rest = (k..=last).filter(|k| before >> k & 1 == 1).count();
            for _ in 0..rest {
                self.bits.take(1)?;
            }
            self.empty_blocks -= 1;
        }
        Ok(())
    }

    fn end(self) -> Result<usize, String> {
        if self.empty_blocks > 0 { Err(damaged()) } else { self.bits.end() }
    }
}
