//! A column of texts: any number of values a row, most rows with one.
//!
//! ```text
//! 0 rows u32, values u32, lists u32, members u32, value_bytes u32, width u8, three zeros
//! 24 values: shared varint, rest varint, rest of the value; in ascending order
//!    lists: for each, u32: how many members it and those before it have together
//!    members: u32 each, numbers of values
//!    codes: `width` bytes a row: 0 no value, 1 to `values` the value of that number less one, above it the list of the
//!           number less one and less `values`
//! ```
//!
//! A column in which no row has a value has no bytes at all. What always holds: values differ; a list has at least two members, all different, and equal lists are written once; a code
//! that was read names a value or a list.

use crate::error::FormatError;
use crate::limits::MAX_KEY_PART;
use crate::varint;
use std::collections::HashMap;

const HEAD: usize = 24;
const WHAT: &str = "column";
/// Longest value: that of a part of a key, with the hash of what was cut.
const MAX_TEXT: usize = MAX_KEY_PART + 65;
/// Bytes of all values together, as they are in memory.
const MAX_VALUES: usize = 1 << 30;

fn malformed(why: &'static str) -> FormatError {
    FormatError::Malformed { what: WHAT, why }
}

/// Different texts in ascending order, by their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Values {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// None.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The value of a number.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&[u8]> {
        let end = *self.ends.get(number)? as usize;
        let begin = number.checked_sub(1).and_then(|n| self.ends.get(n)).map_or(0, |end| *end as usize);
        self.bytes.get(begin..end)
    }

    /// All in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|number| self.get(number))
    }

    fn push(&mut self, value: &[u8]) -> Result<(), FormatError> {
        self.bytes.extend_from_slice(value);
        let end = u32::try_from(self.bytes.len()).ok().filter(|end| *end as usize <= MAX_VALUES);
        self.ends.push(end.ok_or_else(|| malformed("its values are too many"))?);
        Ok(())
    }
}

/// A column that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextColumn {
    values: Values,
    /// Where each list ends among the members.
    lists: Vec<u32>,
    members: Vec<u32>,
    width: usize,
    codes: Vec<u8>,
}

impl TextColumn {
    /// Reads the bytes of a section.
    ///
    /// # Errors
    /// [`FormatError`] for bytes that break a rule of the layout.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let short = || FormatError::Truncated { what: WHAT, have: bytes.len(), need: HEAD };
        let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or_else(short)?;
        let mut numbers = head.chunks_exact(4).map(u32_of);
        let mut next = || numbers.next().unwrap_or(0) as usize;
        let (rows, count, lists, members, value_bytes, width) =
            (next(), next(), next(), next(), next(), next());
        if !(1..=4).contains(&width) {
            return Err(malformed("its codes are of a width that none has"));
        }
        let sizes = [value_bytes, lists.saturating_mul(4), members.saturating_mul(4)];
        let parts = sizes.iter().try_fold((Vec::new(), rest), |(mut parts, rest), size| {
            let (part, rest) = rest.split_at_checked(*size)?;
            parts.push(part);
            Some((parts, rest))
        });
        let Some((parts, codes)) = parts.filter(|(_, codes)| Some(codes.len()) == rows.checked_mul(width))
        else {
            return Err(malformed("its parts are not as long as it says"));
        };
        let [values, ends, members] = parts.as_slice() else { return Err(malformed("it has no parts")) };
        let values = read_values(values, count)?;
        let out = Self {
            values,
            lists: ends.chunks_exact(4).map(u32_of).collect(),
            members: members.chunks_exact(4).map(u32_of).collect(),
            width,
            codes: codes.to_vec(),
        };
        out.check()?;
        Ok(out)
    }

    fn check(&self) -> Result<(), FormatError> {
        let mut before = 0;
        for end in &self.lists {
            let list = self.members.get(before as usize..*end as usize).unwrap_or_default();
            if list.len() < 2 {
                return Err(malformed("a list of values is none"));
            }
            if has_doubles(list) {
                return Err(malformed("a list names a value twice"));
            }
            before = *end;
        }
        if before as usize != self.members.len() {
            return Err(malformed("members of no list"));
        }
        if self.members.iter().any(|number| *number as usize >= self.values.len()) {
            return Err(malformed("a list names a value that there is not"));
        }
        let most = self.values.len().saturating_add(self.lists.len());
        if self.codes().any(|code| code as usize > most) {
            return Err(malformed("a row names a value that there is not"));
        }
        Ok(())
    }

    /// Has no row a value? Then it has no rows either.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Its rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.codes.len().checked_div(self.width).unwrap_or(0)
    }

    /// Its values.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Codes that there may be: their numbers are below.
    #[must_use]
    pub fn code_count(&self) -> usize {
        self.values.len().saturating_add(self.lists.len()).saturating_add(1)
    }

    /// The code of each row.
    pub fn codes(&self) -> impl Iterator<Item = u32> + '_ {
        self.codes.chunks_exact(self.width.max(1)).map(code_of)
    }

    /// The code of a row; 0 for one that there is not.
    #[must_use]
    pub fn code(&self, row: usize) -> u32 {
        let from = row.saturating_mul(self.width);
        self.codes.get(from..from.saturating_add(self.width)).map_or(0, code_of)
    }

    /// The numbers of the values that a code stands for.
    #[must_use]
    pub fn of_code(&self, code: u32) -> CodeValues<'_> {
        let Some(number) = code.checked_sub(1) else { return CodeValues::List(&[]) };
        let Some(list) = (number as usize).checked_sub(self.values.len()) else {
            return CodeValues::One(number);
        };
        let begin = list.checked_sub(1).and_then(|n| self.lists.get(n)).map_or(0, |end| *end as usize);
        let end = self.lists.get(list).map_or(0, |end| *end as usize);
        CodeValues::List(self.members.get(begin..end).unwrap_or_default())
    }

    /// Bytes that it takes in memory, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        let numbers =
            self.values.ends.len().saturating_add(self.lists.len()).saturating_add(self.members.len());
        numbers.saturating_mul(4).saturating_add(self.values.bytes.len()).saturating_add(self.codes.len())
    }

    /// Forgets its values, where somebody else has them.
    #[must_use]
    pub fn without_values(mut self) -> (Values, Self) {
        let count = self.values.len();
        let values = std::mem::take(&mut self.values);
        // Their number tells values and lists apart.
        self.values.ends = vec![0; count];
        (values, self)
    }
}

/// What a code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeValues<'a> {
    /// One value.
    One(u32),
    /// Any number of them.
    List(&'a [u32]),
}

impl CodeValues<'_> {
    /// The numbers of the values, in the order of the row.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(number) => std::slice::from_ref(number),
            Self::List(list) => list,
        }
    }
}

fn u32_of(bytes: &[u8]) -> u32 {
    bytes.first_chunk::<4>().map_or(0, |b| u32::from_le_bytes(*b))
}

/// A number of one to four bytes.
fn code_of(bytes: &[u8]) -> u32 {
    match *bytes {
        [a] => u32::from(a),
        [a, b] => u32::from(u16::from_le_bytes([a, b])),
        [a, b, c] => u32::from_le_bytes([a, b, c, 0]),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

fn read_values(mut bytes: &[u8], count: usize) -> Result<Values, FormatError> {
    let mut out = Values::default();
    let mut last: Vec<u8> = Vec::new();
    for number in 0..count {
        let shared = varint::take(&mut bytes).map_err(malformed)?;
        let rest = varint::take(&mut bytes).map_err(malformed)?;
        let (own, after) =
            bytes.split_at_checked(rest).ok_or_else(|| malformed("a value ends before its end"))?;
        if shared > last.len() || shared.saturating_add(rest) > MAX_TEXT {
            return Err(malformed("a value is longer than any may be"));
        }
        let rises = last.get(shared..).is_some_and(|of_last| of_last < own);
        if number > 0 && !rises {
            return Err(malformed("its values are not in order"));
        }
        last.truncate(shared);
        last.extend_from_slice(own);
        out.push(&last)?;
        bytes = after;
    }
    if bytes.is_empty() { Ok(out) } else { Err(malformed("bytes behind the last value")) }
}

/// A column under construction.
#[derive(Debug, Default)]
pub struct TextColumnBuilder {
    numbers: HashMap<Vec<u8>, u32>,
    /// Rows and numbers of values, as they came.
    entries: Vec<(u32, u32)>,
}

impl TextColumnBuilder {
    /// Adds a value to a row. One that the row has already changes nothing.
    pub fn add(&mut self, row: u32, value: Vec<u8>) {
        // A column of four thousand million different values is not reached: each takes memory.
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(value).or_insert(next);
        self.entries.push((row, number));
    }

    /// The bytes of a section with so many rows; `place` tells where each row that was added lies among them.
    ///
    /// # Errors
    /// [`FormatError::TooLarge`] for a value or a column beyond what the layout holds.
    pub fn finish(mut self, rows: u32, place: impl Fn(u32) -> u32) -> Result<Vec<u8>, FormatError> {
        if self.entries.is_empty() {
            return Ok(Vec::new());
        }
        let mut sorted: Vec<(Vec<u8>, u32)> = self.numbers.drain().collect();
        sorted.sort_unstable();
        let all: usize = sorted.iter().map(|(value, _)| value.len()).sum();
        if all > MAX_VALUES {
            return Err(FormatError::TooLarge { what: "values of a column", have: all, limit: MAX_VALUES });
        }
        let mut number_of = vec![0u32; sorted.len()];
        let mut values = Vec::new();
        let mut last: &[u8] = &[];
        for (number, (value, came)) in sorted.iter().enumerate() {
            if value.len() > MAX_TEXT {
                return Err(FormatError::TooLarge {
                    what: "value of a column",
                    have: value.len(),
                    limit: MAX_TEXT,
                });
            }
            if let Some(slot) = number_of.get_mut(*came as usize) {
                *slot = u32::try_from(number).unwrap_or(u32::MAX);
            }
            let shared = value.iter().zip(last).take_while(|(a, b)| a == b).count();
            let rest = value.get(shared..).unwrap_or_default();
            varint::put(shared, &mut values);
            varint::put(rest.len(), &mut values);
            values.extend_from_slice(rest);
            last = value;
        }
        let final_number = |came: u32| number_of.get(came as usize).copied().unwrap_or(0);
        let mut entries: Vec<(u32, u32)> =
            self.entries.iter().map(|(row, came)| (place(*row), final_number(*came))).collect();
        // Stable: the values of a row stay in their order.
        entries.sort_by_key(|(row, _)| *row);
        let count = u32::try_from(sorted.len()).unwrap_or(u32::MAX);
        let (mut ends, mut members) = (Vec::new(), Vec::new());
        let mut known: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut codes = vec![0u32; rows as usize];
        for group in entries.chunk_by(|a, b| a.0 == b.0) {
            let mut own: Vec<u32> = Vec::with_capacity(group.len());
            for (_, number) in group {
                // A mail to thousands of people is rare, but it must not take the square of them.
                if own.len() > SMALL || !own.contains(number) {
                    own.push(*number);
                }
            }
            if own.len() > SMALL {
                own = unique(own);
            }
            let code = match own.as_slice() {
                [one] => one.saturating_add(1),
                _ => {
                    let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
                    let list = *known.entry(own).or_insert_with_key(|list| {
                        members.extend_from_slice(list);
                        ends.push(u32::try_from(members.len()).unwrap_or(u32::MAX));
                        next
                    });
                    count.saturating_add(list).saturating_add(1)
                }
            };
            if let Some(slot) = group.first().and_then(|(row, _)| codes.get_mut(*row as usize)) {
                *slot = code;
            }
        }
        let most = codes.iter().copied().max().unwrap_or(0);
        let width = (4usize).saturating_sub(most.leading_zeros() as usize / 8).max(1);
        let head = [rows as usize, sorted.len(), ends.len(), members.len(), values.len(), width];
        let mut out = Vec::new();
        for number in head {
            let too_large = |_| FormatError::TooLarge { what: WHAT, have: number, limit: u32::MAX as usize };
            out.extend_from_slice(&u32::try_from(number).map_err(too_large)?.to_le_bytes());
        }
        out.extend_from_slice(&values);
        ends.iter().chain(&members).for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        codes.iter().for_each(|code| out.extend(code.to_le_bytes().into_iter().take(width)));
        Ok(out)
    }
}

/// Values of one row up to which they are compared one by one.
const SMALL: usize = 32;

fn has_doubles(list: &[u32]) -> bool {
    if list.len() > SMALL {
        return unique(list.to_vec()).len() < list.len();
    }
    (1..list.len()).any(|n| list.get(..n).zip(list.get(n)).is_some_and(|(before, own)| before.contains(own)))
}

fn unique(list: Vec<u32>) -> Vec<u32> {
    let mut seen = std::collections::HashSet::with_capacity(list.len());
    list.into_iter().filter(|number| seen.insert(*number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn built(rows: &[Vec<&str>]) -> Vec<u8> {
        let mut builder = TextColumnBuilder::default();
        for (row, values) in rows.iter().enumerate() {
            values.iter().for_each(|value| builder.add(row as u32, value.as_bytes().to_vec()));
        }
        builder.finish(rows.len() as u32, |row| row).unwrap()
    }

    fn read(bytes: &[u8]) -> Vec<Vec<String>> {
        let column = TextColumn::decode(bytes).unwrap();
        let text = |n: &u32| String::from_utf8(column.values().get(*n as usize).unwrap().to_vec()).unwrap();
        let row = |row| column.of_code(column.code(row)).as_slice().iter().map(text).collect();
        (0..column.rows()).map(row).collect()
    }

    #[test]
    fn a_column_of_nothing_takes_nothing() {
        assert_eq!(built(&[vec![], vec![]]), Vec::<u8>::new());
        let column = TextColumn::decode(&[]).unwrap();
        assert!(column.is_empty() && column.codes().next().is_none());
        assert_eq!((column.rows(), column.code(7), column.of_code(0).as_slice()), (0, 0, &[][..]));
        assert!(!TextColumn::decode(&built(&[vec![], vec![""]])).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn rows_come_back_with_each_value_once(rows in prop::collection::vec(prop::collection::vec("[a-c]{0,3}", 0..6), 0..40)) {
            let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
            let mut wanted = rows.clone();
            for row in &mut wanted {
                let mut seen = std::collections::HashSet::new();
                row.retain(|value| seen.insert(*value));
            }
            if wanted.iter().all(Vec::is_empty) {
                wanted.clear();
            }
            prop_assert_eq!(read(&built(&rows)), wanted);
        }

        #[test]
        fn any_bytes_are_a_column_or_an_error(bytes: Vec<u8>, at in 0usize..200, with: u8) {
            drop(TextColumn::decode(&bytes));
            let mut bytes = built(&[vec!["ann", "anna"], vec![], vec!["bob"], vec!["anna", "ann"], vec!["zoe"]]);
            let at = at % bytes.len();
            bytes[at] = with;
            if let Ok(column) = TextColumn::decode(&bytes) {
                for row in 0..column.rows() {
                    for number in column.of_code(column.code(row)).as_slice() {
                        prop_assert!(column.values().get(*number as usize).is_some());
                    }
                }
            }
        }
    }

    #[test]
    fn a_column_is_small_and_its_order_is_kept() {
        let many: Vec<String> = (0..300).map(|n| format!("person{n:04}@example.org")).collect();
        let one: Vec<Vec<&str>> = many.iter().map(|value| vec![value.as_str()]).collect();
        let bytes = built(&one);
        // Two bytes a row; of a value what differs from the one before, a digit and all behind it.
        assert!(bytes.len() < HEAD + 300 * 2 + 300 * 16, "{}", bytes.len());
        let mut crowd: Vec<&str> = many.iter().rev().map(String::as_str).collect();
        crowd.extend(many.iter().map(String::as_str));
        let back = read(&built(&[crowd, vec!["b", "a", "b"]]));
        assert_eq!(back[0].len(), 300);
        assert_eq!(
            (back[0][0].as_str(), back[1].as_slice()),
            ("person0299@example.org", &["b", "a"].map(String::from)[..])
        );
        let column = TextColumn::decode(&bytes).unwrap();
        assert!(column.values().iter().collect::<Vec<_>>().is_sorted());
        let (values, bare) = column.clone().without_values();
        assert_eq!(
            (values.len(), bare.code_count(), bare.code(7)),
            (300, column.code_count(), column.code(7))
        );
    }

    #[test]
    fn rows_are_put_where_the_caller_says() {
        let mut builder = TextColumnBuilder::default();
        builder.add(2, b"x".to_vec());
        builder.add(0, b"y".to_vec());
        builder.add(2, b"w".to_vec());
        let bytes = builder.finish(3, |row| 2 - row).unwrap();
        assert_eq!(read(&bytes), [vec!["x", "w"], vec![], vec!["y"]]);
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        let good = built(&[vec!["a", "b"], vec!["b"]]);
        assert!(TextColumn::decode(&good).is_ok());
        let refused = |at: usize, with: u8, why: &str| {
            let mut bytes = good.clone();
            bytes[at] = with;
            let error = TextColumn::decode(&bytes).unwrap_err().to_string();
            assert!(error.contains(why), "{at} {with}: {error}");
        };
        refused(20, 5, "width");
        refused(4, 1, "bytes behind the last value");
        refused(0, 3, "parts are not as long");
        // The values are `0 1 a` and `0 1 b`.
        refused(29, b'a', "not in order");
        refused(24, 1, "longer than any may be");
        refused(30, 1, "a list of values is none");
        refused(34, 2, "a list names a value that there is not");
        refused(34, 1, "a list names a value twice");
        refused(42, 4, "a row names a value that there is not");
        let error = TextColumn::decode(&good[..20]).unwrap_err().to_string();
        assert!(error.contains("truncated"), "{error}");
    }
}
