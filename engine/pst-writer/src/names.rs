//! Named properties: the map from (property set, name or number) to property ids from 0x8000 up
//! ([MS-PST] 2.4.7).

use std::collections::BTreeMap;

use crate::bytes::{push_u16, push_u32, utf16};
use crate::crc::crc;
use crate::error::{Error, too_many};
use crate::value::{Properties, Value};

/// Names as users and mail programs make them up, in the file's byte order.
pub const PS_PUBLIC_STRINGS: [u8; 16] = [0x29, 0x03, 0x02, 0x00, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46];
/// Properties common to many kinds of items.
pub const PSETID_COMMON: [u8; 16] = outlook_set(0x08);
/// Properties of contacts.
pub const PSETID_ADDRESS: [u8; 16] = outlook_set(0x04);
/// Properties of appointments.
pub const PSETID_APPOINTMENT: [u8; 16] = outlook_set(0x02);
/// Properties of tasks.
pub const PSETID_TASK: [u8; 16] = outlook_set(0x03);

const PS_MAPI: [u8; 16] = [0x28, 0x03, 0x02, 0x00, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46];

const fn outlook_set(number: u8) -> [u8; 16] {
    [number, 0x20, 0x06, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46]
}

const FIRST_ID: u16 = 0x8000;
const LAST_ID: u16 = 0xFFFE;
const BUCKETS: u32 = 251;
const FIRST_BUCKET: u32 = 0x1000;

/// What a property is called within its property set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKey {
    /// A number, such as 0x8205.
    Number(u32),
    /// A name, such as `Keywords`.
    Name(String),
}

/// The named properties of an archive.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: BTreeMap<([u8; 16], NameKey), u16>,
    in_order: Vec<([u8; 16], NameKey)>,
}

impl Names {
    /// The property id that goes with a name; the same for every call.
    pub(crate) fn id(&mut self, set: [u8; 16], key: NameKey) -> Result<u16, Error> {
        if let Some(id) = self.ids.get(&(set, key.clone())) {
            return Ok(*id);
        }
        let limit = u64::from(LAST_ID - FIRST_ID) + 1;
        if self.in_order.len() as u64 >= limit {
            return Err(too_many("named properties", limit));
        }
        let id = FIRST_ID + self.in_order.len() as u16;
        self.ids.insert((set, key.clone()), id);
        self.in_order.push((set, key));
        Ok(id)
    }

    /// The map as properties of its node.
    pub(crate) fn to_properties(&self) -> Properties {
        let mut sets: Vec<[u8; 16]> = Vec::new();
        let mut entries = Vec::new();
        let mut strings = Vec::new();
        let mut buckets: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
        for (index, (set, key)) in self.in_order.iter().enumerate() {
            // 0 is no set; 1 and 2 are fixed; the others count through the list of sets.
            let set = if *set == PS_MAPI {
                1
            } else if *set == PS_PUBLIC_STRINGS {
                2
            } else {
                let known = sets.iter().position(|one| one == set);
                let place = known.unwrap_or_else(|| {
                    sets.push(*set);
                    sets.len() - 1
                });
                place as u16 + 3
            };
            let (in_entries, in_bucket, is_name) = match key {
                NameKey::Number(number) => (*number, *number, 0),
                NameKey::Name(name) => {
                    let offset = strings.len() as u32;
                    let text = utf16(name);
                    push_u32(&mut strings, text.len() as u32);
                    strings.extend_from_slice(&text);
                    strings.resize(strings.len().next_multiple_of(4), 0);
                    (offset, crc(&text), 1)
                }
            };
            let kind = (set << 1) | is_name;
            let bucket = (FIRST_BUCKET + (in_bucket ^ u32::from(kind)) % BUCKETS) as u16;
            for (out, number) in [(&mut entries, in_entries), (buckets.entry(bucket).or_default(), in_bucket)]
            {
                push_u32(out, number);
                push_u16(out, kind);
                push_u16(out, index as u16);
            }
        }
        let mut properties = Properties::new();
        properties.set(0x0001, Value::I32(BUCKETS as i32));
        properties.set(0x0002, Value::Binary(sets.concat()));
        properties.set(0x0003, Value::Binary(entries));
        properties.set(0x0004, Value::Binary(strings));
        for (bucket, bytes) in buckets {
            properties.set(bucket, Value::Binary(bytes));
        }
        properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_id() {
        let mut names = Names::default();
        let first = names.id(PSETID_TASK, NameKey::Number(0x8105)).unwrap();
        let second = names.id(PS_PUBLIC_STRINGS, NameKey::Name("Keywords".into())).unwrap();
        assert_eq!((first, second), (0x8000, 0x8001));
        assert_eq!(names.id(PSETID_TASK, NameKey::Number(0x8105)).unwrap(), first);
    }

    #[test]
    fn a_number_is_in_the_bucket_that_outlook_puts_it_in() {
        let mut names = Names::default();
        names.id(PSETID_APPOINTMENT, NameKey::Number(0x8205)).unwrap();
        let properties = names.to_properties();
        let entry = vec![0x05, 0x82, 0, 0, 6, 0, 0, 0];
        assert_eq!(properties.get(0x1097), Some(&Value::Binary(entry)));
    }
}
