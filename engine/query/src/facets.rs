//! Facets: how many of the emails that a query finds have each sender, folder, custodian ….
//!
//! What always holds: each email counts once for each of its values, however many places or copies it has; deleted
//! ones do not count; a count that may be too low, because not all was looked at, is told in the answer's `partial`.

use crate::error::QueryError;
use crate::filter::Filter;
use crate::model::{FacetCounts, FacetValue};
use crate::search::Run;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use postlode_format::id::Id;
use postlode_format::index::{self, IndexId, Position, part_bytes, part_of_key};
use postlode_format::row::{ArchivedMark, ArchivedPlace, RowKind, access, key_id};
use postlode_store::{Found, KeyRange, Scan};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

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
}

impl Facet {
    /// All of them.
    pub const ALL: [Facet; 8] = [
        Facet::Sender,
        Facet::Domain,
        Facet::Recipient,
        Facet::Folder,
        Facet::Custodian,
        Facet::Tag,
        Facet::Year,
        Facet::Month,
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

    /// The index whose keys hold its values.
    fn index(self) -> IndexId {
        match self {
            // Of domains there is an index too, but segments of older versions do not have it.
            Self::Sender | Self::Domain => IndexId::Sender,
            Self::Recipient => IndexId::Recipient,
            Self::Folder => IndexId::Folder,
            Self::Custodian => IndexId::Custodian,
            Self::Tag => IndexId::Tag,
            Self::Year | Self::Month => IndexId::Date,
        }
    }
}

/// Values listed for each facet.
const VALUES: usize = 50;
/// Emails of which the newest are counted, where keys alone tell which they are, and where rows have to be read.
const MOST: usize = 1 << 20;
const MOST_ROWS: usize = 20_000;
/// So many emails are counted from their own rows; more by going through the indexes.
const FROM_ROWS: usize = 1_000;
/// Different values of one facet that are kept in memory.
const MOST_VALUES: usize = 1 << 20;
const PAGE: usize = 16_384;
const BATCH: usize = 256;

/// Counts under way: value, emails, and one of them.
type Counts = HashMap<Vec<u8>, (u64, Id)>;

/// The emails that count.
enum Members {
    /// All but these.
    AllBut(HashSet<Id>),
    /// These.
    These(HashSet<Id>),
}

impl Members {
    fn has(&self, id: &Id) -> bool {
        match self {
            Self::AllBut(ids) => !ids.contains(id),
            Self::These(ids) => ids.contains(id),
        }
    }
}

/// Counts for what a run finds. Damage and limits are noted in the run.
pub async fn count(
    run: &mut Run,
    wanted: &[Facet],
    tz: &TimeZone,
) -> Result<BTreeMap<Facet, FacetCounts>, QueryError> {
    let members = members(run).await?;
    let wanted: BTreeSet<Facet> = wanted.iter().copied().collect();
    let mut counts: BTreeMap<Facet, Counts> = wanted.iter().map(|f| (*f, Counts::new())).collect();
    match &members {
        Members::These(ids) if ids.len() <= FROM_ROWS => from_rows(run, ids, &mut counts, tz).await?,
        _ => {
            for (facet, counts) in &mut counts {
                match facet {
                    Facet::Tag => from_marks(run, &members, counts).await?,
                    facet => from_index(run, *facet, &members, counts, tz).await?,
                }
            }
        }
    }
    let mut out = BTreeMap::new();
    for (facet, counts) in counts {
        let distinct = counts.len() as u64;
        if counts.len() >= MOST_VALUES {
            run.reasons.push(format!("{} has more values than are counted", facet.name()));
        }
        out.insert(facet, FacetCounts { values: listed(run, facet, counts).await?, distinct });
    }
    run.lap("facets");
    Ok(out)
}

async fn members(run: &mut Run) -> Result<Members, QueryError> {
    let everything = matches!(&run.asked, Filter::All(parts) if parts.is_empty());
    if everything && let Some(deleted) = run.engine.deleted().await? {
        return Ok(Members::AllBut(deleted.as_ref().clone()));
    }
    let (driver, mut stream) = run.newest_first().await?;
    let mut ids = HashSet::new();
    let keys_do = driver.covered && run.deleted().is_some();
    let (most, batch) = if keys_do { (MOST, PAGE) } else { (MOST_ROWS, BATCH) };
    loop {
        let candidates = run.next(&mut stream, batch).await?;
        if candidates.is_empty() {
            break;
        }
        match run.deleted().filter(|_| keys_do) {
            Some(deleted) => ids.extend(candidates.iter().map(|p| p.id).filter(|id| !deleted.contains(id))),
            None => ids.extend(run.check(&candidates, driver.covered).await?.iter().map(|m| m.position.id)),
        }
        if ids.len() >= most {
            run.reasons.push(format!("facets count the newest {} of the emails found", ids.len()));
            break;
        }
    }
    run.missing.append(&mut stream.missing);
    Ok(Members::These(ids))
}

/// Adds one email to a value's count.
fn add(counts: &mut Counts, value: Vec<u8>, id: Id) {
    if let Some((count, _)) = counts.get_mut(&value) {
        *count = count.saturating_add(1);
    } else if counts.len() < MOST_VALUES {
        counts.insert(value, (1, id));
    }
}

/// The value that a key of the facet's index tells.
fn value_of(facet: Facet, key: &[u8], tz: &TimeZone) -> Option<Vec<u8>> {
    match facet {
        Facet::Year | Facet::Month => {
            let micros = Position::of_key(key)?.date;
            if micros == i64::MIN {
                return Some(Vec::new());
            }
            let date = Timestamp::from_microsecond(micros).ok()?.to_zoned_datetime(tz.clone()).date();
            let year = format!("{:04}", date.year());
            let text = if facet == Facet::Year { year } else { format!("{year}-{:02}", date.month()) };
            Some(text.into_bytes())
        }
        Facet::Domain => {
            let part = part_of_key(key)?;
            let at = part.iter().rposition(|byte| *byte == b'@')?;
            part.get(at.saturating_add(1)..).filter(|domain| !domain.is_empty()).map(<[u8]>::to_vec)
        }
        _ => part_of_key(key).map(<[u8]>::to_vec),
    }
}

async fn from_index(
    run: &mut Run,
    facet: Facet,
    members: &Members,
    counts: &mut Counts,
    tz: &TimeZone,
) -> Result<(), QueryError> {
    let mut range = KeyRange::prefix(&[]);
    // Of one email with two addresses of one domain the second is not counted.
    let mut seen: HashSet<(Vec<u8>, Id)> = HashSet::new();
    loop {
        let scan = Scan { index: facet.index(), range: range.clone(), descending: false, limit: PAGE };
        let page = run.engine.store.scan(scan).await?;
        run.missing.extend(page.missing);
        run.explain.keys = run.explain.keys.saturating_add(page.keys.len() as u64);
        for key in &page.keys {
            let Some(at) = Position::of_key(key).filter(|at| members.has(&at.id)) else { continue };
            let Some(value) = value_of(facet, key, tz) else { continue };
            if facet != Facet::Domain || seen.insert((value.clone(), at.id)) {
                add(counts, value, at.id);
            }
        }
        match page.keys.last().filter(|_| !page.done) {
            Some(last) => range.low = [last.as_ref(), &[0]].concat(),
            None => return Ok(()),
        }
    }
}

/// A tag that was taken away leaves its key in the index until compaction, so tags come from the marks.
async fn from_marks(run: &mut Run, members: &Members, counts: &mut Counts) -> Result<(), QueryError> {
    let mut after: Option<bytes::Bytes> = None;
    loop {
        let (rows, missing) = run.engine.store.rows(RowKind::Mark, &[], after.as_deref(), PAGE).await?;
        run.missing.extend(missing);
        for row in &rows {
            let Some(id) = key_id(&row.key).filter(|id| members.has(id)) else { continue };
            let tags: BTreeSet<Vec<u8>> =
                access::<ArchivedMark>(&row.value)?.tags.iter().map(|tag| part_bytes(tag)).collect();
            tags.into_iter().for_each(|tag| add(counts, tag, id));
        }
        match rows.last() {
            Some(last) if rows.len() >= PAGE => after = Some(last.key.clone()),
            _ => return Ok(()),
        }
    }
}

async fn from_rows(
    run: &mut Run,
    ids: &HashSet<Id>,
    counts: &mut BTreeMap<Facet, Counts>,
    tz: &TimeZone,
) -> Result<(), QueryError> {
    let ids: Vec<Id> = ids.iter().copied().collect();
    for batch in ids.chunks(BATCH) {
        for found in run.engine.store.emails(batch).await? {
            let found = match found {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(missing) => {
                    run.missing.insert(missing);
                    continue;
                }
            };
            let keys = keys_of(&found)?;
            for (facet, counts) in counts.iter_mut() {
                let own = keys.iter().filter(|(index, _)| *index == facet.index());
                let values: BTreeSet<Vec<u8>> =
                    own.filter_map(|(_, key)| value_of(*facet, key, tz)).collect();
                values.into_iter().for_each(|value| add(counts, value, found.id));
            }
        }
    }
    Ok(())
}

/// The index keys of an email as it is now.
fn keys_of(found: &Found) -> Result<Vec<(IndexId, Vec<u8>)>, QueryError> {
    let mut out = index::entries(RowKind::Email, &found.id, &found.email)?;
    for place in &found.places {
        // The key of a place begins with the email's id, and its index keys need no more of it.
        out.extend(index::entries(RowKind::Place, &found.id, place)?);
    }
    if let Some(mark) = &found.mark {
        out.extend(index::entries(RowKind::Mark, &found.id, mark)?);
    }
    Ok(out)
}

/// The values with the most emails, as they are written.
async fn listed(run: &mut Run, facet: Facet, counts: Counts) -> Result<Vec<FacetValue>, QueryError> {
    let mut all: Vec<(Vec<u8>, (u64, Id))> = counts.into_iter().collect();
    if matches!(facet, Facet::Year | Facet::Month) {
        // A histogram, in the order of time; emails without a date come first.
        all.sort_unstable();
    } else {
        all.sort_unstable_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(&b.0)));
        all.truncate(VALUES);
    }
    let mut written: HashMap<Vec<u8>, String> = HashMap::new();
    if matches!(facet, Facet::Folder | Facet::Custodian | Facet::Tag) {
        // Keys are folded; one of the emails tells how it is written.
        let ids: Vec<Id> = all.iter().map(|(_, (_, id))| *id).collect();
        for found in run.engine.store.emails(&ids).await?.into_iter().filter_map(Result::ok).flatten() {
            for name in names(facet, &found)? {
                written.entry(part_bytes(&name)).or_insert(name);
            }
        }
    }
    let value = |(key, (count, _)): (Vec<u8>, (u64, Id))| {
        let name = written.remove(&key).unwrap_or_else(|| String::from_utf8_lossy(&key).into_owned());
        FacetValue { value: name, count }
    };
    Ok(all.into_iter().map(value).collect())
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
