//! What is in an archive, asked of a parser: what it is, its folders, the node ids of its items.
//!
//! What always holds: what a parser says is checked before it is used: no item has a folder that is not there, and a
//! list is no longer than an archive of the file's size can hold.

use crate::child::{Child, Death, trouble};
use crate::limits::Limits;
use crate::plan::{ArchivedOrigin, Entry, Origin};
use crate::wire::{self, ArchivedReply, Opened, Opening, Request, Trouble, Unlisted, Way};
use std::fs::File;
use std::time::Instant;

/// Bytes of an archive that an item or a folder takes at the very least: an entry in a tree of nodes.
const LEAST_BYTES: u64 = 16;

/// The contents of an archive.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) opened: Opened,
    /// Paths of folders.
    pub(crate) folders: Vec<String>,
    /// Items of folders.
    pub(crate) items: Vec<Entry>,
    /// Items of no folder, orphaned or deleted.
    pub(crate) recovered: Vec<Entry>,
    /// What could not be listed.
    pub(crate) lost: Vec<Unlisted>,
}

impl Contents {
    /// Items found: those that are listed and those whose row could not be read.
    pub(crate) fn found(&self) -> u64 {
        let rows = self.lost.iter().filter(|lost| lost.item).count();
        let listed = (self.items.len() as u64).saturating_add(self.recovered.len() as u64);
        listed.saturating_add(rows as u64)
    }
}

/// The path of a folder.
pub(crate) fn folder(folders: &[String], number: u32) -> &str {
    usize::try_from(number).ok().and_then(|n| folders.get(n)).map_or("/", String::as_str)
}

/// Why an archive is not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// Its parser says why.
    Refused(Trouble),
    /// Its parser died.
    Died(Death),
}

impl From<Death> for Unopened {
    fn from(death: Death) -> Self {
        Self::Died(death)
    }
}

impl From<Trouble> for Unopened {
    fn from(trouble: Trouble) -> Self {
        Self::Refused(trouble)
    }
}

impl From<Unopened> for Trouble {
    fn from(why: Unopened) -> Self {
        match why {
            Unopened::Refused(trouble) => trouble,
            Unopened::Died(Death { code, reason, .. }) => {
                Self { code: code.to_owned(), stage: "archive".to_owned(), reason }
            }
        }
    }
}

/// Has an archive opened. `Err` is why it is refused.
pub(crate) fn open(
    child: &mut Child,
    file: &File,
    opening: &Opening,
    until: Instant,
) -> Result<Opened, Unopened> {
    child.give(file, opening)?;
    let frame = child.next(Some(until))?;
    match wire::open::<ArchivedReply>(&frame) {
        Ok(ArchivedReply::Refused(why)) => Err(trouble(why).into()),
        Ok(ArchivedReply::Opened(opened)) => Ok(Opened {
            kind: opened.kind.chars().take(100).collect(),
            archive: opened.archive,
            claimed_size: opened.claimed_size.to_native(),
            password: opened.password,
            notes: opened.notes.iter().map(trouble).collect(),
        }),
        _ => Err(child.misbehaved().into()),
    }
}

/// Has the archive that is open listed.
pub(crate) fn list(
    child: &mut Child,
    opened: Opened,
    bytes: u64,
    limits: &Limits,
    until: Instant,
    way: Way,
) -> Result<Contents, Unopened> {
    let mut contents = Contents { opened, ..Contents::default() };
    child.ask(&Request::List(way))?;
    loop {
        let frame = child.next(Some(until)).map_err(|death| match death.code {
            "timeout" => limits.archive_timeout(bytes, "naming its items"),
            _ => death,
        })?;
        let sane = match wire::open::<ArchivedReply>(&frame) {
            Ok(ArchivedReply::Listed) => return Ok(contents),
            Ok(ArchivedReply::Refused(why)) => return Err(trouble(why).into()),
            Ok(ArchivedReply::Folders(folders)) => {
                contents.folders.extend(folders.iter().map(|path| path.as_str().to_owned()));
                true
            }
            Ok(ArchivedReply::Items(items)) => {
                let entries = items.iter().map(|item| Entry {
                    node: item.node.to_native(),
                    folder: item.folder.to_native(),
                    bytes: item.bytes.to_native(),
                    origin: match item.origin {
                        ArchivedOrigin::Folder => Origin::Folder,
                        ArchivedOrigin::Orphan => Origin::Orphan,
                        ArchivedOrigin::Deleted => Origin::Deleted,
                    },
                });
                for entry in entries {
                    match entry.origin {
                        Origin::Folder => contents.items.push(entry),
                        Origin::Orphan | Origin::Deleted => contents.recovered.push(entry),
                    }
                }
                let folders = contents.folders.len() as u64;
                items.iter().all(|item| u64::from(item.folder.to_native()) < folders)
            }
            Ok(ArchivedReply::Lost(lost)) => {
                contents.lost.extend(lost.iter().map(|lost| Unlisted {
                    folder: lost.folder.to_native(),
                    node: lost.node.to_native(),
                    item: lost.item,
                    trouble: trouble(&lost.trouble),
                }));
                true
            }
            _ => false,
        };
        let all =
            [contents.folders.len(), contents.items.len(), contents.recovered.len(), contents.lost.len()];
        let all = all.iter().fold(0u64, |sum, more| sum.saturating_add(*more as u64));
        // Rows of damaged tables may be many; they are bounded by the file all the same.
        if !sane || all > bytes.checked_div(LEAST_BYTES).unwrap_or(0).saturating_add(1024) {
            return Err(child.misbehaved().into());
        }
    }
}
