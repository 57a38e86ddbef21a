//! Reads the logs that the last writer left: which rows were acknowledged and are in no segment.
//!
//! What always holds: recovery writes nothing; what was acknowledged is found or named as lost; what was not is
//! cut without a word, because nobody was told that it was there.

use crate::api::Missing;
use crate::error::StoreError;
use crate::log::for_each_page;
use crate::names;
use postlode_format::FormatError;
use postlode_format::log::{Fed, FrameType, LogDamage, LogScanner};
use postlode_format::manifest::{LogStream, Manifest};
use postlode_format::row::{Row, Rows};
use postlode_runtime::{DiskErrorKind, DiskFile, OpenMode, Runtime};
use std::collections::BTreeMap;
use std::path::Path;

/// Rows of the logs, and what is wrong with the logs.
#[derive(Default)]
pub struct Recovered {
    /// Rows with their sequence numbers, stream by stream in the order of their epochs.
    pub rows: Vec<(u64, Row)>,
    /// Highest sequence number seen anywhere.
    pub max_seq: u64,
    /// Damage: log file, and rows lost.
    pub damage: Vec<(u64, LogDamage)>,
    /// The same for people, and frames whose rows cannot be read.
    pub missing: Vec<Missing>,
}

/// Reads all streams of a manifest. A writer makes durable what it finds, before it builds on it: the last one may
/// have been stopped between writing and syncing.
///
/// # Errors
/// [`StoreError::Disk`] where a folder cannot be read.
pub async fn recover<R: Runtime>(
    runtime: &R,
    manifest: &Manifest,
    writing: bool,
) -> Result<Recovered, StoreError> {
    let mut files: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for entry in runtime.list(Path::new(names::LOGS)).await? {
        if let Some((stream, file)) = names::parse_log(&entry.name) {
            files.entry(stream).or_default().push(file);
        }
    }
    let mut out = Recovered { max_seq: manifest.next_seq.saturating_sub(1), ..Recovered::default() };
    let mut streams: Vec<&LogStream> = manifest.logs.iter().collect();
    streams.sort_by_key(|s| (s.epoch, s.low));
    for stream in streams {
        let mut files = files.remove(&stream.stream).unwrap_or_default();
        files.retain(|n| *n >= stream.first_file);
        files.sort_unstable();
        read_stream(runtime, stream, &files, writing, &mut out).await?;
    }
    Ok(out)
}

async fn read_stream<R: Runtime>(
    runtime: &R,
    stream: &LogStream,
    files: &[u32],
    writing: bool,
    out: &mut Recovered,
) -> Result<(), StoreError> {
    let mut scanner = LogScanner::new(stream.stream, stream.floor);
    for &number in files {
        let path = names::log(stream.stream, number);
        scanner.start_file(number);
        if writing {
            let file = runtime.open(&path, OpenMode::Write).await?;
            file.sync().await?;
            file.close().await?;
        }
        let mut rows = Vec::new();
        let mut newer: Option<FormatError> = None;
        let read = for_each_page(runtime, &path, |page, bytes| {
            let Ok(bytes) = bytes else {
                scanner.unreadable(page);
                return;
            };
            let fed = scanner.feed(page, &bytes);
            if let Fed::Newer(error) = &fed {
                newer.get_or_insert(error.clone());
            }
            if let Fed::Frame(frame) = fed {
                if frame.frame_type == FrameType::CleanClose {
                    return;
                }
                let before = rows.len();
                for row in Rows::new(frame.payload) {
                    match row {
                        Ok(row) => {
                            rows.push((frame.first_seq.saturating_add((rows.len() - before) as u64), row));
                        }
                        Err(error @ FormatError::Newer { .. }) => {
                            newer.get_or_insert(error);
                        }
                        Err(error) => out.missing.push(Missing {
                            segment: None,
                            section: path.display().to_string(),
                            reason: format!("page {page}: {error}"),
                        }),
                    }
                }
                scanner.advance((rows.len() - before) as u64);
            }
        })
        .await;
        match read {
            Ok(()) => {}
            // A snapshot beside a writer: the file's rows have been sealed meanwhile.
            Err(error) if error.kind == DiskErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(source) = newer {
            return Err(StoreError::Format { what: path.display().to_string(), source });
        }
        out.rows.append(&mut rows);
    }
    out.max_seq = out.max_seq.max(scanner.next_seq().saturating_sub(1));
    for damage in scanner.finish(0) {
        // Of a loss of unknown size the numbers are not used again either, as far as one log can have had any.
        let last =
            if damage.lost.1 == u64::MAX { damage.lost.0.saturating_add(1 << 32) } else { damage.lost.1 };
        out.max_seq = out.max_seq.max(last);
        out.missing.push(describe(stream.stream, &damage));
        out.damage.push((stream.stream, damage));
    }
    Ok(())
}

/// A log's damage for people.
pub fn describe(stream: u64, damage: &LogDamage) -> Missing {
    Missing {
        segment: None,
        section: names::log(stream, damage.generation).display().to_string(),
        reason: format!("page {}: {}", damage.page, lost_rows(damage.lost.0, damage.lost.1)),
    }
}

/// Lost rows for people.
pub fn lost_rows(first: u64, last: u64) -> String {
    if last == u64::MAX {
        return format!("the medium does not give it: rows from {first} on may be lost");
    }
    format!("acknowledged rows {first} to {last} are lost")
}
