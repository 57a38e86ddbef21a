//! From an email's rows to a document of the index.

use crate::error::TextError;
use crate::language::is_english;
use crate::schema::{
    ATTACHED, ATTACHED_EN, BODY, BODY_EN, FILES, FROM, QUOTED, QUOTED_EN, SUBJECT, SUBJECT_EN, TO,
};
use postlode_format::row::{
    self, ArchivedAddress, ArchivedBody, ArchivedEmail, PartKind, access, attachment_texts,
};
use postlode_store::TextDoc;
use tantivy::TantivyDocument;

/// The document of an email. Rows that are no records give one without words, so that numbers stay right and a
/// segment can be sealed: whoever reads the rows themselves meets the damage and names it.
pub fn document(doc: &TextDoc) -> TantivyDocument {
    readable(doc).unwrap_or_default()
}

fn readable(doc: &TextDoc) -> Result<TantivyDocument, TextError> {
    let email = access::<ArchivedEmail>(&doc.email)?;
    let body = access::<ArchivedBody>(&doc.body)?;
    let text = body.text();
    let mut out = TantivyDocument::default();
    out.add_text(SUBJECT, &email.subject);
    let english = is_english(&email.language, &email.subject, text);
    if english {
        out.add_text(SUBJECT_EN, &email.subject);
    }
    for (kind, part) in row::text_parts(text, &body.extra) {
        let (folded, stems) = match kind {
            PartKind::New => (BODY, BODY_EN),
            PartKind::Quoted | PartKind::Signature | PartKind::Footer => (QUOTED, QUOTED_EN),
        };
        out.add_text(folded, part);
        if english {
            out.add_text(stems, part);
        }
    }
    for (_, part) in attachment_texts(&body.extra) {
        out.add_text(ATTACHED, part);
        // An attachment may be in another language than its mail.
        if is_english("", "", part) {
            out.add_text(ATTACHED_EN, part);
        }
    }
    for (field, parts) in [(FROM, from_parts(email)), (TO, to_parts(email)), (FILES, file_parts(email))] {
        for part in parts.into_iter().filter(|p| !p.is_empty()) {
            out.add_text(field, part);
        }
    }
    Ok(out)
}

fn from_parts(email: &ArchivedEmail) -> Vec<&str> {
    email.from.as_ref().into_iter().chain(email.sender.as_ref()).flat_map(names).collect()
}

fn to_parts(email: &ArchivedEmail) -> Vec<&str> {
    email.to.iter().chain(email.cc.iter()).chain(email.bcc.iter()).flat_map(names).collect()
}

fn file_parts(email: &ArchivedEmail) -> Vec<&str> {
    email.attachments.iter().map(|a| a.name.as_str()).collect()
}

fn names(address: &ArchivedAddress) -> [&str; 2] {
    [&address.name, &address.address]
}

/// The texts of an email that a query without a field looks at, by the name of the part: what `matched_in` says.
#[must_use]
pub fn text_parts<'e>(
    email: &'e ArchivedEmail,
    body: Option<&'e ArchivedBody>,
) -> Vec<(&'static str, Vec<&'e str>)> {
    let attached = body.into_iter().flat_map(|body| attachment_texts(&body.extra)).map(|(_, text)| text);
    vec![
        ("subject", vec![email.subject.as_str()]),
        ("body", vec![body.map_or("", ArchivedBody::text)]),
        ("from", from_parts(email)),
        ("to", to_parts(email)),
        ("attachments", file_parts(email)),
        ("attached", attached.collect()),
    ]
}
