//! Counting emails one by one, from their rows.

use super::{Counts, Facet, periods};
use crate::error::QueryError;
use crate::search::Run;
use jiff::tz::TimeZone;
use postlode_format::column::{of_email, of_place};
use postlode_format::id::Id;
use postlode_format::index::part_bytes;
use postlode_format::row::{ArchivedEmail, ArchivedMark, access};
use postlode_store::Found;
use std::collections::BTreeSet;

const BATCH: usize = 256;

/// Adds these emails to all facets that are counted.
///
/// # Errors
/// Where the store as a whole cannot answer, or a row is not one.
pub async fn add(run: &mut Run, ids: &[Id], counts: &mut Counts, tz: &TimeZone) -> Result<(), QueryError> {
    if counts.is_empty() {
        return Ok(());
    }
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
            let mut columns = of_email(&found.email)?;
            for place in &found.places {
                columns.extend(of_place(place)?);
            }
            for (facet, counted) in counts.iter_mut() {
                let values: BTreeSet<Vec<u8>> = match facet.column() {
                    Some(id) => {
                        let own = columns.iter().filter(|(column, _)| *column == id);
                        own.map(|(_, value)| value.clone()).collect()
                    }
                    None => others(*facet, &found, tz)?,
                };
                values.iter().for_each(|value| counted.add_email_with(value, &found.id));
            }
        }
    }
    Ok(())
}

/// Values that no column has.
fn others(facet: Facet, found: &Found, tz: &TimeZone) -> Result<BTreeSet<Vec<u8>>, QueryError> {
    if facet != Facet::Tag {
        let date = access::<ArchivedEmail>(&found.email)?.date.to_native();
        return Ok(periods::period(facet, date, tz).map(|(text, _)| text).into_iter().collect());
    }
    match &found.mark {
        Some(mark) => Ok(access::<ArchivedMark>(mark)?.tags.iter().map(|tag| part_bytes(tag)).collect()),
        None => Ok(BTreeSet::new()),
    }
}
