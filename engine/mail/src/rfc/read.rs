//! Whole families out of RFC 5322 messages: the message, the messages inside it, and their attachments.
//!
//! What always holds: every part is somewhere, as a body, an attachment or a message; a message that is not understood
//! at all is kept as it came; nothing is read deeper, longer or more often than `limits.rs` says.

use super::compose::{self, Bodies, Facts};
use super::decode::{Charset, transfer};
use super::error::RfcError;
use super::head::{self, About, Transfer};
use super::identity::{self, AttachmentIdentity};
use super::limits::{
    MAX_EMBEDDED, MAX_EMBEDDED_DEPTH, MAX_FAMILY, MAX_HEADERS, MAX_MESSAGE, MAX_NAME, MAX_OFFSET,
    MAX_ORIGINAL,
};
use super::part::{Leaf, Leaves, leaves};
use super::quote::unquoted;
use crate::family::{Blob, BlobContent, Draft, Family};
use crate::headers::Headers;
use crate::text::limited;
use crate::{html, mime};
use postlode_format::custody::Custody;
use postlode_format::id::Id;
use postlode_format::row::{Attachment, AttachmentKind, PartialNote};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashSet;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// The archive it is in: a file of its own, or an mbox.
    pub archive: &'a Id,
    /// Its node there: the offset at which it begins. Messages inside it have the same low 48 bits, and their number
    /// (from 1, depth first) above.
    pub node: u64,
    /// Whether it stands in an mbox, and is quoted as such.
    pub quoted: bool,
}

/// Reads a message with everything in it. What cannot be read of it is in the `partial` notes of the member it
/// belongs to; a message without any header is kept as text, with such a note.
///
/// # Errors
/// [`RfcError::Limit`] for a message or an offset that is larger than any real one.
pub fn read(raw: &[u8], source: &Source<'_>) -> Result<Family, RfcError> {
    let limit = |what, have, limit| Err(RfcError::Limit { what, have, limit });
    if raw.len() as u64 > MAX_MESSAGE {
        return limit("size of the message", raw.len() as u64, MAX_MESSAGE);
    }
    if source.node > MAX_OFFSET {
        return limit("offset of the message", source.node, MAX_OFFSET);
    }
    let mut visit = Visit {
        archive: source.archive,
        node: source.node,
        ordinal: 0,
        originals: MAX_FAMILY,
        seen: HashSet::new(),
        blobs: Vec::new(),
    };
    let readable = if source.quoted { unquoted(raw) } else { Cow::Borrowed(raw) };
    let draft = visit.message(raw, &readable, 0);
    Ok(draft.settle(visit.blobs))
}

/// One pass over a family.
struct Visit<'a> {
    archive: &'a Id,
    node: u64,
    /// Messages inside the message so far.
    ordinal: u32,
    /// Bytes that may still be kept as they came.
    originals: usize,
    seen: HashSet<[u8; 32]>,
    blobs: Vec<Blob>,
}

/// What is gathered of one message's attachments.
#[derive(Default)]
struct Attachments {
    rows: Vec<Attachment>,
    identities: Vec<AttachmentIdentity>,
    children: Vec<(usize, Draft)>,
}

impl Visit<'_> {
    /// Reads one message. `original` is what it came as, `bytes` the same without the marks of a mailbox.
    fn message(&mut self, original: &[u8], bytes: &[u8], depth: usize) -> Draft {
        let node = (u64::from(self.ordinal) << 48) | self.node;
        let (mut block, rest) = head::split(start(bytes));
        let mut notes = Vec::new();
        if block.is_empty() {
            notes.push(note("corrupt", "headers", "the message has no header".to_owned()));
        } else if block.len() > MAX_HEADERS {
            let reason = format!("of {} bytes of header {MAX_HEADERS} are read", block.len());
            notes.push(note("memory", "headers", reason));
            block = block.get(..MAX_HEADERS).unwrap_or(block);
        }
        let about = About::parse(block);
        let (kind, report) = (about.kind.clone(), about.report_type.clone());
        let Leaves { all, more, too_deep, .. } = leaves(about, rest);
        if more {
            notes.push(note("memory", "parts", "it has more parts than any real message".to_owned()));
        }
        if too_deep {
            let reason = "parts inside parts are nested too deeply to be looked into".to_owned();
            notes.push(note("memory", "parts", reason));
        }
        let bodies = Bodies::choose(&all);
        let linked = bodies.html_bytes().map(html::linked).unwrap_or_default();
        let mut lists = Attachments::default();
        // Only what could not be read makes an id partial, not what was mended.
        let mut mended = Vec::new();
        for (index, leaf) in all.iter().enumerate().filter(|(index, _)| !bodies.takes(*index)) {
            let n = lists.rows.len();
            let (row, identity, child) = self.attachment(n, leaf, depth, (&mut notes, &mut mended));
            let named = !row.content_id.is_empty();
            let mut row = row;
            row.inline = bodies.is_text(index)
                || named && linked.contains(row.content_id.as_bytes())
                || named && leaf.in_related && leaf.about.disposition != "attachment";
            lists.rows.push(row);
            lists.identities.push(identity);
            lists.children.extend(child.map(|child| (n, child)));
        }
        let fields = head::fields(block);
        let list = identity::list(&fields, bodies.plain_bytes(), bodies.html_bytes(), &lists.identities);
        let whole = notes.is_empty();
        let content_id = if whole { list.finish() } else { list.finish_partial(self.archive, node) };
        notes.append(&mut mended);

        let page = bodies.page();
        let text = head::readable(block, MAX_HEADERS, bodies.hint());
        let facts = Facts {
            block,
            fields: &fields,
            text: &text,
            headers: Headers::parse(&text),
            class: compose::class(&kind, &report, &all),
            codepage: page,
            size: original.len() as u64,
        };
        let custody = Custody::of(original);
        let original = self.keep_original(original, &mut notes);
        let (mut email, body) = compose::rows(facts, &bodies, lists.rows, original, notes);
        email.extra.push(custody.extra());
        Draft { node, email, body, conversation_index: Vec::new(), content_id, children: lists.children }
    }

    /// The bytes as they came, if they may be kept.
    fn keep_original<'m>(&mut self, original: &'m [u8], notes: &mut Vec<PartialNote>) -> Option<&'m [u8]> {
        let left = self.originals.checked_sub(original.len());
        match left.filter(|_| original.len() <= MAX_ORIGINAL) {
            Some(left) => {
                self.originals = left;
                Some(original)
            }
            None => {
                let reason = format!("its {} bytes are kept as parts, not as they came", original.len());
                notes.push(note("memory", "original", reason));
                None
            }
        }
    }

    /// Reads a part that is no body.
    fn attachment(
        &mut self,
        n: usize,
        leaf: &Leaf<'_>,
        depth: usize,
        (unread, mended): (&mut Vec<PartialNote>, &mut Vec<PartialNote>),
    ) -> (Attachment, AttachmentIdentity, Option<Draft>) {
        let About { kind, name, raw_name, content_id, .. } = &leaf.about;
        let (bytes, odd) = transfer(leaf.about.transfer, leaf.content);
        let stage = format!("attachment {n}");
        if odd {
            let reason = "some of its bytes are no base64 and were passed over".to_owned();
            mended.push(note("corrupt", &stage, reason));
        }
        let mut row = Attachment {
            n: u32::try_from(n).unwrap_or(u32::MAX),
            name: name.clone(),
            mime: if kind == mime::UNKNOWN { mime::of_name(name).to_owned() } else { kind.clone() },
            content_id: content_id.clone(),
            inline: false,
            kind: AttachmentKind::Data,
            size: bytes.len() as u64,
            sha256: [0; 32],
            child: None,
        };
        if matches!(kind.as_str(), "message/rfc822" | "message/global") && !bytes.trim_ascii().is_empty() {
            match self.embedded(&bytes, depth) {
                Ok(child) => {
                    row.kind = AttachmentKind::Message;
                    if row.name.is_empty() {
                        row.name = limited(child.email.subject.clone(), MAX_NAME).0;
                    }
                    let content = child.content_id.to_vec();
                    let identity = AttachmentIdentity { name: raw_name.clone(), content };
                    return (row, identity, Some(child));
                }
                Err(error) => unread.push(note(error.code(), &stage, error.to_string())),
            }
        }
        row.sha256 = Sha256::digest(&bytes).into();
        let content = identity::content(leaf.about.transfer, &bytes, &row.sha256);
        self.keep(&row, bytes);
        (row, AttachmentIdentity { name: raw_name.clone(), content }, None)
    }

    /// Reads a message inside another.
    fn embedded(&mut self, bytes: &[u8], depth: usize) -> Result<Draft, RfcError> {
        let limit = |what, have, limit| Err(RfcError::Limit { what, have, limit });
        let depth = depth.saturating_add(1);
        if depth > MAX_EMBEDDED_DEPTH {
            return limit("depth of a message", depth as u64, MAX_EMBEDDED_DEPTH as u64);
        }
        let ordinal = self.ordinal.saturating_add(1);
        if u64::from(ordinal) > MAX_EMBEDDED as u64 {
            return limit("number of embedded messages", u64::from(ordinal), MAX_EMBEDDED as u64);
        }
        self.ordinal = ordinal;
        Ok(self.message(bytes, bytes, depth))
    }

    /// Files a content under its hash.
    fn keep(&mut self, row: &Attachment, bytes: Cow<'_, [u8]>) {
        if self.seen.insert(row.sha256) {
            let content = BlobContent::Whole(bytes.into_owned());
            self.blobs.push(Blob { sha256: row.sha256, size: row.size, content });
        }
    }
}

/// Where the header begins: behind a byte order mark, empty lines, and the line that a mailbox put in front.
fn start(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    while let [b'\r' | b'\n', more @ ..] = rest {
        rest = more;
    }
    if rest.starts_with(b"From ") || rest.starts_with(b">From ") {
        let (_, length) = head::next_line(rest);
        rest = rest.get(length..).unwrap_or_default();
    }
    rest
}

pub(super) fn note(code: &str, stage: &str, reason: String) -> PartialNote {
    PartialNote { code: code.to_owned(), stage: stage.to_owned(), reason }
}

/// The bytes and charset of a text leaf.
pub(super) fn text_of<'m>(leaf: &Leaf<'m>) -> (Cow<'m, [u8]>, Charset) {
    let Leaf { about, content, .. } = leaf;
    let encoding: Transfer = about.transfer;
    let bytes = transfer(encoding, content).0;
    let charset = Charset::of(about.charset.as_deref(), &bytes, about.kind == "text/html");
    (bytes, charset)
}
