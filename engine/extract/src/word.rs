//! Text in WordprocessingML and DrawingML: documents, notes, comments, slides, diagrams, text boxes.
//!
//! What always holds: a paragraph is a line; of what a document says twice, for new readers and old ones, one is read.

use crate::archive::{Archive, File};
use crate::meter::{Fail, Meter};
use crate::output::Output;
use crate::xml::{Token, walk_part};

#[derive(Default)]
struct State {
    /// Inside elements whose text is text of the document.
    text: u32,
    /// Inside elements that are passed over.
    hidden: u32,
}

pub(crate) fn read(
    archive: &Archive<'_>,
    file: &File,
    meter: &Meter<'_>,
    output: &mut Output,
) -> Result<(), Fail> {
    let mut state = State::default();
    output.part()?;
    walk_part(archive, file, meter, |token| state.token(&token, output))?;
    output.line()
}

impl State {
    fn token(&mut self, token: &Token<'_>, output: &mut Output) -> Result<(), Fail> {
        match token {
            Token::Start(name, _) => match *name {
                // Old readers' version of what is in the choice before it; and properties, whose tabs are stops.
                "Fallback" | "pPr" => self.hidden = self.hidden.saturating_add(1),
                _ if self.hidden > 0 => {}
                "t" | "text" => self.text = self.text.saturating_add(1),
                "tab" => output.character('\t')?,
                "br" | "cr" => output.line()?,
                "noBreakHyphen" => output.character('-')?,
                _ => {}
            },
            Token::End(name) => match *name {
                "Fallback" | "pPr" => self.hidden = self.hidden.saturating_sub(1),
                _ if self.hidden > 0 => {}
                "t" => self.text = self.text.saturating_sub(1),
                "text" => {
                    self.text = self.text.saturating_sub(1);
                    output.line()?;
                }
                "p" | "comment" => output.line()?,
                _ => {}
            },
            Token::Text(text) if self.text > 0 && self.hidden == 0 => output.push(text)?,
            Token::Text(_) => {}
        }
        Ok(())
    }
}
