//! What a request means: archives, each with its custodian.
//!
//! What always holds: an archive whose failures are tried again is loaded as it was before, for the same custodian and
//! into the same folder, so that it is the same archive.

use crate::commit::{each_row, retry};
use crate::discover::{Candidate, FileKind, Found, Refusal, discover};
use crate::error::LoadError;
use crate::model::{CustodianPath, LoadRequest};
use postlode_format::row::{ArchivedArchiveVersion, ArchivedFailure, RowKind, access, extra};
use postlode_mail::rfc::Kind;
use postlode_store::Store;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Bytes of an archive's key, which begins the keys of its failures.
const ARCHIVE_KEY: usize = 32;

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
    let target = |candidate| match candidate {
        Candidate::Archive(found) => {
            let custodian =
                custodian(&request.custodians, &found.path).unwrap_or(&request.custodian).to_owned();
            Target::Archive { found, custodian }
        }
        Candidate::Refused(refusal) => Target::Refused(refusal),
    };
    Ok(discover(&request.paths).into_iter().map(target).collect())
}

/// Whose a path is.
fn custodian<'c>(custodians: &'c [CustodianPath], path: &Path) -> Option<&'c str> {
    let fitting = custodians.iter().filter(|named| path.starts_with(&named.path));
    fitting.max_by_key(|named| named.path.components().count()).map(|named| named.custodian.as_str())
}

/// All archives with items that could not be read.
async fn failed(store: &Store) -> Result<Vec<Target>, LoadError> {
    let mut keys = BTreeSet::new();
    each_row(store, RowKind::Failure, &[], |key, value| {
        if let (Some(key), Ok(failure)) = (key.get(..ARCHIVE_KEY), access::<ArchivedFailure>(value))
            && !failure.resolved
        {
            keys.insert(key.to_vec());
        }
    })
    .await?;
    let mut targets = Vec::new();
    for key in keys {
        let row = retry(|| store.get(RowKind::Archive, &key)).await?;
        let Some(row) = row.as_deref().and_then(|row| access::<ArchivedArchiveVersion>(row).ok()) else {
            continue;
        };
        let folder = row.extra.iter().find(|kept| kept.number == extra::FOLDER);
        let folder =
            folder.map_or_else(String::new, |kept| String::from_utf8_lossy(&kept.bytes).into_owned());
        let kind = match row.kind.as_str() {
            "eml" => FileKind::Mail(Kind::Eml),
            "mbox" => FileKind::Mail(Kind::Mbox),
            _ => FileKind::Pst,
        };
        let found = Found { path: PathBuf::from(row.path.as_str()), kind, folder };
        targets.push(Target::Archive { found, custodian: row.custodian.as_str().to_owned() });
    }
    // An older version of an archive has the same path: it is gone, and loading the new one once is enough.
    targets.dedup();
    Ok(targets)
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
