//! What a mail's text is made of: new text, quotes, signature, footer.
//!
//! What always holds: what is decoded lies in the text it is of: ends ascend, the last one is the text's length, and each
//! is at a character's beginning.

use super::{ArchivedExtra, Extra, extra};

/// What a part of a text is. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PartKind {
    /// What its author wrote.
    New = 0,
    /// What he quotes or forwards.
    Quoted = 1,
    /// His signature.
    Signature = 2,
    /// What a mailing list adds.
    Footer = 3,
}

/// The parts of a text as an extra of its body. `None` where all of it is new, which needs no saying.
#[must_use]
pub fn parts_extra(parts: impl IntoIterator<Item = (u32, PartKind)>) -> Option<Extra> {
    let mut bytes = Vec::new();
    let mut all_new = true;
    for (end, kind) in parts {
        all_new &= kind == PartKind::New;
        bytes.extend_from_slice(&end.to_le_bytes());
        bytes.push(kind as u8);
    }
    (!all_new).then_some(Extra { number: extra::TEXT_PARTS, bytes })
}

/// The parts of a text, each with its kind; all of it as new where nothing else is kept or what is kept does not fit.
#[must_use]
pub fn text_parts<'t>(text: &'t str, extras: &[ArchivedExtra]) -> Vec<(PartKind, &'t str)> {
    let kept = extras.iter().find(|kept| kept.number == extra::TEXT_PARTS);
    kept.and_then(|kept| fitting(text, &kept.bytes)).unwrap_or_else(|| vec![(PartKind::New, text)])
}

fn fitting<'t>(text: &'t str, bytes: &[u8]) -> Option<Vec<(PartKind, &'t str)>> {
    let mut parts = Vec::with_capacity(bytes.len() / 5);
    let mut start = 0;
    let (kept, []) = bytes.as_chunks::<5>() else { return None };
    for [a, b, c, d, kind] in kept {
        let end = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).ok()?;
        let kind = match kind {
            0 => PartKind::New,
            1 => PartKind::Quoted,
            2 => PartKind::Signature,
            3 => PartKind::Footer,
            _ => return None,
        };
        parts.push((kind, text.get(start..end)?));
        start = end;
    }
    (start == text.len()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, extra: Option<Extra>) -> Vec<(PartKind, String)> {
        let extras: Vec<Extra> = extra.into_iter().collect();
        let bytes = rkyv::to_bytes::<rkyv::rancor::Error>(&extras).unwrap();
        let extras = rkyv::access::<rkyv::Archived<Vec<Extra>>, rkyv::rancor::Error>(&bytes).unwrap();
        text_parts(text, extras).into_iter().map(|(kind, text)| (kind, text.to_owned())).collect()
    }

    #[test]
    fn parts_come_back_and_what_does_not_fit_is_not_believed() {
        let extra = parts_extra([(3, PartKind::New), (7, PartKind::Quoted)]);
        let parts = [(PartKind::New, "né".to_owned()), (PartKind::Quoted, "> é".to_owned())];
        assert_eq!(read("né> é", extra.clone()), parts);
        let whole = |text: &str| [(PartKind::New, text.to_owned())];
        assert_eq!(read("nés> é", extra.clone()), whole("nés> é"), "too short");
        assert_eq!(read("abé>é", extra.clone()), whole("abé>é"), "inside a character");
        assert_eq!(read("", extra), whole(""), "too long");
        assert_eq!(parts_extra([(9, PartKind::New)]), None);
        let odd = Extra { number: extra::TEXT_PARTS, bytes: vec![3, 0, 0, 0, 9] };
        assert_eq!(read("abc", Some(odd)), whole("abc"), "no such kind");
        let back = parts_extra([(3, PartKind::New), (2, PartKind::Quoted), (3, PartKind::New)]);
        assert_eq!(read("abc", back), whole("abc"), "backwards");
    }
}
