//! CSV: a row an email, without its text.
//!
//! What always holds: no cell is a formula. Subjects and names are strangers' words, and a spreadsheet runs what begins with
//! an equals sign: such cells begin with an apostrophe, which spreadsheets take for "this is text".

use super::manifest::row as csv_row;
use super::read;
use crate::error::Failure;
use postlode_query::{Address, Hashes, Hit, Places};
use serde::Deserialize;

const TITLES: [&str; 23] = [
    "id",
    "date",
    "from_name",
    "from_address",
    "to",
    "cc",
    "subject",
    "folder",
    "archive",
    "custodian",
    "places",
    "thread",
    "parent",
    "message_id",
    "class",
    "size",
    "attachments",
    "attachment_names",
    "tags",
    "sha256",
    "md5",
    "hashes_of",
    "edrm_mih",
];

#[derive(Deserialize)]
struct Item {
    #[serde(flatten)]
    hit: Hit,
    hashes: Option<Hashes>,
}

/// The first row.
pub fn titles() -> Result<Vec<u8>, Failure> {
    csv_row(&TITLES.map(String::from))
}

/// The row of a line of the export.
pub fn row(item: &[u8]) -> Result<Vec<u8>, Failure> {
    let Item { hit, hashes } = read(item)?;
    let list = |all: &[Address]| all.iter().map(shown).collect::<Vec<_>>().join("; ");
    let from = hit.from.unwrap_or_default();
    let places = match &hit.places {
        Places::Count(count) => *count,
        Places::List(all) => all.len() as u64,
    };
    let names: Vec<&str> = hit.attachments.iter().map(|attachment| attachment.name.as_str()).collect();
    let (sha256, md5, of, mih) =
        hashes.map_or_else(Default::default, |h| (h.sha256, h.md5, h.of, h.edrm_mih.unwrap_or_default()));
    let cells = [
        hit.id,
        hit.date.unwrap_or_default(),
        from.name,
        from.address,
        list(&hit.to),
        list(&hit.cc),
        hit.subject,
        hit.folder,
        hit.archive,
        hit.custodian,
        places.to_string(),
        hit.thread,
        hit.parent.unwrap_or_default(),
        hit.message_id,
        hit.class,
        hit.size.to_string(),
        hit.attachments.len().to_string(),
        names.join("; "),
        hit.tags.join("; "),
        sha256,
        md5,
        of,
        mih,
    ];
    csv_row(&cells.map(|cell| safe(&cell)))
}

fn shown(address: &Address) -> String {
    match (address.name.is_empty(), address.address.is_empty()) {
        (false, false) => format!("{} <{}>", address.name, address.address),
        (false, true) => address.name.clone(),
        (true, _) => address.address.clone(),
    }
}

/// A cell that no spreadsheet takes for a formula, nor a part of it where its cells end with semicolons or tabs.
pub fn safe(cell: &str) -> String {
    let mut out = String::with_capacity(cell.len().saturating_add(1));
    // Where a cell may begin to whoever reads this; blanks do not change that.
    let mut begins = true;
    for c in cell.chars().filter(|c| *c != '\0') {
        if begins && matches!(c, '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}') {
            out.push('\'');
        }
        begins = matches!(c, ';' | '\t' | '\r' | '\n') || (begins && matches!(c, ' ' | '"'));
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\t'=1"),
            ("\r\n =1", "\r\n '=1"),
            ("\0=1", "'=1"),
            ("Hallo;=cmd|'/C calc'!A1;x", "Hallo;'=cmd|'/C calc'!A1;x"),
            ("a;\"=1", "a;\"'=1"),
            ("a, -b", "a, -b"),
        ] {
            assert_eq!(safe(cell), written);
        }
        assert_eq!(safe("Re: a = b"), "Re: a = b");
    }

    #[test]
    fn rows_are_quoted_where_they_must_be() {
        let cells = ["a,b", "say \"hi\"", "two\r\nlines", ""].map(String::from);
        assert_eq!(csv_row(&cells).unwrap(), b"\"a,b\",\"say \"\"hi\"\"\",\"two\r\nlines\",\r\n");
    }
}
