//! Lines with which mail programs announce that another's text follows.
//!
//! What always holds: the look ahead is bounded in lines, so that all of it is linear in the text.

use super::line::{Line, Lines, after_word, begins_with_one_of, head, is_one_of, quote_mark};
use super::words::{DAYS, FORWARD, FROM, ON, ORIGINAL, QUOTING, SENT, SUBJECT, TO, WROTE};

/// What announces another's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening {
    /// How many lines it has.
    pub(super) lines: usize,
    /// What follows is not marked as quoted, and is so all the same.
    pub(super) unmarked: bool,
    /// What follows is marked with bars.
    pub(super) bars: bool,
    /// It is only the line that says who wrote what follows: where nothing is above it, what follows may be the reply.
    pub(super) attribution: bool,
}

/// Whether a line is marked as quoted behind an announcement. There a bar is a mark too.
fn is_marked(line: &Line<'_>) -> bool {
    quote_mark(line.text).is_some() || line.text.starts_with('|')
}

/// Most lines of an attribution.
const ATTRIBUTION_LINES: usize = 4;
/// Longest attribution, in bytes.
const ATTRIBUTION_BYTES: usize = 600;
/// Most lines of a header block.
const BLOCK_LINES: usize = 16;
/// Longest mark line, in bytes.
const MARK_BYTES: usize = 120;
/// Blank lines that may stand between an announcement and what it announces.
const BLANKS: usize = 3;

/// Whether something that announces another's text begins at `first`; `rest` are the lines behind it.
pub(super) fn opening(first: Line<'_>, rest: Lines<'_>) -> Option<Opening> {
    let text = first.trimmed();
    let begins = text.chars().next()?;
    if matches!(begins, '-' | '_' | '=' | '<' | '*')
        && let Some(opening) = mark(text, rest)
    {
        return Some(opening);
    }
    if begins_with_one_of(text, FORWARD) && text.ends_with(':') && text.len() < MARK_BYTES {
        return Some(with_block(1, rest));
    }
    if field(text) == Some(Field::From)
        && let Some(lines) = block(Some(first), rest)
    {
        return Some(announcement(lines, rest));
    }
    attribution(first, rest)
}

/// A line such as `-----Original Message-----`, or a rule above a header block.
fn mark(text: &str, rest: Lines<'_>) -> Option<Opening> {
    if text.len() > MARK_BYTES {
        return None;
    }
    let dashes = ['-', '_', '=', '*', '<', '>', ' '];
    let words = text.trim_matches(dashes);
    if words.is_empty() {
        let mut ahead = rest;
        let next = ahead.next_filled(1)?;
        let alone = text.len() >= 5 && field(next.trimmed()) == Some(Field::From);
        return alone.then(|| block(Some(next), ahead)).flatten().map(|_| with_block(1, rest));
    }
    let dashed =
        text.starts_with("--") || text.starts_with("__") || text.starts_with("==") || text.starts_with("<<");
    (dashed && begins_with_one_of(words, ORIGINAL)).then(|| with_block(1, rest))
}

/// An announcement of some lines, with the header block that may follow it.
fn with_block(lines: usize, rest: Lines<'_>) -> Opening {
    let mut ahead = rest;
    let mut skipped = 0usize;
    let mut found = 0;
    while let Some(line) = ahead.next().filter(|_| skipped <= BLANKS) {
        if line.is_blank() {
            skipped = skipped.saturating_add(1);
            continue;
        }
        if field(line.trimmed()).is_some() {
            found = block(Some(line), ahead).map_or(0, |block| block.saturating_add(skipped));
        }
        break;
    }
    announcement(lines.saturating_add(found), rest)
}

/// An announcement of so many lines, of which all but the first are in `rest`.
fn announcement(lines: usize, rest: Lines<'_>) -> Opening {
    let next = behind(rest, lines.saturating_sub(1));
    let bars = next.is_some_and(|line| line.text.starts_with('|'));
    Opening { lines, unmarked: !next.is_some_and(|line| is_marked(&line)), bars, attribution: false }
}

/// The first text behind some lines.
fn behind(mut rest: Lines<'_>, lines: usize) -> Option<Line<'_>> {
    if let Some(last) = lines.checked_sub(1) {
        rest.nth(last);
    }
    rest.next_filled(BLANKS)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    From,
    Sent,
    To,
    Subject,
}

/// What a line of a header block tells.
fn field(text: &str) -> Option<Field> {
    let (label, _) = head(text, 32).split_once(':')?;
    let label = label.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_'));
    [(Field::From, FROM), (Field::Sent, SENT), (Field::To, TO), (Field::Subject, SUBJECT)]
        .into_iter()
        .find_map(|(field, words)| is_one_of(label, words).then_some(field))
}

/// The length in lines of a header block that begins at `first`: at least three different fields, the sender and the
/// date or subject among them.
fn block(first: Option<Line<'_>>, rest: Lines<'_>) -> Option<usize> {
    let (mut found, mut lines, mut length) = ([false; 4], 0usize, 0usize);
    let mut blank_before = false;
    for line in first.into_iter().chain(rest).take(BLOCK_LINES) {
        lines = lines.saturating_add(1);
        let text = line.trimmed();
        if text.is_empty() {
            // Text made from HTML has such gaps, but only one line wide.
            if blank_before {
                break;
            }
            blank_before = true;
            continue;
        }
        match field(text) {
            Some(field) => {
                if let Some(seen) = found.get_mut(field as usize) {
                    *seen = true;
                }
                length = lines;
            }
            // Long values go on in the next line.
            None if blank_before || quote_mark(line.text).is_some() => break,
            None => length = lines,
        }
        blank_before = false;
    }
    let [from, sent, to, subject] = found;
    (from && (sent && subject || to && (sent || subject))).then_some(length)
}

/// A line such as `On Monday, X wrote:`, which may be wrapped.
fn attribution(first: Line<'_>, rest: Lines<'_>) -> Option<Opening> {
    let begin = first.trimmed().trim_start_matches(['[', '*', '-', '(', ' ']);
    let dated = begins_with_one_of(begin, ON) || begins_with_date(begin) || begins_with_one_of(begin, DAYS);
    let most = if dated { ATTRIBUTION_LINES } else { 2 };
    let lines = lines_to_colon(first, rest, most)?;
    let (mut wrote, mut time, mut address, mut length) = (false, false, false, 0usize);
    let mut before = "";
    for line in core::iter::once(first).chain(rest).take(lines) {
        let text = line.trimmed();
        wrote |= says_wrote(text);
        time |= has_time(text);
        address |= text.contains(['@', '<']) || text.contains(" at ");
        length = length.saturating_add(text.len());
        before = before_colon(text).unwrap_or_default();
    }
    let said = wrote && (dated || time || WROTE.iter().any(|word| ends_with_word(before, word)));
    let named = before.ends_with('>') && address && (dated || time);
    let quoting = begins_with_one_of(begin, QUOTING) && address;
    if !(said || named || quoting) {
        return None;
    }
    let found = Opening { attribution: true, ..announcement(lines, rest) };
    if !found.unmarked {
        return Some(found);
    }
    // Where nothing is marked, only what no one would write by hand is believed, and only if no marks come soon.
    let sure = dated && time && (said && (address || length < 160) || named);
    sure.then(|| Opening { unmarked: !marked_soon(rest, lines.saturating_sub(1)), ..found })
}

/// How many lines, at most `most`, there are up to one that ends with a colon.
fn lines_to_colon(first: Line<'_>, rest: Lines<'_>, most: usize) -> Option<usize> {
    let (mut lines, mut length) = (0usize, 0usize);
    for line in core::iter::once(first).chain(rest).take(most) {
        let text = line.trimmed();
        length = length.saturating_add(text.len());
        if text.is_empty() || length > ATTRIBUTION_BYTES || lines > 0 && quote_mark(line.text).is_some() {
            return None;
        }
        lines = lines.saturating_add(1);
        if before_colon(text).is_some() {
            return Some(lines);
        }
    }
    None
}

/// What stands before the colon at the end of a line.
fn before_colon(text: &str) -> Option<&str> {
    text.trim_end_matches([']', '*', ')', ' ']).strip_suffix([':', '：']).map(str::trim_end)
}

/// Whether one of the next few lines behind some lines is marked as quoted.
fn marked_soon(rest: Lines<'_>, lines: usize) -> bool {
    /// How many lines are looked at.
    const SOON: usize = 12;
    rest.skip(lines).take(SOON).any(|line| is_marked(&line))
}

fn begins_with_date(text: &str) -> bool {
    let digits = text.bytes().take(5).take_while(u8::is_ascii_digit).count();
    let then = text.as_bytes().get(digits).copied();
    matches!(digits, 1 | 2 | 4) && matches!(then, Some(b'-' | b'/' | b'.')) && has_time(text)
}

/// Whether a line has one of the words as a word.
fn says_wrote(text: &str) -> bool {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, ':' | ',' | '<' | '>' | '|'));
    words.filter(|word| (4..=16).contains(&word.len())).any(|word| is_one_of(word, WROTE))
}

fn ends_with_word(text: &str, word: &str) -> bool {
    let last = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    after_word(last, word).is_some_and(str::is_empty)
}

/// Whether a year of mail or a time of day stands in a line.
fn has_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let year = |w: &[u8]| (w.starts_with(b"19") || w.starts_with(b"20")) && w.iter().all(u8::is_ascii_digit);
    bytes.windows(4).any(year)
        || memchr::memchr_iter(b':', bytes)
            .any(|at| digit(at.checked_sub(1)) && digit(at.checked_add(1)) && digit(at.checked_add(2)))
}
