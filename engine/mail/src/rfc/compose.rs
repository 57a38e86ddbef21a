//! The rows of one message: which of its parts are its bodies, the text made from them, and what its header tells.

use super::decode::Charset;
use super::head::{first, subject};
use super::limits::{MAX_BODY, MAX_TEXT};
use super::part::Leaf;
use super::read::{note, text_of};
use crate::headers::Headers;
use crate::{class, html, subject as subjects, text};
use postlode_format::id::ID_SCHEME;
use postlode_format::row::{
    Address, Attachment, Body, Email, PartialNote, Raw, RawEncoding, Stamp, TextSource, flag,
};
use std::borrow::Cow;

/// A part that is text to be read.
struct Text<'m> {
    index: usize,
    bytes: Cow<'m, [u8]>,
    charset: Charset,
    html: bool,
}

/// Which parts of a message are its bodies.
#[derive(Default)]
pub(super) struct Bodies<'m> {
    plain: Option<Text<'m>>,
    html: Option<Text<'m>>,
    /// Further texts, kept as attachments and shown inside the body.
    more: Vec<Text<'m>>,
    /// The HTML body is another form of the plain one, not more text.
    same: bool,
    /// Parts that are text but have their place among the attachments.
    inline: Vec<usize>,
}

impl<'m> Bodies<'m> {
    /// The first plain and the first HTML part that are not attachments are the bodies. Further ones, as mailing lists
    /// and some programs put between attachments, stay attachments, and their text is searched.
    pub(super) fn choose(leaves: &[Leaf<'m>]) -> Self {
        let mut bodies = Self { same: true, ..Self::default() };
        let alone = leaves.len() == 1;
        for (index, leaf) in leaves.iter().enumerate() {
            let html = leaf.about.kind == "text/html";
            let named = !leaf.about.name.is_empty() && !alone;
            let text = (html || leaf.about.kind == "text/plain") && leaf.about.disposition != "attachment";
            if !text || named {
                continue;
            }
            let (bytes, charset) = text_of(leaf);
            let slot = if html { &mut bodies.html } else { &mut bodies.plain };
            let small = bytes.len() <= MAX_BODY;
            if small && slot.is_none() {
                bodies.same &= !html || leaf.in_alternative;
                *slot = Some(Text { index, bytes, charset, html });
                continue;
            }
            bodies.inline.push(index);
            if !leaf.in_alternative || !small {
                bodies.more.push(Text { index, bytes, charset, html });
            }
        }
        bodies
    }

    /// Whether a leaf is one of the bodies.
    pub(super) fn takes(&self, index: usize) -> bool {
        [&self.plain, &self.html].into_iter().flatten().any(|text| text.index == index)
    }

    /// Whether a leaf is text of the message, though no body.
    pub(super) fn is_text(&self, index: usize) -> bool {
        self.inline.binary_search(&index).is_ok()
    }

    pub(super) fn plain_bytes(&self) -> Option<&[u8]> {
        self.plain.as_ref().map(|text| &*text.bytes)
    }

    pub(super) fn html_bytes(&self) -> Option<&[u8]> {
        self.html.as_ref().map(|text| &*text.bytes)
    }

    /// The code page of the message: its HTML body's, because that is decoded again when it is shown.
    pub(super) fn page(&self) -> u32 {
        let pages = [&self.html, &self.plain].into_iter().flatten().map(|text| text.charset.page());
        pages.into_iter().find(|page| *page != 0).unwrap_or(0)
    }

    /// The code page that 8-bit text in the header is likely in, 0 where nothing tells.
    pub(super) fn hint(&self) -> u32 {
        let pages = [&self.html, &self.plain].into_iter().flatten().map(|text| text.charset.hint());
        pages.into_iter().find(|page| *page != 0).unwrap_or(0)
    }

    /// The raw bodies and the text made from all of them. `true`: it was cut at the limit.
    fn make(&self) -> (Option<Raw>, Option<Raw>, String, TextSource, bool) {
        let present = |part: &&Text<'_>| !part.bytes.is_empty();
        let plain = self.plain.as_ref().filter(present);
        let plain = plain.map(|part| (verbatim(&part.bytes), part.charset.text(&part.bytes)));
        let html = self.html.as_ref().filter(present).map(|part| {
            let (source, as_kept) = part.charset.html(&part.bytes);
            // Bytes whose charset the rows have no place for are kept as text; the original has them as they came.
            let told = part.charset.page() == self.page() || core::str::from_utf8(&part.bytes).is_ok();
            let raw = if as_kept && told { verbatim(&part.bytes) } else { verbatim(source.as_bytes()) };
            (raw, source)
        });
        let mut pieces: Vec<(String, TextSource)> = Vec::new();
        let mut cut = false;
        if let Some((raw, text)) = plain.as_ref().filter(|(_, text)| !text.trim().is_empty()) {
            let only = self.more.is_empty() && (self.same || self.html.is_none());
            if only && text::is_clean(text) && text.as_bytes() == raw.bytes {
                let raws = (plain.map(|p| p.0), html.map(|h| h.0));
                return (raws.0, raws.1, String::new(), TextSource::PlainAsKept, false);
            }
            let (text, more) = text::tidy(text.clone(), MAX_TEXT);
            cut |= more;
            pieces.push((text, TextSource::Plain));
        }
        if let Some((_, source)) = html.as_ref().filter(|_| pieces.is_empty() || !self.same) {
            let (text, more) = html::to_text(source, MAX_TEXT);
            cut |= more;
            pieces.push((text, TextSource::Html));
        }
        let mut length = pieces.iter().fold(0usize, |sum, piece| sum.saturating_add(piece.0.len()));
        for part in &self.more {
            let left = MAX_TEXT.saturating_sub(length);
            if left == 0 {
                cut = true;
                break;
            }
            let ((text, more), source) = if part.html {
                (html::to_text(&part.charset.html(&part.bytes).0, left), TextSource::Html)
            } else {
                (text::tidy(part.charset.text(&part.bytes), left), TextSource::Plain)
            };
            cut |= more;
            length = length.saturating_add(text.len());
            pieces.push((text, source));
        }
        pieces.retain(|(text, _)| !text.trim().is_empty());
        let source = pieces.first().map_or(TextSource::None, |(_, source)| *source);
        let pieces: Vec<String> = pieces.into_iter().map(|(text, _)| text).collect();
        let (text, more) = text::limited(pieces.join("\n\n"), MAX_TEXT);
        (plain.map(|p| p.0), html.map(|h| h.0), text, source, cut || more)
    }
}

/// Bytes of the source. Their type is 0: there is none in mail.
fn verbatim(bytes: &[u8]) -> Raw {
    Raw { encoding: RawEncoding::Verbatim, value_type: 0, bytes: bytes.to_vec() }
}

/// The message class that a message would have in a store of Outlook's.
pub(super) fn class(kind: &str, report: &str, leaves: &[Leaf<'_>]) -> &'static str {
    match kind {
        "multipart/report" => {}
        "multipart/signed" if leaves.iter().any(|leaf| leaf.about.kind.ends_with("pkcs7-signature")) => {
            return "IPM.Note.SMIME.MultipartSigned";
        }
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => return "IPM.Note.SMIME",
        _ => return "IPM.Note",
    }
    match report {
        "disposition-notification" => "REPORT.IPM.Note.IPNRN",
        "delivery-status" => {
            let status = leaves.iter().find(|leaf| leaf.about.kind == "message/delivery-status");
            let status = status.map(|leaf| leaf.content.to_ascii_lowercase()).unwrap_or_default();
            let says = |what: &[u8]| memchr::memmem::find(&status, what).is_some();
            if says(b"action: delivered") && !says(b"action: failed") {
                "REPORT.IPM.Note.DR"
            } else {
                "REPORT.IPM.Note.NDR"
            }
        }
        _ => "REPORT.IPM.Note",
    }
}

/// What is known of a message beside its bodies and attachments.
pub(super) struct Facts<'m> {
    /// The header block as it came.
    pub(super) block: &'m [u8],
    pub(super) fields: &'m [(&'m [u8], Vec<u8>)],
    /// The header block, decoded.
    pub(super) text: &'m str,
    pub(super) headers: Headers,
    pub(super) class: &'static str,
    pub(super) codepage: u32,
    pub(super) size: u64,
}

/// Makes the rows, but for ids, thread and parent, which are known when the whole family is.
pub(super) fn rows(
    facts: Facts<'_>,
    bodies: &Bodies<'_>,
    attachments: Vec<Attachment>,
    original: Option<&[u8]>,
    mut notes: Vec<PartialNote>,
) -> (Email, Body) {
    let (plain, html, text, text_source, cut) = bodies.make();
    if cut {
        let reason = format!("the text has more than {MAX_TEXT} bytes and is searched up to there");
        notes.push(note("memory", "text", reason));
    }
    let body = Body {
        plain,
        html,
        rtf: None,
        headers: (!facts.block.is_empty()).then(|| verbatim(facts.block)),
        original: original.map(verbatim),
        text,
        text_source,
        props: Vec::new(),
        extra: Vec::new(),
    };
    let Facts { fields, text, headers, class, codepage, size, .. } = facts;
    let subject = subject(text);
    let (from, sender) = senders(&headers);
    let mut flags = marks(fields);
    if original.is_some() {
        flags |= flag::ORIGINAL_EML;
    }
    if attachments.iter().any(|a| !a.inline) {
        flags |= flag::HAS_ATTACHMENT;
    }
    let (sent, received) = (headers.date, headers.received);
    let email = Email {
        extra: Vec::new(),
        id: [0; 16],
        id_scheme: ID_SCHEME,
        parent: None,
        thread: [0; 16],
        kind: class::kind_of(class),
        class: class.to_owned(),
        message_id: headers.message_id,
        in_reply_to: headers.in_reply_to,
        references: headers.references,
        topic: subjects::topic(&subject).to_owned(),
        subject,
        from,
        sender,
        to: headers.to,
        cc: headers.cc,
        bcc: headers.bcc,
        sent,
        received,
        date: sent.or(received).map_or(i64::MIN, |stamp: Stamp| stamp.unix_micros),
        size,
        importance: importance(fields),
        sensitivity: sensitivity(fields),
        flags,
        codepage,
        language: String::new(),
        attachments,
        partial: notes,
    };
    (email, body)
}

/// From and, where it is somebody else, the sender.
fn senders(headers: &Headers) -> (Option<Address>, Option<Address>) {
    let (from, sender) = (headers.from.first().cloned(), headers.sender.first().cloned());
    match (from, sender) {
        (Some(from), Some(sender)) => {
            let same = from.address.eq_ignore_ascii_case(&sender.address);
            (Some(from), (!same).then_some(sender))
        }
        (None, sender) => (sender, None),
        (from, None) => (from, None),
    }
}

fn value(fields: &[(&[u8], Vec<u8>)], name: &str) -> String {
    let raw = first(fields, name).unwrap_or_default();
    String::from_utf8_lossy(raw.get(..raw.len().min(64)).unwrap_or_default()).to_ascii_lowercase()
}

fn importance(fields: &[(&[u8], Vec<u8>)]) -> u8 {
    let (declared, number, priority) =
        (value(fields, "importance"), value(fields, "x-priority"), value(fields, "priority"));
    match (declared.as_str(), number.bytes().next(), priority.as_str()) {
        ("low", ..) => 0,
        ("normal" | "medium", ..) => 1,
        ("high", ..) | (_, Some(b'1' | b'2'), _) | (_, None, "urgent") => 2,
        (_, Some(b'4' | b'5'), _) | (_, None, "non-urgent") => 0,
        _ => 1,
    }
}

fn sensitivity(fields: &[(&[u8], Vec<u8>)]) -> u8 {
    match value(fields, "sensitivity").as_str() {
        "personal" => 1,
        "private" => 2,
        "company-confidential" => 3,
        _ => 0,
    }
}

/// What mail programs note in the header of a message that they keep.
fn marks(fields: &[(&[u8], Vec<u8>)]) -> u32 {
    let mut flags = 0;
    if value(fields, "status").contains('r') {
        flags |= flag::READ;
    }
    if value(fields, "x-status").contains('f') {
        flags |= flag::FLAGGED;
    }
    if value(fields, "x-unsent").starts_with('1') {
        flags |= flag::UNSENT;
    }
    flags
}
