//! The bits of entropy-coded data, up to the next marker, and Huffman codes in them.

use super::array;

/// The codes of one table, by length.
pub(super) struct HuffmanTable {
    /// For each length, one more than the largest code, and what to add to a code for its symbol.
    lengths: [(u32, i64); 16],
    symbols: Vec<u8>,
}

impl HuffmanTable {
    /// Reads a table; the second value is what follows it.
    pub(super) fn parse(content: &[u8]) -> Result<(Self, &[u8]), String> {
        let counts: [u8; 16] = array(content)?;
        let mut lengths = [(0, 0); 16];
        let (mut code, mut first) = (0_u32, 0_u32);
        for (i, (length, count)) in lengths.iter_mut().zip(counts).enumerate() {
            *length = (code + u32::from(count), i64::from(first) - i64::from(code));
            code += u32::from(count);
            if code > 1 << (i + 1) {
                return Err("a Huffman table with too many codes; the file is damaged".to_owned());
            }
            first += u32::from(count);
            code <<= 1;
        }
        let cut = "a Huffman table is cut; the file is damaged";
        let (symbols, rest) = content[16..].split_at_checked(first as usize).ok_or(cut)?;
        Ok((Self { lengths, symbols: symbols.to_vec() }, rest))
    }
}

/// Reads bits, the highest of a byte first, up to a marker.
pub(super) struct Bits<'a> {
    file: &'a [u8],
    /// The next byte to take.
    at: usize,
    /// The lowest `count` bits are still to be read.
    buffer: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(file: &'a [u8], at: usize) -> Self {
        Self { file, at, buffer: 0, count: 0 }
    }

    /// The next `n` bits, at most 16.
    pub(super) fn take(&mut self, n: u32) -> Result<u32, String> {
        let value = self.peek(n);
        self.skip(n)?;
        Ok(value)
    }

    /// The next symbol.
    pub(super) fn symbol(&mut self, table: &HuffmanTable) -> Result<u8, String> {
        let next = self.peek(16);
        for (n, (end, offset)) in (1..).zip(table.lengths) {
            let code = next >> (16 - n);
            if code < end {
                self.skip(n)?;
                let symbol = usize::try_from(i64::from(code) + offset).ok().and_then(|i| table.symbols.get(i));
                return symbol.copied().ok_or_else(damaged);
            }
        }
        // Ones, as after the end of the data, are never a whole code.
        Err(if self.count < 16 { short() } else { damaged() })
    }

    /// Checks that only padding is left before a marker, and returns the position of the marker.
    pub(super) fn end(mut self) -> Result<usize, String> {
        self.fill();
        if self.count >= 8 || self.file.get(self.at).is_some_and(|&byte| byte != 0xff) {
            return Err("its pixels end before their data; the file is damaged".to_owned());
        }
        Ok(self.at)
    }

    /// The next `n` bits, with zeros after the end.
    fn peek(&mut self, n: u32) -> u32 {
        if self.count < n {
            self.fill();
        }
        let bits = if self.count < n { self.buffer << (n - self.count) } else { self.buffer >> (self.count - n) };
        (bits & ((1 << n) - 1)) as u32
    }

    fn skip(&mut self, n: u32) -> Result<(), String> {
        self.count = self.count.checked_sub(n).ok_or_else(short)?;
        Ok(())
    }

    fn fill(&mut self) {
        while self.count <= 48 {
            let byte = match self.file.get(self.at..) {
                Some([0xff, 0, ..]) => {
                    self.at += 2;
                    0xff
                }
                None | Some([] | [0xff, ..]) => return,
                Some([byte, ..]) => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.count += 8;
        }
    }
}

fn short() -> String {
    "its data end before its pixels; the file is truncated or damaged".to_owned()
}

/// What cannot be in a whole file.
pub(super) fn damaged() -> String {
    "its data are no code of pixels; the file is damaged".to_owned()
}
