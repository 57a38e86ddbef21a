//! An email as an RFC 5322 message: as it came, or written anew from its rows.
//!
//! A reconstructed message holds every body that the source had and every attachment, embedded messages as
//! `message/rfc822`. What always holds: output comes in pieces of about a megabyte, one piece of one attachment is
//! in memory at a time, and the nesting of embedded messages is bounded by [`MAX_DEPTH`]. An attachment without
//! bytes leaves a part that says so.

mod encode;
mod head;

use crate::attachment::Attachment;
use crate::body::{decoded, html, row};
use crate::engine::Inner;
use crate::error::QueryError;
use bytes::{Bytes, BytesMut};
use encode::{BASE64_LINE, base64_lines, clean, mime, parameter, quoted_printable};
use postlode_format::id::{Id, to_hex};
use postlode_format::row::{
    ArchivedAttachment, ArchivedAttachmentKind, ArchivedBody, ArchivedEmail, access, flag,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// Deepest nesting of embedded messages that is written out.
pub const MAX_DEPTH: usize = 16;
/// Bytes of a piece.
const PIECE: usize = 1 << 20;

/// What the bytes of an EML are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RawKind {
    /// The message as it came.
    Original,
    /// Written anew from the properties of the source.
    Reconstructed,
}

/// What is still to be written, in order.
enum Step {
    Bytes(Bytes),
    Blob(Box<Blob>),
    Message(Id, usize),
}

/// An attachment on its way, with bytes that do not fill a line yet.
struct Blob {
    attachment: Attachment,
    carry: BytesMut,
}

/// An email as an RFC 5322 message, in pieces of bounded size.
pub struct EmlStream {
    engine: Arc<Inner>,
    kind: RawKind,
    steps: VecDeque<Step>,
}

impl EmlStream {
    pub(crate) async fn open(engine: &Arc<Inner>, id: Id) -> Result<Option<Self>, QueryError> {
        let Some((kind, steps)) = message(engine, id, 0).await? else { return Ok(None) };
        Ok(Some(Self { engine: Arc::clone(engine), kind, steps: steps.into() }))
    }

    /// What its bytes are.
    #[must_use]
    pub fn kind(&self) -> RawKind {
        self.kind
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// Where an attachment's bytes cannot be read.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, QueryError> {
        loop {
            match self.steps.pop_front() {
                None => return Ok(None),
                Some(Step::Bytes(mut bytes)) => {
                    if bytes.is_empty() {
                        continue;
                    }
                    let piece = bytes.split_to(PIECE.min(bytes.len()));
                    self.steps.push_front(Step::Bytes(bytes));
                    return Ok(Some(piece));
                }
                Some(Step::Blob(mut blob)) => match blob.attachment.next_chunk().await? {
                    Some(chunk) => {
                        blob.carry.extend_from_slice(&chunk);
                        let whole = blob.carry.len().saturating_sub(blob.carry.len() % BASE64_LINE);
                        let lines = base64_lines(&blob.carry.split_to(whole));
                        self.steps.push_front(Step::Blob(blob));
                        self.steps.push_front(Step::Bytes(lines.into()));
                    }
                    None => self.steps.push_front(Step::Bytes(base64_lines(&blob.carry).into())),
                },
                Some(Step::Message(id, depth)) => {
                    let steps = match message(&self.engine, id, depth).await? {
                        Some((_, steps)) => steps,
                        None => vec![text("Subject: this message is not in the store any more\r\n\r\n")],
                    };
                    steps.into_iter().rev().for_each(|step| self.steps.push_front(step));
                }
            }
        }
    }

    /// All of it at once, if it is at most `limit` bytes; for mails whose size is known.
    ///
    /// # Errors
    /// As [`EmlStream::next_chunk`]; [`QueryError::Parameter`] for a larger one.
    pub async fn into_bytes(mut self, limit: usize) -> Result<Vec<u8>, QueryError> {
        let mut out = Vec::new();
        while let Some(chunk) = self.next_chunk().await? {
            if out.len().saturating_add(chunk.len()) > limit {
                let why = format!("the message is larger than {limit} bytes");
                return Err(QueryError::Parameter { parameter: "limit", why });
            }
            out.extend_from_slice(&chunk);
        }
        Ok(out)
    }
}

fn text(text: &str) -> Step {
    Step::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

/// The steps of one message.
async fn message(
    engine: &Arc<Inner>,
    id: Id,
    depth: usize,
) -> Result<Option<(RawKind, Vec<Step>)>, QueryError> {
    let Some(found) = engine.found(id).await? else { return Ok(None) };
    let Some(bytes) = row(engine, id).await? else { return Ok(None) };
    let email = access::<ArchivedEmail>(&found.email)?;
    let body = access::<ArchivedBody>(&bytes)?;
    if let Some(original) =
        body.original.as_ref().filter(|_| email.flags.to_native() & flag::ORIGINAL_EML != 0)
    {
        return Ok(Some((RawKind::Original, vec![Step::Bytes(original.original().into())])));
    }
    let codepage = email.codepage.to_native();
    let transport = decoded(body.headers.as_ref(), codepage).unwrap_or_default();
    let mut steps = vec![text(&head::head(email, &transport))];
    let boundary = |kind: &str| format!("=_{kind}_{}_{depth}", to_hex(&email.id));
    if email.attachments.is_empty() {
        steps.extend(content(body, codepage, &boundary("alternative")));
        return Ok(Some((RawKind::Reconstructed, steps)));
    }
    let mixed = boundary("mixed");
    steps
        .push(text(&format!("Content-Type: multipart/mixed;\r\n boundary=\"{mixed}\"\r\n\r\n--{mixed}\r\n")));
    steps.extend(content(body, codepage, &boundary("alternative")));
    for attachment in email.attachments.iter() {
        steps.push(text(&format!("\r\n--{mixed}\r\n")));
        steps.extend(part(engine, attachment, depth));
    }
    steps.push(text(&format!("\r\n--{mixed}--\r\n")));
    Ok(Some((RawKind::Reconstructed, steps)))
}

/// The bodies: one part, or alternatives from the plainest to the richest.
fn content(body: &ArchivedBody, codepage: u32, boundary: &str) -> Vec<Step> {
    let mut parts: Vec<(&str, String)> = Vec::new();
    let (html_text, rtf) = (body.html.as_ref().map(|raw| html(raw, codepage)), body.rtf.as_ref());
    if body.plain.is_some() || html_text.is_none() {
        parts.push(("text/plain", body.text().to_owned()));
    }
    if let Some(rtf) = rtf.filter(|_| html_text.is_none()) {
        parts.extend(decoded(Some(rtf), codepage).map(|rtf| ("text/rtf", rtf)));
    }
    parts.extend(html_text.map(|html| ("text/html", html)));
    let several = parts.len() > 1;
    let mut steps = Vec::new();
    if several {
        steps
            .push(text(&format!("Content-Type: multipart/alternative;\r\n boundary=\"{boundary}\"\r\n\r\n")));
    }
    for (kind, content) in parts {
        if several {
            steps.push(text(&format!("--{boundary}\r\n")));
        }
        steps.push(text(&format!(
            "Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        )));
        steps.push(Step::Bytes(quoted_printable(&content).into()));
    }
    if several {
        steps.push(text(&format!("--{boundary}--\r\n")));
    }
    steps
}

/// One attachment.
fn part(engine: &Arc<Inner>, attachment: &ArchivedAttachment, depth: usize) -> Vec<Step> {
    let disposition = if attachment.inline { "inline" } else { "attachment" };
    let mut about = format!("Content-Disposition: {disposition}");
    if !attachment.name.is_empty() {
        about.push_str(&parameter("filename", &attachment.name));
    }
    about.push_str("\r\n");
    let cid: String = clean(&attachment.content_id).chars().filter(|c| c.is_ascii_graphic()).collect();
    if !cid.is_empty() {
        about.push_str(&format!("Content-ID: <{cid}>\r\n"));
    }
    if let Some(child) = attachment.child.as_ref().filter(|_| depth < MAX_DEPTH) {
        let kind = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n";
        return vec![text(&format!("{kind}{about}\r\n")), Step::Message(*child, depth.saturating_add(1))];
    }
    match Attachment::of(engine, attachment) {
        Some(blob) => {
            let kind = mime(&attachment.mime);
            let kind = format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n");
            let blob = Blob { attachment: blob, carry: BytesMut::new() };
            vec![text(&format!("{kind}{about}\r\n")), Step::Blob(Box::new(blob))]
        }
        None => {
            let why = match attachment.kind {
                ArchivedAttachmentKind::Reference => "The archive holds only a reference to this attachment.",
                ArchivedAttachmentKind::Message => {
                    "This message is nested too deeply to be written out here."
                }
                _ => "This attachment could not be read from the archive.",
            };
            vec![text(&format!("Content-Type: text/plain; charset=utf-8\r\n{about}\r\n{why}\r\n"))]
        }
    }
}
