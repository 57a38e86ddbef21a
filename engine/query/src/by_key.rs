//! Hits in the order of a value: of size, of the sender's address.
//!
//! Values come from the columns of segments and the records of memtables; where a segment has no columns, from the records
//! of the newest emails, and the answer says so. What always holds: an order is total, as equal values are in the order of
//! dates; a cursor holds value and place of the last hit, so what is loaded meanwhile moves nothing.

use crate::columns::Columns;
use crate::cursor::Cursor;
use crate::error::QueryError;
use crate::members::{Members, Part};
use crate::model::{Relation, Sort, Total};
use crate::search::{Matched, Page, Run};
use postlode_format::FormatError;
use postlode_format::column::{ColumnId, of_email};
use postlode_format::index::Position;
use postlode_format::row::{ArchivedEmail, access};
use postlode_store::{ColumnSources, Missing};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Emails whose records are read where columns do not tell.
const MOST_ROWS: usize = 20_000;
const BATCH: usize = 256;

/// Where an email has its place: its rank, and the newest first.
type Place = (u64, Reverse<Position>);

/// The rank of an email without a value: behind all.
const LAST: u64 = u64::MAX;

/// The first emails of an order.
struct Picked {
    /// At most as many as were asked for, with their values.
    first: Vec<(Vec<u8>, Position)>,
    /// All that there are.
    total: u64,
}

/// What is sorted by.
#[derive(Clone)]
struct By {
    sort: Sort,
    /// Behind this value and email.
    after: Option<(Vec<u8>, Position)>,
    most: usize,
}

impl Run {
    /// A page of hits in the order of their sizes or senders.
    ///
    /// # Errors
    /// Where the store as a whole cannot answer.
    pub async fn by_key(
        &mut self,
        sort: Sort,
        limit: usize,
        cursor: Option<Cursor>,
        query: u64,
    ) -> Result<Page, QueryError> {
        let generation = self.engine.store.generation();
        self.look_up_texts(false).await?;
        let members = Members::of(self).await?;
        self.lap("emails");
        let after = cursor.as_ref().map(|c| (c.key.clone(), c.position));
        let mut by = By { sort, after, most: limit.saturating_add(1) };
        let mut matched: Vec<Matched> = Vec::new();
        let mut last = None;
        let mut all = None;
        // What cannot be read leaves no gap in a page: what comes behind it takes its place.
        let more = loop {
            let Picked { first, total } = match self.by_columns(&members, &by).await? {
                Some(picked) => picked,
                None => self.by_records(&members, &by).await?,
            };
            all.get_or_insert(total);
            let ended = first.len() < by.most;
            let mut rest = first.as_slice();
            while matched.len() < limit && !rest.is_empty() {
                let wanted = limit.saturating_sub(matched.len()).min(BATCH).min(rest.len());
                let (batch, behind) = rest.split_at(wanted);
                rest = behind;
                let positions: Vec<Position> = batch.iter().map(|(_, position)| *position).collect();
                matched.extend(self.check(&positions, true).await?);
                last = batch.last().cloned().or(last);
            }
            by.after = last.clone().or(by.after);
            if matched.len() >= limit || ended {
                break !ended || !rest.is_empty();
            }
        };
        self.lap("page");
        // Not all that there are, where something says so.
        let whole = self.reasons.is_empty() && self.missing.is_empty();
        let relation = if whole { Relation::Eq } else { Relation::Gte };
        let counted = Total { value: all.unwrap_or(0), relation };
        let total = cursor.as_ref().map_or(counted, |c| c.total);
        let next = last.filter(|_| more).map(|(key, position)| Cursor {
            sort,
            query,
            generation: cursor.map_or(generation, |c| c.generation),
            score: 0.0,
            position,
            total,
            key,
        });
        Ok(Page { matched, total, next })
    }

    /// `None` where some segment has no columns, or they cannot be read.
    async fn by_columns(&mut self, members: &Members, by: &By) -> Result<Option<Picked>, QueryError> {
        let sources = self.engine.column_sources(false).await?;
        if sources.segments.iter().any(|segment| segment.columns.is_empty()) {
            return Ok(None);
        }
        let (engine, members, by) = (Arc::clone(&self.engine), members.clone(), by.clone());
        let job = move || pick(&engine.columns, &sources, &members, &by);
        match self.engine.cpu.run(job).await.ok_or(QueryError::Internal("sorting"))? {
            Ok(picked) => Ok(Some(picked)),
            Err(missing) => {
                tracing::warn!("hits are sorted without columns: {missing}");
                Ok(None)
            }
        }
    }

    async fn by_records(&mut self, members: &Members, by: &By) -> Result<Picked, QueryError> {
        let newest = members.newest(self, MOST_ROWS).await?;
        if newest.len() >= MOST_ROWS {
            let reason = "sorted are the newest emails found, as segments are older than their columns or cannot be read: \
                          `postlode segment compact` makes them";
            self.reasons.push(format!("{reason} ({MOST_ROWS} sorted)"));
        }
        let mut found = Vec::with_capacity(newest.len());
        for batch in newest.chunks(BATCH) {
            for email in self.check(batch, true).await? {
                found.push((value_of(by.sort, &email.found.email)?, email.position));
            }
        }
        let ranks = Ranks::of(by.sort, found.iter().map(|(value, _)| value.as_slice()));
        let mut first = First::new(by, &ranks);
        found.iter().for_each(|(value, position)| first.offer(ranks.of_value(value), *position));
        Ok(first.picked(&ranks))
    }
}

/// The value of a record: eight bytes of its size, or the sender's address, or none.
fn value_of(sort: Sort, record: &[u8]) -> Result<Vec<u8>, FormatError> {
    if sort == Sort::Size {
        return Ok(access::<ArchivedEmail>(record)?.size.to_native().to_be_bytes().to_vec());
    }
    let sender = of_email(record)?.into_iter().find(|(column, _)| *column == ColumnId::Sender);
    Ok(sender.map(|(_, value)| value).unwrap_or_default())
}

/// The order of values.
enum Ranks {
    /// Numbers, the largest first.
    Numbers,
    /// Texts, ascending.
    Texts(Vec<Vec<u8>>),
}

impl Ranks {
    fn of<'a>(sort: Sort, values: impl Iterator<Item = &'a [u8]>) -> Self {
        if sort == Sort::Size {
            return Self::Numbers;
        }
        let mut texts: Vec<Vec<u8>> = values.map(<[u8]>::to_vec).collect();
        texts.sort_unstable();
        texts.dedup();
        Self::Texts(texts)
    }

    fn of_number(number: u64) -> u64 {
        u64::MAX - number
    }

    /// The rank of a value, whether it is one of them or lies between two.
    fn of_value(&self, value: &[u8]) -> u64 {
        match self {
            Self::Numbers => {
                value.first_chunk().map_or(LAST, |bytes| Self::of_number(u64::from_be_bytes(*bytes)))
            }
            Self::Texts(_) if value.is_empty() => LAST,
            Self::Texts(texts) => match texts.binary_search_by(|text| text.as_slice().cmp(value)) {
                Ok(at) => (at as u64).saturating_mul(2).saturating_add(1),
                Err(at) => (at as u64).saturating_mul(2),
            },
        }
    }

    /// The value of a rank that one of them has.
    fn value(&self, rank: u64) -> Vec<u8> {
        match self {
            Self::Numbers => Self::of_number(rank).to_be_bytes().to_vec(),
            Self::Texts(texts) => {
                let text = usize::try_from(rank / 2).ok().and_then(|at| texts.get(at));
                text.filter(|_| rank != LAST).cloned().unwrap_or_default()
            }
        }
    }
}

/// Keeps the first of all that it is offered.
struct First {
    heap: BinaryHeap<Place>,
    after: Option<Place>,
    most: usize,
    total: u64,
}

impl First {
    fn new(by: &By, ranks: &Ranks) -> Self {
        let after = by.after.as_ref().map(|(value, position)| (ranks.of_value(value), Reverse(*position)));
        Self { heap: BinaryHeap::with_capacity(by.most), after, most: by.most, total: 0 }
    }

    fn offer(&mut self, rank: u64, position: Position) {
        self.total = self.total.saturating_add(1);
        let place = (rank, Reverse(position));
        if self.after.is_some_and(|after| place <= after) {
            return;
        }
        if self.heap.len() < self.most {
            self.heap.push(place);
        } else if let Some(mut last) = self.heap.peek_mut()
            && place < *last
        {
            *last = place;
        }
    }

    fn picked(self, ranks: &Ranks) -> Picked {
        let first = self.heap.into_sorted_vec();
        let first = first.into_iter().map(|(rank, Reverse(position))| (ranks.value(rank), position));
        Picked { first: first.collect(), total: self.total }
    }
}

/// Picks from columns and memtables. Blocks; for the CPU pool.
fn pick(columns: &Columns, sources: &ColumnSources, members: &Members, by: &By) -> Result<Picked, Missing> {
    if let Some(missing) = sources.missing.first() {
        return Err(missing.clone());
    }
    let unreadable = |error: FormatError| Missing {
        segment: None,
        section: "columns".to_owned(),
        reason: error.to_string(),
    };
    columns.forget_all_but(&sources.segments);
    let parts = Part::all(columns, &sources.segments, members)?;
    let mut fresh: Vec<(Vec<u8>, Position)> = Vec::new();
    for row in &sources.emails {
        let email = access::<ArchivedEmail>(&row.value).map_err(unreadable)?;
        let position = Position { date: email.date.to_native(), id: email.id };
        if members.has(&position) {
            fresh.push((value_of(by.sort, &row.value).map_err(unreadable)?, position));
        }
    }
    fresh.sort_unstable_by_key(|(_, position)| *position);
    let positions: Vec<Position> = fresh.iter().map(|(_, position)| *position).collect();
    let mut alone = Part::not_in(&parts, &positions).into_iter();
    fresh.retain(|_| alone.next().unwrap_or(true));
    let view =
        if by.sort == Sort::Size { None } else { Some(columns.texts(&sources.segments, ColumnId::Sender)?) };
    let known = view.iter().flat_map(|view| (0..view.values.len()).filter_map(|n| view.values.get(n)));
    let ranks = Ranks::of(by.sort, known.chain(fresh.iter().map(|(value, _)| value.as_slice())));
    let mut first = First::new(by, &ranks);
    let of_numbers: Vec<u64> = match &view {
        Some(view) => (0..view.values.len())
            .map(|n| view.values.get(n).map_or(LAST, |value| ranks.of_value(value)))
            .collect(),
        None => Vec::new(),
    };
    for (n, part) in parts.iter().enumerate() {
        let texts = view.as_ref().and_then(|view| view.parts.get(n));
        let sizes = if texts.is_none() { Some(columns.sizes(part.segment)?) } else { None };
        let rows = part.positions.len();
        let fits = texts.map(|texts| texts.fits(rows)).or(sizes.as_ref().map(|sizes| sizes.rows() == rows));
        if fits != Some(true) {
            let why = "it has not as many rows as its segment has emails";
            return Err(unreadable(FormatError::Malformed { what: "column", why }));
        }
        part.chosen.for_each(|row| {
            let Some(position) = part.positions.get(row as usize) else { return };
            let text = texts.and_then(|texts| texts.first_of_row(row));
            let rank = match &sizes {
                Some(sizes) => Ranks::of_number(sizes.get(row as usize).unwrap_or(0)),
                None => text.and_then(|number| of_numbers.get(number as usize).copied()).unwrap_or(LAST),
            };
            first.offer(rank, *position);
        });
    }
    fresh.iter().for_each(|(value, position)| first.offer(ranks.of_value(value), *position));
    Ok(first.picked(&ranks))
}
