//! What mending a file would cost. The parser mends a file whose table is wrong by trying to read an object wherever
//! one could begin. Objects that begin within each other make that quadratic, and the parser cannot be interrupted.
//!
//! What always holds: the bytes that such attempts would look at are counted by skipping as the parser skips, and a
//! file in which they are many times its size is refused before the parser sees it.

use crate::meter::{Fail, Meter};
use memchr::memmem;

/// Bytes looked at that are not counted.
const FREE: usize = 64 << 20;
/// How many times the size of the file may be looked at.
const TIMES: usize = 8;
/// Depth at which the parser gives up.
const DEPTH: usize = 512;

pub(super) fn check(file: &[u8], meter: &Meter<'_>) -> Result<(), Fail> {
    let most = file.len().saturating_mul(TIMES).saturating_add(FREE);
    let mut left = most;
    let mut count = |cost: usize| match left.checked_sub(cost) {
        Some(rest) => {
            left = rest;
            meter.time()
        }
        None => Err(Fail::Refused("its objects lie within each other".to_owned())),
    };
    for at in memmem::find_iter(file, b"<<") {
        count(extent(file.get(at..).unwrap_or_default()))?;
    }
    for at in memmem::find_iter(file, b"obj") {
        let rest = file.get(at.saturating_add(3)..).unwrap_or_default();
        if matches!(rest.trim_ascii_start().first(), Some(b'(' | b'[' | b'%')) {
            count(extent(rest))?;
        }
    }
    // Streams of objects are read to their end, which is looked for from each of them.
    for at in memmem::find_iter(file, b"ObjStm") {
        let rest = file.get(at..).unwrap_or_default();
        count(memmem::find(rest, b"endstream").unwrap_or(rest.len()))?;
    }
    Ok(())
}

/// Bytes that an object takes, or that are looked at until it turns out to be none.
fn extent(bytes: &[u8]) -> usize {
    let mut open = Vec::new();
    let mut rest = bytes;
    loop {
        let Some((first, after)) = rest.split_first() else { return bytes.len() };
        let left = match first {
            0 | 9 | 10 | 12 | 13 | 32 => {
                rest = after;
                continue;
            }
            b'%' => {
                rest = after
                    .get(memchr::memchr2(b'\n', b'\r', after).unwrap_or(after.len())..)
                    .unwrap_or_default();
                continue;
            }
            b'<' if after.first() == Some(&b'<') => {
                open.push(b'>');
                after.get(1..)
            }
            b'[' => {
                open.push(b']');
                Some(after)
            }
            b'>' if open.last() == Some(&b'>') && after.first() == Some(&b'>') => {
                open.pop();
                after.get(1..)
            }
            b']' if open.last() == Some(&b']') => {
                open.pop();
                Some(after)
            }
            b'<' => {
                let end =
                    after.iter().position(|b| !b.is_ascii_hexdigit() && !b.is_ascii_whitespace() && *b != 0);
                let end = end.unwrap_or(after.len());
                after.get(end..).and_then(|left| left.strip_prefix(b">"))
            }
            b'(' => string(after),
            b'/' => Some(word(after)),
            b'>' | b']' | b')' | b'{' | b'}' => None,
            b'n' | b't' | b'f' if !known(rest) => None,
            _ => Some(word(rest)),
        };
        match left {
            Some(left) if !open.is_empty() && open.len() < DEPTH => rest = left,
            Some(left) => return bytes.len().saturating_sub(left.len()),
            None if *first == b'(' => return bytes.len(),
            None => return bytes.len().saturating_sub(after.len()),
        }
    }
}

fn known(bytes: &[u8]) -> bool {
    [&b"null"[..], b"true", b"false"].iter().any(|word| bytes.starts_with(word))
}

fn word(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|b| matches!(b, 0 | 9 | 10 | 12 | 13 | 32) || b"()<>[]{}/%".contains(b));
    bytes.get(end.unwrap_or(bytes.len())..).unwrap_or_default()
}

fn string(bytes: &[u8]) -> Option<&[u8]> {
    let (mut depth, mut rest) = (1_u32, bytes);
    while depth > 0 {
        let at = memchr::memchr3(b'(', b')', b'\\', rest)?;
        let skipped = match rest.get(at)? {
            b'(' => {
                depth = depth.saturating_add(1);
                1
            }
            b')' => {
                depth = depth.saturating_sub(1);
                1
            }
            _ => 2,
        };
        rest = rest.get(at.checked_add(skipped)?..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn objects_end_where_they_end() {
        for (object, rest) in [
            ("<</A(x)/B[1 2 0 R]/C<</D<ab>>>>>", " endobj"),
            ("[null true (a(b)\\))]", "]"),
            ("(x)", "y"),
            (" % c\n (x)", "y"),
            ("<</A)", ">>"),
        ] {
            assert_eq!(extent(format!("{object}{rest}").as_bytes()), object.len(), "{object}");
        }
        assert_eq!(extent(b"<</A(xyz"), 8);
    }

    #[test]
    fn objects_within_each_other_are_refused() {
        let limits = Limits::default();
        let costs = |file: &str| check(file.as_bytes(), &Meter::new(&limits)).is_err();
        for piece in
            ["1 0 obj <</A(", "<</A% ", "1 0 obj (", "<</A 1 ", "1 0 obj%", "<</Type/ObjStm>>stream "]
        {
            assert!(costs(&piece.repeat(50_000)), "{piece}");
        }
        assert!(!costs(&"1 0 obj <</A(x)/B<</C 1>>>> endobj ".repeat(50_000)));
        assert!(!costs(&"<</Type/ObjStm>>stream endstream ".repeat(50_000)));
    }
}
