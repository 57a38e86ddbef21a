//! Reads the logs that the last writer left: which rows were acknowledged and are in no segment.
//!
//! What always holds: recovery writes nothing; what was acknowledged is found or named as lost; what was not is
//! cut without a word, because nobody was told that it was there.

use crate::api::Missing;
use crate::error::StoreError;
use crate::log::for_each_page;
use crate::names;
use postlode_format::log::{Fed, FrameType, LogDamage, LogScanner};
use postlode_format::manifest::{LogStream, Manifest};
use postlode_format::row::{Row, Rows};
use postlode_runtime::{DiskErrorKind, Runtime};
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

/// Reads all streams of a manifest.
///
/// # Errors
/// [`StoreError::Disk`] where a folder cannot be read.
pub async fn recover<R: Runtime>(runtime: &R, manifest: &Manifest) -> Result<Recovered, StoreError> {
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
        read_stream(runtime, stream, &files, &mut out).await?;
    }
    Ok(out)
}

async fn read_stream<R: Runtime>(
    runtime: &R,
    stream: &LogStream,
    files: &[u32],
    out: &mut Recovered,
) -> Result<(), StoreError> {
    let mut scanner = LogScanner::new(stream.stream, stream.floor);
    for &number in files {
        let path = names::log(stream.stream, number);
        scanner.start_file(number);
        let mut rows = Vec::new();
        let read = for_each_page(runtime, &path, |page, bytes| {
            // An unreadable page is a page without a valid header: the scanner decides what that means.
            let bytes = bytes.unwrap_or_default();
            if let Fed::Frame(frame) = scanner.feed(page, &bytes) {
                if frame.frame_type == FrameType::CleanClose {
                    return;
                }
                let before = rows.len();
                for row in Rows::new(frame.payload) {
                    match row {
                        Ok(row) => {
                            rows.push((frame.first_seq.saturating_add((rows.len() - before) as u64), row));
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
        out.rows.append(&mut rows);
    }
    out.max_seq = out.max_seq.max(scanner.next_seq().saturating_sub(1));
    for damage in scanner.finish(0) {
        out.max_seq = out.max_seq.max(damage.lost.1);
        out.missing.push(describe(stream.stream, &damage));
        out.damage.push((stream.stream, damage));
    }
    Ok(())
}

/// A log's damage for people.
pub fn describe(stream: u64, damage: &LogDamage) -> Missing {
    let (first, last) = damage.lost;
    Missing {
        segment: None,
        section: names::log(stream, damage.generation).display().to_string(),
        reason: format!("page {}: acknowledged rows {first} to {last} are lost", damage.page),
    }
}
