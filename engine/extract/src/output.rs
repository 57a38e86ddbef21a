//! The text and the notes that come out.
//!
//! What always holds: the text is at most as long as it may be, ends between characters, and has no characters that
//! hide words from search; that it was cut is among the notes, and of the notes themselves there is a bounded number.

use crate::Note;
use crate::meter::Fail;

/// Most notes of one attachment.
const NOTES: usize = 64;
/// Longest path in a note.
const PATH: usize = 1024;

pub(crate) struct Output {
    text: String,
    limit: usize,
    notes: Vec<Note>,
    unnoted: usize,
    /// The attachment, and the archives in it that are open.
    path: Vec<String>,
}

impl Output {
    pub(crate) fn new(limit: usize, name: &str) -> Self {
        Self { text: String::new(), limit, notes: Vec::new(), unnoted: 0, path: vec![name.to_owned()] }
    }

    pub(crate) fn finish(mut self) -> (String, Vec<Note>) {
        if self.unnoted > 0 {
            let reason = format!("{} more parts were not read", self.unnoted);
            let what = self.path.first().cloned().unwrap_or_default();
            self.notes.push(Note { code: "refused", what, reason });
        }
        self.text.truncate(self.text.trim_end().len());
        (self.text, self.notes)
    }

    /// Adds text as it stands, but for what hides words.
    pub(crate) fn push(&mut self, text: &str) -> Result<(), Fail> {
        for c in text.chars() {
            self.character(c)?;
        }
        Ok(())
    }

    pub(crate) fn character(&mut self, c: char) -> Result<(), Fail> {
        let c = match c {
            // Zero-width characters hide words from search; soft hyphens split them.
            '\u{ad}' | '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}' | '\0' | '\r' => {
                return Ok(());
            }
            '\n' | '\t' => c,
            c if c.is_control() => ' ',
            c => c,
        };
        if self.text.len().saturating_add(c.len_utf8()) > self.limit {
            return Err(Fail::Full);
        }
        self.text.push(c);
        Ok(())
    }

    /// What follows begins on a line of its own.
    pub(crate) fn line(&mut self) -> Result<(), Fail> {
        if self.text.is_empty() || self.text.ends_with('\n') { Ok(()) } else { self.character('\n') }
    }

    /// What follows is apart from what was before.
    pub(crate) fn part(&mut self) -> Result<(), Fail> {
        self.line()?;
        if self.text.is_empty() || self.text.ends_with("\n\n") { Ok(()) } else { self.character('\n') }
    }

    /// What follows is another word.
    pub(crate) fn blank(&mut self) -> Result<(), Fail> {
        match self.text.chars().next_back() {
            Some(c) if !c.is_whitespace() => self.character(' '),
            _ => Ok(()),
        }
    }

    /// Bytes of text that fit in.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.text.len())
    }

    /// Goes into a file of an archive, or a part of a document.
    pub(crate) fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
    }

    pub(crate) fn leave(&mut self) {
        self.path.pop();
    }

    /// How far in reading is.
    pub(crate) fn inside(&self) -> usize {
        self.path.len()
    }

    /// Goes back to where reading was.
    pub(crate) fn back_to(&mut self, inside: usize) {
        self.path.truncate(inside);
    }

    /// Notes what was not read, where reading is.
    pub(crate) fn note(&mut self, fail: &Fail) {
        let reason = match fail {
            Fail::Refused(reason)
            | Fail::Spent(reason)
            | Fail::Corrupt(reason)
            | Fail::Encrypted(reason)
            | Fail::Memory(reason)
            | Fail::Unsupported(reason)
            | Fail::Crashed(reason) => reason.clone(),
            Fail::Timeout => "it took too long".to_owned(),
            Fail::Full => format!("text beyond {} bytes is left out", self.limit),
        };
        // What ends all is said in any case.
        if self.notes.len() >= NOTES && !fail.ends_all() {
            self.unnoted = self.unnoted.saturating_add(1);
            return;
        }
        let mut what = self.path.join("/");
        if what.len() > PATH {
            what.truncate(what.floor_char_boundary(PATH));
        }
        self.notes.push(Note { code: fail.code(), what, reason });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_words_are_not_hidden() {
        let mut output = Output::new(5, "a");
        assert_eq!(output.push("f\u{200b}o\0o\u{7}é"), Err(Fail::Full));
        assert_eq!(output.push("x"), Ok(()));
        assert_eq!(output.finish().0, "foo x");
    }

    #[test]
    fn lines_and_parts_do_not_pile_up() {
        let mut output = Output::new(100, "a");
        output.part().unwrap();
        output.push("a").unwrap();
        output.blank().unwrap();
        output.blank().unwrap();
        output.push("b").unwrap();
        output.line().unwrap();
        output.line().unwrap();
        output.part().unwrap();
        output.part().unwrap();
        output.push("c\n").unwrap();
        assert_eq!(output.finish().0, "a b\n\nc");
    }

    #[test]
    fn notes_are_bounded_and_name_their_place() {
        let mut output = Output::new(5, "a.zip");
        output.enter("b.pdf");
        for _ in 0..100 {
            output.note(&Fail::Unsupported("x".to_owned()));
        }
        output.leave();
        let notes = output.finish().1;
        assert_eq!(notes.len(), NOTES + 1);
        assert_eq!(notes[0].what, "a.zip/b.pdf");
        assert!(notes[NOTES].reason.contains("36 more"));
    }
}
