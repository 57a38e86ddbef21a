//! Archives as queries name them, and where the mail of one stands in the index.
//!
//! What always holds: an archive is one whatever versions of it were loaded from wherever, so a name of any version names
//! all of it; names are compared folded, and whole.

use crate::error::QueryError;
use crate::folders::FolderPattern;
use postlode_format::id::{Id, from_hex};
use postlode_format::index::{IndexId, POSITION, archive_prefix, fold};
use postlode_format::row::{ArchivedArchiveVersion, RowKind, access};
use postlode_store::{KeyRange, Missing, Scan, Store};
use std::collections::BTreeSet;

/// Rows of archives read at a time.
const PAGE: usize = 1024;

/// An archive as a query names it: its whole path, a path's beginning, any one name in it, the name of its file with or
/// without what that ends with, or its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivePattern {
    path: FolderPattern,
    /// The name of a file, without what it ends with.
    stem: Option<String>,
    id: Option<Id>,
}

impl ArchivePattern {
    /// Reads one; `None` where it names nothing.
    #[must_use]
    pub fn new(value: &str) -> Option<Self> {
        let value = value.trim();
        let path = FolderPattern::new(value)?;
        let stem = (!value.contains('/')).then(|| fold(value));
        Some(Self { path, stem, id: from_hex(value) })
    }

    /// Does it name the archive of this id that was loaded from this path?
    #[must_use]
    pub fn matches(&self, id: &Id, path: &str) -> bool {
        if self.id.as_ref() == Some(id) {
            return true;
        }
        let path = fold(path);
        let file = path.rsplit('/').next().unwrap_or_default();
        let stem = file.rsplit_once('.').map(|(stem, _)| stem);
        self.path.matches(&path) || (stem.is_some() && self.stem.as_deref() == stem)
    }
}

/// The archives that a pattern names, ascending, and what could not be read on the way.
///
/// # Errors
/// Where the store as a whole cannot answer.
pub async fn named(store: &Store, pattern: &ArchivePattern) -> Result<(Vec<Id>, Vec<Missing>), QueryError> {
    let (mut ids, mut damage) = (BTreeSet::new(), Vec::new());
    ids.extend(pattern.id);
    let mut after: Option<bytes::Bytes> = None;
    loop {
        let (rows, missing) = store.rows(RowKind::Archive, &[], after.as_deref(), PAGE).await?;
        damage.extend(missing);
        for row in &rows {
            let Some(id) = row.key.first_chunk::<16>() else { continue };
            let version = access::<ArchivedArchiveVersion>(&row.value)?;
            if pattern.matches(id, &version.path) {
                ids.insert(*id);
            }
        }
        // A page that is short may lack what cannot be read.
        match rows.last() {
            Some(last) => after = Some(last.key.clone()),
            None => return Ok((ids.into_iter().collect(), damage)),
        }
    }
}

/// What the keys of one archive in [`IndexId::ArchiveFolder`] begin with, one for each of its folders; `None` where these
/// are more than `most`, or cannot be read.
///
/// # Errors
/// Where the store as a whole cannot answer.
pub async fn folders(store: &Store, archive: &Id, most: usize) -> Result<Option<Vec<Vec<u8>>>, QueryError> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    let mut range = KeyRange::prefix(&archive_prefix(archive, None));
    loop {
        let scan = Scan { index: IndexId::ArchiveFolder, range: range.clone(), descending: false, limit: 1 };
        let page = store.scan(scan).await?;
        let Some(key) = page.keys.first() else { return Ok(page.missing.is_empty().then_some(out)) };
        let folder = key.len().checked_sub(POSITION).and_then(|end| key.get(..end));
        let Some(folder) = folder.filter(|_| page.missing.is_empty() && out.len() < most) else {
            return Ok(None);
        };
        range.low = KeyRange::prefix(folder).high;
        out.push(folder.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_named_by_its_path_its_file_or_its_id() {
        let id = [7; 16];
        let named = |value: &str| ArchivePattern::new(value).unwrap().matches(&id, "/Mail/2010/Ann.Old.pst");
        for value in
            ["ann.old.pst", "Ann.Old", "/mail/2010", "/mail/2010/ann.old.pst", "2010", &"07".repeat(16)]
        {
            assert!(named(value), "{value}");
        }
        for value in ["ann", "old.pst", "mail/2010/ann.old", "/mail/20", &"08".repeat(16)] {
            assert!(!named(value), "{value}");
        }
        assert_eq!(ArchivePattern::new(" / "), None);
    }
}
