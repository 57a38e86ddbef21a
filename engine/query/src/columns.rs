//! Columns of segments, kept open between requests, and one numbering of their values for all segments.
//!
//! What always holds: a number of [`Values`] means the same value in every column of the same view; all columns together
//! stay within a budget, and those that were not used for longest go first; of a segment that is gone nothing is kept when the
//! next request has begun, nor a value that no other segment has.

use postlode_format::FormatError;
use postlode_format::column::{ColumnId, NumberColumn, STRANGERS, TextColumn};
use postlode_format::id::Id;
use postlode_format::index::{POSITION, Position};
use postlode_store::{Missing, SectionRead, SegmentColumns, doubles};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Different values, each with a number.
#[derive(Debug, Clone, Default)]
pub struct Values {
    list: Vec<Arc<[u8]>>,
    numbers: HashMap<Arc<[u8]>, u32>,
    /// Of columns of places: an email that has the value, by its number.
    examples: Vec<Id>,
}

/// What a value costs beside its own bytes: twice a pointer and a length, its number, its counters.
const OF_VALUE: usize = 64;

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The value of a number.
    pub fn get(&self, number: usize) -> Option<&[u8]> {
        self.list.get(number).map(|value| &**value)
    }

    /// The number of a value, if it has one.
    pub fn number(&self, value: &[u8]) -> Option<u32> {
        self.numbers.get(value).copied()
    }

    /// An email that has a value, where that was noted.
    pub fn example(&self, number: usize) -> Option<Id> {
        self.examples.get(number).copied()
    }

    fn add(&mut self, value: &[u8], example: Option<Id>) -> u32 {
        if let Some(number) = self.number(value) {
            return number;
        }
        self.examples.extend(example);
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let value: Arc<[u8]> = value.into();
        self.list.push(Arc::clone(&value));
        self.numbers.insert(value, number);
        number
    }

    fn memory(&self) -> usize {
        self.list
            .iter()
            .map(|value| value.len().saturating_add(OF_VALUE))
            .sum::<usize>()
            .saturating_add(self.examples.len().saturating_mul(size_of::<Id>()))
    }
}

/// A column of texts of one segment.
pub struct Texts {
    /// Codes and lists; its values are known by their numbers.
    column: Arc<TextColumn>,
    /// The number of each of its values among those of all segments.
    numbers: Arc<[u32]>,
    /// Of columns of places: an email that has it, for each of its values.
    examples: Arc<[Id]>,
}

impl Texts {
    /// Has it so many rows? One without values has none.
    pub fn fits(&self, rows: usize) -> bool {
        self.column.is_empty() || self.column.rows() == rows
    }

    /// The number of the first value of a row.
    pub fn first_of_row(&self, row: u32) -> Option<u32> {
        let own = self.column.of_code(self.column.code(row as usize));
        own.as_slice().first().and_then(|own| self.number(*own))
    }

    /// Gives the number of each value of a row.
    pub fn of_row(&self, row: u32, to: impl FnMut(u32)) {
        let own = self.column.of_code(self.column.code(row as usize));
        own.as_slice().iter().filter_map(|own| self.number(*own)).for_each(to);
    }

    fn number(&self, own: u32) -> Option<u32> {
        self.numbers.get(own as usize).copied()
    }

    /// How often each code stands in some rows, by the codes.
    pub fn weigh(&self, rows: Rows<'_>) -> Vec<u64> {
        let mut weights = vec![0u64; self.column.code_count()];
        let mut count = |code: u32| {
            if let Some(weight) = weights.get_mut(code as usize) {
                *weight = weight.saturating_add(1);
            }
        };
        match rows {
            Rows::Range(from, to) => {
                let all = self.column.codes().skip(from as usize);
                all.take(to.saturating_sub(from) as usize).for_each(&mut count);
            }
            Rows::List(rows) => rows.iter().for_each(|row| count(self.column.code(*row as usize))),
        }
        weights
    }

    /// Gives each value that codes of these weights stand for, with the weight.
    pub fn spread(&self, weights: &[u64], mut to: impl FnMut(u32, u64)) {
        for (code, weight) in (0u32..).zip(weights).filter(|(_, weight)| **weight > 0) {
            let own = self.column.of_code(code);
            own.as_slice().iter().filter_map(|own| self.number(*own)).for_each(|number| to(number, *weight));
        }
    }
}

/// Rows of a column.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// From one up to another.
    Range(u32, u32),
    /// These.
    List(&'a [u32]),
}

/// One column of some segments, in their order.
pub struct View {
    /// The values of all of them.
    pub values: Arc<Values>,
    /// The column of each.
    pub parts: Vec<Arc<Texts>>,
}

/// What is kept of one column.
#[derive(Default)]
struct Kept {
    values: Arc<Values>,
    segments: HashMap<u64, Arc<Texts>>,
    /// When it was used last.
    used: u64,
    memory: usize,
}

/// What is kept of one segment beside texts.
#[derive(Default, Clone)]
struct OfSegment {
    strangers: Option<Arc<[Position]>>,
    sizes: Option<Arc<NumberColumn>>,
}

/// Emails that are in several of some segments, and which these are.
type Doubles = (Vec<u64>, Arc<[Position]>);

#[derive(Default)]
struct State {
    columns: HashMap<ColumnId, Kept>,
    segments: HashMap<u64, OfSegment>,
    doubles: Option<Doubles>,
    clock: u64,
}

/// Keeps columns. Nothing is read from a disk while others wait.
pub struct Columns {
    state: Mutex<State>,
    budget: usize,
}

impl Columns {
    /// Keeps at most so many bytes.
    pub fn new(budget: usize) -> Self {
        Self { state: Mutex::default(), budget }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all segments but these: what a request begins with.
    pub fn forget_all_but(&self, segments: &[SegmentColumns]) {
        let there: HashSet<u64> = segments.iter().map(|segment| segment.id).collect();
        let mut state = self.state();
        state.segments.retain(|id, _| there.contains(id));
        state.columns.values_mut().for_each(|kept| kept.forget_all_but(&there));
    }

    /// One column of texts. Blocks; for the CPU pool.
    ///
    /// # Errors
    /// Damage, or a segment that has no such column.
    pub fn texts(&self, segments: &[SegmentColumns], id: ColumnId) -> Result<View, Missing> {
        let known: HashSet<u64> = self
            .state()
            .columns
            .get(&id)
            .map(|kept| kept.segments.keys().copied().collect())
            .unwrap_or_default();
        let mut read: HashMap<u64, New> = HashMap::new();
        for segment in segments.iter().filter(|segment| !known.contains(&segment.id)) {
            read.insert(segment.id, New::read(segment, id)?);
        }
        let mut state = self.state();
        state.clock = state.clock.saturating_add(1);
        let clock = state.clock;
        let kept = state.columns.entry(id).or_default();
        kept.used = clock;
        let mut parts = Vec::with_capacity(segments.len());
        for segment in segments {
            let part = match (kept.segments.get(&segment.id), read.remove(&segment.id)) {
                (Some(part), _) => Arc::clone(part),
                (None, Some(new)) => kept.take_in(segment.id, new),
                // Somebody else gave it up meanwhile.
                (None, None) => kept.take_in(segment.id, New::read(segment, id)?),
            };
            parts.push(part);
        }
        let values = Arc::clone(&kept.values);
        state.shrink(self.budget);
        Ok(View { values, parts })
    }

    /// The positions of rows behind those of emails.
    ///
    /// # Errors
    /// As [`Columns::texts`].
    pub fn strangers(&self, segment: &SegmentColumns) -> Result<Arc<[Position]>, Missing> {
        if let Some(known) = self.state().segments.get(&segment.id).and_then(|own| own.strangers.clone()) {
            return Ok(known);
        }
        let read = strangers(segment)?;
        let mut state = self.state();
        state.segments.entry(segment.id).or_default().strangers = Some(Arc::clone(&read));
        state.shrink(self.budget);
        Ok(read)
    }

    /// Sizes of emails.
    ///
    /// # Errors
    /// As [`Columns::texts`].
    pub fn sizes(&self, segment: &SegmentColumns) -> Result<Arc<NumberColumn>, Missing> {
        if let Some(known) = self.state().segments.get(&segment.id).and_then(|own| own.sizes.clone()) {
            return Ok(known);
        }
        let id = ColumnId::Size;
        let read = Arc::new(read(segment, id as u16, id.name(), NumberColumn::decode)?);
        let mut state = self.state();
        state.segments.entry(segment.id).or_default().sizes = Some(Arc::clone(&read));
        state.shrink(self.budget);
        Ok(read)
    }

    /// Emails that are in several segments, ascending. There are some where mail was loaded again because it could not be read:
    /// what cannot be read is not merged either.
    ///
    /// # Errors
    /// Damage in the ordinals.
    pub fn doubles(&self, segments: &[SegmentColumns]) -> Result<Arc<[Position]>, Missing> {
        let ids: Vec<u64> = segments.iter().map(|segment| segment.id).collect();
        if let Some((of, doubles)) = &self.state().doubles
            && *of == ids
        {
            return Ok(Arc::clone(doubles));
        }
        let mut lists = Vec::with_capacity(segments.len());
        for ordinals in segments.iter().filter_map(|segment| segment.ordinals.as_ref()) {
            lists.push(ordinals.positions()?);
        }
        let doubles: Arc<[Position]> = doubles(&lists).into();
        self.state().doubles = Some((ids, Arc::clone(&doubles)));
        Ok(doubles)
    }
}

/// A column as it was read.
struct New {
    values: postlode_format::column::Values,
    column: TextColumn,
    examples: Arc<[Id]>,
}

impl New {
    fn read(segment: &SegmentColumns, id: ColumnId) -> Result<Self, Missing> {
        let column = read(segment, id as u16, id.name(), TextColumn::decode)?;
        let examples = if id.is_of_places() { examples(segment, &column)? } else { Arc::default() };
        let (values, column) = column.without_values();
        Ok(Self { values, column, examples })
    }
}

impl Kept {
    fn take_in(&mut self, segment: u64, new: New) -> Arc<Texts> {
        let New { values: own, column, examples } = new;
        let values = Arc::make_mut(&mut self.values);
        let number = |(n, value): (usize, &[u8])| values.add(value, examples.get(n).copied());
        let numbers = own.iter().enumerate().map(number).collect();
        let part = Arc::new(Texts { column: Arc::new(column), numbers, examples });
        self.segments.insert(segment, Arc::clone(&part));
        self.memory = self.measured();
        part
    }

    /// Forgets segments that are gone, and values that only they had.
    fn forget_all_but(&mut self, there: &HashSet<u64>) {
        let before = self.segments.len();
        self.segments.retain(|id, _| there.contains(id));
        if self.segments.len() == before {
            return;
        }
        let old = std::mem::take(&mut self.values);
        let mut values = Values::default();
        for part in self.segments.values_mut() {
            let again = |(own, number): (usize, &u32)| {
                values.add(old.get(*number as usize).unwrap_or_default(), part.examples.get(own).copied())
            };
            let numbers = part.numbers.iter().enumerate().map(again).collect();
            let (column, examples) = (Arc::clone(&part.column), Arc::clone(&part.examples));
            *part = Arc::new(Texts { column, numbers, examples });
        }
        self.values = Arc::new(values);
        self.memory = self.measured();
    }

    fn measured(&self) -> usize {
        let part = |part: &Arc<Texts>| {
            let numbers = part.numbers.len().saturating_mul(4);
            let examples = part.examples.len().saturating_mul(size_of::<Id>());
            part.column.memory().saturating_add(numbers).saturating_add(examples)
        };
        self.segments.values().map(part).sum::<usize>().saturating_add(self.values.memory())
    }
}

impl State {
    /// Gives up what was not used for longest; numbers and strangers, which are small, at last.
    fn shrink(&mut self, budget: usize) {
        let of = |own: &OfSegment| {
            let strangers = own.strangers.as_ref().map_or(0, |rows| rows.len().saturating_mul(POSITION));
            own.sizes.as_ref().map_or(0, |column| column.memory()).saturating_add(strangers)
        };
        let others: usize = self.segments.values().map(of).sum();
        let mut memory = self.columns.values().map(|kept| kept.memory).sum::<usize>().saturating_add(others);
        while memory > budget {
            let oldest = self.columns.iter().min_by_key(|(_, kept)| kept.used).map(|(id, _)| *id);
            let Some(gone) = oldest.and_then(|id| self.columns.remove(&id)) else {
                self.segments.clear();
                return;
            };
            memory = memory.saturating_sub(gone.memory);
        }
    }
}

/// For each value of a column of places an email that has it.
fn examples(segment: &SegmentColumns, column: &TextColumn) -> Result<Arc<[Id]>, Missing> {
    let positions = segment.ordinals.as_ref().map_or(Ok(Arc::default()), |own| own.positions())?;
    let strangers = strangers(segment)?;
    let mut out = vec![[0; 16]; column.values().len()];
    let mut seen = vec![false; out.len()];
    for (code, position) in column.codes().zip(positions.iter().chain(strangers.iter())) {
        for number in column.of_code(code).as_slice() {
            let (Some(slot), Some(seen)) = (out.get_mut(*number as usize), seen.get_mut(*number as usize))
            else {
                continue;
            };
            if !std::mem::replace(seen, true) {
                *slot = position.id;
            }
        }
    }
    Ok(out.into())
}

/// The positions of rows behind those of emails.
fn strangers(segment: &SegmentColumns) -> Result<Arc<[Position]>, Missing> {
    let decode = |bytes: &[u8]| -> Result<Arc<[Position]>, FormatError> {
        let positions: Arc<[Position]> =
            bytes.chunks_exact(POSITION).filter_map(Position::from_bytes).collect();
        let whole = positions.len().checked_mul(POSITION) == Some(bytes.len());
        if whole && positions.is_sorted_by(|a, b| a < b) {
            Ok(positions)
        } else {
            Err(FormatError::Malformed { what: "column", why: "its strangers are not in order" })
        }
    };
    read(segment, STRANGERS, "strangers", decode)
}

/// Reads a whole section.
fn read<T>(
    segment: &SegmentColumns,
    number: u16,
    name: &str,
    decode: impl Fn(&[u8]) -> Result<T, FormatError>,
) -> Result<T, Missing> {
    let missing =
        |reason: String| Missing { segment: Some(segment.id), section: format!("columns:{name}"), reason };
    let section: &Arc<dyn SectionRead> =
        segment.columns.get(&number).ok_or_else(|| missing("the segment has no such section".to_owned()))?;
    let len = usize::try_from(section.len()).map_err(|e| missing(e.to_string()))?;
    let bytes = section.read(0, len)?;
    decode(&bytes).map_err(|e| missing(e.to_string()))
}
