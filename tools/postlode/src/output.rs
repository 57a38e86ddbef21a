//! Writing to the terminal, to pipes and to people.
//!
//! What always holds: text that came out of mail never reaches a terminal with control characters in it; colours
//! are for terminals whose user did not set NO_COLOR.

use crate::error::Failure;
use serde::Serialize;
use std::cell::RefCell;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// Stdout and stderr of one run.
pub struct Console {
    /// Machine output was asked for.
    pub json: bool,
    /// Stdout takes colours.
    colours: bool,
    /// Stderr is a terminal: progress may be shown.
    pub progress: bool,
    out: RefCell<BufWriter<Stdout>>,
}

/// What a piece of text stands out by.
#[derive(Debug, Clone, Copy)]
pub enum Style {
    /// A title.
    Bold,
    /// Something of less weight.
    Dim,
    /// A word that was searched for.
    Mark,
}

impl Console {
    /// The console of this process.
    pub fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let terminal = io::stdout().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            json,
            colours: terminal && !plain && !dumb,
            progress: io::stderr().is_terminal() && !dumb,
            out: RefCell::new(BufWriter::with_capacity(64 << 10, io::stdout())),
        }
    }

    /// Writes bytes as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.borrow_mut().write_all(bytes).map_err(stdout_failed)
    }

    /// Writes a line.
    pub fn line(&self, line: &str) -> Result<(), Failure> {
        self.bytes(line.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Writes a value as one line of JSON.
    pub fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_vec(value)
            .map_err(|error| Failure::Done(format!("cannot write JSON: {error}")))?;
        self.bytes(&line)?;
        self.bytes(b"\n")
    }

    /// Writes out what is gathered.
    pub fn flush(&self) -> Result<(), Failure> {
        self.out.borrow_mut().flush().map_err(stdout_failed)
    }

    /// Is stdout a terminal?
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Says something to the person, beside the output.
    pub fn note(&self, text: &str) {
        // If stderr is closed there is nobody to be told.
        let _ = writeln!(io::stderr(), "{}", clean(text));
    }

    /// Says what went wrong.
    pub fn error(&self, text: &str) {
        self.note(&format!("postlode: {text}"));
    }

    /// Text with a style, where styles can be seen.
    pub fn styled(&self, style: Style, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Mark => "1;33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Writes a table: a title for each column, then rows. Numbers stand right.
    pub fn table(&self, titles: &[&str], rows: &[Vec<Cell>]) -> Result<(), Failure> {
        let width = |n: usize| {
            let cells = rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.text().chars().count());
            cells.chain(titles.get(n).map(|title| title.chars().count())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..titles.len()).map(width).collect();
        let right: Vec<bool> = (0..titles.len())
            .map(|n| rows.iter().any(|row| matches!(row.get(n), Some(Cell::Number(_)))))
            .collect();
        let line = |cells: &mut dyn Iterator<Item = String>| {
            let mut out = String::new();
            for (n, text) in cells.enumerate() {
                let (width, right) = (widths.get(n).copied().unwrap_or(0), right.get(n) == Some(&true));
                let pad = " ".repeat(width.saturating_sub(text.chars().count()));
                let gap = if n == 0 { "" } else { "  " };
                out.push_str(gap);
                out.push_str(&if right { pad + &text } else { text + &pad });
            }
            out.truncate(out.trim_end().len());
            out
        };
        self.line(&self.styled(Style::Bold, &line(&mut titles.iter().map(|title| (*title).to_owned()))))?;
        for row in rows {
            self.line(&line(&mut row.iter().map(|cell| cell.text().to_owned())))?;
        }
        Ok(())
    }
}

/// One cell of a table.
pub enum Cell {
    /// Stands left.
    Text(String),
    /// Stands right.
    Number(String),
}

impl Cell {
    /// Text, cleaned.
    pub fn text_of(text: &str) -> Self {
        Self::Text(clean(text))
    }

    /// A number.
    pub fn count(number: u64) -> Self {
        Self::Number(crate::sizes::number(number))
    }

    /// A size.
    pub fn bytes(bytes: u64) -> Self {
        Self::Number(crate::sizes::bytes(bytes))
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
        }
    }
}

fn stdout_failed(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::Done(format!("cannot write to stdout: {error}")),
    }
}

/// Text without what could steer a terminal, on one line.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

/// Text without what could steer a terminal; line ends and tabs stay.
pub fn clean_lines(text: &str) -> String {
    let keep = |c: char| if steers(c) && c != '\n' && c != '\t' { ' ' } else { c };
    text.replace("\r\n", "\n").chars().map(keep).collect()
}

/// Control characters, and those that turn the direction of writing: a name must not look like another.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_cannot_steer_the_terminal() {
        assert_eq!(clean("a\x1b[31mb\nc\u{202e}d"), "a [31mb c d");
        assert_eq!(clean_lines("a\r\nb\x07\tc"), "a\nb \tc");
    }
}
