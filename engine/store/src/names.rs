//! Names of the files in a store's folder.

use std::path::PathBuf;

/// Folder of the manifests.
pub const MANIFESTS: &str = "manifest";
/// Folder of the logs.
pub const LOGS: &str = "log";
/// Folder of the segments.
pub const SEGMENTS: &str = "segments";
/// The writer's lock.
pub const LOCK: &str = "LOCK";

/// A segment's file.
pub fn segment(id: u64) -> PathBuf {
    PathBuf::from(format!("{SEGMENTS}/{id:016x}.seg"))
}

/// A segment's file while it is written.
pub fn segment_tmp(id: u64) -> PathBuf {
    PathBuf::from(format!("{SEGMENTS}/{id:016x}.tmp"))
}

/// A manifest's file.
pub fn manifest(number: u64) -> PathBuf {
    PathBuf::from(format!("{MANIFESTS}/{}", postlode_format::manifest::file_name(number)))
}

/// A log file: stream and number.
pub fn log(stream: u64, file: u32) -> PathBuf {
    PathBuf::from(format!("{LOGS}/{stream:016x}.{file:08}"))
}

/// Stream and number in a log file's name.
pub fn parse_log(name: &str) -> Option<(u64, u32)> {
    let (stream, file) = name.split_once('.')?;
    let fits = stream.len() == 16 && file.len() == 8;
    fits.then(|| Some((u64::from_str_radix(stream, 16).ok()?, file.parse().ok()?)))?
}

/// The id in a segment's file name, finished or not.
pub fn parse_segment(name: &str) -> Option<u64> {
    let id = name.strip_suffix(".seg").or_else(|| name.strip_suffix(".tmp"))?;
    (id.len() == 16).then(|| u64::from_str_radix(id, 16).ok())?
}
