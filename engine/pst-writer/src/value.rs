//! Property values and their encoding ([MS-PST] 2.3.3, [MS-OXCDATA] 2.11).

use std::collections::BTreeMap;

use crate::bytes::push_u32;
use crate::format::Format;

/// A time as the format keeps it: 100-nanosecond steps since 1601-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(pub u64);

impl FileTime {
    /// Seconds from 1601 to 1970.
    const TO_UNIX: i64 = 11_644_473_600;

    /// The time `seconds` after 1970-01-01 00:00 UTC; times before 1601 become 1601.
    pub fn from_unix(seconds: i64) -> Self {
        Self(seconds.saturating_add(Self::TO_UNIX).max(0).unsigned_abs().saturating_mul(10_000_000))
    }
}

/// The value of a property, with its type.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// PtypInteger16.
    I16(i16),
    /// PtypInteger32.
    I32(i32),
    /// PtypInteger64.
    I64(i64),
    /// PtypFloating64.
    F64(f64),
    /// PtypBoolean.
    Bool(bool),
    /// PtypTime.
    Time(FileTime),
    /// PtypGuid, in the byte order of the file.
    Guid([u8; 16]),
    /// PtypString, written as UTF-16; PtypString8 in ANSI archives.
    Str(String),
    /// PtypBinary.
    Binary(Vec<u8>),
    /// PtypMultipleInteger32.
    MvI32(Vec<i32>),
    /// PtypMultipleString; PtypMultipleString8 in ANSI archives.
    MvStr(Vec<String>),
    /// PtypMultipleBinary.
    MvBinary(Vec<Vec<u8>>),
    /// Any other type, by its number, with its bytes as they go to the file.
    Raw {
        /// The property type, such as 0x001E for PtypString8.
        kind: u16,
        /// The value as [MS-PST] lays it out.
        bytes: Vec<u8>,
    },
}

/// Property types whose values stand in four bytes of a property context.
const SMALL: [u16; 5] = [0x0002, 0x0003, 0x0004, 0x000A, 0x000B];

/// Bytes of a table cell of type `kind`: the value itself, or a reference to it.
pub(crate) fn cell_width(kind: u16) -> usize {
    match kind {
        0x000B => 1,
        0x0002 => 2,
        0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => 8,
        _ => 4,
    }
}

/// Whether a table cell of type `kind` refers to its value.
pub(crate) fn cell_is_reference(kind: u16) -> bool {
    cell_width(kind) == 4 && !SMALL.contains(&kind)
}

impl Value {
    /// The property type's number, in Unicode archives.
    pub fn kind(&self) -> u16 {
        match self {
            Value::I16(_) => 0x0002,
            Value::I32(_) => 0x0003,
            Value::I64(_) => 0x0014,
            Value::F64(_) => 0x0005,
            Value::Bool(_) => 0x000B,
            Value::Time(_) => 0x0040,
            Value::Guid(_) => 0x0048,
            Value::Str(_) => 0x001F,
            Value::Binary(_) => 0x0102,
            Value::MvI32(_) => 0x1003,
            Value::MvStr(_) => 0x101F,
            Value::MvBinary(_) => 0x1102,
            Value::Raw { kind, .. } => *kind,
        }
    }

    /// The value's bytes in the file, whichever place they go to.
    pub(crate) fn encode(&self, format: Format) -> Vec<u8> {
        match self {
            Value::I16(value) => value.to_le_bytes().to_vec(),
            Value::I32(value) => value.to_le_bytes().to_vec(),
            Value::I64(value) => value.to_le_bytes().to_vec(),
            Value::F64(value) => value.to_le_bytes().to_vec(),
            Value::Bool(value) => vec![u8::from(*value)],
            Value::Time(value) => value.0.to_le_bytes().to_vec(),
            Value::Guid(value) => value.to_vec(),
            Value::Str(value) => format.text(value),
            Value::Binary(value) => value.clone(),
            Value::MvI32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Value::MvStr(values) => {
                encode_many(&values.iter().map(|value| format.text(value)).collect::<Vec<_>>())
            }
            Value::MvBinary(values) => encode_many(values),
            Value::Raw { bytes, .. } => bytes.clone(),
        }
    }

    /// Whether a property context holds the value itself and no reference to it.
    pub(crate) fn is_small(&self) -> bool {
        SMALL.contains(&self.kind())
    }

    /// Bytes the value takes, for the sizes that messages tell of themselves.
    fn byte_len(&self) -> usize {
        match self {
            Value::Str(value) => value.len() * 2,
            Value::Binary(value) => value.len(),
            Value::Raw { bytes, .. } => bytes.len(),
            Value::MvStr(values) => values.iter().map(|value| value.len() * 2).sum(),
            Value::MvBinary(values) => values.iter().map(Vec::len).sum(),
            Value::MvI32(values) => values.len() * 4,
            _ => 8,
        }
    }
}

/// Multiple values of varying length: their count, the offset of each, then the values.
fn encode_many(values: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    push_u32(&mut out, values.len() as u32);
    let mut offset = 4 + 4 * values.len();
    for value in values {
        push_u32(&mut out, offset as u32);
        offset += value.len();
    }
    for value in values {
        out.extend_from_slice(value);
    }
    out
}

/// The properties of an object, by property id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties(BTreeMap<u16, Value>);

impl Properties {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets property `id`, replacing what it was, whatever its type.
    pub fn set(&mut self, id: u16, value: Value) -> &mut Self {
        self.0.insert(id, value);
        self
    }

    /// Sets a string property.
    pub fn set_str(&mut self, id: u16, value: impl Into<String>) -> &mut Self {
        self.set(id, Value::Str(value.into()))
    }

    /// The value of property `id`.
    pub fn get(&self, id: u16) -> Option<&Value> {
        self.0.get(&id)
    }

    /// Takes property `id` away.
    pub fn remove(&mut self, id: u16) -> Option<Value> {
        self.0.remove(&id)
    }

    /// All properties in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &Value)> {
        self.0.iter().map(|(id, value)| (*id, value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes away those whose id does not satisfy `keep`.
    pub(crate) fn retain(&mut self, keep: impl Fn(u16) -> bool) {
        self.0.retain(|id, _| keep(*id));
    }

    /// Sets every property of `other`.
    pub(crate) fn extend(&mut self, other: Properties) {
        self.0.extend(other.0);
    }

    /// About how many bytes the values take.
    pub(crate) fn byte_len(&self) -> u64 {
        self.0.values().map(|value| value.byte_len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_1601() {
        assert_eq!(FileTime::from_unix(0).0, 116_444_736_000_000_000);
        assert_eq!(FileTime::from_unix(i64::MIN).0, 0);
    }

    #[test]
    fn many_strings_have_offsets_from_their_start() {
        let value = Value::MvStr(vec!["a".into(), "bc".into()]);
        assert_eq!(
            value.encode(Format::Unicode),
            [2, 0, 0, 0, 12, 0, 0, 0, 14, 0, 0, 0, 97, 0, 98, 0, 99, 0]
        );
    }

    #[test]
    fn cells_refer_to_what_has_no_fixed_small_width() {
        for (kind, width, reference) in
            [(0x1F, 4, true), (0x03, 4, false), (0x0B, 1, false), (0x40, 8, false), (0x48, 4, true)]
        {
            assert_eq!((cell_width(kind), cell_is_reference(kind)), (width, reference), "{kind:#x}");
        }
    }
}
