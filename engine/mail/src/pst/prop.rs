//! Properties as they are in the archive: id, type, bytes, and the name of those that have one.
//!
//! What always holds: bytes are the source's own. A property that could not be read is not left out in silence: a
//! [`Note`] says which and why.

use super::error::PstError;
use super::ffi::{Item, RecordSet};
use super::limits::{MAX_ENTRIES, MAX_NAME, MAX_NAMES, MAX_PROPERTY};
use crate::codepage;
use postlode_format::row::PropName;
use std::collections::HashMap;
use std::rc::Rc;

/// Property types of [MS-OXCDATA] 2.11.1 that are looked into.
pub mod kind {
    /// 16-bit integer.
    pub const I16: u16 = 0x0002;
    /// 32-bit integer.
    pub const I32: u16 = 0x0003;
    /// Boolean.
    pub const BOOL: u16 = 0x000b;
    /// Embedded object.
    pub const OBJECT: u16 = 0x000d;
    /// 64-bit integer.
    pub const I64: u16 = 0x0014;
    /// String in the item's code page.
    pub const STRING8: u16 = 0x001e;
    /// String in UTF-16LE.
    pub const UNICODE: u16 = 0x001f;
    /// 100 ns since 1601 UTC.
    pub const TIME: u16 = 0x0040;
    /// Bytes.
    pub const BINARY: u16 = 0x0102;
}

/// One property as it is in the archive.
#[derive(Debug, Clone, PartialEq)]
pub struct RawProp {
    /// Property id, the upper half of a MAPI tag.
    pub id: u16,
    /// Property type, the lower half of a MAPI tag.
    pub kind: u16,
    /// Its name, for ids from 0x8000 up that the archive's map knows.
    pub name: Option<Rc<PropName>>,
    /// The value.
    pub value: Vec<u8>,
}

/// Something that could not be read, while the rest could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Failure code.
    pub code: &'static str,
    /// What was being read.
    pub stage: String,
    /// The reason as libpff or the limit gave it.
    pub reason: String,
}

impl Note {
    /// A note that `stage` failed with `error`.
    #[must_use]
    pub fn new(stage: impl Into<String>, error: &PstError) -> Self {
        Self { code: error.code(), stage: stage.into(), reason: error.to_string() }
    }
}

/// The properties of one record set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Props(pub Vec<RawProp>);

impl Props {
    /// The first property with this id.
    #[must_use]
    pub fn get(&self, id: u16) -> Option<&RawProp> {
        self.0.iter().find(|p| p.id == id)
    }

    /// A 16- or 32-bit integer.
    #[must_use]
    pub fn int(&self, id: u16) -> Option<i32> {
        let prop = self.get(id)?;
        match prop.kind {
            kind::I32 => prop.value.first_chunk().map(|b| i32::from_le_bytes(*b)),
            kind::I16 => prop.value.first_chunk().map(|b| i32::from(i16::from_le_bytes(*b))),
            _ => None,
        }
    }

    /// A boolean.
    #[must_use]
    pub fn flag(&self, id: u16) -> Option<bool> {
        self.get(id).filter(|p| p.kind == kind::BOOL).and_then(|p| p.value.first()).map(|b| *b != 0)
    }

    /// A time, in 100 ns since 1601 UTC. Zero is no time.
    #[must_use]
    pub fn time(&self, id: u16) -> Option<u64> {
        let prop = self.get(id).filter(|p| p.kind == kind::TIME)?;
        prop.value.first_chunk().map(|b| u64::from_le_bytes(*b)).filter(|t| *t != 0)
    }

    /// Bytes.
    #[must_use]
    pub fn bytes(&self, id: u16) -> Option<&[u8]> {
        self.get(id).filter(|p| p.kind == kind::BINARY).map(|p| p.value.as_slice())
    }

    /// A string, decoded; 8-bit strings are in `codepage`. Without closing zeros.
    #[must_use]
    pub fn text(&self, id: u16, codepage: u32) -> Option<String> {
        self.get(id).and_then(|p| text_of(p.kind, &p.value, codepage))
    }
}

/// Decodes a string property.
#[must_use]
pub fn text_of(kind: u16, value: &[u8], codepage: u32) -> Option<String> {
    let mut text = match kind {
        kind::UNICODE => codepage::utf16le(value),
        kind::STRING8 => codepage::decode(codepage, value),
        _ => return None,
    };
    text.truncate(text.trim_end_matches('\0').len());
    Some(text)
}

/// Reads properties of one item until its budget of bytes is used up.
pub(super) struct PropReader<'n> {
    pub(super) names: &'n NameMap,
    pub(super) left: u64,
    pub(super) notes: Vec<Note>,
}

impl PropReader<'_> {
    /// All properties of an item's record sets but those whose id is in `skip`.
    pub(super) fn item(&mut self, item: &Item<'_>, skip: &[u16], stage: &str) -> Vec<Props> {
        let sets = match item.record_sets() {
            Ok(sets) => sets,
            Err(error) => {
                self.notes.push(Note::new(stage, &error));
                return Vec::new();
            }
        };
        let mut all = Vec::with_capacity(sets.min(64));
        for index in 0..sets {
            match item.record_set(index) {
                Ok(set) => all.push(self.set(&set, skip, stage)),
                Err(error) => {
                    self.notes.push(Note::new(stage, &error));
                    all.push(Props::default());
                }
            }
        }
        all
    }

    /// All properties of one record set.
    pub(super) fn set(&mut self, set: &RecordSet<'_>, skip: &[u16], stage: &str) -> Props {
        let mut props = Props::default();
        let entries = match set.entries() {
            Ok(entries) => entries,
            Err(error) => {
                self.notes.push(Note::new(stage, &error));
                return props;
            }
        };
        if entries > MAX_ENTRIES {
            let limit = MAX_ENTRIES as u64;
            let error = PstError::Limit { what: "number of properties", have: entries as u64, limit };
            self.notes.push(Note::new(stage, &error));
        }
        props.0.reserve(entries.min(256));
        for index in 0..entries.min(MAX_ENTRIES) {
            if let Err((id, error)) = self.entry(set, index, skip, &mut props) {
                let stage = match id {
                    Some(id) => format!("{stage}: property 0x{id:04x}"),
                    None => format!("{stage}: property number {index}"),
                };
                self.notes.push(Note::new(stage, &error));
            }
        }
        props
    }

    fn entry(
        &mut self,
        set: &RecordSet<'_>,
        index: usize,
        skip: &[u16],
        props: &mut Props,
    ) -> Result<(), (Option<u32>, PstError)> {
        let entry = set.entry(index).map_err(|e| (None, e))?;
        let (id, kind) = entry.tag().map_err(|e| (None, e))?;
        let malformed = |what| (Some(id), PstError::Missing { what });
        let short = u16::try_from(id).map_err(|_| malformed("property id of 16 bits"))?;
        let kind = u16::try_from(kind).map_err(|_| malformed("property type of 16 bits"))?;
        if skip.contains(&short) {
            return Ok(());
        }
        let value = entry.data(MAX_PROPERTY.min(self.left)).map_err(|e| (Some(id), e))?;
        self.left = self.left.saturating_sub(value.len() as u64);
        props.0.push(RawProp { id: short, kind, name: self.names.get(short), value });
        Ok(())
    }
}

/// The archive's map of named properties: which name stands behind an id from 0x8000 up.
#[derive(Debug, Default)]
pub(super) struct NameMap {
    names: HashMap<u16, Rc<PropName>>,
}

/// Property sets that the map names by number: PS_MAPI and PS_PUBLIC_STRINGS, [MS-OXPROPS] 1.3.2.
const PS_MAPI: [u8; 16] =
    [0x28, 0x03, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46];
const PS_PUBLIC_STRINGS: [u8; 16] =
    [0x29, 0x03, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46];

impl NameMap {
    /// Reads the map from its streams, [MS-PST] 2.4.7: property sets, entries of 8 bytes, and strings. What does not
    /// fit is left out: an id without a name is still an id.
    pub(super) fn parse(sets: &[u8], entries: &[u8], strings: &[u8]) -> Self {
        let mut names = HashMap::new();
        for entry in entries.chunks_exact(8).take(MAX_NAMES) {
            let &[n0, n1, n2, n3, g0, g1, i0, i1] = entry else { continue };
            let number = u32::from_le_bytes([n0, n1, n2, n3]);
            let set = u16::from_le_bytes([g0, g1]);
            let Some(id) = u16::from_le_bytes([i0, i1]).checked_add(0x8000) else { continue };
            let guid = match set >> 1 {
                0 => [0; 16],
                1 => PS_MAPI,
                2 => PS_PUBLIC_STRINGS,
                n => {
                    let start = usize::from(n).saturating_sub(3).saturating_mul(16);
                    match sets.get(start..).and_then(|rest| rest.first_chunk::<16>()) {
                        Some(guid) => *guid,
                        None => continue,
                    }
                }
            };
            let name = if set & 1 == 0 {
                PropName { guid, lid: Some(number), name: String::new() }
            } else {
                match string(strings, number) {
                    Some(name) => PropName { guid, lid: None, name },
                    None => continue,
                }
            };
            names.insert(id, Rc::new(name));
        }
        Self { names }
    }

    fn get(&self, id: u16) -> Option<Rc<PropName>> {
        if id < 0x8000 { None } else { self.names.get(&id).cloned() }
    }
}

/// A name in the stream of strings: its length in bytes, then UTF-16LE.
fn string(strings: &[u8], offset: u32) -> Option<String> {
    let rest = strings.get(usize::try_from(offset).ok()?..)?;
    let length = usize::try_from(u32::from_le_bytes(*rest.first_chunk()?)).ok()?;
    if length > MAX_NAME {
        return None;
    }
    Some(codepage::utf16le(rest.get(4..)?.get(..length)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_found_by_id() {
        let mut strings = vec![4, 0, 0, 0];
        strings.extend_from_slice(&[b'a', 0, b'b', 0]);
        let entries =
            [[5, 0x82, 0, 0, 6, 0, 0, 0], [0, 0, 0, 0, 5, 0, 1, 0], [9, 0, 0, 0, 8, 0, 2, 0]].concat();
        let map = NameMap::parse(&[7; 16], &entries, &strings);
        assert_eq!(map.get(0x8000).unwrap().lid, Some(0x8205));
        assert_eq!(map.get(0x8000).unwrap().guid, [7; 16]);
        assert_eq!(map.get(0x8001).unwrap().name, "ab");
        assert_eq!(map.get(0x8001).unwrap().guid, PS_PUBLIC_STRINGS);
        assert_eq!(map.get(0x8002), None);
        assert_eq!(map.get(0x37), None);
    }

    proptest! {
        #[test]
        fn any_map_is_read(sets: Vec<u8>, entries: Vec<u8>, strings: Vec<u8>) {
            NameMap::parse(&sets, &entries, &strings);
        }

        #[test]
        fn any_value_is_looked_at(id: u16, kind: u16, value: Vec<u8>, page: u32) {
            let props = Props(vec![RawProp { id, kind, name: None, value }]);
            let _ = (props.int(id), props.flag(id), props.time(id), props.bytes(id), props.text(id, page));
        }
    }
}
