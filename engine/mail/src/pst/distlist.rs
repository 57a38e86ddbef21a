//! The members of a distribution list, as text to be read and searched. They are kept as one-off entry ids
//! ([MS-OXCDATA] 2.2.5.1) in a property of many values ([MS-OXOCNTC] 2.2.2.2.2).
//!
//! What always holds: a length or an offset is checked before it is believed; a member that is not understood is left
//! out of the text, and kept with the other properties.

use super::prop::{Props, RawProp};
use crate::codepage;

/// The property set of contacts.
const PSETID_ADDRESS: [u8; 16] =
    [0x04, 0x20, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46];
/// `PidLidDistributionListOneOffMembers`.
const ONE_OFF_MEMBERS: u32 = 0x8054;
/// `PtypMultipleBinary`.
const MULTIPLE_BINARY: u16 = 0x1102;
/// The provider of one-off entry ids.
const ONE_OFF: [u8; 16] =
    [0x81, 0x2b, 0x1f, 0xa4, 0xbe, 0xa3, 0x10, 0x19, 0x9d, 0x6e, 0x00, 0xdd, 0x01, 0x0f, 0x54, 0x02];
/// Strings of an entry id are in UTF-16LE.
const IN_UTF16: u16 = 0x8000;
/// Most members that are told.
const MAX_MEMBERS: usize = 10_000;

/// The members, one a line; `None` where there are none.
pub(super) fn members(props: &Props, page: u32) -> Option<String> {
    let prop = props.0.iter().find(|prop| is_members(prop))?;
    let lines: Vec<String> =
        values(&prop.value).take(MAX_MEMBERS).filter_map(|value| member(value, page)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn is_members(prop: &RawProp) -> bool {
    let name = prop.name.as_deref();
    prop.kind == MULTIPLE_BINARY
        && name.is_some_and(|name| name.guid == PSETID_ADDRESS && name.lid == Some(ONE_OFF_MEMBERS))
}

/// The values of a property of many: their number, where each begins, the values, [MS-PST] 2.3.3.4.2.
fn values(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let number =
        |bytes: &[u8]| bytes.first_chunk::<4>().and_then(|b| usize::try_from(u32::from_le_bytes(*b)).ok());
    let count = number(bytes).unwrap_or(0);
    let starts = bytes.get(4..).unwrap_or_default();
    let starts = starts.get(..count.saturating_mul(4)).unwrap_or_default();
    let start = move |n: usize| starts.get(n.saturating_mul(4)..).and_then(number);
    (0..starts.len() / 4).filter_map(move |n| {
        let end = start(n.saturating_add(1)).unwrap_or(bytes.len());
        bytes.get(start(n)?..end)
    })
}

/// `Name <address>` out of a one-off entry id.
fn member(entry: &[u8], page: u32) -> Option<String> {
    let rest = entry.get(4..)?.strip_prefix(&ONE_OFF)?;
    let (flags, strings) = rest.get(2..)?.split_first_chunk::<2>()?;
    let texts: Vec<String> = if u16::from_le_bytes(*flags) & IN_UTF16 != 0 {
        let units: Vec<u16> =
            strings.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        units.split(|unit| *unit == 0).take(3).map(String::from_utf16_lossy).collect()
    } else {
        strings.split(|byte| *byte == 0).take(3).map(|text| codepage::decode(page, text)).collect()
    };
    let [name, _kind, address] = texts.try_into().ok()?;
    match (name.trim(), address.trim()) {
        ("", "") => None,
        (name, "") => Some(name.to_owned()),
        ("", address) => Some(address.to_owned()),
        (name, address) if name == address => Some(name.to_owned()),
        (name, address) => Some(format!("{name} <{address}>")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postlode_format::row::PropName;
    use proptest::prelude::*;
    use std::rc::Rc;

    fn list(value: Vec<u8>) -> Props {
        let name = PropName { guid: PSETID_ADDRESS, lid: Some(ONE_OFF_MEMBERS), name: String::new() };
        Props(vec![RawProp { id: 0x8001, kind: MULTIPLE_BINARY, name: Some(Rc::new(name)), value }])
    }

    fn entry(flags: u16, strings: Vec<u8>) -> Vec<u8> {
        [&[0; 4][..], &ONE_OFF, &[0; 2], &flags.to_le_bytes(), &strings].concat()
    }

    fn many(values: &[Vec<u8>]) -> Vec<u8> {
        let mut at = u32::try_from(4 + 4 * values.len()).unwrap();
        let mut out = u32::try_from(values.len()).unwrap().to_le_bytes().to_vec();
        for value in values {
            out.extend(at.to_le_bytes());
            at += u32::try_from(value.len()).unwrap();
        }
        values.iter().for_each(|value| out.extend(value));
        out
    }

    #[test]
    fn members_are_told_by_name_and_address() {
        let wide = "Jörn B\0SMTP\0joern@example.org\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let narrow = b"Ann\0SMTP\0ann@example.org\0".to_vec();
        let same = b"bob@example.org\0SMTP\0bob@example.org\0".to_vec();
        let values = many(&[entry(IN_UTF16, wide), entry(0, narrow), vec![1, 2, 3], entry(0, same)]);
        let text = members(&list(values), 1252).unwrap();
        assert_eq!(text, "Jörn B <joern@example.org>\nAnn <ann@example.org>\nbob@example.org");
        assert_eq!(members(&Props::default(), 1252), None);
        assert_eq!(members(&list(u32::MAX.to_le_bytes().to_vec()), 1252), None);
    }

    proptest! {
        #[test]
        fn any_value_is_looked_at(value: Vec<u8>, page: u32) {
            let _ = members(&list(value), page);
        }
    }
}
