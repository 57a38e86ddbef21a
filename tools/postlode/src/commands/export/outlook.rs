//! An email of the store as a message of an Outlook archive.
//!
//! What always holds: mail that came out of such an archive gets every property back that it had there, byte for byte, but for
//! those that each archive makes up itself, and for named ones whose name is not known; what came otherwise gets the
//! properties that say the same. An embedded message is inside its own again.

use super::families::ask;
use crate::error::Failure;
use crate::session::Session;
use bytes::Bytes;
use postlode_format::custody::Custody;
use postlode_format::id::to_hex;
use postlode_format::row::{
    ArchivedAddress, ArchivedAttachment, ArchivedAttachmentKind, ArchivedBody, ArchivedEmail, ArchivedRaw,
    ArchivedRawEncoding, PropName, access, flag,
};
use postlode_mail::pst::{RawProp, table, tag};
use postlode_pst_writer::{
    Address, Attachment, FileTime, Importance, Message, NameKey, Payload, Properties, PstWriter, Recipient,
    RecipientKind, Value,
};
use postlode_server::{ClientError, Records};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Bytes of an attachment that are kept in memory, and of all of a message together; the others wait in a file.
const IN_MEMORY: usize = 1 << 20;
const TOGETHER: usize = 32 << 20;
/// Microseconds from 1601 to 1970.
const EPOCH: i64 = 11_644_473_600_000_000;
/// Types of values.
const STRING8: u16 = 0x001e;
const UNICODE: u16 = 0x001f;
const BINARY: u16 = 0x0102;
const OBJECT: u16 = 0x000d;
/// Named properties begin here.
const NAMED: u16 = 0x8000;

/// Why there is no message.
pub enum Lost {
    /// It was deleted meanwhile.
    Gone,
    /// Something of it cannot be read.
    Because(String),
    /// The whole export ends here.
    All(Failure),
}

/// Makes messages.
pub struct Outlook<'o> {
    session: &'o Session,
    /// The folder where long attachments wait.
    near: &'o Path,
    writer: &'o mut PstWriter<BufWriter<File>>,
    /// Bytes of attachments in memory.
    held: usize,
    spool: Option<Spool>,
}

impl<'o> Outlook<'o> {
    /// For one message, with what is embedded in it.
    pub fn new(session: &'o Session, near: &'o Path, writer: &'o mut PstWriter<BufWriter<File>>) -> Self {
        Self { session, near, writer, held: 0, spool: None }
    }
}

impl Outlook<'_> {
    /// The message of an email with all that is embedded in it, and the SHA-256 of the email as the store knows it.
    pub async fn message(&mut self, id: &str, depth: usize) -> Result<(Message, String), Lost> {
        if depth > Message::MAX_DEPTH {
            return Err(Lost::Because("messages are embedded deeper than an archive can have".to_owned()));
        }
        let Records { email, body } = self.records(id).await?;
        let unreadable = |what: &str| Lost::Because(format!("its {what} cannot be read"));
        let email = access::<ArchivedEmail>(&email).map_err(|_| unreadable("record"))?;
        let body = body.as_ref().map(|body| access::<ArchivedBody>(body)).transpose();
        let body = body.map_err(|_| unreadable("body"))?;
        let mut tables = Tables::default();
        let mut message = self.without_attachments(email, body, &mut tables)?;
        for (at, attachment) in email.attachments.iter().enumerate() {
            let properties = match tables.attachments.get_mut(at) {
                Some(row) => self.properties(std::mem::take(row), &OF_ATTACHMENT)?,
                None => Properties::new(),
            };
            let payload = self.payload(id, attachment, depth).await?;
            message.attachments.push(Attachment {
                name: attachment.name.as_str().to_owned(),
                mime_type: some(&attachment.mime),
                content_id: some(&attachment.content_id),
                payload,
                properties,
            });
        }
        let sha256 = Custody::kept(&email.extra).map(|kept| to_hex(&kept.sha256)).unwrap_or_default();
        Ok((message, sha256))
    }

    async fn records(&self, id: &str) -> Result<Records, Lost> {
        let answer = ask(self.session, &format!("/local/record?id={id}")).await.map_err(lost)?;
        let bytes = answer.bytes().await.map_err(lost)?;
        Records::read(bytes).ok_or_else(|| Lost::Because("its records cannot be read".to_owned()))
    }

    /// Properties of the source, but for those that are written otherwise.
    fn properties(&mut self, props: Vec<RawProp>, left_out: &[u16]) -> Result<Properties, Lost> {
        let mut out = Properties::new();
        for RawProp { id, kind, name, value } in props {
            if left_out.contains(&id) || kind == OBJECT {
                continue;
            }
            let id = match name.as_deref() {
                _ if id < NAMED => id,
                None => continue,
                Some(name) => self.named(name)?,
            };
            out.set(id, Value::Raw { kind, bytes: value });
        }
        Ok(out)
    }

    fn named(&mut self, name: &PropName) -> Result<u16, Lost> {
        let key = match name.lid {
            Some(number) => NameKey::Number(number),
            None => NameKey::Name(name.name.clone()),
        };
        self.writer
            .named_property(name.guid, key)
            .map_err(|error| Lost::Because(format!("an archive has no room for its properties: {error}")))
    }

    fn without_attachments(
        &mut self,
        email: &ArchivedEmail,
        body: Option<&ArchivedBody>,
        tables: &mut Tables,
    ) -> Result<Message, Lost> {
        let mut message = fields(email);
        let Some(body) = body else { return Ok(message) };
        let mut props = Vec::with_capacity(body.props.len());
        for prop in body.props.iter() {
            let (id, value) = (prop.id.to_native(), prop.value.original());
            let rows = |what: &str| -> Result<Vec<Vec<RawProp>>, Lost> {
                let rows = table::rows(&value);
                let rows = rows.ok_or_else(|| Lost::Because(format!("its {what} cannot be read")))?;
                Ok(rows.into_iter().map(|row| row.0).collect())
            };
            match id {
                tag::MESSAGE_RECIPIENTS => tables.recipients = rows("recipients")?,
                tag::MESSAGE_ATTACHMENTS => tables.attachments = rows("attachments")?,
                _ => {
                    let name = prop.name.as_ref().map(|name| PropName {
                        guid: name.guid,
                        lid: name.lid.as_ref().map(|lid| lid.to_native()),
                        name: name.name.as_str().to_owned(),
                    });
                    let kind = prop.value.value_type.to_native();
                    props.push(RawProp { id, kind, name: name.map(Into::into), value });
                }
            }
        }
        message.verbatim = !props.is_empty();
        for (id, value) in self.properties(props, &OF_MESSAGE)?.iter() {
            message.properties.set(id, value.clone());
        }
        if message.verbatim || !tables.recipients.is_empty() {
            // Those that were told otherwise are among the properties.
            message.recipients.clear();
        }
        let mut columns = HashSet::new();
        for row in std::mem::take(&mut tables.recipients) {
            let properties = self.properties(row, &OF_RECIPIENT)?;
            columns.extend(properties.iter().map(|(id, value)| (id, value.kind())));
            let nobody = Recipient::new(RecipientKind::To, Address::default());
            message.recipients.push(Recipient { properties, ..nobody });
        }
        // Beside those that every table has.
        if columns.len() > Message::MAX_RECIPIENT_COLUMNS - 16 {
            let why = "its recipients have more kinds of properties than an archive can have";
            return Err(Lost::Because(why.to_owned()));
        }
        set_text(&mut message.properties, 0x1000, body.plain.as_ref(), || body.text().to_owned());
        let headers = |raw: &ArchivedRaw| String::from_utf8_lossy(&raw.bytes).into_owned();
        set_text(&mut message.properties, 0x007d, body.headers.as_ref(), || {
            body.headers.as_ref().map(headers).unwrap_or_default()
        });
        if let Some(html) = body.html.as_ref() {
            let kind = html.value_type.to_native();
            if matches!(kind, STRING8 | UNICODE | BINARY) {
                message.properties.set(0x1013, Value::Raw { kind, bytes: html.original() });
            } else {
                message.body_html = Some(html.bytes.to_vec());
                message
                    .properties
                    .set(0x3fde, Value::I32(i32::try_from(email.codepage.to_native()).unwrap_or(65001)));
            }
        }
        // One that could not be decompressed is among the properties, as it was.
        if message.properties.get(tag::RTF_COMPRESSED).is_none() {
            message.body_rtf = body.rtf.as_ref().map(|rtf| rtf.bytes.to_vec());
        }
        Ok(message)
    }

    async fn payload(
        &mut self,
        id: &str,
        attachment: &ArchivedAttachment,
        depth: usize,
    ) -> Result<Payload, Lost> {
        match (&attachment.kind, attachment.child.as_ref()) {
            (ArchivedAttachmentKind::Message, Some(child)) => {
                let child = to_hex(child);
                match Box::pin(self.message(&child, depth.saturating_add(1))).await {
                    Ok((message, _)) => Ok(Payload::Message(Box::new(message))),
                    // The rest of the message is whole without it, and it is named there.
                    Err(Lost::Gone) => Ok(Payload::Nothing),
                    Err(other) => Err(other),
                }
            }
            (ArchivedAttachmentKind::Data | ArchivedAttachmentKind::Ole, _) => {
                self.bytes(id, attachment).await
            }
            _ => Ok(Payload::Nothing),
        }
    }

    async fn bytes(&mut self, id: &str, attachment: &ArchivedAttachment) -> Result<Payload, Lost> {
        let target = format!("/v1/emails/{id}/attachments/{}", attachment.n.to_native());
        let mut answer = ask(self.session, &target).await.map_err(lost)?;
        let disk = |error: std::io::Error| {
            Lost::All(Failure::Done(format!("an attachment cannot wait in {}: {error}", self.near.display())))
        };
        let (mut bytes, mut waits) = (Vec::new(), None);
        while let Some(piece) = answer.chunk().await.map_err(lost)? {
            let piece: Bytes = piece;
            bytes.extend_from_slice(&piece);
            if bytes.len() > IN_MEMORY || waits.is_some() || self.held.saturating_add(bytes.len()) > TOGETHER
            {
                let spool = match &mut self.spool {
                    Some(spool) => spool,
                    none => none.insert(Spool::new(self.near).map_err(disk)?),
                };
                let from = *waits.get_or_insert(spool.end);
                spool.write(&std::mem::take(&mut bytes)).map_err(disk)?;
                waits = Some(from);
            }
        }
        match (waits, &self.spool) {
            (Some(from), Some(spool)) => {
                Ok(Payload::Stream(Box::new(BufReader::with_capacity(1 << 16, spool.part(from)))))
            }
            _ => {
                self.held = self.held.saturating_add(bytes.len());
                Ok(Payload::Bytes(bytes))
            }
        }
    }
}

/// Attachments of one message and of what is embedded in it, one behind the other in a file without a name.
struct Spool {
    file: Arc<File>,
    end: u64,
}

impl Spool {
    fn new(near: &Path) -> std::io::Result<Self> {
        Ok(Self { file: Arc::new(tempfile::tempfile_in(near)?), end: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all_at(bytes, self.end)?;
        self.end = self.end.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// What was written since.
    fn part(&self, from: u64) -> SpoolPart {
        SpoolPart { file: Arc::clone(&self.file), at: from, end: self.end }
    }
}

struct SpoolPart {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for SpoolPart {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = left.min(bytes.len());
        let read = self.file.read_at(bytes.get_mut(..most).unwrap_or(&mut []), self.at)?;
        self.at = self.at.saturating_add(read as u64);
        Ok(read)
    }
}

/// What is written otherwise: sizes, what the writer counts, and tables.
const OF_MESSAGE: [u16; 7] = [0x0e08, 0x0e12, 0x0e13, 0x67f2, 0x67f3, 0x0ff9, 0x0fff];
const OF_RECIPIENT: [u16; 2] = [0x67f2, 0x67f3];
const OF_ATTACHMENT: [u16; 5] = [0x0e20, 0x0e21, 0x3701, 0x67f2, 0x67f3];

/// Tables of the source.
#[derive(Default)]
struct Tables {
    recipients: Vec<Vec<RawProp>>,
    attachments: Vec<Vec<RawProp>>,
}

fn lost(error: ClientError) -> Lost {
    match error.problem() {
        Some("not-found") => Lost::Gone,
        Some("damaged" | "internal") => Lost::Because(error.to_string()),
        _ => match error {
            // Damage behind the first piece breaks an answer off.
            ClientError::Broken(why) => Lost::Because(why),
            other => Lost::All(other.into()),
        },
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn address(address: &ArchivedAddress) -> Address {
    Address::new(address.name.as_str(), address.address.as_str())
}

fn time(micros: i64) -> FileTime {
    let since_1601 = micros.saturating_add(EPOCH).max(0).unsigned_abs();
    FileTime(since_1601.saturating_mul(10))
}

/// A text of the source as it is there, or else what it says.
fn set_text(properties: &mut Properties, id: u16, raw: Option<&ArchivedRaw>, text: impl FnOnce() -> String) {
    let Some(raw) = raw else { return };
    let kind = raw.value_type.to_native();
    let kept = matches!(raw.encoding, ArchivedRawEncoding::Utf16AsUtf8) || matches!(kind, STRING8 | UNICODE);
    if kept && kind != 0 {
        properties.set(id, Value::Raw { kind, bytes: raw.original() });
    } else {
        properties.set_str(id, text());
    }
}

/// What the email's columns say.
fn fields(email: &ArchivedEmail) -> Message {
    let flags = email.flags.to_native();
    let recipients = |kind: RecipientKind, list: &[ArchivedAddress]| -> Vec<Recipient> {
        list.iter().map(|one| Recipient::new(kind, address(one))).collect()
    };
    let joined = |ids: Vec<&str>| (!ids.is_empty()).then(|| ids.join(" "));
    let from = email.from.as_ref().map(address);
    let sender = email.sender.as_ref().map(address);
    let mut properties = Properties::new();
    if email.sensitivity != 0 {
        properties.set(0x0036, Value::I32(i32::from(email.sensitivity)));
    }
    if flags & flag::FLAGGED != 0 {
        properties.set(0x1090, Value::I32(2));
    }
    Message {
        class: email.class.as_str().to_owned(),
        subject: email.subject.as_str().to_owned(),
        representing: sender.is_some().then(|| from.clone()).flatten(),
        sender: sender.or(from),
        recipients: [
            recipients(RecipientKind::To, &email.to),
            recipients(RecipientKind::Cc, &email.cc),
            recipients(RecipientKind::Bcc, &email.bcc),
        ]
        .concat(),
        submitted: email.sent.as_ref().map(|sent| time(sent.unix_micros.to_native())),
        delivered: email.received.as_ref().map(|received| time(received.unix_micros.to_native())),
        message_id: some(&email.message_id),
        in_reply_to: joined(email.in_reply_to.iter().map(|id| id.as_str()).collect()),
        references: joined(email.references.iter().map(|id| id.as_str()).collect()),
        importance: match email.importance {
            0 => Importance::Low,
            2 => Importance::High,
            _ => Importance::Normal,
        },
        read: flags & flag::READ != 0,
        from_me: flags & flag::FROM_ME != 0,
        properties,
        ..Message::default()
    }
}
