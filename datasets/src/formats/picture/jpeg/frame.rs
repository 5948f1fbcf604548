//! The frame of a JPEG file: size, components, and which bits of their coefficients the scans have
//! sent so far.

use super::super::LARGEST_SIDE;
use super::array;

/// No bit of a coefficient has been sent.
const UNSENT: u8 = 0xff;

/// Size and components of a picture.
pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
}

/// One plane of samples.
pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks across and down in a unit of an interleaved scan.
    pub(super) sampling: [usize; 2],
    quantisation: usize,
    /// The lowest bit sent of each coefficient, in zigzag order.
    lowest_bit: [u8; 64],
    /// Coefficients that are not zero, one bit each, for every block; only while they are refined.
    pub(super) non_zero: Vec<u64>,
}

impl Frame {
    /// Reads the segment of a frame; `progressive` follows from its marker.
    pub(super) fn parse(content: &[u8], progressive: bool) -> Result<Self, String> {
        let [precision, h1, h0, w1, w0, count] = array(content)?;
        if precision != 8 {
            return Err(format!("JPEG of {precision} bits a sample is not read, only of 8"));
        }
        let (height, width) = (usize::from(u16::from_be_bytes([h1, h0])), usize::from(u16::from_be_bytes([w1, w0])));
        if height == 0 {
            return Err("JPEG whose height follows after the pixels is not read".to_owned());
        }
        let side = 1..=LARGEST_SIDE as usize;
        if !side.contains(&width) || !side.contains(&height) {
            return Err(format!("{width} x {height} pixels, expected sides of 1 to {LARGEST_SIDE}"));
        }
        if !matches!(count, 1 | 3 | 4) || content.len() != 6 + 3 * usize::from(count) {
            return Err(format!("JPEG of {count} components, expected 1, 3 or 4; the file is damaged"));
        }
        let components = content[6..].chunks_exact(3).map(|entry| Component::parse([entry[0], entry[1], entry[2]]));
        Ok(Self { width, height, progressive, components: components.collect::<Result<_, _>>()? })
    }

    /// Units of an interleaved scan, across and down.
    pub(super) fn units(&self) -> [usize; 2] {
        let most = self.most_sampling();
        [self.width.div_ceil(8 * most[0]), self.height.div_ceil(8 * most[1])]
    }

    /// Blocks of a component in a scan of its own, across and down.
    pub(super) fn blocks(&self, component: &Component) -> [usize; 2] {
        let most = self.most_sampling();
        let blocks = |side: usize, axis: usize| (side * component.sampling[axis]).div_ceil(most[axis]).div_ceil(8);
        [blocks(self.width, 0), blocks(self.height, 1)]
    }

    /// Blocks of a component in all units: those of a scan of its own, and padding.
    pub(super) fn padded_blocks(&self, component: &Component) -> [usize; 2] {
        let units = self.units();
        [units[0] * component.sampling[0], units[1] * component.sampling[1]]
    }

    fn most_sampling(&self) -> [usize; 2] {
        let most = |axis: usize| self.components.iter().map(|c| c.sampling[axis]).fold(1, usize::max);
        [most(0), most(1)]
    }

    /// Refuses pictures of which a scan is missing.
    pub(super) fn check_complete(&self, quantisation: &[bool; 4]) -> Result<(), String> {
        for component in &self.components {
            if component.lowest_bit.contains(&UNSENT) {
                return Err("scans of the picture are missing; the file is truncated".to_owned());
            }
            if component.lowest_bit.iter().any(|&bit| bit > 0) {
                return Err("the last scans of the picture are missing; the file is truncated".to_owned());
            }
            if !quantisation[component.quantisation] {
                return Err("a quantisation table is missing; the file is damaged".to_owned());
            }
        }
        Ok(())
    }
}

impl Component {
    fn parse([id, sampling, quantisation]: [u8; 3]) -> Result<Self, String> {
        let sampling = [sampling >> 4, sampling & 15].map(usize::from);
        if sampling.iter().any(|factor| !(1..=4).contains(factor)) || quantisation > 3 {
            return Err("a component out of bounds; the file is damaged".to_owned());
        }
        let quantisation = usize::from(quantisation);
        Ok(Self { id, sampling, quantisation, lowest_bit: [UNSENT; 64], non_zero: Vec::new() })
    }

    /// Notes that the coefficients `band` are sent down to bit `low`, after bit `high` if they are
    /// refined.
    pub(super) fn send(&mut self, band: std::ops::RangeInclusive<usize>, high: u8, low: u8) -> Result<(), String> {
        let wrong = || "the scans do not follow each other; the file is damaged".to_owned();
        if *band.start() > 0 && self.lowest_bit[0] == UNSENT {
            return Err(wrong());
        }
        let before = if high == 0 { UNSENT } else { high };
        for bit in &mut self.lowest_bit[band] {
            if *bit != before || (high > 0 && low + 1 != high) {
                return Err(wrong());
            }
            *bit = low;
        }
        Ok(())
    }
}
