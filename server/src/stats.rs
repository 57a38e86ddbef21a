//! What `/local/stats`, `/local/segments` and `/local/verify` answer. Sizes are in bytes, ranges of hashes in hex.

use postlode_format::row::RowKind;
use postlode_query::{MissingPart, Partial};
use postlode_semantic::Progress;
use postlode_store::{Copied, SegmentStats, ShardStats, StoreStats, Swept, VerifyReport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Counts and sizes of the store, and of this process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Emails.
    pub emails: u64,
    /// Rows of segments by kind.
    pub rows: BTreeMap<String, u64>,
    /// Segments.
    pub segments: u64,
    /// Emails and bytes not sealed into segments yet.
    pub unsealed: Unsealed,
    /// Merging of segments since the store was opened.
    #[serde(default)]
    pub compaction: Compaction,
    /// Searching by meaning.
    #[serde(default)]
    pub vectors: Vectors,
    /// Bytes of all files.
    pub bytes_on_disk: u64,
    /// Number of the manifest.
    pub manifest: u64,
    /// Moves with every change.
    pub generation: u64,
    /// Memory of this process.
    pub memory: Memory,
    /// One a shard.
    pub shards: Vec<Shard>,
    /// What cannot be read; null where all can.
    pub partial: Option<Partial>,
    /// Rows once acknowledged and lost.
    pub lost: Vec<Lost>,
}

/// What is in memory and in the log alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsealed {
    /// Emails.
    pub emails: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Merging of segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compaction {
    /// Segments small enough to be merged sooner or later.
    pub waiting: u64,
    /// Merges.
    pub merges: u64,
    /// Bytes of segments that were merged away.
    pub bytes_read: u64,
    /// Bytes of segments that came of it.
    pub bytes_written: u64,
}

/// Searching by meaning.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Vectors {
    /// The model whose vectors answer: name, version and values of a vector.
    pub answers: String,
    /// Embedding with a better model; null where there is none.
    pub embedding: Option<Embedding>,
}

/// How far embedding with a better model is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// The model; null as long as it did not answer.
    pub model: Option<String>,
    /// Its vectors answer.
    pub answers: bool,
    /// Emails in segments.
    pub emails: u64,
    /// Those of them that have no vectors of it yet.
    pub pending: u64,
    /// Those of them that cannot be read.
    pub unreadable: u64,
    /// Those of them that were deleted, and are not embedded.
    #[serde(default)]
    pub deleted: u64,
    /// Emails embedded since the server began.
    pub embedded: u64,
    /// Seconds that took.
    pub seconds: f64,
    /// Why it does not get on; null where it does.
    pub error: Option<String>,
}

impl From<Progress> for Embedding {
    fn from(progress: Progress) -> Self {
        let Progress { model, emails, pending, unreadable, deleted, active, embedded, error, .. } = progress;
        let (embedded, seconds) = embedded;
        let model = model.map(|model| model.key());
        Self { model, answers: active, emails, pending, unreadable, deleted, embedded, seconds, error }
    }
}

/// An add-on of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addon {
    /// Its id, 16 hex digits.
    pub id: String,
    /// The model whose vectors it has.
    pub model: String,
    /// Bytes of its file.
    pub bytes: u64,
    /// Emails of the segment that it says nothing about yet.
    pub pending: u64,
}

impl From<postlode_format::manifest::Addon> for Addon {
    fn from(addon: postlode_format::manifest::Addon) -> Self {
        let postlode_format::manifest::Addon { id, bytes, model, pending, .. } = addon;
        Self { id: format!("{id:016x}"), model, bytes, pending }
    }
}

/// Memory of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident now.
    pub resident_bytes: u64,
    /// Resident at most since it began.
    pub peak_bytes: u64,
    /// Of it in block caches.
    pub cache_bytes: u64,
}

/// One shard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shard {
    /// First and last hash of its range.
    pub range: (String, String),
    /// Emails not sealed yet.
    pub memtable_emails: u64,
    /// Bytes not sealed yet.
    pub memtable_bytes: u64,
    /// Log bytes that a crash would have to read again.
    pub log_bytes: u64,
    /// Group commits since opening.
    pub commits: u64,
    /// Rows committed since opening.
    pub committed_rows: u64,
    /// Seconds all syncs of the log took together.
    pub sync_seconds: f64,
    /// How many syncs took at most 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 1,000 ms, each without those before, and more.
    #[serde(default)]
    pub syncs: Vec<u64>,
    /// How often writers had to wait because sealing was behind.
    #[serde(default)]
    pub stalls: u64,
    /// Seconds that they waited together.
    #[serde(default)]
    pub stall_seconds: f64,
    /// Blocks found in the cache.
    pub cache_hits: u64,
    /// Blocks read because the cache did not have them.
    pub cache_misses: u64,
    /// Bytes of the cache.
    pub cache_bytes: u64,
    /// Requests waiting.
    pub queued: u64,
}

/// Rows of a log that are gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The log's stream.
    pub stream: u64,
    /// First sequence number that is gone.
    pub first: u64,
    /// Last one.
    pub last: u64,
}

/// The segments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Segments {
    /// In the manifest's order.
    pub segments: Vec<Segment>,
    /// Number of the manifest.
    pub manifest: u64,
    /// What cannot be read; null where all can.
    pub partial: Option<Partial>,
    /// Of a compaction: what became of attachments that no email has any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Collected>,
}

/// Attachments that no email has any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// Those that were taken out.
    pub removed: u64,
    /// They have to wait, as mail is being loaded.
    pub waits: bool,
    /// What cannot be read, so that some may have to stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

impl From<Swept> for Collected {
    fn from(swept: Swept) -> Self {
        match swept {
            Swept::Done(removed) => Self { removed, ..Self::default() },
            Swept::Waits => Self { waits: true, ..Self::default() },
            Swept::Damaged(missing) => Self { damage: Some(missing.to_string()), ..Self::default() },
        }
    }
}

/// One segment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Its id, 16 hex digits.
    pub id: String,
    /// `mail` or `blobs`.
    pub kind: String,
    /// Bytes of its file.
    pub bytes: u64,
    /// Emails in it.
    pub emails: u64,
    /// Rows in it.
    pub rows: u64,
    /// First and last hash of its range.
    pub range: (String, String),
    /// Earliest and latest date of its emails, microseconds since 1970 UTC.
    pub dates: (i64, i64),
    /// Its sections; none where its directory cannot be read.
    pub sections: Vec<Section>,
    /// Vectors of other models that came later.
    #[serde(default)]
    pub addons: Vec<Addon>,
}

/// One section of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its name, as `bodies` or `index:sender`.
    pub name: String,
    /// Bytes of content.
    pub content_bytes: u64,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Entries or records.
    pub entries: u64,
}

/// What `verify` found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Files read.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Blocks and pages checked.
    pub blocks: u64,
    /// Everything that is wrong; empty where nothing is.
    pub damage: Vec<MissingPart>,
}

/// One row of a segment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SegmentRow {
    /// What it is.
    pub kind: String,
    /// Its key, in hex.
    pub key: String,
    /// Its sequence number.
    pub seq: u64,
    /// Bytes of its record.
    pub bytes: u64,
    /// What it says, where that is told.
    #[serde(default)]
    pub value: serde_json::Value,
}

/// What `/local/backup` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// An empty folder, or one that is made: an absolute path.
    pub to: String,
    /// Copy every byte, where files could have a second name.
    #[serde(default)]
    pub copy: bool,
}

/// What a backup consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Emails.
    pub emails: u64,
    /// Files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// How many files are second names of the store's own.
    pub linked: u64,
    /// Number of the manifest.
    pub manifest: u64,
}

impl From<Copied> for BackedUp {
    fn from(copied: Copied) -> Self {
        let Copied { files, bytes, linked, emails, manifest } = copied;
        Self { emails, files, bytes, linked, manifest }
    }
}

fn range((low, high): (u64, u64)) -> (String, String) {
    (format!("{low:016x}"), format!("{high:016x}"))
}

fn partial(missing: Vec<postlode_store::Missing>) -> Option<Partial> {
    let partial =
        Partial { reasons: Vec::new(), missing: missing.into_iter().map(MissingPart::from).collect() };
    (!partial.is_empty()).then_some(partial)
}

/// The name of a kind of rows.
pub(crate) fn kind_name(number: u8) -> String {
    let name = match RowKind::from_number(number) {
        Ok(RowKind::Email) => "email",
        Ok(RowKind::Body) => "body",
        Ok(RowKind::Place) => "place",
        Ok(RowKind::Mark) => "mark",
        Ok(RowKind::ThreadAlias) => "thread_alias",
        Ok(RowKind::ThreadEdge) => "thread_edge",
        Ok(RowKind::BlobChunk) => "blob_chunk",
        Ok(RowKind::Archive) => "archive",
        Ok(RowKind::Failure) => "failure",
        Ok(RowKind::Exception) => "exception",
        Ok(RowKind::Watermark) => "watermark_1",
        Ok(RowKind::Watermark2) => "watermark",
        Ok(RowKind::Doc) => "doc",
        Err(_) => return format!("kind_{number}"),
    };
    name.to_owned()
}

impl From<StoreStats> for Stats {
    fn from(stats: StoreStats) -> Self {
        let shards: Vec<Shard> = stats.shards.into_iter().map(Shard::from).collect();
        let sum = |of: fn(&Shard) -> u64| shards.iter().map(of).fold(0, u64::saturating_add);
        let mut memory = Memory::of_this_process();
        memory.cache_bytes = sum(|shard| shard.cache_bytes);
        Self {
            emails: stats.emails,
            rows: stats.rows.into_iter().map(|(kind, rows)| (kind_name(kind), rows)).collect(),
            segments: stats.segments.len() as u64,
            unsealed: Unsealed {
                emails: sum(|shard| shard.memtable_emails),
                bytes: sum(|shard| shard.memtable_bytes),
            },
            compaction: Compaction {
                waiting: stats.compaction.waiting,
                merges: stats.compaction.merges,
                bytes_read: stats.compaction.bytes_read,
                bytes_written: stats.compaction.bytes_written,
            },
            vectors: Vectors { answers: stats.active, embedding: None },
            bytes_on_disk: stats.bytes_on_disk,
            manifest: stats.manifest,
            generation: stats.generation,
            memory,
            shards,
            partial: partial(stats.missing),
            lost: stats.lost.into_iter().map(|(stream, first, last)| Lost { stream, first, last }).collect(),
        }
    }
}

impl From<ShardStats> for Shard {
    fn from(shard: ShardStats) -> Self {
        let (cache_hits, cache_misses, cache_bytes) = shard.cache;
        Self {
            range: range(shard.range),
            memtable_emails: shard.memtable_emails,
            memtable_bytes: shard.memtable_bytes,
            log_bytes: shard.log_bytes,
            commits: shard.commits,
            committed_rows: shard.committed_rows,
            sync_seconds: Duration::from_micros(shard.syncs.micros).as_secs_f64(),
            syncs: shard.syncs.counts.to_vec(),
            stalls: shard.stalls.0,
            stall_seconds: Duration::from_micros(shard.stalls.1).as_secs_f64(),
            cache_hits,
            cache_misses,
            cache_bytes,
            queued: shard.queued,
        }
    }
}

impl From<StoreStats> for Segments {
    fn from(stats: StoreStats) -> Self {
        Self {
            segments: stats.segments.into_iter().map(Segment::from).collect(),
            manifest: stats.manifest,
            partial: partial(stats.missing),
            attachments: None,
        }
    }
}

impl From<SegmentStats> for Segment {
    fn from(segment: SegmentStats) -> Self {
        let section =
            |(name, content_bytes, disk_bytes, entries)| Section { name, content_bytes, disk_bytes, entries };
        Self {
            id: format!("{:016x}", segment.id),
            kind: segment.kind.to_owned(),
            bytes: segment.bytes,
            emails: segment.emails,
            rows: segment.rows,
            range: range(segment.range),
            dates: segment.dates,
            sections: segment.sections.into_iter().map(section).collect(),
            addons: segment.addons.into_iter().map(Addon::from).collect(),
        }
    }
}

impl From<VerifyReport> for Verified {
    fn from(report: VerifyReport) -> Self {
        Self {
            files: report.files,
            bytes: report.bytes,
            blocks: report.blocks,
            damage: report.damage.into_iter().map(MissingPart::from).collect(),
        }
    }
}

impl Memory {
    /// Of this process, as the kernel counts it; zeros where /proc is not to be had.
    #[must_use]
    pub fn of_this_process() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()
        };
        let bytes = |name| kib(name).unwrap_or(0).saturating_mul(1024);
        Self { resident_bytes: bytes("VmRSS:"), peak_bytes: bytes("VmHWM:"), cache_bytes: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        let memory = Memory::of_this_process();
        assert!(memory.resident_bytes > 100_000 && memory.peak_bytes >= memory.resident_bytes / 2);
    }

    #[test]
    fn all_kinds_have_names() {
        for kind in RowKind::ALL {
            assert!(!kind_name(kind as u8).starts_with("kind_"));
        }
        assert_eq!(kind_name(200), "kind_200");
    }
}
