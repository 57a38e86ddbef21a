//! Counts of the values of one facet.
//!
//! What always holds: a value has one number; those of columns have the numbers that the columns know them by.

use crate::columns::Values;
use postlode_format::id::Id;
use std::collections::HashMap;
use std::sync::Arc;

/// Different values of one facet that are kept in memory, beside those of columns.
const MOST_VALUES: usize = 1 << 20;

/// Counts of one facet.
#[derive(Default)]
pub struct Counted {
    values: Arc<Values>,
    /// Values of memtables that no segment has, by the numbers behind those of `values`.
    more: Vec<Vec<u8>>,
    numbers: HashMap<Vec<u8>, u32>,
    counts: Vec<u64>,
    /// Emails that have values of `more`, where that was told.
    examples: HashMap<u32, Id>,
    /// There are more values than are counted.
    pub is_cut: bool,
}

impl Counted {
    /// Nothing counted yet, of these values and others.
    pub fn of(values: Arc<Values>) -> Self {
        let counts = vec![0; values.len()];
        Self { values, counts, ..Self::default() }
    }

    /// Adds to the count of a number.
    pub fn add(&mut self, number: u32, emails: u64) {
        if let Some(count) = self.counts.get_mut(number as usize) {
            *count = count.saturating_add(emails);
        }
    }

    /// The number of a value; `None` where there are too many.
    pub fn number(&mut self, value: &[u8]) -> Option<u32> {
        if let Some(known) = self.values.number(value).or_else(|| self.numbers.get(value).copied()) {
            return Some(known);
        }
        if self.more.len() >= MOST_VALUES {
            self.is_cut = true;
            return None;
        }
        let number = u32::try_from(self.counts.len()).unwrap_or(u32::MAX);
        self.counts.push(0);
        self.more.push(value.to_vec());
        self.numbers.insert(value.to_vec(), number);
        Some(number)
    }

    /// Adds to the count of a value, whether it is known or not.
    pub fn add_value(&mut self, value: &[u8], emails: u64) {
        if let Some(number) = self.number(value) {
            self.add(number, emails);
        }
    }

    /// Counts one email that has the value of a number.
    pub fn add_email(&mut self, number: u32, id: &Id) {
        self.add(number, 1);
        if number as usize >= self.values.len() {
            self.examples.entry(number).or_insert(*id);
        }
    }

    /// Counts one email that has a value.
    pub fn add_email_with(&mut self, value: &[u8], id: &Id) {
        if let Some(number) = self.number(value) {
            self.add_email(number, id);
        }
    }

    /// Takes from the count of a value.
    pub fn take_value(&mut self, value: &[u8], emails: u64) {
        if let Some(count) = self.number(value).and_then(|number| self.counts.get_mut(number as usize)) {
            *count = count.saturating_sub(emails);
        }
    }

    /// Values with a count, as they were counted.
    pub fn found(&self) -> Vec<Value<'_>> {
        let mut out = Vec::new();
        for (number, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let more = || self.more.get(number.checked_sub(self.values.len())?).map(Vec::as_slice);
            let Some(value) = self.values.get(number).or_else(more) else { continue };
            let told = || self.examples.get(&u32::try_from(number).ok()?).copied();
            out.push(Value { value, count: *count, example: self.values.example(number).or_else(told) });
        }
        out
    }
}

/// One value.
pub struct Value<'a> {
    /// Folded, as keys have it.
    pub value: &'a [u8],
    /// Emails that have it.
    pub count: u64,
    /// One of them, where that is known.
    pub example: Option<Id>,
}
