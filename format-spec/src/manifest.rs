//! The manifest: what the store consists of at one moment.
//!
//! Manifests are numbered files that are created once and never changed; the highest valid number is the store.
//! Each is the full list of segments and log streams. The same protocol works on object storage with a
//! conditional put.
//!
//! ```text
//!  0  magic    8 bytes   "PLMANIF\0"
//!  8  version  u32       7
//! 12  crc      u32       over version, number, length and payload; in version 1 not over the version
//! 16  number   u64       the number in the file's name
//! 24  length   u64       payload bytes
//! 32  payload            an rkyv record
//! ```
//!
//! The version counts for the whole store: one that has anything that an older program would pass over has a newer
//! manifest. What always holds: where the checksum is stays as it is, so that a newer version is told from damage.

mod earlier;

use crate::error::FormatError;
use crate::limits::MAX_SEGMENTS;
use crate::row::{access, to_bytes};
use rkyv::{Archive, Deserialize, Serialize};

const MAGIC: &[u8; 8] = b"PLMANIF\0";
/// Newest version known here. Version 5 had no add-ons of segments, and no active model; version 6 no segments of version 6.
pub const VERSION: u32 = 7;
/// Bytes before the payload.
pub const HEADER: usize = 32;

/// What a segment holds.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[rkyv(derive(Debug))]
#[repr(u8)]
pub enum SegmentKind {
    /// Emails and all small rows.
    Mail,
    /// Attachments, by content.
    Blobs,
    /// Since manifests of version 6: an [`Addon`]: vectors of the emails of another segment.
    Vectors,
}

/// One sealed segment.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct SegmentEntry {
    /// Its id, never used twice in a store.
    pub id: u64,
    /// Drawn when it was written, and part of every checksum in it: a file of the same name from another store or
    /// another life of this one is not taken for it.
    pub salt: u64,
    /// What it holds.
    pub kind: SegmentKind,
    /// First hash of its rows' range.
    pub low: u64,
    /// Last hash of its rows' range, included.
    pub high: u64,
    /// Bytes of its file.
    pub bytes: u64,
    /// Emails in it.
    pub emails: u64,
    /// All rows in it.
    pub rows: u64,
    /// Earliest date of its emails.
    pub min_date: i64,
    /// Latest date of its emails.
    pub max_date: i64,
    /// Highest sequence number in it.
    pub max_seq: u64,
    /// Files that came later than the segment, at most one of a model.
    pub addons: Vec<Addon>,
}

/// An add-on of a segment: a file of the same layout, of the kind [`SegmentKind::Vectors`], with an id of its own.
///
/// It is replaced as a whole, under another id, where more of it is there; and it goes with its segment.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Addon {
    /// Its id: no other add-on and no segment ever has it.
    pub id: u64,
    /// Drawn when it was written, as that of a segment.
    pub salt: u64,
    /// Bytes of its file.
    pub bytes: u64,
    /// The model whose vectors it has, by the name that those who made them gave it.
    pub model: String,
    /// Emails of the segment of which it says nothing yet.
    pub pending: u64,
}

impl SegmentEntry {
    /// What a manifest would say of an add-on, if it were a segment: no rows of its own, and the range of its segment.
    #[must_use]
    pub fn of_addon(&self, addon: &Addon) -> Self {
        Self {
            id: addon.id,
            salt: addon.salt,
            kind: SegmentKind::Vectors,
            bytes: addon.bytes,
            emails: 0,
            rows: 0,
            addons: Vec::new(),
            ..*self
        }
    }

    /// The segment and its add-ons.
    pub fn files(&self) -> impl Iterator<Item = Self> + '_ {
        std::iter::once(self.clone()).chain(self.addons.iter().map(|addon| self.of_addon(addon)))
    }

    /// Its add-on of a model.
    #[must_use]
    pub fn addon(&self, model: &str) -> Option<&Addon> {
        self.addons.iter().find(|addon| addon.model == model)
    }
}

/// A log stream that still holds rows which are in no segment.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct LogStream {
    /// Its random id, in the names of its files.
    pub stream: u64,
    /// The writer's epoch.
    pub epoch: u64,
    /// First hash of the rows written to it.
    pub low: u64,
    /// Last hash, included.
    pub high: u64,
    /// First file that is still needed.
    pub first_file: u32,
    /// Sequence number of the first row in that file: all before are in segments.
    pub floor: u64,
}

/// The store at one moment.
#[derive(Archive, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[rkyv(derive(Debug))]
pub struct Manifest {
    /// Drawn when the store was made.
    pub store: [u8; 16],
    /// Its number.
    pub number: u64,
    /// The epoch of the writer that made it: counts up with each opening for writing.
    pub epoch: u64,
    /// All segments.
    pub segments: Vec<SegmentEntry>,
    /// All streams that still matter.
    pub logs: Vec<LogStream>,
    /// No sequence number from here on has been used in any segment listed.
    pub next_seq: u64,
    /// The next segment's id.
    pub next_segment: u64,
    /// Rows that were acknowledged once and are lost: (stream, first, last), so that nobody forgets.
    pub lost: Vec<(u64, u64, u64)>,
    /// The model whose vectors, which are in add-ons, answer. Empty: those of the segments' own sections do.
    pub active: String,
}

/// Name of the file of a manifest: twenty digits, so that names sort as numbers.
#[must_use]
pub fn file_name(number: u64) -> String {
    format!("{number:020}")
}

/// The number in a manifest's file name.
#[must_use]
pub fn number_of(name: &str) -> Option<u64> {
    (name.len() == 20 && name.bytes().all(|b| b.is_ascii_digit())).then(|| name.parse().ok())?
}

impl Manifest {
    /// Its file's bytes.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] for more segments than a manifest may list.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        if self.segments.len() > MAX_SEGMENTS {
            return Err(FormatError::TooLarge {
                what: "manifest (segments)",
                have: self.segments.len(),
                limit: MAX_SEGMENTS,
            });
        }
        let payload = to_bytes(self)?;
        let length = payload.len() as u64;
        let mut out = Vec::with_capacity(payload.len().saturating_add(HEADER));
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&checksum(VERSION, self.number, length, &payload).to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&payload);
        Ok(out)
    }

    /// Reads a manifest's file.
    ///
    /// # Errors
    /// [`FormatError`] for one that is damaged, cut, another's number, or newer than this program.
    pub fn decode(number: u64, bytes: &[u8]) -> Result<Self, FormatError> {
        let what = "manifest";
        let Some((header, payload)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(FormatError::Truncated { what, have: bytes.len(), need: HEADER });
        };
        let [m0, m1, m2, m3, m4, m5, m6, m7, v0, v1, v2, v3, c0, c1, c2, c3, rest @ ..] = *header;
        let [n0, n1, n2, n3, n4, n5, n6, n7, l0, l1, l2, l3, l4, l5, l6, l7] = rest;
        if [m0, m1, m2, m3, m4, m5, m6, m7] != *MAGIC {
            return Err(FormatError::Magic { what });
        }
        let version = u32::from_le_bytes([v0, v1, v2, v3]);
        let stored = u32::from_le_bytes([c0, c1, c2, c3]);
        let own = u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]);
        let length = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
        if payload.len() as u64 != length {
            let need = usize::try_from(length).unwrap_or(usize::MAX);
            return Err(FormatError::Truncated { what, have: payload.len(), need });
        }
        let computed = checksum(version, own, length, payload);
        if stored != computed {
            return Err(FormatError::Checksum { what, stored, computed });
        }
        if version > VERSION {
            return Err(FormatError::Newer { what, found: version, known: VERSION });
        }
        if own != number {
            return Err(FormatError::Malformed { what, why: "its number is not that of its file" });
        }
        let unreadable =
            |_: rkyv::rancor::Error| FormatError::Malformed { what, why: "its record cannot be read" };
        if version <= earlier::LAST {
            let archived = access::<earlier::ArchivedEarlierManifest>(payload)?;
            let earlier: earlier::EarlierManifest = rkyv::deserialize(archived).map_err(unreadable)?;
            return Ok(earlier.into());
        }
        rkyv::deserialize(access::<ArchivedManifest>(payload)?).map_err(unreadable)
    }

    /// Ids of the files of all segments, with those of their add-ons.
    pub fn file_ids(&self) -> impl Iterator<Item = u64> + '_ {
        let of = |entry: &SegmentEntry| -> Vec<u64> { entry.addons.iter().map(|addon| addon.id).collect() };
        self.segments.iter().flat_map(move |entry| std::iter::once(entry.id).chain(of(entry)))
    }

    /// Files of all segments, with those of their add-ons.
    pub fn files(&self) -> impl Iterator<Item = SegmentEntry> + '_ {
        self.segments.iter().flat_map(SegmentEntry::files)
    }
}

fn checksum(version: u32, number: u64, length: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    if version != 1 {
        hasher.update(&version.to_le_bytes());
    }
    hasher.update(&number.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        Manifest {
            store: [9; 16],
            number: 42,
            epoch: 3,
            segments: vec![SegmentEntry {
                id: 7,
                salt: 0x5a17,
                kind: SegmentKind::Mail,
                low: 0,
                high: u64::MAX,
                bytes: 12_288,
                emails: 5,
                rows: 12,
                min_date: -5,
                max_date: 5,
                max_seq: 99,
                addons: vec![Addon { id: 9, salt: 1, bytes: 4096, model: "m/1/3".into(), pending: 2 }],
            }],
            logs: vec![LogStream { stream: 1, epoch: 3, low: 0, high: u64::MAX, first_file: 2, floor: 100 }],
            next_seq: 100,
            next_segment: 8,
            lost: vec![],
            active: "m/1/3".into(),
        }
    }

    #[test]
    fn round_trip_and_every_flipped_bit_is_noticed() {
        let manifest = sample();
        let mut bytes = manifest.encode().unwrap();
        assert_eq!(Manifest::decode(42, &bytes).unwrap(), manifest);
        assert!(Manifest::decode(41, &bytes).is_err());
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(42, &bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for cut in 0..bytes.len() {
            assert!(Manifest::decode(42, &bytes[..cut]).is_err());
        }
    }

    #[test]
    fn a_newer_store_says_so() {
        let mut bytes = sample().encode().unwrap();
        let newer = VERSION + 1;
        bytes[8] = newer as u8;
        assert!(matches!(Manifest::decode(42, &bytes), Err(FormatError::Checksum { .. })), "a flipped bit");
        let length = (bytes.len() - HEADER) as u64;
        let crc = checksum(newer, 42, length, &bytes[HEADER..]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        assert!(
            matches!(Manifest::decode(42, &bytes), Err(FormatError::Newer { found, .. }) if found == newer)
        );
    }

    #[test]
    fn names_sort_as_numbers() {
        assert_eq!(file_name(42), "00000000000000000042");
        assert_eq!(number_of("00000000000000000042"), Some(42));
        assert_eq!(number_of("42"), None);
        assert_eq!(number_of("0000000000000000004x"), None);
    }
}
