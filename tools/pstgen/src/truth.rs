//! The truth: what is in the archive, told by what went into it and not by reading it back.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use postlode_pst_writer::{
    Attachment, FileTime, FolderId, Format, Importance, Message, Payload, RecipientKind, fit_ansi,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::civil::Civil;
use crate::error::Error;
use crate::fit;
use crate::output::Output;
use crate::{Archive, Options};

/// A folder of the archive, with its path as the truth tells it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) id: FolderId,
    pub(crate) path: String,
    class: String,
}

/// A message, and what it says where it does not say that itself.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) message: Message,
    /// The text of its RTF body.
    pub(crate) rtf_text: Option<String>,
}

impl From<Message> for Item {
    fn from(message: Message) -> Self {
        Self { message, rtf_text: None }
    }
}

/// One item. Its node id goes in front when it is known.
#[derive(Debug, Serialize)]
struct Record<'a> {
    /// Absent in a message that is attached to another.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<&'a str>,
    subject: &'a str,
    sender: Option<&'a str>,
    sender_address: Option<&'a str>,
    /// `YYYY-MM-DD HH:MM:SS`, UTC.
    delivered: Option<String>,
    submitted: Option<String>,
    /// How many there are; `files` has them.
    attachments: usize,
    message_id: Option<&'a str>,
    in_reply_to: Option<&'a str>,
    references: Option<&'a str>,
    message_class: &'a str,
    /// Bytes of the plain body in UTF-8.
    text_len: usize,
    /// Bytes of the HTML body.
    html_len: usize,
    rtf: bool,
    /// Bytes of the RTF body, decompressed.
    rtf_len: usize,
    rtf_sha256: Option<String>,
    /// What a reader of the RTF body reads.
    rtf_text: Option<&'a str>,
    importance: &'static str,
    to: Vec<&'a str>,
    cc: Vec<&'a str>,
    bcc: Vec<&'a str>,
    reply_to: Vec<&'a str>,
    /// Of the parties above, by SMTP address, what an Exchange server calls them.
    exchange: BTreeMap<&'a str, &'a str>,
    files: Vec<FileRecord<'a>>,
}

/// One attachment.
#[derive(Debug, Serialize)]
struct FileRecord<'a> {
    name: &'a str,
    /// Bytes; null for a message.
    size: Option<usize>,
    sha256: Option<String>,
    /// The message that is attached.
    message: Option<Box<Record<'a>>>,
}

impl<'a> Record<'a> {
    fn new(message: &'a Message) -> Self {
        let addresses = |kind: RecipientKind| {
            message
                .recipients
                .iter()
                .filter(|recipient| recipient.kind == kind)
                .map(|recipient| recipient.address.address.as_str())
                .collect()
        };
        Self {
            folder: None,
            subject: &message.subject,
            sender: message.sender.as_ref().map(|sender| sender.name.as_str()),
            sender_address: message.sender.as_ref().map(|sender| sender.address.as_str()),
            delivered: message.delivered.map(plain_time),
            submitted: message.submitted.map(plain_time),
            attachments: message.attachments.len(),
            message_id: message.message_id.as_deref(),
            in_reply_to: message.in_reply_to.as_deref(),
            references: message.references.as_deref(),
            message_class: &message.class,
            text_len: message.body_text.as_ref().map_or(0, String::len),
            html_len: message.body_html.as_ref().map_or(0, Vec::len),
            rtf: message.body_rtf.is_some(),
            rtf_len: message.body_rtf.as_ref().map_or(0, Vec::len),
            rtf_sha256: message.body_rtf.as_ref().map(|rtf| hex(&Sha256::digest(rtf))),
            rtf_text: None,
            importance: match message.importance {
                Importance::Low => "low",
                Importance::Normal => "normal",
                Importance::High => "high",
            },
            to: addresses(RecipientKind::To),
            cc: addresses(RecipientKind::Cc),
            bcc: addresses(RecipientKind::Bcc),
            reply_to: message.reply_to.iter().map(|one| one.address.as_str()).collect(),
            exchange: message
                .sender
                .iter()
                .chain(message.recipients.iter().map(|recipient| &recipient.address))
                .filter_map(|one| Some((one.address.as_str(), one.exchange.as_deref()?)))
                .collect(),
            files: message.attachments.iter().map(FileRecord::new).collect(),
        }
    }
}

impl<'a> FileRecord<'a> {
    fn new(attachment: &'a Attachment) -> Self {
        let (size, sha256, message) = match &attachment.payload {
            Payload::Bytes(bytes) => (Some(bytes.len()), Some(hex(&Sha256::digest(bytes))), None),
            Payload::Message(message) => (None, None, Some(Box::new(Record::new(message)))),
            Payload::Stream(_) | Payload::Nothing => (None, None, None),
        };
        Self { name: &attachment.name, size, sha256, message }
    }
}

fn plain_time(time: FileTime) -> String {
    const UNIX_FROM_1601: i64 = 11_644_473_600;
    let seconds = i64::try_from(time.0 / 10_000_000).unwrap_or(i64::MAX);
    Civil::from_unix(seconds - UNIX_FROM_1601).plain()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file that the truth goes to.
#[derive(Debug)]
pub(crate) struct TruthFile {
    path: PathBuf,
    out: BufWriter<File>,
}

impl TruthFile {
    /// Begins it.
    pub(crate) fn new(output: &Output) -> Result<Self, Error> {
        let out = BufWriter::with_capacity(1 << 16, output.file()?);
        Ok(Self { path: output.path().into(), out })
    }

    /// Ends it.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.out.flush().map_err(|source| Error::Write { path: self.path, source })
    }

    /// Adds the item with node id `nid`, told by the JSON object `record`.
    fn add(&mut self, nid: u32, record: &str) -> Result<(), Error> {
        let rest = record.strip_prefix('{').unwrap_or(record);
        writeln!(self.out, "{{\"nid\":{nid},{rest}")
            .map_err(|source| Error::Write { path: self.path.clone(), source })
    }
}

/// The path of the folder that users see as the top.
const TOP: &str = "/Top of Outlook data file";

impl Archive {
    /// The folder at `path` below the top folder, made when there is none, for items of `class`.
    pub(crate) fn folder(&mut self, options: &Options, path: &str, class: &str) -> Result<Place, Error> {
        let mut place = Place { id: self.pst.top(), path: TOP.into(), class: class.into() };
        self.note_path(&place.path);
        let path = if options.ansi { fit_ansi(path) } else { path.into() };
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let id = self
                .pst
                .add_folder(place.id, name, Some(class))
                .map_err(|error| Error::archive(&options.out, error))?;
            place = Place { id, path: format!("{}/{name}", place.path), class: place.class };
            self.note_path(&place.path);
        }
        Ok(place)
    }

    /// The folder beside `place` for one more item, when `place` has as many as a folder of an ANSI archive can.
    fn overflow(&mut self, options: &Options, place: &Place) -> Result<Option<Place>, Error> {
        let count = self.items_in.entry(place.id).or_insert(0);
        let folder = *count / Format::Ansi.most_items();
        *count += 1;
        if folder == 0 {
            return Ok(None);
        }
        let path = format!("{} {}", place.path.strip_prefix(TOP).unwrap_or_default(), folder + 1);
        self.folder(options, &path, &place.class).map(Some)
    }

    fn note_path(&mut self, path: &str) {
        if !self.paths.contains(path) {
            self.paths.insert(path.to_owned());
        }
    }

    /// Writes `item` into the archive and the truth.
    pub(crate) fn add(
        &mut self,
        options: &Options,
        place: &Place,
        item: impl Into<Item>,
    ) -> Result<(), Error> {
        let Item { mut message, rtf_text } = item.into();
        let overflow;
        let mut place = place;
        if options.ansi {
            fit::message(&mut message);
            if let Some(other) = self.overflow(options, place)? {
                overflow = other;
                place = &overflow;
            }
        }
        self.summary.items += 1;
        self.summary.attachments += message.attachments.len() as u64;
        let write = |pst: &mut postlode_pst_writer::PstWriter<File>, message| {
            pst.add_message(place.id, message).map_err(|error| Error::archive(&options.out, error))
        };
        let Some(truth) = &mut self.truth else {
            write(&mut self.pst, message)?;
            return Ok(());
        };
        // The writer takes the message, so its line is made first and the node id put before it afterwards.
        let record =
            Record { folder: Some(&place.path), rtf_text: rtf_text.as_deref(), ..Record::new(&message) };
        let line = serde_json::to_string(&record)
            .map_err(|error| Error::Write { path: truth.path.clone(), source: error.into() })?;
        let written = write(&mut self.pst, message)?;
        truth.add(written.nid, &line)
    }
}
