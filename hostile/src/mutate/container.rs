//! Mutations of the toolchain's own binary files: header, payload, version and kind are changed and
//! length and checksum made right again, so that the change gets past them.

use serde_json::Value;

use super::{bytes, json};
use crate::random::Choices;

const FIXED: usize = 28;
const CHECKSUM: usize = 32;

/// A file taken apart.
struct Frame {
    /// Magic, version, kind.
    start: [u8; 12],
    header: Vec<u8>,
    payload: Vec<u8>,
}

impl Frame {
    fn of(file: &[u8]) -> Option<Self> {
        let length = |at: usize| Some(u64::from_le_bytes(file.get(at..at + 8)?.try_into().ok()?) as usize);
        let (header, payload) = (length(12)?, length(20)?);
        let rest = file.get(FIXED..)?;
        let body = rest.get(..header.checked_add(payload)?)?;
        Some(Self {
            start: file.get(..12)?.try_into().ok()?,
            header: body[..header].to_vec(),
            payload: body[header..].to_vec(),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut file = Vec::with_capacity(FIXED + self.header.len() + self.payload.len() + CHECKSUM);
        file.extend(self.start);
        file.extend((self.header.len() as u64).to_le_bytes());
        file.extend((self.payload.len() as u64).to_le_bytes());
        file.extend(&self.header);
        file.extend(&self.payload);
        let checksum = blake3::hash(&file);
        file.extend(checksum.as_bytes());
        file
    }
}

/// Changes a file and makes its checksum again.
pub(crate) fn change(file: &mut Vec<u8>, other: &[u8], choices: &mut Choices) {
    let Some(mut frame) = Frame::of(file) else { return bytes::change(file, other, choices) };
    let other = Frame::of(other);
    let (header, payload) = other.as_ref().map_or((&b""[..], &b""[..]), |o| (&o.header, &o.payload));
    let whole = serde_json::from_slice::<Value>(&frame.header);
    match (choices.below(12), whole) {
        (0, _) => frame.start[4] = choices.number(u64::from(frame.start[4])) as u8,
        (1, _) => frame.start[8] = choices.below(13) as u8,
        (2, _) => bytes::change(&mut frame.header, header, choices),
        (3 | 4, _) => bytes::change(&mut frame.payload, payload, choices),
        // Only this kind has a payload of the other's size.
        (5, _) if !payload.is_empty() => frame.payload = payload.to_vec(),
        (_, Ok(mut value)) => {
            let other = serde_json::from_slice(header).unwrap_or(Value::Null);
            json::change(&mut value, &other, choices);
            frame.header = value.to_string().into_bytes();
        }
        (_, Err(_)) => bytes::change(&mut frame.header, header, choices),
    }
    *file = frame.bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_put_together_as_the_toolchain_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let kind = beaa_ir::container::Kind::Program;
        beaa_ir::container::write(&path, kind, &[1, 2], 3, |w| w.write_all(b"abc")).unwrap();
        let file = std::fs::read(&path).unwrap();
        assert_eq!(Frame::of(&file).unwrap().bytes(), file);
        let read = (0..200).filter(|number| {
            let mut changed = file.clone();
            change(&mut changed, &file, &mut Choices::new(3, "container", *number));
            std::fs::write(&path, &changed).unwrap();
            beaa_ir::container::open::<Value>(&path, kind).is_ok()
        });
        assert!(read.count() > 120, "most changes get past the checksum");
    }
}
