//! The columns of a segment under construction.
//!
//! What always holds: rows of emails are numbered by their ordinals, those of the others follow in (date, id) order;
//! what a row says is said by rows of this segment and by no others. Columns are made of what is in the segment anyway, so one
//! that cannot be made costs time, and no mail: the segment is without columns then.

use super::shared;
use super::source::BuildError;
use super::writer::SegmentWriter;
use crate::api::Missing;
use bytes::Bytes;
use postlode_format::FormatError;
use postlode_format::column::{
    self, ColumnId, ColumnValues, NumberColumn, STRANGERS, TextColumn, TextColumnBuilder,
};
use postlode_format::id::Id;
use postlode_format::index::{POSITION, Position};
use postlode_format::row::{ArchivedPlace, RowKind, access};
use postlode_format::segment::{Directory, SectionKind};
use postlode_runtime::SharedFile;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Block sizes of columns, which are read from end to end: of those that fit into one of the large, and of others.
const BLOCKS: [usize; 2] = [4096, 65_536];

/// Takes in emails, then places, then writes.
#[derive(Default)]
pub struct Columns {
    texts: BTreeMap<ColumnId, TextColumnBuilder>,
    sizes: Vec<u64>,
    /// Emails of which there are places alone, in the order in which they came.
    strangers: Vec<Position>,
    known: HashMap<Id, u32>,
    /// Why there are to be none.
    failed: Option<FormatError>,
}

impl Columns {
    /// The next email, in the order of ordinals.
    pub fn email(&mut self, record: &[u8]) {
        let row = number(self.sizes.len());
        match column::of_email(record).and_then(|values| Ok((values, column::size_of_email(record)?))) {
            Ok((values, size)) => {
                self.sizes.push(size);
                self.add(row, values);
            }
            Err(error) => self.failed = Some(error),
        }
    }

    /// A place of an email, after all emails. `ordinal`: the email's, where it is here.
    pub fn place(&mut self, id: &Id, ordinal: Option<u32>, record: &[u8]) {
        if let Err(error) = self.take_place(id, ordinal, record) {
            self.failed = Some(error);
        }
    }

    fn take_place(&mut self, id: &Id, ordinal: Option<u32>, record: &[u8]) -> Result<(), FormatError> {
        let row = match ordinal {
            Some(ordinal) => ordinal,
            None => {
                let next = number(self.strangers.len());
                let own = *self.known.entry(*id).or_insert(next);
                if own == next {
                    let date = access::<ArchivedPlace>(record)?.date.to_native();
                    self.strangers.push(Position { date, id: *id });
                }
                number(self.sizes.len()).saturating_add(own)
            }
        };
        self.add(row, column::of_place(record)?);
        Ok(())
    }

    fn add(&mut self, row: u32, values: ColumnValues) {
        for (column, value) in values {
            self.texts.entry(column).or_default().add(row, value);
        }
    }

    /// Writes a section for each column, those without a value too; none where there are neither emails nor places.
    pub fn write(self, writer: &mut SegmentWriter<'_>) -> Result<(), BuildError> {
        let Self { mut texts, sizes, strangers, failed, .. } = self;
        if let Some(error) = failed {
            tracing::error!("a segment is without columns: {error}");
            return Ok(());
        }
        if sizes.is_empty() && strangers.is_empty() {
            return Ok(());
        }
        let mut order: Vec<u32> = (0..number(strangers.len())).collect();
        order.sort_unstable_by_key(|came| strangers.get(*came as usize));
        let mut places = vec![0u32; order.len()];
        let mut positions = Vec::with_capacity(order.len());
        for (place, came) in order.iter().enumerate() {
            if let Some(slot) = places.get_mut(*came as usize) {
                *slot = number(place);
            }
            positions.extend(strangers.get(*came as usize).map(|position| position.to_bytes()));
        }
        let emails = number(sizes.len());
        let place = |row: u32| match row.checked_sub(emails) {
            Some(came) => emails.saturating_add(places.get(came as usize).copied().unwrap_or(u32::MAX)),
            None => row,
        };
        let rows = emails.saturating_add(number(strangers.len()));
        let mut put = |index: u16, bytes: &[u8], entries: usize| -> Result<(), BuildError> {
            let [small, large] = BLOCKS;
            let size = if bytes.len() < large { small } else { large };
            let mut section = writer.section(SectionKind::Columns, index, size);
            section.write(bytes)?;
            section.end(entries as u64)
        };
        put(STRANGERS, positions.as_flattened(), positions.len())?;
        for column in ColumnId::ALL {
            let bytes = match column {
                ColumnId::Size => NumberColumn::new(&sizes).encode()?,
                text => {
                    let rows = if text.is_of_places() { rows } else { emails };
                    texts.remove(&text).unwrap_or_default().finish(rows, place)?
                }
            };
            put(column as u16, &bytes, if column.is_of_places() { rows } else { emails } as usize)?;
        }
        Ok(())
    }
}

/// Reads all columns of a segment; tells whether it has them, or needs none.
///
/// # Errors
/// The first that cannot be read, or does not fit to the segment.
pub fn check(file: &Arc<dyn SharedFile>, directory: &Directory, emails: u64) -> Result<bool, Missing> {
    let columns = shared::columns(file, directory);
    let missing = |id: &str, reason: String| Missing {
        segment: Some(directory.id),
        section: format!("columns:{id}"),
        reason,
    };
    let read = |number: u16| -> Result<Option<Bytes>, Missing> {
        let Some(section) = columns.get(&number) else { return Ok(None) };
        section.read(0, usize::try_from(section.len()).unwrap_or(usize::MAX)).map(Some)
    };
    let Some(strangers) = read(STRANGERS)? else {
        return Ok(!directory.has_rows(RowKind::Email) && !directory.has_rows(RowKind::Place));
    };
    let positions = strangers.chunks(POSITION).map(Position::from_bytes);
    let positions: Option<Vec<Position>> = positions.collect();
    let in_order = |positions: &Vec<Position>| positions.is_sorted_by(|a, b| a < b);
    let Some(positions) = positions.filter(in_order) else {
        return Err(missing("strangers", "they are not in order".to_owned()));
    };
    for id in ColumnId::ALL {
        let bytes = read(id as u16)?.ok_or_else(|| missing(id.name(), "the segment has none".to_owned()))?;
        let strangers = if id.is_of_places() { positions.len() as u64 } else { 0 };
        let rows = match id {
            ColumnId::Size => NumberColumn::decode(&bytes).map(|column| column.rows() as u64),
            _ if bytes.is_empty() => continue,
            _ => TextColumn::decode(&bytes).map(|column| column.rows() as u64),
        };
        let rows = rows.map_err(|error| missing(id.name(), error.to_string()))?;
        if rows != emails.saturating_add(strangers) {
            return Err(missing(id.name(), format!("it has {rows} rows, the segment {emails} emails")));
        }
    }
    Ok(true)
}

/// Segments hold fewer rows than a u32 counts: ordinals of text and vectors are of that size.
fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
