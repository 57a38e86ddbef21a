//! Facets: how many of the emails that a query finds have each sender, folder, custodian ….
//!
//! Few emails are counted from their rows, many from the columns of segments; where a segment has no columns, as it is older
//! than they are, or they are damaged, from indexes. What always holds: each email counts once for each of its values,
//! however many places or copies it has; deleted ones do not count; a count that may be wrong, because not all was looked
//! at, is told in the answer's `partial`.

mod by_columns;
mod by_index;
mod by_rows;
mod counted;
mod periods;

use crate::error::QueryError;
use crate::members::Members;
use crate::model::{FacetCounts, FacetValue};
use crate::search::Run;
use counted::{Counted, Value};
use jiff::tz::TimeZone;
use postlode_format::column::ColumnId;
use postlode_format::id::{Id, to_hex};
use postlode_format::index::part_bytes;
use postlode_format::row::{ArchivedArchiveVersion, ArchivedMark, ArchivedPlace, RowKind, access};
use postlode_store::Found;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Facet {
    /// Addresses in From and Sender.
    Sender,
    /// The domains of these addresses.
    Domain,
    /// Addresses in To, Cc and Bcc.
    Recipient,
    /// Folder paths.
    Folder,
    /// Whose mail it is.
    Custodian,
    /// Tags.
    Tag,
    /// Years, in the request's time zone.
    Year,
    /// Months, likewise.
    Month,
    /// Paths of archives.
    Archive,
    /// Message classes.
    Class,
    /// What attachments are: what their names end with, as a rule.
    Type,
    /// Languages of the new text, as ISO 639-3 names them.
    Language,
}

impl Facet {
    /// All of them.
    pub const ALL: [Facet; 12] = [
        Facet::Sender,
        Facet::Domain,
        Facet::Recipient,
        Facet::Folder,
        Facet::Custodian,
        Facet::Tag,
        Facet::Year,
        Facet::Month,
        Facet::Archive,
        Facet::Class,
        Facet::Type,
        Facet::Language,
    ];

    /// Its name, as in requests and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Domain => "domain",
            Self::Recipient => "recipient",
            Self::Folder => "folder",
            Self::Custodian => "custodian",
            Self::Tag => "tag",
            Self::Year => "year",
            Self::Month => "month",
            Self::Archive => "archive",
            Self::Class => "class",
            Self::Type => "type",
            Self::Language => "language",
        }
    }

    /// The facet of a name.
    ///
    /// # Errors
    /// One line that lists them.
    pub fn from_name(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|f| f.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.into_iter().map(Self::name).collect();
            format!("there is no facet {name:?}: use some of {}", names.join(", "))
        })
    }

    /// Does nothing count as a value? Folders may be the root, and emails without a date are of some period too.
    fn may_be_empty(self) -> bool {
        matches!(self, Self::Folder | Self::Year | Self::Month)
    }

    /// The column that has its values; years, months and tags have none.
    fn column(self) -> Option<ColumnId> {
        match self {
            Self::Sender => Some(ColumnId::Sender),
            Self::Domain => Some(ColumnId::Domain),
            Self::Recipient => Some(ColumnId::Recipient),
            Self::Folder => Some(ColumnId::Folder),
            Self::Custodian => Some(ColumnId::Custodian),
            Self::Archive => Some(ColumnId::Archive),
            Self::Class => Some(ColumnId::Class),
            Self::Type => Some(ColumnId::AttachmentType),
            Self::Language => Some(ColumnId::Language),
            Self::Tag | Self::Year | Self::Month => None,
        }
    }
}

/// Values listed for each facet.
const VALUES: usize = 50;
/// So many emails are counted from their own rows.
const FROM_ROWS: usize = 1_000;

/// Counts by facet.
type Counts = BTreeMap<Facet, Counted>;

/// Counts for what a run finds. Damage and limits are noted in the run.
pub async fn count(
    run: &mut Run,
    wanted: &[Facet],
    tz: &TimeZone,
) -> Result<BTreeMap<Facet, FacetCounts>, QueryError> {
    let members = Members::of(run).await?;
    run.lap("facets: emails");
    let wanted: BTreeSet<Facet> = wanted.iter().copied().collect();
    let mut counts = match members.ids(FROM_ROWS) {
        Some(ids) => {
            let mut counts = empty(&wanted);
            by_rows::add(run, &ids, &mut counts, tz).await?;
            counts
        }
        None => many(run, members, &wanted, tz).await?,
    };
    let mut out = BTreeMap::new();
    for facet in wanted {
        let counted = counts.remove(&facet).unwrap_or_default();
        if counted.is_cut {
            run.reasons.push(format!("{} has more values than are counted", facet.name()));
        }
        out.insert(facet, listed(run, facet, &counted).await?);
    }
    run.lap("facets");
    Ok(out)
}

fn empty(wanted: &BTreeSet<Facet>) -> Counts {
    wanted.iter().map(|facet| (*facet, Counted::default())).collect()
}

/// Counts more emails than are read one by one.
async fn many(
    run: &mut Run,
    members: Members,
    wanted: &BTreeSet<Facet>,
    tz: &TimeZone,
) -> Result<Counts, QueryError> {
    let mut plain = wanted.clone();
    let tags = plain.remove(&Facet::Tag);
    let by_columns =
        if plain.is_empty() { Some(Counts::new()) } else { by_columns(run, &members, &plain, tz).await? };
    let mut counts = match by_columns {
        Some(counts) => counts,
        None => by_index::count(run, &members, &plain, tz).await?,
    };
    if tags {
        counts.insert(Facet::Tag, by_index::tags(run, &members).await?);
    }
    Ok(counts)
}

/// Counts by columns; `None` where some segment has none, or they cannot be read.
async fn by_columns(
    run: &mut Run,
    members: &Members,
    wanted: &BTreeSet<Facet>,
    tz: &TimeZone,
) -> Result<Option<Counts>, QueryError> {
    let of_places = wanted.iter().filter_map(|facet| facet.column()).any(ColumnId::is_of_places);
    let sources = run.engine.column_sources(of_places).await?;
    if sources.segments.iter().any(|segment| segment.columns.is_empty()) {
        return Ok(None);
    }
    let (engine, members, facets, tz_of_job) =
        (Arc::clone(&run.engine), members.clone(), wanted.clone(), tz.clone());
    let job = move || by_columns::count(&engine.columns, &sources, &members, &facets, &tz_of_job);
    let done = run.engine.cpu.run(job).await.ok_or(QueryError::Internal("counting"))?;
    match done {
        Ok(counts) => {
            run.lap("facets: columns");
            Ok(Some(counts))
        }
        Err(missing) => {
            // Indexes and rows tell all of it too.
            tracing::warn!("facets are counted without columns: {missing}");
            Ok(None)
        }
    }
}

/// The values with the most emails, as they are written.
async fn listed(run: &mut Run, facet: Facet, counted: &Counted) -> Result<FacetCounts, QueryError> {
    let mut all = counted.found();
    let distinct = all.len() as u64;
    if matches!(facet, Facet::Year | Facet::Month) {
        // A histogram, in the order of time; emails without a date come first.
        all.sort_unstable_by(|a, b| a.value.cmp(b.value));
    } else {
        let most_first =
            |a: &Value<'_>, b: &Value<'_>| b.count.cmp(&a.count).then_with(|| a.value.cmp(b.value));
        if all.len() > VALUES {
            all.select_nth_unstable_by(VALUES, most_first);
            all.truncate(VALUES);
        }
        all.sort_unstable_by(most_first);
    }
    let mut written = written(run, facet, &all).await?;
    let value = |own: Value<'_>| {
        let name =
            written.remove(own.value).unwrap_or_else(|| String::from_utf8_lossy(own.value).into_owned());
        FacetValue { value: name, count: own.count }
    };
    Ok(FacetCounts { values: all.into_iter().map(value).collect(), distinct })
}

/// How values are written, where keys are folded or are numbers.
async fn written(
    run: &mut Run,
    facet: Facet,
    values: &[Value<'_>],
) -> Result<HashMap<Vec<u8>, String>, QueryError> {
    let mut out = HashMap::new();
    match facet {
        Facet::Folder | Facet::Custodian | Facet::Tag => {
            let ids: Vec<Id> = values.iter().filter_map(|value| value.example).collect();
            for found in run.engine.store.emails(&ids).await?.into_iter().filter_map(Result::ok).flatten() {
                for name in names(facet, &found)? {
                    out.entry(part_bytes(&name)).or_insert(name);
                }
            }
        }
        Facet::Archive => {
            for value in values {
                out.insert(value.value.to_vec(), archive(run, value.value).await?);
            }
        }
        _ => {}
    }
    Ok(out)
}

/// The path of an archive, as it was when it was loaded last; its id where that is not known.
async fn archive(run: &mut Run, id: &[u8]) -> Result<String, QueryError> {
    let mut newest: Option<(i64, String)> = None;
    let mut after: Option<bytes::Bytes> = None;
    loop {
        let (rows, missing) = run.engine.store.rows(RowKind::Archive, id, after.as_deref(), VALUES).await?;
        run.missing.extend(missing);
        for row in &rows {
            let version = access::<ArchivedArchiveVersion>(&row.value)?;
            let loaded = version.loaded_at.to_native();
            if newest.as_ref().is_none_or(|(at, _)| *at < loaded) {
                newest = Some((loaded, version.path.as_str().to_owned()));
            }
        }
        match rows.last() {
            Some(last) if rows.len() >= VALUES => after = Some(last.key.clone()),
            _ => return Ok(newest.map_or_else(|| to_hex(id), |(_, path)| path)),
        }
    }
}

fn names(facet: Facet, found: &Found) -> Result<Vec<String>, QueryError> {
    let mut out = Vec::new();
    match (facet, &found.mark) {
        (Facet::Tag, Some(mark)) => {
            out.extend(access::<ArchivedMark>(mark)?.tags.iter().map(|tag| tag.as_str().to_owned()));
        }
        (Facet::Tag, None) => {}
        _ => {
            for place in &found.places {
                let place = access::<ArchivedPlace>(place)?;
                let name = if facet == Facet::Folder { &place.folder } else { &place.custodian };
                out.push(name.as_str().to_owned());
            }
        }
    }
    Ok(out)
}
