//! Recipients and attachment descriptions are tables in the source; they are kept as one property each, so that every
//! property of every row survives.
//!
//! ```text
//! table: rows u32, then each row
//! row:   properties u32, then each property
//! property: id u16, type u16, name u8 (0 none, 1 number, 2 string),
//!           [property set 16 bytes, then number u32, or length u32 and UTF-8], length u32, value
//! ```
//! Numbers are little-endian. The property has the id of [MS-OXPROPS] for the table and the type of an object.

use super::prop::{Props, RawProp, kind};
use postlode_format::row::{Prop, PropName, Raw, RawEncoding};
use std::rc::Rc;

/// Keeps the rows of a table as a property; `None` where there are no rows.
#[must_use]
pub fn keep<'r>(id: u16, rows: impl ExactSizeIterator<Item = &'r Props>) -> Option<Prop> {
    if rows.len() == 0 {
        return None;
    }
    let mut out = Vec::new();
    put(&mut out, rows.len());
    for row in rows {
        put(&mut out, row.0.len());
        for prop in &row.0 {
            out.extend_from_slice(&prop.id.to_le_bytes());
            out.extend_from_slice(&prop.kind.to_le_bytes());
            match prop.name.as_deref() {
                None => out.push(0),
                Some(PropName { guid, lid: Some(number), .. }) => {
                    out.push(1);
                    out.extend_from_slice(guid);
                    out.extend_from_slice(&number.to_le_bytes());
                }
                Some(PropName { guid, lid: None, name }) => {
                    out.push(2);
                    out.extend_from_slice(guid);
                    put(&mut out, name.len());
                    out.extend_from_slice(name.as_bytes());
                }
            }
            put(&mut out, prop.value.len());
            out.extend_from_slice(&prop.value);
        }
    }
    Some(Prop {
        id,
        name: None,
        value: Raw { encoding: RawEncoding::Verbatim, value_type: kind::OBJECT, bytes: out },
    })
}

fn put(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// Reads the rows back; `None` where the bytes are no such table.
#[must_use]
pub fn rows(bytes: &[u8]) -> Option<Vec<Props>> {
    let mut input = Input(bytes);
    let count = input.length()?;
    let mut rows = Vec::new();
    for _ in 0..count {
        let mut props = Vec::new();
        for _ in 0..input.length()? {
            props.push(input.prop()?);
        }
        rows.push(Props(props));
    }
    input.0.is_empty().then_some(rows)
}

struct Input<'b>(&'b [u8]);

impl<'b> Input<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn prop(&mut self) -> Option<RawProp> {
        let id = u16::from_le_bytes(self.array()?);
        let kind = u16::from_le_bytes(self.array()?);
        let name = match self.array()? {
            [0] => None,
            [1] => Some(PropName {
                guid: self.array()?,
                lid: Some(u32::from_le_bytes(self.array()?)),
                name: String::new(),
            }),
            [2] => {
                let guid = self.array()?;
                let length = self.length()?;
                let name = core::str::from_utf8(self.take(length)?).ok()?.to_owned();
                Some(PropName { guid, lid: None, name })
            }
            _ => return None,
        };
        let length = self.length()?;
        Some(RawProp { id, kind, name: name.map(Rc::new), value: self.take(length)?.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prop() -> impl Strategy<Value = RawProp> {
        let name = prop_oneof![
            Just(None),
            (any::<[u8; 16]>(), any::<u32>()).prop_map(|(guid, n)| Some(PropName {
                guid,
                lid: Some(n),
                name: String::new()
            })),
            (any::<[u8; 16]>(), any::<String>()).prop_map(|(guid, name)| Some(PropName {
                guid,
                lid: None,
                name
            })),
        ];
        (any::<u16>(), any::<u16>(), name, any::<Vec<u8>>()).prop_map(|(id, kind, name, value)| RawProp {
            id,
            kind,
            name: name.map(Rc::new),
            value,
        })
    }

    proptest! {
        #[test]
        fn tables_round_trip(table in proptest::collection::vec(proptest::collection::vec(prop(), 0..4), 1..4)) {
            let table: Vec<Props> = table.into_iter().map(Props).collect();
            let kept = keep(0x0e12, table.iter()).unwrap();
            prop_assert_eq!(rows(&kept.value.original()), Some(table));
        }

        #[test]
        fn any_bytes_are_a_table_or_none(bytes: Vec<u8>) {
            let _ = rows(&bytes);
        }
    }

    #[test]
    fn a_count_that_is_not_there_costs_nothing() {
        assert_eq!(rows(&[0xff, 0xff, 0xff, 0xff]), None);
        // So many empty rows take no bytes to claim, so each needs its count to be there.
        assert_eq!(rows(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), None);
    }
}
