//! Properties of the source as JSON.

use crate::body::decoded;
use crate::dates::utc;
use crate::model::Property;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postlode_format::id::to_hex;
use postlode_format::row::ArchivedProp;
use serde_json::{Value, json};

/// Longest value that is shown, in bytes; of a longer one only the length is told.
const MAX_VALUE: usize = 64 << 10;
/// Microseconds from 1601 to 1970.
const FILETIME_EPOCH_MICROS: i64 = 11_644_473_600_000_000;

/// A property as users see it.
pub fn property(prop: &ArchivedProp, codepage: u32) -> Property {
    let name = prop.name.as_ref().map(|name| match name.lid.as_ref() {
        Some(lid) => format!("{} {:#06x}", to_hex(&name.guid), lid.to_native()),
        None => format!("{} {}", to_hex(&name.guid), name.name),
    });
    let value_type = prop.value.value_type.to_native();
    let value = if prop.value.bytes.len() > MAX_VALUE {
        json!({ "bytes": prop.value.bytes.len() })
    } else {
        match value_type {
            0x1e | 0x1f => decoded(Some(&prop.value), codepage).map_or(Value::Null, Value::String),
            _ => fixed(value_type, &prop.value.bytes)
                .unwrap_or_else(|| json!({ "base64": STANDARD.encode(&prop.value.bytes) })),
        }
    };
    Property {
        id: format!("{:#06x}", prop.id.to_native()),
        name,
        value_type: format!("{value_type:#06x}"),
        value,
    }
}

/// Numbers, booleans and times.
fn fixed(value_type: u16, bytes: &[u8]) -> Option<Value> {
    let eight = || <[u8; 8]>::try_from(bytes).ok();
    Some(match value_type {
        0x02 => json!(i16::from_le_bytes(bytes.try_into().ok()?)),
        0x03 => json!(i32::from_le_bytes(bytes.try_into().ok()?)),
        0x05 | 0x07 => json!(f64::from_le_bytes(eight()?)),
        0x0b => json!(bytes.first()? != &0),
        0x14 => json!(i64::from_le_bytes(eight()?)),
        0x40 => {
            let micros = i64::try_from(u64::from_le_bytes(eight()?) / 10).ok()?;
            json!(utc(micros.checked_sub(FILETIME_EPOCH_MICROS)?)?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_fixed_size() {
        assert_eq!(fixed(0x03, &7i32.to_le_bytes()), Some(json!(7)));
        assert_eq!(fixed(0x0b, &[1, 0]), Some(json!(true)));
        assert_eq!(fixed(0x03, &[1]), None);
        assert_eq!(
            fixed(0x40, &116_444_736_000_000_000u64.to_le_bytes()),
            Some(json!("1970-01-01T00:00:00Z"))
        );
        assert_eq!(fixed(0x102, &[1]), None);
    }
}
