//! Counting by the columns of segments and the rows of memtables, without reading a record of any segment.
//!
//! What always holds: each email counts once for each of its values. An email is in one segment or memtable, and so are its
//! places, as a rule; where it was found again later, or was stored again as it could not be read, these are *scattered*, and
//! each of its values is counted once by looking at all of them together.

use super::Facet;
use super::counted::Counted;
use super::periods;
use crate::columns::{Columns, Rows, View};
use crate::members::{Chosen, Members, Part};
use jiff::tz::TimeZone;
use postlode_format::FormatError;
use postlode_format::column::{ColumnId, ColumnValues, of_email, of_place};
use postlode_format::index::Position;
use postlode_format::row::{ArchivedEmail, ArchivedPlace, access};
use postlode_runtime::is_given_up;
use postlode_semantic::Only;
use postlode_store::{ColumnSources, Missing};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Counts. Blocks; for the CPU pool.
///
/// # Errors
/// Damage, or a segment that has no such columns.
pub fn count(
    columns: &Columns,
    sources: &ColumnSources,
    members: &Members,
    wanted: &BTreeSet<Facet>,
    tz: &TimeZone,
) -> Result<BTreeMap<Facet, Counted>, Missing> {
    if let Some(missing) = sources.missing.first() {
        return Err(missing.clone());
    }
    columns.forget_all_but(&sources.segments);
    let of_places = wanted.iter().filter_map(|facet| facet.column()).any(ColumnId::is_of_places);
    let counting = Counting::of(columns, sources, members, of_places)?;
    let mut out = BTreeMap::new();
    for facet in wanted {
        if is_given_up() {
            let reason = "nobody waits for the answer".to_owned();
            return Err(Missing { segment: None, section: "columns".to_owned(), reason });
        }
        let counted = match facet.column() {
            Some(id) => counting.by_column(id, &columns.texts(&sources.segments, id)?).map_err(unreadable)?,
            None => counting.by_date(*facet, tz),
        };
        out.insert(*facet, counted);
    }
    Ok(out)
}

fn unreadable(error: FormatError) -> Missing {
    Missing { segment: None, section: "columns".to_owned(), reason: error.to_string() }
}

/// One segment, with the emails of which it has places alone.
struct Sealed<'a> {
    part: Part<'a>,
    strangers: Arc<[Position]>,
}

impl Sealed<'_> {
    /// The email of a row.
    fn email(&self, row: u32) -> Option<&Position> {
        let stranger = || self.strangers.get((row as usize).checked_sub(self.part.positions.len())?);
        self.part.positions.get(row as usize).or_else(stranger)
    }
}

/// Everything that is looked at, with what of it counts.
struct Counting<'a> {
    parts: Vec<Sealed<'a>>,
    /// Emails of memtables, ascending.
    emails: Vec<(Position, ColumnValues)>,
    /// Values of places in memtables, by email.
    places: BTreeMap<Position, ColumnValues>,
    /// Emails that have places apart from the segment or the memtable that they are in, ascending.
    scattered: Arc<[Position]>,
}

impl<'a> Counting<'a> {
    fn of(
        columns: &Columns,
        sources: &'a ColumnSources,
        members: &Members,
        of_places: bool,
    ) -> Result<Self, Missing> {
        let mut parts = Vec::with_capacity(sources.segments.len());
        for part in Part::all(columns, &sources.segments, members)? {
            let strangers = if of_places { columns.strangers(part.segment)? } else { Arc::default() };
            parts.push(Sealed { part, strangers });
        }
        let mut out = Self { parts, emails: Vec::new(), places: BTreeMap::new(), scattered: Arc::default() };
        out.take_in(sources, members, of_places).map_err(unreadable)?;
        out.leave_out_sealed();
        if of_places {
            let doubles = columns.doubles(&sources.segments)?;
            let mut scattered = out.scattered(members);
            scattered.extend(doubles.iter().filter(|at| members.has(at)));
            out.scattered = scattered.into_iter().collect();
        }
        Ok(out)
    }

    /// Takes in what is in memtables.
    fn take_in(
        &mut self,
        sources: &ColumnSources,
        members: &Members,
        of_places: bool,
    ) -> Result<(), FormatError> {
        for row in &sources.emails {
            let email = access::<ArchivedEmail>(&row.value)?;
            let position = Position { date: email.date.to_native(), id: email.id };
            if members.has(&position) {
                self.emails.push((position, of_email(&row.value)?));
            }
        }
        self.emails.sort_unstable_by_key(|(position, _)| *position);
        let mut seen = HashSet::new();
        // Of several rows of one place the newest comes first.
        for row in sources.places.iter().filter(|row| of_places && seen.insert(&row.key)) {
            let Some(id) = row.id() else { continue };
            let position = Position { date: access::<ArchivedPlace>(&row.value)?.date.to_native(), id };
            if members.has(&position) {
                self.places.entry(position).or_default().extend(of_place(&row.value)?);
            }
        }
        Ok(())
    }

    /// Leaves out emails of memtables that are in segments too: their places are apart from them then.
    fn leave_out_sealed(&mut self) {
        let fresh: Vec<Position> = self.emails.iter().map(|(position, _)| *position).collect();
        let mut sealed = Vec::new();
        for Sealed { part, .. } in &self.parts {
            let alone = Part::not_in(std::slice::from_ref(part), &fresh);
            sealed.extend(fresh.iter().zip(alone).filter(|(_, alone)| !alone).map(|(position, _)| *position));
        }
        sealed.sort_unstable();
        self.emails.retain(|(position, _)| sealed.binary_search(position).is_err());
    }

    fn scattered(&self, members: &Members) -> BTreeSet<Position> {
        let mut out = BTreeSet::new();
        for Sealed { part, strangers } in &self.parts {
            out.extend(strangers.iter().filter(|at| members.has(at) && part.segment.counts(&at.id)));
        }
        let here = |at: &Position| self.emails.binary_search_by_key(at, |(own, _)| *own).is_ok();
        out.extend(self.places.keys().filter(|position| !here(position)));
        out
    }

    fn by_column(&self, id: ColumnId, view: &View) -> Result<Counted, FormatError> {
        let mut out = Counted::of(Arc::clone(&view.values));
        let of_places = id.is_of_places();
        let apart = Only { these: Some(Arc::clone(&self.scattered).into()), ..Only::default() };
        let mut seen: HashSet<(Position, u32)> = HashSet::new();
        for (sealed, column) in self.parts.iter().zip(&view.parts) {
            let (part, strangers) = (&sealed.part, &sealed.strangers);
            let all = part.positions.len().saturating_add(if of_places { strangers.len() } else { 0 });
            if !column.fits(all) {
                let why = "it has not as many rows as its segment has emails";
                return Err(FormatError::Malformed { what: "column", why });
            }
            let mut weights = match &part.chosen {
                Chosen::Range { from, to, .. } => column.weigh(Rows::Range(*from, *to)),
                Chosen::List(rows) => column.weigh(Rows::List(rows)),
            };
            let mut less = |rows: &[u32]| {
                let gone = column.weigh(Rows::List(rows));
                weights.iter_mut().zip(gone).for_each(|(weight, gone)| *weight = weight.saturating_sub(gone));
            };
            if let Chosen::Range { but, .. } = &part.chosen {
                less(but);
            }
            if of_places && !self.scattered.is_empty() {
                let mut rows = apart.among(&part.positions);
                let chosen: Vec<u32> = rows.iter().copied().filter(|row| part.chosen.has(*row)).collect();
                less(&chosen);
                // Rows of strangers are those behind the emails.
                let first = u32::try_from(part.positions.len()).unwrap_or(u32::MAX);
                rows.extend(apart.among(strangers).into_iter().map(|row| first.saturating_add(row)));
                for row in rows {
                    let email = sealed.email(row).filter(|at| part.segment.counts(&at.id));
                    let Some(at) = email else { continue };
                    column.of_row(row, |number| {
                        if seen.insert((*at, number)) {
                            out.add(number, 1);
                        }
                    });
                }
            }
            column.spread(&weights, |number, emails| out.add(number, emails));
        }
        let fresh: Vec<(&Position, &ColumnValues)> = if of_places {
            self.places.iter().collect()
        } else {
            self.emails.iter().map(|(position, values)| (position, values)).collect()
        };
        for (position, values) in fresh {
            for (_, value) in values.iter().filter(|(of, _)| *of == id) {
                if let Some(number) = out.number(value)
                    && seen.insert((*position, number))
                {
                    out.add_email(number, &position.id);
                }
            }
        }
        Ok(out)
    }

    fn by_date(&self, facet: Facet, tz: &TimeZone) -> Counted {
        let mut out = Counted::default();
        for Sealed { part, .. } in &self.parts {
            let date = |row: u32| part.positions.get(row as usize).map_or(i64::MIN, |p| p.date);
            match &part.chosen {
                Chosen::Range { from, to, but } => {
                    let all = |n: usize| date(from.saturating_add(u32::try_from(n).unwrap_or(u32::MAX)));
                    let emails = to.saturating_sub(*from) as usize;
                    periods::count(facet, tz, emails, all, |value, emails| out.add_value(value, emails));
                    let gone = |n: usize| but.get(n).map_or(i64::MIN, |row| date(*row));
                    periods::count(facet, tz, but.len(), gone, |value, emails| out.take_value(value, emails));
                }
                Chosen::List(rows) => {
                    let own = |n: usize| rows.get(n).map_or(i64::MIN, |row| date(*row));
                    periods::count(facet, tz, rows.len(), own, |value, emails| out.add_value(value, emails));
                }
            }
        }
        let date = |n: usize| self.emails.get(n).map_or(i64::MIN, |(position, _)| position.date);
        periods::count(facet, tz, self.emails.len(), date, |value, emails| out.add_value(value, emails));
        out
    }
}
