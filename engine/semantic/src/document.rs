//! What of a mail is embedded: its subject and what its writer wrote.

use postlode_embed::{Embed, Passage, passages};
use postlode_format::row::{ArchivedBody, ArchivedEmail, PartKind, access, text_parts};
use postlode_store::TextDoc;

/// What there is to embed of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Texts {
    /// These.
    Some(Vec<Text>),
    /// Nothing: it has no words, or its rows are none.
    Nothing,
    /// It is in a language that the model does not know.
    Foreign,
}

/// One passage of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// What is embedded.
    pub embedded: String,
    /// What of it is the mail's own text, without the subject before it.
    pub own: String,
}

/// What is embedded of a mail by a model.
#[must_use]
pub fn texts(doc: &TextDoc, model: &dyn Embed) -> Texts {
    // Whoever reads the rows themselves meets what is wrong with them, and names it.
    let (Ok(email), Ok(body)) = (access::<ArchivedEmail>(&doc.email), access::<ArchivedBody>(&doc.body))
    else {
        return Texts::Nothing;
    };
    if !model.knows(&email.language) {
        return Texts::Foreign;
    }
    let text = body.text();
    let parts = text_parts(text, &body.extra);
    let mut new = String::new();
    for (_, part) in parts.into_iter().filter(|(kind, _)| *kind == PartKind::New) {
        new.push_str(part);
    }
    let text = |Passage { range, text }: Passage| {
        let own = new.get(range).unwrap_or_default().to_owned();
        Text { embedded: text, own }
    };
    let texts: Vec<Text> = passages(&email.topic, &new).into_iter().map(text).collect();
    if texts.is_empty() { Texts::Nothing } else { Texts::Some(texts) }
}
