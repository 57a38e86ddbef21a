//! The frame of a segment: header, trailer, directory, and the fixed-size records in its sections.

use postlode_format::index::{POSITION, Position};
use postlode_format::limits::{MAX_SECTIONS, PAGE};
use postlode_format::row::access;
use postlode_format::segment::{
    ArchivedDirectory, Directory, Identity, Location, ORDINAL, Ordinal, SectionKind, VERSION, check_header,
    read_trailer,
};

/// Reads the bytes as each of these: as they are, and with a page's checksum made right.
pub fn target(data: &[u8]) {
    let data = data.get(..data.len().min(crate::MAX_INPUT)).unwrap_or_default();
    pages(data);
    pages(&reseal(data));
    directory(data);
    records(data);
}

/// The bytes cut or filled to one page, with its checksum made right.
fn reseal(data: &[u8]) -> Vec<u8> {
    let mut page = data.to_vec();
    page.resize(PAGE, 0);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(page.get(8..12).unwrap_or_default());
    hasher.update(page.get(16..).unwrap_or_default());
    if let Some(crc) = page.get_mut(12..16).and_then(|b| b.first_chunk_mut::<4>()) {
        *crc = hasher.finalize().to_le_bytes();
    }
    page
}

fn number(data: &[u8], at: usize) -> u64 {
    data.get(at..).and_then(|b| b.first_chunk::<8>()).map_or(0, |b| u64::from_le_bytes(*b))
}

fn pages(data: &[u8]) {
    let own = Identity { id: number(data, 16), salt: number(data, 24) };
    for other in others(own) {
        assert!(check_header(other, data).is_err(), "a header was accepted for another segment");
    }
    drop(check_header(own, data));
    let claimed = number(data, 32).saturating_add(number(data, 40)).saturating_add(PAGE as u64);
    let whole = claimed.checked_next_multiple_of(PAGE as u64).unwrap_or(claimed);
    for bytes in [0, PAGE as u64, claimed, whole, u64::MAX] {
        if let Ok((at, len)) = read_trailer(own, bytes, data) {
            assert!(at.checked_add(len).is_some_and(|end| end <= bytes), "a directory outside its file");
            assert!(others(own).iter().all(|other| read_trailer(*other, bytes, data).is_err()));
        }
    }
}

/// Segments that this one must not be taken for.
fn others(own: Identity) -> [Identity; 2] {
    [Identity { id: own.id ^ 1, ..own }, Identity { salt: own.salt ^ 1, ..own }]
}

fn directory(data: &[u8]) {
    let Ok(archived) = access::<ArchivedDirectory>(data) else { return };
    let own = Identity { id: archived.id.to_native(), salt: archived.salt.to_native() };
    for other in others(own) {
        assert!(
            Directory::decode(data, other, VERSION, u64::MAX).is_err(),
            "the directory of another segment"
        );
    }
    for bytes in [0, 1 << 20, u64::MAX] {
        let Ok(directory) = Directory::decode(data, own, VERSION, bytes) else { continue };
        assert!(directory.sections.len() <= MAX_SECTIONS);
        for section in &directory.sections {
            let end = section.offset.checked_add(section.bytes);
            assert!(end.is_some_and(|end| end <= bytes), "a section outside its file: {section:?}");
            assert!(!section.name().is_empty());
        }
        for kind in SectionKind::ALL {
            if let Some((n, section)) = directory.find(kind, 0) {
                assert_eq!(directory.sections.get(usize::from(n)), Some(&section));
            }
        }
    }
}

fn records(data: &[u8]) {
    if let Ok(location) = Location::decode(data) {
        assert_eq!(Location::decode(&location.encode()), Ok(location));
    }
    for chunk in data.chunks(ORDINAL).take(64) {
        match Ordinal::decode(chunk) {
            Ok(ordinal) => assert_eq!(ordinal.encode().as_slice(), chunk),
            Err(_) => assert!(chunk.len() < ORDINAL),
        }
        if let Some(position) = Position::of_key(chunk) {
            let tail = chunk.len().saturating_sub(POSITION);
            assert_eq!(Some(position.to_bytes().as_slice()), chunk.get(tail..));
        }
    }
}
