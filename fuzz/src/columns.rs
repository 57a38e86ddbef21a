//! Columns of a segment.
//!
//! Any bytes as a column of texts, and as one of numbers: what is accepted says of each row what it says when it is written
//! anew.

use postlode_format::column::{NumberColumn, TextColumn, TextColumnBuilder};

/// Rows that are compared: a column of numbers without width has as many as it says.
const ROWS: usize = 4096;

/// The values of a row.
fn values(column: &TextColumn, row: usize) -> Vec<&[u8]> {
    let own = column.of_code(column.code(row));
    let value = |number: &u32| column.values().get(*number as usize);
    let found: Option<Vec<&[u8]>> = own.as_slice().iter().map(value).collect();
    assert!(found.is_some(), "a row has a value that there is not");
    found.unwrap_or_default()
}

/// Opens the bytes as columns.
pub fn target(data: &[u8]) {
    let data = data.get(..data.len().min(crate::MAX_INPUT)).unwrap_or_default();
    if let Ok(column) = TextColumn::decode(data) {
        texts(&column);
    }
    if let Ok(column) = NumberColumn::decode(data) {
        assert!(column.get(column.rows()).is_none(), "a number behind the last");
        let numbers: Vec<u64> = (0..column.rows().min(ROWS)).filter_map(|row| column.get(row)).collect();
        assert_eq!(numbers.len(), column.rows().min(ROWS), "a row without a number");
        let again = NumberColumn::new(&numbers);
        for (row, number) in numbers.iter().enumerate() {
            assert_eq!(again.get(row), Some(*number), "a number became another");
        }
    }
}

fn texts(column: &TextColumn) {
    let rows = column.rows();
    assert_eq!(column.codes().count(), rows);
    let mut builder = TextColumnBuilder::default();
    let number = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
    let mut wanted: Vec<Vec<&[u8]>> = Vec::with_capacity(rows);
    for row in 0..rows {
        let own = values(column, row);
        own.iter().for_each(|value| builder.add(number(row), value.to_vec()));
        wanted.push(own);
    }
    let again =
        builder.finish(number(rows), |row| row).ok().and_then(|bytes| TextColumn::decode(&bytes).ok());
    assert!(again.is_some(), "what was read cannot be written, or not read again");
    if wanted.iter().all(Vec::is_empty) {
        assert!(again.is_some_and(|column| column.is_empty()), "nothing became something");
        return;
    }
    for (row, wanted) in wanted.iter().enumerate() {
        assert_eq!(again.as_ref().map(|column| values(column, row)).as_ref(), Some(wanted), "row {row}");
    }
}
