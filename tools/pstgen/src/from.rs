//! Mail that is not made up: a JSONL file, one mail a line, each into the folder of its list.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use postlode_pst_writer::{Address, FileTime, Message, Recipient, RecipientKind};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::civil::parse_rfc3339;
use crate::error::Error;
use crate::{Archive, Options, wire};

/// The longest line that is read, in bytes.
const MAX_LINE: u64 = 64 << 20;

#[derive(Debug, Deserialize)]
struct Mail {
    #[serde(default)]
    id: String,
    #[serde(default)]
    irt: String,
    #[serde(default)]
    refs: Vec<String>,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    from_name: String,
    #[serde(default)]
    from_addr: String,
    #[serde(default)]
    to: Vec<String>,
    date: String,
    #[serde(default)]
    list: String,
    #[serde(default)]
    body: String,
}

fn read_error(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    |source| Error::Read { path: path.into(), source }
}

/// What the file is known by.
pub(crate) fn digest(path: &Path) -> Result<[u8; 32], Error> {
    let mut file = File::open(path).map_err(read_error(path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(read_error(path))? {
            0 => return Ok(hash.finalize().into()),
            len => hash.update(&buffer[..len]),
        }
    }
}

/// Fills `archive` with the mails at `path`, as many as the options ask for.
pub(crate) fn fill(archive: &mut Archive, path: &Path, options: &Options) -> Result<(), Error> {
    const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
    let mut raw = BufReader::with_capacity(1 << 16, File::open(path).map_err(read_error(path))?);
    let compressed = raw.fill_buf().map_err(read_error(path))?.starts_with(&ZSTD_MAGIC);
    let mut lines: Box<dyn BufRead> = if compressed {
        let decoder = zstd::stream::read::Decoder::with_buffer(raw).map_err(read_error(path))?;
        Box::new(BufReader::with_capacity(1 << 16, decoder))
    } else {
        Box::new(raw)
    };
    let mut text = Vec::new();
    let mut number = 0;
    while options.messages.is_none_or(|limit| archive.summary.items < limit) {
        number += 1;
        text.clear();
        let read = (&mut lines).take(MAX_LINE).read_until(b'\n', &mut text).map_err(read_error(path))?;
        if read == 0 {
            break;
        }
        let wrong = |reason: String| Error::Line { path: path.into(), line: number, reason };
        if read as u64 == MAX_LINE && text.last() != Some(&b'\n') {
            return Err(wrong(format!("longer than {MAX_LINE} bytes")));
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let mail: Mail = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let unix = parse_rfc3339(&mail.date)
            .ok_or_else(|| wrong(format!("{:?} is not an RFC 3339 date", mail.date)))?;
        if mail.list.contains('\0') {
            return Err(wrong("a list's name must not hold a NUL".into()));
        }
        let list = if mail.list.is_empty() { "Inbox" } else { mail.list.as_str() };
        let place = archive.folder(options, list, "IPF.Note")?;
        archive.add(options, &place, message(mail, unix))?;
    }
    Ok(())
}

fn message(mail: Mail, unix: i64) -> Message {
    let some = |text: String| if text.is_empty() { None } else { Some(text) };
    let mut message = Message {
        subject: mail.subject,
        sender: Some(Address::new(mail.from_name, mail.from_addr)),
        recipients: mail
            .to
            .into_iter()
            .map(|to| Recipient::new(RecipientKind::To, Address::new("", to)))
            .collect(),
        submitted: Some(FileTime::from_unix(unix)),
        delivered: Some(FileTime::from_unix(unix)),
        message_id: some(mail.id),
        in_reply_to: some(mail.irt),
        references: some(mail.refs.join(" ")),
        body_text: some(mail.body),
        ..Message::default()
    };
    message.headers = Some(wire::headers(&message, unix, unix, "lists.example"));
    message
}
