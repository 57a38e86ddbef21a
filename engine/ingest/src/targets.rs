//! What a request means: archives, each with its custodian.
//!
//! What always holds: an archive whose failures are tried again is loaded as it was before, for the same custodian and
//! into the same folder, so that it is the same archive.

use crate::commit::retry;
use crate::discover::{Candidate, FileKind, Found, Refusal, discover};
use crate::error::LoadError;
use crate::losses::{Again, to_try_again};
use crate::model::{CustodianPath, LoadRequest};
use postlode_format::row::{ArchivedArchiveVersion, RowKind, access, extra};
use postlode_mail::rfc::Kind;
use postlode_store::Store;
use std::path::{Path, PathBuf};

/// Something to be loaded, or the reason why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Archive { found: Found, custodian: String },
    Refused(Refusal),
}

/// Everything that a request means, in its order.
pub(crate) async fn targets(store: &Store, request: &LoadRequest) -> Result<Vec<Target>, LoadError> {
    if request.retry_failed && request.paths.is_empty() {
        return failed(store).await;
    }
    let named: Vec<CustodianPath> = request.custodians.iter().map(real).collect();
    let target = |candidate| match candidate {
        Candidate::Archive(found) => {
            let path = if named.is_empty() { found.path.clone() } else { real_path(&found.path) };
            let custodian = custodian(&named, &path).unwrap_or(&request.custodian).to_owned();
            Target::Archive { found, custodian }
        }
        Candidate::Refused(refusal) => Target::Refused(refusal),
    };
    Ok(discover(&request.paths).into_iter().map(target).collect())
}

/// Paths that a request names a custodian of, and under which there is none of the targets: surely a slip.
pub(crate) fn without_mail(request: &LoadRequest, targets: &[Target]) -> Vec<String> {
    let paths = || {
        targets.iter().map(|target| match target {
            Target::Archive { found, .. } => &found.path,
            Target::Refused(refusal) => &refusal.path,
        })
    };
    let named = request.custodians.iter().filter(|named| {
        let named = real(named);
        !paths().any(|path| real_path(path).starts_with(&named.path))
    });
    named.map(|named| named.path.display().to_string()).collect()
}

/// With the path that it is by the links on the way.
fn real(named: &CustodianPath) -> CustodianPath {
    CustodianPath { path: real_path(&named.path), custodian: named.custodian.clone() }
}

fn real_path(path: &Path) -> PathBuf {
    // What is not there is nobody's.
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Whose a path is.
fn custodian<'c>(custodians: &'c [CustodianPath], path: &Path) -> Option<&'c str> {
    let fitting = custodians.iter().filter(|named| path.starts_with(&named.path));
    fitting.max_by_key(|named| named.path.components().count()).map(|named| named.custodian.as_str())
}

/// All archives with items that could not be read, and all files that could not be opened.
async fn failed(store: &Store) -> Result<Vec<Target>, LoadError> {
    let mut targets = Vec::new();
    for again in to_try_again(store).await? {
        let target = match again.archive.is_empty() {
            true => unopened(again),
            false => opened(store, again).await?,
        };
        targets.extend(target);
    }
    // An older version of an archive has the same path: it is gone, and loading the new one once is enough.
    targets.dedup();
    Ok(targets)
}

/// An archive that was open once: as it was then, for the same custodian, from where it was.
async fn opened(store: &Store, again: Again) -> Result<Option<Target>, LoadError> {
    let row = retry(|| store.get(RowKind::Archive, &again.archive)).await?;
    let Some(row) = row.as_deref().and_then(|row| access::<ArchivedArchiveVersion>(row).ok()) else {
        return Ok(None);
    };
    let folder = row.extra.iter().find(|kept| kept.number == extra::FOLDER);
    let folder = folder.map_or_else(String::new, |kept| String::from_utf8_lossy(&kept.bytes).into_owned());
    let kind = match row.kind.as_str() {
        "eml" => FileKind::Mail(Kind::Eml),
        "mbox" => FileKind::Mail(Kind::Mbox),
        _ => FileKind::Pst,
    };
    // What version 1 kept names neither.
    let old = again.path.is_empty();
    let path = if old { row.path.as_str().to_owned() } else { again.path };
    let custodian = if old { row.custodian.as_str().to_owned() } else { again.custodian };
    Ok(Some(Target::Archive { found: Found { path: PathBuf::from(path), kind, folder }, custodian }))
}

/// A file that could not be opened: looked at anew.
fn unopened(again: Again) -> Option<Target> {
    let Again { path, custodian, folder, .. } = again;
    let candidate = discover(&[PathBuf::from(path)]).into_iter().next()?;
    Some(match candidate {
        Candidate::Refused(refusal) => Target::Refused(refusal),
        Candidate::Archive(found) => {
            let folder = if folder.is_empty() { found.folder } else { folder };
            Target::Archive { found: Found { folder, ..found }, custodian }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_says_whose_it_is() {
        let named =
            |path: &str, custodian: &str| CustodianPath { path: path.into(), custodian: custodian.into() };
        let all = [named("/mail", "all"), named("/mail/ann", "ann"), named("/mail/ann/b.pst", "bob")];
        assert_eq!(custodian(&all, Path::new("/mail/x.pst")), Some("all"));
        assert_eq!(custodian(&all, Path::new("/mail/ann/a.pst")), Some("ann"));
        assert_eq!(custodian(&all, Path::new("/mail/ann/b.pst")), Some("bob"));
        assert_eq!(custodian(&all, Path::new("/mail/annie/a.pst")), Some("all"));
        assert_eq!(custodian(&all, Path::new("/other")), None);
    }
}
