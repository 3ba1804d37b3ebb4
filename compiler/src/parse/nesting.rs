//! How deep protobuf messages nest, found without recursion and without a schema.
//!
//! Decoding recurses once per message, so that hostile SQL could overflow the stack of a server.
//! [`depth`] reads the wire format with a stack of its own. A length-delimited field may be a
//! message or a string, and the wire does not say which: it counts as a message as long as its
//! bytes read as one. So the answer is never too small; it can be too large only for a string
//! whose bytes are the image of deep messages, with lengths that shrink from level to level.

/// The depth of the deepest message in `bytes` (1 where nothing nests), or `limit + 1` as soon as
/// it is known to be more than `limit`. Linear in the length of `bytes`.
pub(super) fn depth(bytes: &[u8], limit: usize) -> usize {
    // The end of each open message, outermost first.
    let mut open = vec![bytes.len()];
    let mut deepest = 1;
    let mut at = 0;
    while let Some(&end) = open.last() {
        if at == end {
            open.pop();
            continue;
        }
        match field(bytes, at, end) {
            Some(Field::Scalar { next }) => at = next,
            Some(Field::Delimited { start, end }) => {
                at = start;
                if start < end {
                    open.push(end);
                    deepest = deepest.max(open.len());
                    if deepest > limit {
                        return limit + 1;
                    }
                }
            }
            // Not a message after all: a string. Go on behind it.
            None => {
                at = end;
                open.pop();
            }
        }
    }
    deepest
}

enum Field {
    Scalar { next: usize },
    Delimited { start: usize, end: usize },
}

/// The field at `at`, if one lies there that ends by `end`.
fn field(bytes: &[u8], at: usize, end: usize) -> Option<Field> {
    let (tag, at) = varint(bytes, at, end)?;
    if tag >> 3 == 0 {
        return None;
    }
    match tag & 7 {
        0 => varint(bytes, at, end).map(|(_, next)| Field::Scalar { next }),
        1 => (end - at >= 8).then_some(Field::Scalar { next: at + 8 }),
        2 => {
            let (len, start) = varint(bytes, at, end)?;
            let len = usize::try_from(len).ok()?;
            (len <= end - start).then(|| Field::Delimited {
                start,
                end: start + len,
            })
        }
        5 => (end - at >= 4).then_some(Field::Scalar { next: at + 4 }),
        _ => None,
    }
}

/// A base-128 number of at most ten bytes, and where it ends.
fn varint(bytes: &[u8], at: usize, end: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (i, byte) in bytes[at..end].iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, at + i + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages within messages, each the only field of the one around it.
    fn nested(levels: usize) -> Vec<u8> {
        let mut bytes = vec![0x08, 0x01];
        for _ in 1..levels {
            let mut outer = vec![0x0a];
            let mut len = bytes.len();
            while len >= 0x80 {
                outer.push(len as u8 | 0x80);
                len >>= 7;
            }
            outer.push(len as u8);
            outer.extend(&bytes);
            bytes = outer;
        }
        bytes
    }

    #[test]
    fn counts_messages() {
        assert_eq!(depth(&[], 10), 1);
        assert_eq!(depth(&nested(1), 10), 1);
        assert_eq!(depth(&nested(10), 10), 10);
        assert_eq!(depth(&nested(11), 10), 11);
        assert_eq!(depth(&nested(3_000), 10), 11);
        assert_eq!(depth(&nested(3_000), 5_000), 3_000);
    }

    #[test]
    fn goes_on_behind_a_string() {
        // Field 1 holds "zz", which is no message; field 2 a message within a message.
        let bytes = [0x0a, 2, b'z', b'z', 0x12, 4, 0x0a, 2, 0x08, 1];
        assert_eq!(depth(&bytes, 10), 3);
    }

    #[test]
    fn truncated_bytes_end_the_count() {
        let whole = nested(40);
        for cut in 0..whole.len() {
            assert!(depth(&whole[..cut], 100) <= 40);
        }
    }
}
