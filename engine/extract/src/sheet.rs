//! Text in SpreadsheetML: the cells of workbooks.
//!
//! What always holds: a row is a line, its cells are apart by tabs; shared strings are kept once, however often cells
//! name them, and within a bound; dates come as they are read, not as the number of a day.

use crate::archive::{Archive, File};
use crate::meter::{Fail, Meter};
use crate::output::Output;
use crate::xml::{Attributes, Token, walk_part};
use jiff::ToSpan;
use jiff::civil::date;

/// Most bytes of shared strings.
const STRINGS: usize = 64 << 20;
/// Most cell formats.
const FORMATS: usize = 65_536;

#[derive(Default)]
pub(crate) struct Workbook {
    /// Shared strings, one after the other.
    strings: String,
    /// Where each of them ends.
    ends: Vec<usize>,
    /// Whether cells of a format are dates.
    dates: Vec<bool>,
    /// Days are counted from 1904.
    from_1904: bool,
}

impl Workbook {
    /// The names of the sheets, which are text too.
    pub(crate) fn read_names(
        &mut self,
        archive: &Archive<'_>,
        file: &File,
        meter: &Meter<'_>,
        output: &mut Output,
    ) -> Result<(), Fail> {
        walk_part(archive, file, meter, |token| {
            match token {
                Token::Start("sheet", attributes) => {
                    if let Some(name) = attributes.get("name") {
                        output.line()?;
                        output.push(&name)?;
                    }
                }
                Token::Start("workbookPr", attributes) => {
                    self.from_1904 = attributes.get("date1904").is_some_and(|on| on == "1" || on == "true");
                }
                _ => {}
            }
            Ok(())
        })
    }

    pub(crate) fn read_styles(
        &mut self,
        archive: &Archive<'_>,
        file: &File,
        meter: &Meter<'_>,
    ) -> Result<(), Fail> {
        let (mut own, mut cells) = (Vec::new(), false);
        walk_part(archive, file, meter, |token| {
            match token {
                Token::Start("numFmt", attributes) if own.len() < FORMATS => {
                    let id = attributes.get("numFmtId").and_then(|id| id.parse::<u32>().ok());
                    if let (Some(id), Some(code)) = (id, attributes.get("formatCode"))
                        && is_date(&code)
                    {
                        own.push(id);
                    }
                }
                Token::Start("cellXfs", _) => {
                    own.sort_unstable();
                    cells = true;
                }
                Token::End("cellXfs") => cells = false,
                Token::Start("xf", attributes) if cells && self.dates.len() < FORMATS => {
                    let id = attributes.get("numFmtId").and_then(|id| id.parse::<u32>().ok()).unwrap_or(0);
                    // Those that every workbook has: dates, and dates with times.
                    let known = (14..=17).contains(&id) || id == 22 || (27..=31).contains(&id) || id == 36;
                    self.dates.push(known || own.binary_search(&id).is_ok());
                }
                _ => {}
            }
            Ok(())
        })
    }

    pub(crate) fn read_strings(
        &mut self,
        archive: &Archive<'_>,
        file: &File,
        meter: &Meter<'_>,
    ) -> Result<(), Fail> {
        let (mut text, mut phonetic) = (false, false);
        walk_part(archive, file, meter, |token| {
            match token {
                Token::Start("t", _) => text = true,
                Token::End("t") => text = false,
                // How the string is pronounced, which is not shown in its place.
                Token::Start("rPh", _) => phonetic = true,
                Token::End("rPh") => phonetic = false,
                Token::End("si") => self.ends.push(self.strings.len()),
                Token::Text(piece) if text && !phonetic => {
                    if self.strings.len().saturating_add(piece.len()) > STRINGS {
                        return Err(Fail::Memory(format!("its strings are more than {STRINGS} bytes")));
                    }
                    self.strings.push_str(piece);
                }
                _ => {}
            }
            Ok(())
        })
    }

    pub(crate) fn read_sheet(
        &self,
        archive: &Archive<'_>,
        file: &File,
        meter: &Meter<'_>,
        output: &mut Output,
    ) -> Result<(), Fail> {
        let (mut cell, mut row) = (Cell::default(), false);
        output.part()?;
        walk_part(archive, file, meter, |token| {
            match token {
                Token::Start("row", _) => row = false,
                Token::End("row") => output.line()?,
                Token::Start("c", attributes) => cell.begin(&attributes),
                Token::Start("v", _) => cell.value = true,
                Token::Start("t", _) => cell.value = cell.kind == "inlineStr",
                Token::Start("rPh", _) => cell.phonetic = true,
                Token::End("rPh") => cell.phonetic = false,
                Token::End("v" | "t") => cell.value = false,
                Token::Text(piece) if cell.value && !cell.phonetic => {
                    let room = output.room().saturating_sub(cell.text.len());
                    cell.text.push_str(piece.get(..piece.floor_char_boundary(room)).unwrap_or_default());
                }
                Token::End("c") => {
                    if let Some(text) = self.shown(&cell).filter(|text| !text.is_empty()) {
                        if row {
                            output.character('\t')?;
                        }
                        row = true;
                        output.push(&text)?;
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        output.line()
    }

    /// What is seen of a cell.
    fn shown<'c>(&'c self, cell: &'c Cell) -> Option<std::borrow::Cow<'c, str>> {
        let value = cell.text.trim();
        match cell.kind.as_str() {
            "s" => self.string(value.parse().ok()?).map(Into::into),
            "b" => Some(if value == "1" { "TRUE" } else { "FALSE" }.into()),
            "e" => None,
            "" | "n" if cell.format.is_some_and(|at| self.dates.get(at) == Some(&true)) => {
                self.day(value).map(Into::into).or(Some(value.into()))
            }
            _ => Some(value.into()),
        }
    }

    fn string(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.strings.get(start..end)
    }

    /// The date of a day's number.
    fn day(&self, value: &str) -> Option<String> {
        let number: f64 = value.parse().ok()?;
        if !(0.0..3_000_000.0).contains(&number) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is in range, and the time of day is cut off")]
        let days = number as i64;
        // 1900 was no leap year, but is one here: days before March 1900 are off by one, and nobody's.
        let first = if self.from_1904 { date(1904, 1, 1) } else { date(1899, 12, 30) };
        first.checked_add(days.days()).ok().map(|day| day.to_string())
    }
}

/// The cell that is being read.
#[derive(Default)]
struct Cell {
    kind: String,
    format: Option<usize>,
    text: String,
    value: bool,
    phonetic: bool,
}

impl Cell {
    fn begin(&mut self, attributes: &Attributes<'_>) {
        self.kind = attributes.get("t").unwrap_or_default();
        self.format = attributes.get("s").and_then(|format| format.parse().ok());
        self.text.clear();
        (self.value, self.phonetic) = (false, false);
    }
}

/// Whether a format shows a day: it has a year or a day outside of quotes, brackets and escapes.
fn is_date(code: &str) -> bool {
    let (mut quoted, mut bracket, mut escaped) = (false, false, false);
    for c in code.chars() {
        match c {
            _ if escaped => escaped = false,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '\\' | '_' | '*' => escaped = true,
            '[' => bracket = true,
            ']' => bracket = false,
            'y' | 'Y' | 'd' | 'D' if !bracket => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_that_show_days() {
        for code in ["yyyy-mm-dd", "d. mmm", "[$-409]m/d/yy h:mm", "DD.MM.YYYY;@"] {
            assert!(is_date(code), "{code}");
        }
        for code in ["0.00", "#,##0\\d", "\"day\" 0", "[Red]0", "h:mm", "General", "0_d"] {
            assert!(!is_date(code), "{code}");
        }
    }

    #[test]
    fn days_have_dates() {
        let mut book = Workbook::default();
        assert_eq!(book.day("45356").as_deref(), Some("2024-03-05"));
        assert_eq!(book.day("45356.75").as_deref(), Some("2024-03-05"));
        assert_eq!(book.day("-1"), None);
        assert_eq!(book.day("1e300"), None);
        assert_eq!(book.day("NaN"), None);
        assert_eq!(book.day("2958465").as_deref(), Some("9999-12-31"));
        assert_eq!(book.day("2958466"), None);
        book.from_1904 = true;
        assert_eq!(book.day("43894").as_deref(), Some("2024-03-05"));
    }
}
