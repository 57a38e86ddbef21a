//! What in a mail's text its author wrote, and what is quoted, signature or a list's footer.
//!
//! What always holds: the parts cover the text without gap or overlap, they begin where lines begin, no two of a kind
//! follow one another, and finding them is linear in the text, whatever it is. A line of blanks belongs to the part
//! before it. What is not recognized counts as new, so that no one's words are lost.

mod closing;
mod line;
mod opening;
mod words;

use closing::{Signature, footer, scrubbed, signature};
use line::{Line, Lines, head, quote_mark};
use opening::opening;
pub use postlode_format::row::PartKind;

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Offset of its first byte.
    pub start: u32,
    /// Offset behind its last byte.
    pub end: u32,
    /// What it is.
    pub kind: PartKind,
}

impl Part {
    /// Its text, given the text that was split.
    #[must_use]
    pub fn of<'t>(&self, text: &'t str) -> &'t str {
        let at = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        text.get(at(self.start)..at(self.end)).unwrap_or_default()
    }
}

/// Splits a text into its parts. Texts of 4 GiB and more, which no mail has, are one part.
#[must_use]
pub fn split(text: &str) -> Vec<Part> {
    let Ok(end) = u32::try_from(text.len()) else {
        return vec![Part { start: 0, end: u32::MAX, kind: PartKind::New }];
    };
    let mut splitter = Splitter::default();
    let mut lines = Lines::new(text);
    while let Some(line) = lines.next() {
        let taken = splitter.line(line, lines);
        for _ in 0..taken {
            lines.next();
        }
    }
    splitter.end_run();
    let mut parts = splitter.parts;
    if let Some(first) = parts.first_mut() {
        first.start = 0;
    } else if end > 0 {
        parts.push(Part { start: 0, end, kind: PartKind::New });
    }
    if let Some(last) = parts.last_mut() {
        last.end = end;
    }
    parts
}

/// What a line is that nothing says anything about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    #[default]
    Text,
    Signature,
    Footer,
}

#[derive(Default)]
struct Splitter {
    parts: Vec<Part>,
    mode: Mode,
    /// All text is another's from here on, though it is not marked.
    quoting: bool,
    /// The author has written something by now.
    wrote: bool,
    /// Marks stand at the start of lines in this mail.
    flush: bool,
    /// Bars are marks in this mail.
    bars: bool,
    /// The mail quotes somebody.
    announced: bool,
    /// Length of the line before, if it is marked as quoted.
    marked: Option<usize>,
    console: Console,
}

/// A run of marked lines that may be what somebody typed at a prompt.
#[derive(Default)]
struct Console {
    /// Where the run begins, as an index of parts.
    part: Option<usize>,
    code: usize,
    prose: usize,
}

impl Splitter {
    /// Takes a line; returns how many of those behind it belong to it.
    fn line(&mut self, line: Line<'_>, rest: Lines<'_>) -> usize {
        let marked = self.marked.take();
        if line.is_blank() {
            self.end_run();
            return 0;
        }
        if self.is_quoted(line.text) {
            self.quoted(line);
            return 0;
        }
        if marked.is_some_and(|before| is_wrapped(before, line, rest)) {
            self.put(line.start, line.end, PartKind::Quoted);
            return 0;
        }
        self.end_run();
        if let Some(found) = opening(line, rest) {
            self.put(line.start, line.end, PartKind::Quoted);
            self.mode = Mode::Text;
            self.quoting |= found.unmarked && (self.wrote || !found.attribution);
            self.bars |= found.bars;
            self.announced = true;
            return found.lines.saturating_sub(1);
        }
        if footer(line, rest) {
            self.mode = Mode::Footer;
        } else {
            let scrubbed = scrubbed(line, rest);
            if scrubbed > 0 {
                self.put(line.start, line.end, PartKind::Footer);
                return scrubbed.saturating_sub(1);
            }
        }
        let mut kind = match self.mode {
            Mode::Footer => PartKind::Footer,
            _ if self.quoting => PartKind::Quoted,
            Mode::Signature => PartKind::Signature,
            Mode::Text => PartKind::New,
        };
        if kind == PartKind::New
            && let Some(found) = signature(line, rest)
        {
            kind = PartKind::Signature;
            if found == Signature::Rest {
                self.mode = Mode::Signature;
            }
        }
        self.wrote |= kind == PartKind::New;
        self.put(line.start, line.end, kind);
        0
    }

    /// Whether a line is marked as quoted. Where marks stand at the start of lines, one behind a single blank is no
    /// mark: programs put that blank before lines of new text that begin with one (RFC 3676, space-stuffing).
    fn is_quoted(&self, text: &str) -> bool {
        let stuffed = self.flush && text.starts_with(" >");
        quote_mark(text).is_some() && !stuffed || self.bars && text.starts_with('|')
    }

    /// Takes a line that is marked as quoted.
    fn quoted(&mut self, line: Line<'_>) {
        self.marked = Some(line.text.len());
        self.flush |= line.text.starts_with('>');
        self.mode = Mode::Text;
        let before = self.parts.len();
        self.put(line.start, line.end, PartKind::Quoted);
        if self.announced {
            return;
        }
        if self.parts.len() > before {
            self.console = Console { part: Some(before), ..Console::default() };
        }
        let Console { prose, code, .. } = &mut self.console;
        match is_code(line.text) {
            Some(true) => *code = code.saturating_add(1),
            Some(false) => *prose = prose.saturating_add(1),
            None => {}
        }
    }

    /// Ends a run of marked lines. One that nobody announced and that is mostly code is what the author typed at a
    /// prompt, and new.
    fn end_run(&mut self) {
        let Console { part, code, prose } = core::mem::take(&mut self.console);
        let Some(part) = part else { return };
        if code <= prose {
            self.announced |= prose > 0;
            return;
        }
        // A run is the last part as long as it goes on.
        if part.checked_add(1) == Some(self.parts.len())
            && let Some(run) = self.parts.pop()
        {
            let at = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
            self.put(at(run.start), at(run.end), PartKind::New);
        }
    }

    fn put(&mut self, start: usize, end: usize, kind: PartKind) {
        // Both are offsets in a text whose length fits.
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else { return };
        match self.parts.last_mut() {
            Some(last) if last.kind == kind => last.end = end,
            last => {
                if let Some(last) = last {
                    last.end = start;
                }
                self.parts.push(Part { start, end, kind });
            }
        }
    }
}

/// Whether a line is the end of the marked line before it, that a mail program broke without marking the rest. A reply
/// there would begin with a capital.
fn is_wrapped(before: usize, line: Line<'_>, mut rest: Lines<'_>) -> bool {
    /// Shortest line that is broken.
    const FULL: usize = 64;
    /// Longest rest of one.
    const LEFT: usize = 48;
    before >= FULL
        && line.text.len() <= LEFT
        && !line.text.starts_with(|c: char| c.is_whitespace() || c.is_uppercase())
        && rest.next().is_some_and(|next| quote_mark(next.text).is_some())
}

/// Whether a line at a prompt is a command rather than somebody's sentence; `None` for what may be either.
fn is_code(text: &str) -> Option<bool> {
    let text = head(text.trim_start_matches([' ', '>']), 400).trim_end();
    if text.is_empty() || text.starts_with('#') {
        return None;
    }
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let call = text.split_once('(').is_some_and(|(before, _)| before.ends_with(name));
    let code = text.contains("<-")
        || text.contains(" = ")
        || text.contains('$')
        || text.ends_with(['{', '}', ';', ')']);
    if code || call { Some(true) } else { text.contains(' ').then_some(false) }
}

#[cfg(test)]
mod tests;
