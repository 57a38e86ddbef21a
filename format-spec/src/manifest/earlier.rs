//! The record of a manifest as it was up to version 5, which knew no add-ons of segments and no active model.
//!
//! What always holds: what an earlier version wrote is read in full. Its records had room for names of add-ons, but no
//! version that had them ever wrote one.

use super::{LogStream, Manifest, SegmentEntry, SegmentKind};
use rkyv::{Archive, Deserialize, Serialize};

/// The last version with these records.
pub const LAST: u32 = 5;

/// A [`SegmentEntry`].
#[derive(Archive, Serialize, Deserialize, Debug, Clone)]
pub struct EarlierEntry {
    id: u64,
    salt: u64,
    kind: SegmentKind,
    low: u64,
    high: u64,
    bytes: u64,
    emails: u64,
    rows: u64,
    min_date: i64,
    max_date: i64,
    max_seq: u64,
    addons: Vec<(String, u64)>,
}

/// A [`Manifest`].
#[derive(Archive, Serialize, Deserialize, Debug, Clone)]
pub struct EarlierManifest {
    store: [u8; 16],
    number: u64,
    epoch: u64,
    segments: Vec<EarlierEntry>,
    logs: Vec<LogStream>,
    next_seq: u64,
    next_segment: u64,
    lost: Vec<(u64, u64, u64)>,
}

impl From<EarlierEntry> for SegmentEntry {
    fn from(entry: EarlierEntry) -> Self {
        let EarlierEntry { id, salt, kind, low, high, bytes, emails, rows, .. } = entry;
        let EarlierEntry { min_date, max_date, max_seq, .. } = entry;
        let addons = Vec::new();
        Self { id, salt, kind, low, high, bytes, emails, rows, min_date, max_date, max_seq, addons }
    }
}

impl From<EarlierManifest> for Manifest {
    fn from(manifest: EarlierManifest) -> Self {
        let EarlierManifest { store, number, epoch, segments, logs, next_seq, next_segment, lost } = manifest;
        let segments = segments.into_iter().map(SegmentEntry::from).collect();
        let active = String::new();
        Self { store, number, epoch, segments, logs, next_seq, next_segment, lost, active }
    }
}

mod layout {
    use super::{ArchivedEarlierEntry as Entry, ArchivedEarlierManifest as Manifest};
    use core::mem::{offset_of, size_of};

    const _: () = assert!(size_of::<Entry>() == 89 && offset_of!(Entry, addons) == 81);
    const _: () = assert!(size_of::<Manifest>() == 72 && offset_of!(Manifest, lost) == 64);
}
