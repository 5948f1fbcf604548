//! Mutations of protobuf messages field by field, without their schema: lengths are made right
//! again, so that a change deep within gets past the decoder.

use super::bytes;
use crate::random::Choices;

/// Messages within messages, at most.
const DEEPEST: usize = 12;

#[derive(Clone)]
enum Field {
    Varint(u64),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
    Message(Vec<(u64, Field)>),
}

/// Changes one field of a message.
pub(crate) fn change(file: &mut Vec<u8>, other: &[u8], choices: &mut Choices) {
    let message = parse(file, 0);
    match message {
        Some(mut message) if !message.is_empty() && !choices.one_in(6) => {
            let other = parse(other, 0).unwrap_or_default();
            change_message(&mut message, &other, choices);
            file.clear();
            write(&message, file);
        }
        _ => bytes::change(file, other, choices),
    }
}

fn change_message(message: &mut Vec<(u64, Field)>, other: &[(u64, Field)], choices: &mut Choices) {
    let at = choices.below(message.len());
    if let Some((_, Field::Message(inner))) = message.get_mut(at)
        && !inner.is_empty()
        && !choices.one_in(5)
    {
        let other = match other.get(choices.below(other.len())) {
            Some((_, Field::Message(other))) => other.as_slice(),
            _ => other,
        };
        return change_message(inner, other, choices);
    }
    match choices.below(8) {
        0 if !message.is_empty() => drop(message.remove(at)),
        1 if !message.is_empty() => message.insert(at, message[at].clone()),
        2 if message.len() > 1 => message.swap(at, choices.below(2)),
        3 if !other.is_empty() => message.push(choices.pick(other).clone()),
        4 if !message.is_empty() => {
            let key = choices.number(message[at].0 >> 3) % 32;
            message[at].0 = key << 3 | message[at].0 & 7;
        }
        _ => match message.get_mut(at) {
            Some((_, Field::Varint(n))) => *n = choices.number(*n),
            Some((_, Field::Fixed(b))) => bytes::flip_bit(b, choices),
            Some((_, Field::Bytes(b))) => bytes::change(b, b"1", choices),
            Some((_, Field::Message(inner))) => inner.clear(),
            None => message.push((8, Field::Varint(choices.number(0)))),
        },
    }
}

/// The fields of a message; none if the bytes are not one.
fn parse(mut bytes: &[u8], depth: usize) -> Option<Vec<(u64, Field)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = match key & 7 {
            0 => Field::Varint(varint(&mut bytes)?),
            1 => Field::Fixed(take(&mut bytes, 8)?),
            5 => Field::Fixed(take(&mut bytes, 4)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let inner = take(&mut bytes, length)?;
                // Text and tensors may look like messages; taken for such they are changed too.
                match parse(&inner, depth + 1) {
                    Some(message) if depth < DEEPEST && !inner.is_empty() => Field::Message(message),
                    _ => Field::Bytes(inner),
                }
            }
            _ => return None,
        };
        if key >> 3 == 0 {
            return None;
        }
        fields.push((key, field));
    }
    Some(fields)
}

fn take(bytes: &mut &[u8], length: usize) -> Option<Vec<u8>> {
    let (head, tail) = bytes.split_at_checked(length)?;
    *bytes = tail;
    Some(head.to_vec())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, tail) = bytes.split_first()?;
        *bytes = tail;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn write(message: &[(u64, Field)], to: &mut Vec<u8>) {
    for (key, field) in message {
        write_varint(*key, to);
        let inner = match field {
            Field::Varint(n) => {
                write_varint(*n, to);
                continue;
            }
            Field::Fixed(bytes) => {
                to.extend(bytes);
                continue;
            }
            Field::Bytes(bytes) => bytes.clone(),
            Field::Message(message) => {
                let mut inner = Vec::new();
                write(message, &mut inner);
                inner
            }
        };
        write_varint(inner.len() as u64, to);
        to.extend(inner);
    }
}

fn write_varint(mut n: u64, to: &mut Vec<u8>) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_they_were_read() {
        let mut inner = Vec::new();
        write(&[(8, Field::Varint(300)), (18, Field::Bytes(b"\xff\xff".to_vec()))], &mut inner);
        let mut file = Vec::new();
        write(&[(10, Field::Bytes(inner)), (13, Field::Fixed(vec![1, 2, 3, 4]))], &mut file);
        let message = parse(&file, 0).unwrap();
        assert!(matches!(&message[0].1, Field::Message(m) if m.len() == 2));
        let mut again = Vec::new();
        write(&message, &mut again);
        assert_eq!(again, file);
    }
}
