//! What a load is asked and what it answers: the JSON of `load --json` and of the load route.
//!
//! What always holds: in every report, and in every archive of it, `found = stored + duplicate + failed`.

use crate::sums::Sums;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What to load.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadRequest {
    /// Archives, or folders that are searched for archives. Absolute, because the process that loads may run in
    /// another folder than the one that asks. In JSON a path is text, or an array of bytes where it is no UTF-8.
    #[serde(with = "paths")]
    pub paths: Vec<PathBuf>,
    /// Whose mail it is; empty where nobody says. The same archive of another custodian is another load.
    #[serde(default)]
    pub custodian: String,
    /// Whose mail certain files or folders are: where several say so, the one with the longest path is right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custodians: Vec<CustodianPath>,
    /// Worker threads; `None` is one a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<usize>,
    /// Deleted and orphaned items too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recover: bool,
    /// Read once more what could not be read before. Without paths: of all archives that have such items.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry_failed: bool,
}

/// Whose mail a file or folder is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustodianPath {
    /// The file or folder, absolute.
    pub path: PathBuf,
    /// Whose it is.
    pub custodian: String,
}

/// What became of one load.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// One an archive, in the order in which they were loaded.
    pub archives: Vec<ArchiveReport>,
    /// What could not be read, in any of them.
    pub failures: Vec<FailureReport>,
    /// Items in folders, all archives together.
    pub found: u64,
    /// Items that are new.
    pub stored: u64,
    /// Items that were in the store already.
    pub duplicate: u64,
    /// Items that could not be read.
    pub failed: u64,
    /// Items stored without some part of them.
    pub partial: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// Where the time went.
    #[serde(default)]
    pub stages: Vec<StageTime>,
    /// Paths that were named as a custodian's, and have no mail under them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custodians_without_mail: Vec<String>,
    /// It was stopped before its end; the same load again goes on from there. The counts are of what was done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// Time that a stage of a load was busy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// `hash`, `list`, `parse`, `commit` or `check`.
    pub stage: String,
    /// Seconds, all archives together. Workers run beside each other: of `parse` and `commit` it is the time that one
    /// of them was busy, on average; both go on at once.
    pub seconds: f64,
}

/// What became of one archive.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ArchiveReport {
    /// Its path.
    pub path: String,
    /// SHA-256 of the file, in hex; empty where it was not read.
    pub sha256: String,
    /// `pst-unicode`, `pst-ansi`, `ost-unicode` …; empty where it could not be opened.
    pub kind: String,
    /// Folders in it.
    pub folders: u64,
    /// Items in its folders.
    pub found: u64,
    /// Items that are new.
    pub stored: u64,
    /// Items that were in the store already.
    pub duplicate: u64,
    /// Items that could not be read.
    pub failed: u64,
    /// Items stored without some part of them.
    pub partial: u64,
    /// Attachments, embedded messages among them.
    pub attachments: u64,
    /// Of these, how many could not be read: their items are partial.
    #[serde(default)]
    pub attachments_unreadable: u64,
    /// Attachments of whose text something could not be had for search: `stats --failures` names each.
    #[serde(default)]
    pub attachments_unsearched: u64,
    /// Recipients of all items.
    #[serde(default)]
    pub recipients: u64,
    /// It has a password set. That keeps out Outlook; nothing is encrypted by it.
    #[serde(default)]
    pub password: bool,
    /// Bytes of the file.
    pub bytes: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// Why it could not be opened; such an archive counts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// One thing that could not be read: an item, which counts as failed; a part of one, which counts as partial; or
/// something beside the items (a folder whose items are not known, a file that was cut short), which counts nothing
/// because nobody knows how much it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureReport {
    /// Path of the archive.
    pub archive: String,
    /// Folder it is in, as far as known.
    pub folder: String,
    /// Its node in the archive.
    pub node: u64,
    /// `refused corrupt encrypted timeout crashed memory unsupported io`.
    pub code: String,
    /// What was being done.
    pub stage: String,
    /// The reason.
    pub reason: String,
    /// What was lost by it: an `item`; a `part` of one, which is stored without it; something of the `archive` beside
    /// its items, nobody knows how much; the `text` of an attachment, which is stored, but not found by its words.
    #[serde(default)]
    pub lost: String,
}

/// What a running load tells. Progress comes a few times a second and may be skipped by a slow listener; the last
/// event is always `Done` or `Failed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum LoadEvent {
    /// How far it is.
    Progress(LoadProgress),
    /// One archive is finished.
    Archive(ArchiveReport),
    /// All is done, or it was stopped.
    Done(LoadReport),
    /// It ended early: the store could not take more. What was acknowledged is stored; the load may be repeated.
    Failed {
        /// What, where, and what to do.
        error: String,
    },
}

/// How far a load is: counts of all its archives so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadProgress {
    /// Path of the archive that is being loaded.
    pub archive: String,
    /// Its number, from 1.
    pub number: u64,
    /// Number of archives.
    pub archives: u64,
    /// What is being done with it: `hashing`, `listing`, `loading` or `checking`.
    pub stage: String,
    /// A folder of it that is being read; empty before the first.
    pub folder: String,
    /// Items that the archives opened so far hold.
    pub expected: u64,
    /// Items that are done: stored, duplicate and failed together.
    pub found: u64,
    /// Items that are new.
    pub stored: u64,
    /// Items that were in the store already.
    pub duplicate: u64,
    /// Items that could not be read.
    pub failed: u64,
    /// Bytes of the archives opened so far.
    pub bytes: u64,
    /// Seconds since the load began.
    pub seconds: f64,
}

impl ArchiveReport {
    /// Takes over what was counted.
    pub(crate) fn count(&mut self, sums: &Sums) {
        (self.found, self.stored, self.duplicate) = (sums.found, sums.stored, sums.duplicate);
        (self.failed, self.partial) = (sums.failed, sums.partial);
        (self.attachments, self.recipients) = (sums.attachments, sums.recipients);
        (self.attachments_unreadable, self.attachments_unsearched) = (sums.unreadable, sums.unsearched);
    }

    /// Adds the counts and bytes of another. Their times lay beside each other, so the longer one counts.
    pub fn add(&mut self, other: &Self) {
        for (to, more) in [
            (&mut self.folders, other.folders),
            (&mut self.found, other.found),
            (&mut self.stored, other.stored),
            (&mut self.duplicate, other.duplicate),
            (&mut self.failed, other.failed),
            (&mut self.partial, other.partial),
            (&mut self.attachments, other.attachments),
            (&mut self.attachments_unreadable, other.attachments_unreadable),
            (&mut self.attachments_unsearched, other.attachments_unsearched),
            (&mut self.recipients, other.recipients),
            (&mut self.bytes, other.bytes),
        ] {
            *to = to.saturating_add(more);
        }
        self.seconds = self.seconds.max(other.seconds);
    }
}

impl LoadReport {
    /// Adds the counts of an archive and the archive itself.
    pub fn add(&mut self, archive: ArchiveReport) {
        self.found = self.found.saturating_add(archive.found);
        self.stored = self.stored.saturating_add(archive.stored);
        self.duplicate = self.duplicate.saturating_add(archive.duplicate);
        self.failed = self.failed.saturating_add(archive.failed);
        self.partial = self.partial.saturating_add(archive.partial);
        self.archives.push(archive);
    }

    /// Everything was read, and nothing needs saying.
    #[must_use]
    pub fn clean(&self) -> bool {
        let whole = |archive: &ArchiveReport| archive.refused.is_none();
        !self.interrupted && self.failures.is_empty() && self.failed == 0 && self.archives.iter().all(whole)
    }
}

mod paths {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::PathBuf;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Name {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(super) fn serialize<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(paths.iter().map(|path| match path.to_str() {
            Some(text) => Name::Text(text.to_owned()),
            None => Name::Bytes(path.as_os_str().as_bytes().to_vec()),
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<PathBuf>, D::Error> {
        let path = |name| match name {
            Name::Text(text) => PathBuf::from(text),
            Name::Bytes(bytes) => PathBuf::from(OsString::from_vec(bytes)),
        };
        Ok(Vec::<Name>::deserialize(from)?.into_iter().map(path).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn any_path_survives_json() {
        let odd = PathBuf::from(OsString::from_vec(vec![b'/', 0xff, b'a']));
        let request = LoadRequest { paths: vec!["/a/é.pst".into(), odd], ..LoadRequest::default() };
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<LoadRequest>(&json).unwrap(), request);
    }

    #[test]
    fn the_json_is_that_of_the_interface() {
        let archive =
            ArchiveReport { path: "a.pst".into(), found: 3, stored: 2, failed: 1, ..Default::default() };
        let mut report = LoadReport::default();
        report.add(archive);
        let json = serde_json::to_value(&report).unwrap();
        for key in ["archives", "failures", "found", "stored", "duplicate", "failed", "partial", "seconds"] {
            assert!(json.get(key).is_some(), "{key}");
        }
        let archive = json["archives"][0].as_object().unwrap();
        let mut keys: Vec<_> = archive.keys().map(String::as_str).collect();
        keys.sort_unstable();
        let expected = "attachments attachments_unreadable attachments_unsearched bytes duplicate failed folders found kind \
             partial password path recipients seconds sha256 stored";
        assert_eq!(keys, expected.split(' ').collect::<Vec<_>>());
        assert_eq!(serde_json::from_value::<LoadReport>(json).unwrap(), report);
    }

    #[test]
    fn events_say_what_they_are() {
        let event = LoadEvent::Done(LoadReport::default());
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["event"], "done");
        assert_eq!(serde_json::from_value::<LoadEvent>(json).unwrap(), event);
        let request: LoadRequest = serde_json::from_str(r#"{"paths":["/a"]}"#).unwrap();
        assert_eq!((request.paths.len(), request.jobs), (1, None));
        assert!(serde_json::from_str::<LoadRequest>(r#"{"paths":[],"more":1}"#).is_err());
    }
}
