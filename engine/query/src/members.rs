//! The emails that a query finds, all of them: what facets count and what is sorted by a value.
//!
//! What always holds: none of them was deleted; where they are not all, that is told in the answer's `partial`.

use crate::columns::Columns;
use crate::error::QueryError;
use crate::filter::Filter;
use crate::marks::Deleted;
use crate::plan::is_dates_alone;
use crate::search::Run;
use crate::stream::Bounds;
use postlode_format::id::Id;
use postlode_format::index::{IndexId, Position};
use postlode_semantic::Only;
use postlode_store::{KeyRange, Missing, Scan, SegmentColumns};
use std::collections::HashSet;
use std::sync::Arc;

/// Emails of which the newest are looked at, where keys alone tell which they are, and where rows have to be read.
const MOST: usize = 1 << 20;
const MOST_ROWS: usize = 20_000;
const PAGE: usize = 16_384;
const BATCH: usize = 256;

/// The emails that a query finds.
#[derive(Clone)]
pub enum Members {
    /// All inside bounds, but those that were deleted.
    Between(Bounds, Arc<Deleted>),
    /// These, ascending.
    These(Arc<[Position]>),
}

impl Members {
    /// What a run finds.
    ///
    /// # Errors
    /// Where the store as a whole cannot answer.
    pub async fn of(run: &mut Run) -> Result<Self, QueryError> {
        if let Some(known) = &run.members {
            return Ok(known.clone());
        }
        let members = Self::looked_up(run).await?;
        run.members = Some(members.clone());
        Ok(members)
    }

    async fn looked_up(run: &mut Run) -> Result<Self, QueryError> {
        let everything = matches!(&run.asked, Filter::All(parts) if parts.is_empty());
        if (everything || is_dates_alone(&run.asked))
            && let Some(deleted) = run.engine.deleted().await?
        {
            return Ok(Self::Between(run.bounds_of_all(), deleted));
        }
        let (driver, mut stream) = run.newest_first().await?;
        let mut found: Vec<Position> = Vec::new();
        let keys_do = driver.covered && run.deleted().is_some();
        let (most, batch) = if keys_do { (MOST, PAGE) } else { (MOST_ROWS, BATCH) };
        loop {
            let candidates = run.next(&mut stream, batch).await?;
            if candidates.is_empty() {
                break;
            }
            match run.deleted().filter(|_| keys_do) {
                Some(deleted) => found.extend(candidates.into_iter().filter(|p| !deleted.has(&p.id))),
                None => {
                    found.extend(run.check(&candidates, driver.covered).await?.iter().map(|m| m.position))
                }
            }
            if found.len() >= most {
                run.reasons
                    .push(format!("counted and sorted are the newest {} of the emails found", found.len()));
                break;
            }
        }
        run.missing.append(&mut stream.missing);
        found.sort_unstable();
        Ok(Self::These(found.into()))
    }

    /// Is an email one of them?
    pub fn has(&self, position: &Position) -> bool {
        match self {
            Self::Between(bounds, deleted) => {
                bounds.low <= *position && *position <= bounds.high && !deleted.has(&position.id)
            }
            Self::These(these) => these.binary_search(position).is_ok(),
        }
    }

    /// Their ids, where they are known and at most so many.
    pub fn ids(&self, most: usize) -> Option<Vec<Id>> {
        match self {
            Self::These(these) if these.len() <= most => Some(these.iter().map(|p| p.id).collect()),
            _ => None,
        }
    }

    /// The newest of them, at most so many.
    ///
    /// # Errors
    /// Where the store as a whole cannot answer.
    pub async fn newest(&self, run: &mut Run, most: usize) -> Result<Vec<Position>, QueryError> {
        let mut out = Vec::new();
        if let Self::These(these) = self {
            out.extend(these.iter().rev().take(most));
            return Ok(out);
        }
        let mut range = KeyRange::prefix(&[]);
        loop {
            let scan = Scan { index: IndexId::Date, range: range.clone(), descending: true, limit: PAGE };
            let page = run.engine.store.positions(scan).await?;
            run.missing.extend(page.missing);
            out.extend(page.keys.iter().filter(|at| self.has(at)));
            out.truncate(most);
            match page.keys.last().filter(|_| !page.done && out.len() < most) {
                Some(last) => range.high = last.to_bytes().to_vec(),
                None => return Ok(out),
            }
        }
    }

    /// Those among ascending positions.
    pub fn among(&self, positions: &[Position]) -> Chosen {
        match self {
            Self::Between(bounds, deleted) => {
                let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                let low = positions.partition_point(|position| *position < bounds.low);
                let high = positions.partition_point(|position| *position <= bounds.high).max(low);
                let between = (bounds.low, bounds.high);
                let but =
                    Only { between, these: Some(Arc::clone(&deleted.positions).into()) }.among(positions);
                Chosen::Range { from: number(low), to: number(high), but }
            }
            Self::These(these) => {
                let only = Only { these: Some(Arc::clone(these).into()), ..Only::default() };
                Chosen::List(only.among(positions))
            }
        }
    }
}

/// One segment, and which of its emails are members.
pub struct Part<'a> {
    pub segment: &'a SegmentColumns,
    pub positions: Arc<[Position]>,
    pub chosen: Chosen,
}

impl<'a> Part<'a> {
    /// What of each segment is there for these members. An email that is in several is there in the first alone.
    ///
    /// # Errors
    /// Damage in the ordinals.
    pub fn all(
        columns: &Columns,
        segments: &'a [SegmentColumns],
        members: &Members,
    ) -> Result<Vec<Self>, Missing> {
        let doubles = columns.doubles(segments)?;
        let doubles = Only { these: Some(doubles.into()), ..Only::default() };
        let mut seen: HashSet<Position> = HashSet::new();
        let mut out = Vec::with_capacity(segments.len());
        for segment in segments {
            let mut part = Self::of(segment, members)?;
            let rows = doubles.among(&part.positions);
            let again = |row: &u32| {
                let position = part.positions.get(*row as usize);
                part.chosen.has(*row) && position.is_some_and(|at| !seen.insert(*at))
            };
            let again: Vec<u32> = rows.into_iter().filter(again).collect();
            if !again.is_empty() {
                let chosen = std::mem::replace(&mut part.chosen, Chosen::List(Vec::new()));
                part.chosen = chosen.where_holds(|row| again.binary_search(&row).is_err());
            }
            out.push(part);
        }
        Ok(out)
    }

    /// Which of ascending emails of memtables are in no segment: the others are looked at there.
    pub fn not_in(parts: &[Self], fresh: &[Position]) -> Vec<bool> {
        let wanted: Arc<[Position]> = fresh.into();
        let mut alone = vec![true; fresh.len()];
        for part in parts {
            let found =
                Only { these: Some(Arc::clone(&wanted).into()), ..Only::default() }.among(&part.positions);
            for position in found.into_iter().filter_map(|row| part.positions.get(row as usize)) {
                if let Ok(at) = fresh.binary_search(position) {
                    alone.iter_mut().skip(at).take(1).for_each(|alone| *alone = false);
                }
            }
        }
        alone
    }

    fn of(segment: &'a SegmentColumns, members: &Members) -> Result<Self, Missing> {
        let positions = segment.ordinals.as_ref().map_or(Ok(Arc::default()), |own| own.positions())?;
        let mut part = Part { segment, chosen: members.among(&positions), positions };
        if segment.only.is_some() {
            let chosen = std::mem::replace(&mut part.chosen, Chosen::List(Vec::new()));
            let owned = |row: u32| part.positions.get(row as usize).is_some_and(|at| segment.counts(&at.id));
            part.chosen = chosen.where_holds(owned);
        }
        Ok(part)
    }
}

/// Numbers of rows that are members.
pub enum Chosen {
    /// From one up to another, but for some of them.
    Range { from: u32, to: u32, but: Vec<u32> },
    /// These, ascending.
    List(Vec<u32>),
}

impl Chosen {
    /// Those of them for which something holds.
    pub fn where_holds(self, holds: impl Fn(u32) -> bool) -> Self {
        match self {
            Self::Range { from, to, but } => {
                let left = (from..to).filter(|row| but.binary_search(row).is_err() && holds(*row));
                Self::List(left.collect())
            }
            Self::List(mut rows) => {
                rows.retain(|row| holds(*row));
                Self::List(rows)
            }
        }
    }

    /// Each of them, ascending.
    pub fn for_each(&self, mut each: impl FnMut(u32)) {
        match self {
            Self::Range { from, to, but } => {
                let mut but = but.iter().copied().peekable();
                for row in *from..*to {
                    if but.next_if_eq(&row).is_none() {
                        each(row);
                    }
                }
            }
            Self::List(rows) => rows.iter().copied().for_each(each),
        }
    }

    /// Is a row among them?
    pub fn has(&self, row: u32) -> bool {
        match self {
            Self::Range { from, to, but } => (*from..*to).contains(&row) && but.binary_search(&row).is_err(),
            Self::List(rows) => rows.binary_search(&row).is_ok(),
        }
    }
}
