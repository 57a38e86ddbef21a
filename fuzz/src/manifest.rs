//! Manifests.

use postlode_format::manifest::{HEADER, Manifest, file_name, number_of};

/// Decodes the bytes as a manifest: as they are, and with length and checksum made right.
pub fn target(data: &[u8]) {
    let data = data.get(..data.len().min(crate::MAX_INPUT)).unwrap_or_default();
    decode(data);
    decode(&reseal(data));
}

/// The number that the bytes claim.
fn claimed(data: &[u8]) -> u64 {
    data.get(16..24).and_then(|b| b.first_chunk::<8>()).map_or(0, |b| u64::from_le_bytes(*b))
}

/// The bytes with length and checksum made right.
#[must_use]
pub fn reseal(data: &[u8]) -> Vec<u8> {
    let Some((header, payload)) = data.split_first_chunk::<HEADER>() else { return data.to_vec() };
    let (magic, number) = (header.get(..12).unwrap_or_default(), header.get(16..24).unwrap_or_default());
    let length = (payload.len() as u64).to_le_bytes();
    let mut hasher = crc32fast::Hasher::new();
    [number, &length, payload].iter().for_each(|part| hasher.update(part));
    [magic, &hasher.finalize().to_le_bytes(), number, &length, payload].concat()
}

fn decode(data: &[u8]) {
    let number = claimed(data);
    assert_eq!(number_of(&file_name(number)), Some(number));
    assert!(Manifest::decode(number ^ 1, data).is_err(), "a manifest was accepted under another number");
    let Ok(manifest) = Manifest::decode(number, data) else { return };
    // The number in the record is nobody's but the writer's: the file's name decides.
    let manifest = Manifest { number, ..manifest };
    let again = manifest.encode().map(|bytes| Manifest::decode(number, &bytes));
    assert_eq!(again, Ok(Ok(manifest)), "a manifest that was read cannot be written");
}
