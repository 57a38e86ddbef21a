//! The columns of a segment under construction.
//!
//! What always holds: rows of emails are numbered by their ordinals, those of the others follow in (date, id) order;
//! what a row says is said by rows of this segment and by no others.

use super::source::BuildError;
use super::writer::SegmentWriter;
use postlode_format::FormatError;
use postlode_format::column::{self, ColumnId, ColumnValues, NumberColumn, STRANGERS, TextColumnBuilder};
use postlode_format::id::Id;
use postlode_format::index::Position;
use postlode_format::row::{ArchivedPlace, access};
use postlode_format::segment::SectionKind;
use std::collections::{BTreeMap, HashMap};

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
}

impl Columns {
    /// The next email, in the order of ordinals.
    pub fn email(&mut self, record: &[u8]) -> Result<(), FormatError> {
        let values = column::of_email(record)?;
        let row = number(self.sizes.len());
        self.sizes.push(column::size_of_email(record)?);
        self.add(row, values);
        Ok(())
    }

    /// A place of an email, after all emails. `ordinal`: the email's, where it is here.
    pub fn place(&mut self, id: &Id, ordinal: Option<u32>, record: &[u8]) -> Result<(), FormatError> {
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

    /// Writes a section for each column, empty ones too: that nothing has a value is known then.
    pub fn write(self, writer: &mut SegmentWriter<'_>) -> Result<(), BuildError> {
        let Self { mut texts, sizes, strangers, .. } = self;
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

/// Segments hold fewer rows than a u32 counts: ordinals of text and vectors are of that size.
fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
