//! Counting by going through indexes: tags, and all else where segments have no columns.

use super::counted::Counted;
use super::{Counts, Facet, by_rows, empty, periods};
use crate::error::QueryError;
use crate::members::Members;
use crate::search::Run;
use jiff::tz::TimeZone;
use postlode_format::id::Id;
use postlode_format::index::{IndexId, Position, part_bytes, part_of_key};
use postlode_format::row::{ArchivedMark, RowKind, access, key_id};
use postlode_store::{KeyRange, Scan};
use std::collections::{BTreeSet, HashSet};

const PAGE: usize = 16_384;
/// Emails whose rows are read for facets that no index has.
const MOST_ROWS: usize = 20_000;

/// The index whose keys hold the values of a facet.
fn index_of(facet: Facet) -> Option<IndexId> {
    match facet {
        // Of domains there is an index too, but segments of older versions do not have it.
        Facet::Sender | Facet::Domain => Some(IndexId::Sender),
        Facet::Recipient => Some(IndexId::Recipient),
        Facet::Folder => Some(IndexId::Folder),
        Facet::Custodian => Some(IndexId::Custodian),
        Facet::Year | Facet::Month => Some(IndexId::Date),
        Facet::Tag | Facet::Archive | Facet::Class | Facet::Type | Facet::Language => None,
    }
}

/// Counts.
///
/// # Errors
/// Where the store as a whole cannot answer, or a row is not one.
pub async fn count(
    run: &mut Run,
    members: &Members,
    wanted: &BTreeSet<Facet>,
    tz: &TimeZone,
) -> Result<Counts, QueryError> {
    let (indexed, others): (BTreeSet<Facet>, BTreeSet<Facet>) =
        wanted.iter().partition(|facet| index_of(**facet).is_some());
    let mut counts = empty(&others);
    if !others.is_empty() {
        let newest = members.newest(run, MOST_ROWS).await?;
        if newest.len() >= MOST_ROWS {
            let reason = "archives, classes, types and languages are counted of the newest emails, as segments are older than \
                          their columns or cannot be read: `postlode segment compact` makes them";
            run.reasons.push(format!("{reason} ({MOST_ROWS} counted)"));
        }
        let ids: Vec<Id> = newest.iter().map(|position| position.id).collect();
        by_rows::add(run, &ids, &mut counts, tz).await?;
    }
    for facet in indexed {
        counts.insert(facet, from_index(run, facet, members, tz).await?);
    }
    Ok(counts)
}

/// The value that a key of the facet's index tells.
fn value_of(facet: Facet, key: &[u8], tz: &TimeZone) -> Option<Vec<u8>> {
    match facet {
        Facet::Year | Facet::Month => {
            periods::period(facet, Position::of_key(key)?.date, tz).map(|(text, _)| text)
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
    tz: &TimeZone,
) -> Result<Counted, QueryError> {
    let mut counts = Counted::default();
    let Some(index) = index_of(facet) else { return Ok(counts) };
    let mut range = KeyRange::prefix(&[]);
    // Of one email with two addresses of one domain the second is not counted.
    let mut seen: HashSet<(Vec<u8>, Id)> = HashSet::new();
    loop {
        let scan = Scan { index, range: range.clone(), descending: false, limit: PAGE };
        let page = run.engine.store.scan(scan).await?;
        run.missing.extend(page.missing);
        run.explain.keys = run.explain.keys.saturating_add(page.keys.len() as u64);
        for key in &page.keys {
            let Some(at) = Position::of_key(key).filter(|at| members.has(at)) else { continue };
            let Some(value) = value_of(facet, key, tz).filter(|v| facet.may_be_empty() || !v.is_empty())
            else {
                continue;
            };
            if facet != Facet::Domain || seen.insert((value.clone(), at.id)) {
                counts.add_email_with(&value, &at.id);
            }
        }
        match page.keys.last().filter(|_| !page.done) {
            Some(last) => range.low = [last.as_ref(), &[0]].concat(),
            None => return Ok(counts),
        }
    }
}

/// Counts tags. One that was taken away leaves its key in the index until compaction, so they come from the marks: from what is known of them, or else from
/// their rows.
///
/// # Errors
/// As [`count`].
pub async fn tags(run: &mut Run, members: &Members) -> Result<Counted, QueryError> {
    let mut counts = Counted::default();
    if let Some(tags) = run.engine.tags().await? {
        let members = members.clone();
        let job = move || {
            // Of tags that are equal but for their case an email has one.
            for (name, emails) in tags {
                let value = part_bytes(&name);
                emails
                    .iter()
                    .filter(|at| members.has(at))
                    .for_each(|at| counts.add_email_with(&value, &at.id));
            }
            counts
        };
        return run.engine.cpu.run(job).await.ok_or(QueryError::Internal("counting tags"));
    }
    let mut after: Option<bytes::Bytes> = None;
    loop {
        let (rows, missing) = run.engine.store.rows(RowKind::Mark, &[], after.as_deref(), PAGE).await?;
        run.missing.extend(missing);
        for row in &rows {
            let Some(id) = key_id(&row.key) else { continue };
            let mark = access::<ArchivedMark>(&row.value)?;
            if mark.tags.is_empty() || !members.has(&Position { date: mark.date.to_native(), id }) {
                continue;
            }
            let tags: BTreeSet<Vec<u8>> = mark.tags.iter().map(|tag| part_bytes(tag)).collect();
            tags.iter().for_each(|tag| counts.add_email_with(tag, &id));
        }
        match rows.last() {
            Some(last) if rows.len() >= PAGE => after = Some(last.key.clone()),
            _ => return Ok(counts),
        }
    }
}
