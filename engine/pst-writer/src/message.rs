//! What a caller says about a message.

use std::io::Read;

use crate::address::Address;
use crate::value::{FileTime, Properties};

/// How a recipient is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientKind {
    /// To.
    To = 1,
    /// Carbon copy.
    Cc = 2,
    /// Blind carbon copy.
    Bcc = 3,
}

/// A recipient of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipient {
    /// How it is addressed.
    pub kind: RecipientKind,
    /// Who it is.
    pub address: Address,
    /// Further properties; they replace those made from the fields above.
    pub properties: Properties,
}

impl Recipient {
    /// One of whom nothing else is known.
    pub fn new(kind: RecipientKind, address: Address) -> Self {
        Self { kind, address, properties: Properties::new() }
    }
}

/// How urgent the sender finds a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Importance {
    /// Low.
    Low = 0,
    /// Normal.
    #[default]
    Normal = 1,
    /// High.
    High = 2,
}

/// What an attachment holds.
pub enum Payload {
    /// A file's bytes.
    Bytes(Vec<u8>),
    /// A file's bytes, read while the message is written; at most 4 GiB.
    Stream(Box<dyn Read>),
    /// A message.
    Message(Box<Message>),
    /// Nothing: it refers to something elsewhere, or what it held is lost.
    Nothing,
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Payload::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Payload::Stream(_) => f.write_str("Stream"),
            Payload::Message(message) => f.debug_tuple("Message").field(message).finish(),
            Payload::Nothing => f.write_str("Nothing"),
        }
    }
}

/// An attachment of a message.
#[derive(Debug)]
pub struct Attachment {
    /// The file's name, or the subject of an embedded message.
    pub name: String,
    /// The MIME type, such as `text/plain`.
    pub mime_type: Option<String>,
    /// The content id that an HTML body refers to it by, without angle brackets.
    pub content_id: Option<String>,
    /// What it holds.
    pub payload: Payload,
    /// Further properties; they replace those made from the fields above.
    pub properties: Properties,
}

impl Attachment {
    /// An attachment of `payload` called `name`.
    pub fn new(name: impl Into<String>, payload: Payload) -> Self {
        Self { name: name.into(), mime_type: None, content_id: None, payload, properties: Properties::new() }
    }
}

/// A message or another item of a folder.
#[derive(Debug)]
pub struct Message {
    /// The message class; `IPM.Note` is mail.
    pub class: String,
    /// The subject with its prefix (`Re: `), if any.
    pub subject: String,
    /// Who sent it.
    pub sender: Option<Address>,
    /// On whose behalf, when that is not the sender.
    pub representing: Option<Address>,
    /// Whom answers go to, when that is not the sender.
    pub reply_to: Vec<Address>,
    /// Whom it is for, in order.
    pub recipients: Vec<Recipient>,
    /// When it was sent.
    pub submitted: Option<FileTime>,
    /// When it was delivered.
    pub delivered: Option<FileTime>,
    /// When the item was made; by default when it was delivered, else sent, else [`crate::Options::created`].
    pub created: Option<FileTime>,
    /// When the item was changed last; by default when it was made.
    pub modified: Option<FileTime>,
    /// The Message-ID with its angle brackets.
    pub message_id: Option<String>,
    /// The In-Reply-To with its angle brackets.
    pub in_reply_to: Option<String>,
    /// The References, separated by spaces.
    pub references: Option<String>,
    /// The header block as it came over the wire.
    pub headers: Option<String>,
    /// How urgent it is.
    pub importance: Importance,
    /// Whether it has been read.
    pub read: bool,
    /// Whether the owner of the archive wrote it.
    pub from_me: bool,
    /// The body as plain text.
    pub body_text: Option<String>,
    /// The body as HTML, in UTF-8 (code page 1252 in an ANSI archive) unless `properties` name another code page.
    pub body_html: Option<Vec<u8>>,
    /// The body as RTF, which may carry HTML ([MS-OXRTFEX]). It is written compressed.
    pub body_rtf: Option<Vec<u8>>,
    /// What is attached, in order.
    pub attachments: Vec<Attachment>,
    /// Further properties; they replace those made from the fields above.
    pub properties: Properties,
    /// It has the properties that are given and no others, so do its recipients and attachments that are given any, but for
    /// class, flags, sizes, bodies and what is attached. Rows of tables say what the fields say where there is no property.
    pub verbatim: bool,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            class: "IPM.Note".into(),
            subject: String::new(),
            sender: None,
            representing: None,
            reply_to: Vec::new(),
            recipients: Vec::new(),
            submitted: None,
            delivered: None,
            created: None,
            modified: None,
            message_id: None,
            in_reply_to: None,
            references: None,
            headers: None,
            importance: Importance::Normal,
            read: true,
            from_me: false,
            body_text: None,
            body_html: None,
            body_rtf: None,
            attachments: Vec::new(),
            properties: Properties::new(),
            verbatim: false,
        }
    }
}

impl Message {
    /// How deep messages can be embedded in messages.
    pub const MAX_DEPTH: usize = 16;
    /// How many properties the recipients of a message can have, all of them together.
    pub const MAX_RECIPIENT_COLUMNS: usize = 240;
}

/// Where the subject's prefix ends: up to three characters that are not digits, a colon and a space
/// ([MS-OXCMSG] 2.2.1.9). Zero when there is no prefix.
pub(crate) fn prefix_len(subject: &str) -> usize {
    let Some((prefix, _)) = subject.split_once(": ") else { return 0 };
    let count = prefix.chars().count();
    let fits = (1..=3).contains(&count) && prefix.chars().all(|c| c.is_alphabetic());
    if fits { prefix.len() + 2 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::prefix_len;

    #[test]
    fn prefixes_are_short_words_before_a_colon() {
        for (subject, len) in
            [("Re: a", 4), ("FW: a", 4), ("a", 0), ("12: a", 0), ("Note: a", 0), (": a", 0), ("Re:a", 0)]
        {
            assert_eq!(prefix_len(subject), len, "{subject}");
        }
    }
}
