//! What cannot be read: the exceptions that earlier loads left, and what this load makes of them.
//!
//! What always holds: what this load could not read has a row when the load is acknowledged; what an earlier load could
//! not read is taken back only after what takes its place is durable; one custodian's copy takes back nothing of
//! another's.

use crate::commit::each_row;
use crate::error::LoadError;
use crate::model::FailureReport;
use crate::output::Loss;
use bytes::Bytes;
use postlode_format::id::Id;
use postlode_format::row::{
    ArchivedException, ArchivedFailure, Exception, ExceptionKey, Failure, Grade, Row, RowKind, access,
    archive_key, to_bytes,
};
use postlode_store::Store;
use std::collections::{BTreeMap, HashMap};

/// Whose copy of which version of which archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) archive: Id,
    pub(crate) version: Id,
    pub(crate) custodian: String,
    /// Where it is.
    pub(crate) path: String,
}

impl Copy {
    /// What stands for a file that cannot be opened: nobody knows which archive it is.
    pub(crate) fn refused(path: &str, custodian: &str) -> Self {
        let mut version = Id::default();
        let hash = blake3::hash(path.as_bytes());
        version.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        Self { archive: refused_archives(), version, custodian: custodian.to_owned(), path: path.to_owned() }
    }

    fn key(&self, node: u64, grade: Grade, number: u16) -> ExceptionKey {
        let (archive, version) = (self.archive, self.version);
        let custodian = ExceptionKey::custodian(&self.custodian);
        ExceptionKey { archive, version, custodian, node, grade, number }
    }

    /// The report of a loss.
    pub(crate) fn report(&self, loss: Loss) -> FailureReport {
        let Loss { grade, folder, node, code, stage, reason } = loss;
        let (archive, lost) = (self.path.clone(), grade.as_str().to_owned());
        FailureReport { archive, folder, node, code, stage, reason, lost }
    }

    /// Rows of losses, numbered among those of one node and grade.
    pub(crate) fn rows(&self, losses: &[Loss]) -> Result<Vec<Row>, LoadError> {
        let mut numbers: BTreeMap<(u64, Grade), u16> = BTreeMap::new();
        losses
            .iter()
            .map(|loss| {
                let number = numbers.entry((loss.node, loss.grade)).or_default();
                let key = self.key(loss.node, loss.grade, *number);
                *number = number.saturating_add(1);
                let Loss { folder, code, stage, reason, .. } = loss.clone();
                let (path, custodian) = (self.path.clone(), self.custodian.clone());
                let exception = Exception { path, custodian, folder, code, stage, reason, resolved: false };
                row(RowKind::Exception, key.to_bytes().into(), &exception)
            })
            .collect()
    }
}

/// The archive that all files belong to which cannot be opened.
fn refused_archives() -> Id {
    postlode_format::id::archive_id("refused", b"")
}

fn row<T>(kind: RowKind, key: Bytes, record: &T) -> Result<Row, LoadError>
where
    T: for<'a> rkyv::Serialize<
            rkyv::api::high::HighSerializer<
                rkyv::util::AlignedVec,
                rkyv::ser::allocator::ArenaHandle<'a>,
                rkyv::rancor::Error,
            >,
        >,
{
    Ok(Row { kind, key, value: to_bytes(record).map_err(LoadError::record("an exception"))? })
}

/// Something that an earlier load could not read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    key: Bytes,
    loss: Loss,
    /// It has the layout of version 1, which knows no custodian.
    old: bool,
    path: String,
    custodian: String,
}

impl Known {
    fn of_row(row_key: &[u8], value: &[u8]) -> Option<Self> {
        let key = ExceptionKey::from_bytes(row_key).ok()?;
        let kept = access::<ArchivedException>(value).ok().filter(|kept| !kept.resolved)?;
        let text = |text: &str| text.to_owned();
        Some(Self {
            key: Bytes::copy_from_slice(row_key),
            loss: Loss {
                grade: key.grade,
                folder: text(&kept.folder),
                node: key.node,
                code: text(&kept.code),
                stage: text(&kept.stage),
                reason: text(&kept.reason),
            },
            old: false,
            path: text(&kept.path),
            custodian: text(&kept.custodian),
        })
    }

    fn of_old_row(row_key: &[u8], value: &[u8]) -> Option<Self> {
        let kept = access::<ArchivedFailure>(value).ok().filter(|kept| !kept.resolved)?;
        let text = |text: &str| text.to_owned();
        Some(Self {
            key: Bytes::copy_from_slice(row_key),
            loss: Loss {
                grade: Grade::Item,
                folder: text(&kept.folder),
                node: kept.node.to_native(),
                code: text(&kept.code),
                stage: text(&kept.stage),
                reason: text(&kept.reason),
            },
            old: true,
            path: String::new(),
            custodian: String::new(),
        })
    }

    /// The row that takes it back.
    fn resolved(&self) -> Result<Row, LoadError> {
        let Loss { folder, node, code, stage, reason, .. } = self.loss.clone();
        if self.old {
            let failure = Failure { folder, node, code, stage, reason, resolved: true };
            return row(RowKind::Failure, self.key.clone(), &failure);
        }
        let (path, custodian) = (self.path.clone(), self.custodian.clone());
        let exception = Exception { path, custodian, folder, code, stage, reason, resolved: true };
        row(RowKind::Exception, self.key.clone(), &exception)
    }
}

/// What earlier loads of a copy could not read, by node.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    by_node: HashMap<u64, Vec<Known>>,
}

impl Losses {
    /// Reads them.
    pub(crate) async fn read(store: &Store, copy: &Copy) -> Result<Self, LoadError> {
        let mut out = Self::default();
        let first = copy.key(0, Grade::Archive, 0).to_bytes();
        let prefix = first.get(..ExceptionKey::COPY).unwrap_or(&first);
        each_row(store, RowKind::Exception, prefix, |key, value| out.take(Known::of_row(key, value))).await?;
        let prefix = archive_key(&copy.archive, &copy.version);
        each_row(store, RowKind::Failure, &prefix, |key, value| out.take(Known::of_old_row(key, value)))
            .await?;
        Ok(out)
    }

    /// Those of all files that could not be opened, by the hash of the path, which is the version of such a file.
    pub(crate) async fn refused(store: &Store) -> Result<HashMap<Id, Self>, LoadError> {
        let mut out: HashMap<Id, Self> = HashMap::new();
        each_row(store, RowKind::Exception, &refused_archives(), |key, value| {
            if let (Ok(place), Some(known)) = (ExceptionKey::from_bytes(key), Known::of_row(key, value)) {
                out.entry(place.version).or_default().take(Some(known));
            }
        })
        .await?;
        Ok(out)
    }

    fn take(&mut self, known: Option<Known>) {
        if let Some(known) = known {
            self.by_node.entry(known.loss.node).or_default().push(known);
        }
    }

    fn of(&self, node: u64, grade: Grade) -> impl Iterator<Item = &Loss> {
        let all = self.by_node.get(&node).map(Vec::as_slice).unwrap_or_default();
        all.iter().map(|known| &known.loss).filter(move |loss| loss.grade == grade)
    }

    /// Why an item could not be read, where it could not.
    pub(crate) fn item(&self, node: u64) -> Option<&Loss> {
        self.of(node, Grade::Item).next()
    }

    /// What of an item could not be read.
    pub(crate) fn parts(&self, node: u64) -> impl Iterator<Item = &Loss> {
        self.of(node, Grade::Part)
    }

    /// Nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_node.is_empty()
    }

    /// The rows that take back what is known of a node, but for what `rows` say anew.
    pub(crate) fn settled(&self, node: u64, rows: &[Row]) -> Result<Vec<Row>, LoadError> {
        let known = self.by_node.get(&node).map(Vec::as_slice).unwrap_or_default();
        Self::taken_back(known.iter(), rows)
    }

    /// The same for everything that is no item of a folder, and was not told of by its reading.
    pub(crate) fn settled_beside(
        &self,
        rows: &[Row],
        is_item: impl Fn(u64) -> bool,
    ) -> Result<Vec<Row>, LoadError> {
        let known = self.by_node.values().flatten();
        let beside = known.filter(|known| known.loss.grade == Grade::Archive || !is_item(known.loss.node));
        Self::taken_back(beside, rows)
    }

    fn taken_back<'k>(known: impl Iterator<Item = &'k Known>, rows: &[Row]) -> Result<Vec<Row>, LoadError> {
        let again = |known: &Known| rows.iter().any(|row| row.key == known.key);
        known.filter(|known| !again(known)).map(Known::resolved).collect()
    }
}

/// The rows that take back what could not be read of older versions of a copy, at the same place, now that all of this
/// version's items are known: what it could not read it says itself.
pub(crate) async fn superseded(store: &Store, copy: &Copy) -> Result<Vec<Row>, LoadError> {
    let mut old = Vec::new();
    each_row(store, RowKind::Exception, &copy.archive, |key, value| {
        let known = Known::of_row(key, value).filter(|_| {
            // Archives with one record key are common: it is the path that says that this one was grown.
            ExceptionKey::from_bytes(key).is_ok_and(|place| place.version != copy.version)
        });
        old.extend(known.filter(|known| known.path == copy.path && known.custodian == copy.custodian));
    })
    .await?;
    old.iter().map(Known::resolved).collect()
}

/// A file to be tried again: where, for whom, into which folder, and as which archive if that is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Again {
    pub(crate) path: String,
    pub(crate) custodian: String,
    pub(crate) folder: String,
    /// Key of its archive; empty where it could not be opened.
    pub(crate) archive: Vec<u8>,
}

/// All files with items that could not be read, or that could not be opened.
pub(crate) async fn to_try_again(store: &Store) -> Result<Vec<Again>, LoadError> {
    let mut all = BTreeMap::new();
    let refused = refused_archives();
    each_row(store, RowKind::Exception, &[], |key, value| {
        let (Ok(place), Some(known)) = (ExceptionKey::from_bytes(key), Known::of_row(key, value)) else {
            return;
        };
        let whole = place.archive == refused;
        if place.grade == Grade::Item || whole {
            let archive = if whole { Vec::new() } else { archive_key(&place.archive, &place.version) };
            let folder = if whole { known.loss.folder } else { String::new() };
            let again = Again { path: known.path, custodian: known.custodian, folder, archive };
            all.insert(again, ());
        }
    })
    .await?;
    each_row(store, RowKind::Failure, &[], |key, value| {
        if let Some(known) = Known::of_old_row(key, value) {
            let archive = known.key.get(..32).unwrap_or_default().to_vec();
            let (path, custodian, folder) = (String::new(), String::new(), String::new());
            all.insert(Again { path, custodian, folder, archive }, ());
        }
    })
    .await?;
    Ok(all.into_keys().collect())
}
