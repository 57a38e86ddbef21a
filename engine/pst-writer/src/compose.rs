//! Turns messages into nodes: a property context with recipient table, attachment table and attachments
//! among its subnodes ([MS-PST] 2.4.5, 2.4.6).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, Write};

use crate::address::{Address, RECIPIENT, REPRESENTING, SENDER, entry_list};
use crate::context::{self, InSubnode};
use crate::data_tree::{CopyError, copy_data};
use crate::error::{Error, too_many};
use crate::format::{ANSI_CODE_PAGE, Format};
use crate::heap::MAX_ALLOCATION;
use crate::ids;
use crate::message::{Attachment, Importance, Message, Payload, Recipient, RecipientKind, prefix_len};
use crate::ndb::Ndb;
use crate::rtf::compress_rtf;
use crate::schema;
use crate::subnodes::Subnodes;
use crate::table::Table;
use crate::value::{FileTime, Properties, Value};

const FLAG_READ: i32 = 0x01;
const FLAG_HAS_ATTACHMENTS: i32 = 0x10;
const FLAG_FROM_ME: i32 = 0x20;

const CODE_PAGE_UTF8: i32 = 65001;
const PR_ATTACH_DATA: u16 = 0x3701;
const PR_ATTACH_METHOD: u16 = 0x3705;
const NO_ATTACHMENT: i32 = 0;
const ATTACH_BY_VALUE: i32 = 1;
const ATTACH_EMBEDDED: i32 = 5;
const ATTACH_OLE: i32 = 6;
const PTYP_BINARY: u16 = 0x0102;
/// What a message has in any case: its class, flags and bodies.
const NEEDED: [u16; 5] = [0x001A, 0x0E07, 0x1000, 0x1009, 0x1013];

/// A message that has been written, but not yet as a node.
#[derive(Debug)]
pub(crate) struct Composed {
    pub(crate) data: u64,
    pub(crate) subnodes: u64,
    /// The message's properties, bodies and headers aside, for its row in a contents table.
    pub(crate) properties: Properties,
    pub(crate) size: u64,
}

/// Writes `message`, itself embedded `depth` deep, and everything below it.
pub(crate) fn write_message<W: Write + Seek>(
    ndb: &mut Ndb<W>,
    mut message: Message,
    created: FileTime,
    depth: usize,
) -> Result<Composed, Error> {
    if depth > Message::MAX_DEPTH {
        return Err(Error::TooDeep(Message::MAX_DEPTH));
    }
    let mut subnodes = Subnodes::default();
    let attachments = std::mem::take(&mut message.attachments);
    let has_attachments = !attachments.is_empty();
    let recipients = std::mem::take(&mut message.recipients);
    let further = std::mem::take(&mut message.properties);
    let verbatim = message.verbatim;
    let told = message_properties(message, &recipients, has_attachments, created, ndb.format());
    let mut properties = told.clone();
    if verbatim {
        properties.retain(|id| NEEDED.contains(&id));
    }
    properties.extend(further);
    let mut size = properties.byte_len();
    size += write_recipients(ndb, recipients, &mut subnodes, verbatim)?;
    if has_attachments {
        size += write_attachments(ndb, attachments, &mut subnodes, created, depth, verbatim)?;
    }
    properties.set(0x0E08, Value::I32(i32::try_from(size).unwrap_or(i32::MAX)));
    let data = context::write(ndb, &properties, None, &mut subnodes)?;
    // A column has one type: where a property was replaced by one of another, its row has what the fields say.
    for (id, value) in told.iter() {
        if properties.get(id).is_none_or(|other| other.kind() != value.kind()) {
            properties.set(id, value.clone());
        }
    }
    for body in [0x1000, 0x1009, 0x1013, 0x007D] {
        properties.remove(body);
    }
    Ok(Composed { data, subnodes: subnodes.finish(ndb)?, properties, size })
}

fn message_properties(
    message: Message,
    recipients: &[Recipient],
    has_attachments: bool,
    created: FileTime,
    format: Format,
) -> Properties {
    let mut out = Properties::new();
    out.set_str(0x001A, message.class);
    if !message.subject.is_empty() {
        let prefix = prefix_len(&message.subject);
        out.set_str(0x0070, &message.subject[prefix..]);
        // A 1, then one more than the prefix's length, then the subject.
        let mark = char::from(message.subject[..prefix].chars().count() as u8 + 1);
        out.set_str(0x0037, format!("\u{1}{mark}{}", message.subject));
    }
    if let Some(sender) = &message.sender {
        sender.set(&mut out, &SENDER);
    }
    if let Some(representing) = message.representing.as_ref().or(message.sender.as_ref()) {
        representing.set(&mut out, &REPRESENTING);
    }
    if !message.reply_to.is_empty() {
        let names: Vec<&str> = message.reply_to.iter().map(Address::shown).collect();
        out.set(0x004F, Value::Binary(entry_list(&message.reply_to)));
        out.set_str(0x0050, names.join("; "));
    }
    for (id, kind) in [(0x0E04, RecipientKind::To), (0x0E03, RecipientKind::Cc), (0x0E02, RecipientKind::Bcc)]
    {
        let names: Vec<&str> = recipients
            .iter()
            .filter(|recipient| recipient.kind == kind)
            .map(|recipient| recipient.address.shown())
            .collect();
        if !names.is_empty() {
            out.set_str(id, names.join("; "));
        }
    }
    let made = message.created.or(message.delivered).or(message.submitted).unwrap_or(created);
    for (id, time) in [
        (0x0039, message.submitted),
        (0x0E06, message.delivered),
        (0x3007, Some(made)),
        (0x3008, Some(message.modified.unwrap_or(made))),
    ] {
        if let Some(time) = time {
            out.set(id, Value::Time(time));
        }
    }
    for (id, text) in [
        (0x1035, message.message_id),
        (0x1042, message.in_reply_to),
        (0x1039, message.references),
        (0x007D, message.headers),
        (0x1000, message.body_text),
    ] {
        if let Some(text) = text {
            out.set_str(id, text);
        }
    }
    if let Some(html) = message.body_html {
        out.set(0x1013, Value::Binary(html));
    }
    if let Some(rtf) = message.body_rtf {
        out.set(0x1009, Value::Binary(compress_rtf(&rtf)));
        // Nobody changed the plain body alone, so the RTF says the same.
        out.set(0x0E1F, Value::Bool(true));
    }
    // What HTML is written in, and what readers that turn text into bytes should choose.
    match format {
        Format::Unicode => out.set(0x3FDE, Value::I32(CODE_PAGE_UTF8)),
        // And what strings are written in.
        Format::Ansi => out.set(0x3FDE, Value::I32(ANSI_CODE_PAGE)).set(0x3FFD, Value::I32(ANSI_CODE_PAGE)),
    };
    let (importance, priority) = match message.importance {
        Importance::Low => (0, -1),
        Importance::Normal => (1, 0),
        Importance::High => (2, 1),
    };
    out.set(0x0017, Value::I32(importance));
    out.set(0x0026, Value::I32(priority));
    let mut flags = 0;
    for (set, flag) in
        [(message.read, FLAG_READ), (has_attachments, FLAG_HAS_ATTACHMENTS), (message.from_me, FLAG_FROM_ME)]
    {
        flags |= if set { flag } else { 0 };
    }
    out.set(0x0E07, Value::I32(flags));
    out.set(0x0E17, Value::I32(0));
    out
}

/// The columns of a recipient table: those that each has, and what else these recipients have. One that none of them has as the
/// table would is as they have it.
fn recipient_columns(recipients: &[Recipient], format: Format) -> Result<Vec<u32>, Error> {
    let mut given: BTreeMap<u16, BTreeSet<u16>> = BTreeMap::new();
    for (id, value) in recipients.iter().flat_map(|recipient| recipient.properties.iter()) {
        given.entry(id).or_default().insert(format.kind(value.kind()));
    }
    let made = recipients.iter().any(|recipient| recipient.properties.is_empty());
    let mut columns: BTreeSet<u32> = schema::RECIPIENTS
        .iter()
        .filter(|tag| made || !given.contains_key(&((**tag >> 16) as u16)))
        .copied()
        .collect();
    for (id, kinds) in given {
        columns.extend(kinds.into_iter().map(|kind| u32::from(id) << 16 | u32::from(kind)));
    }
    if columns.len() > Message::MAX_RECIPIENT_COLUMNS {
        let most = Message::MAX_RECIPIENT_COLUMNS as u64;
        return Err(too_many("properties of recipients", most));
    }
    Ok(columns.into_iter().collect())
}

/// Writes the recipient table, which every message has. Gives about how many bytes it took.
fn write_recipients<W: Write + Seek>(
    ndb: &mut Ndb<W>,
    recipients: Vec<Recipient>,
    subnodes: &mut Subnodes,
    verbatim: bool,
) -> Result<u64, Error> {
    let columns = recipient_columns(&recipients, ndb.format())?;
    let mut table = Table::new(ndb, &columns);
    let mut size = 0;
    for (number, recipient) in recipients.into_iter().enumerate() {
        let address = &recipient.address;
        let mut row = Properties::new();
        row.set(0x0C15, Value::I32(recipient.kind as i32));
        row.set(0x0E0F, Value::Bool(true));
        row.set(0x0FFE, Value::I32(6)); // a mail user
        address.set(&mut row, &RECIPIENT);
        row.set(0x3900, Value::I32(0));
        row.set_str(0x39FF, address.shown());
        row.set(0x3A40, Value::Bool(false));
        if verbatim && !recipient.properties.is_empty() {
            row = Properties::new();
        }
        row.extend(recipient.properties);
        size += row.byte_len();
        table.add_row(ndb, number as u32 + 1, &row)?;
    }
    let (data, below) = table.finish(ndb)?;
    subnodes.add(ids::RECIPIENT_TABLE, data, below);
    Ok(size)
}

/// Writes the attachment table and the attachments. Gives about how many bytes they took.
fn write_attachments<W: Write + Seek>(
    ndb: &mut Ndb<W>,
    attachments: Vec<Attachment>,
    subnodes: &mut Subnodes,
    created: FileTime,
    depth: usize,
    verbatim: bool,
) -> Result<u64, Error> {
    let mut table = Table::new(ndb, schema::ATTACHMENTS);
    let mut size = 0;
    for (number, attachment) in attachments.into_iter().enumerate() {
        let nid = subnodes.new_nid(ids::TYPE_ATTACHMENT)?;
        let mut below = Subnodes::default();
        let mut properties = attachment_properties(&attachment, number);
        if verbatim && !attachment.properties.is_empty() {
            properties.retain(|id| matches!(id, 0x0E21 | 0x3705));
        }
        let (in_subnode, bytes) =
            write_payload(ndb, attachment, &mut properties, &mut below, created, depth)?;
        let total = bytes + properties.byte_len();
        properties.set(0x0E20, Value::I32(i32::try_from(total).unwrap_or(i32::MAX)));
        let data = context::write(ndb, &properties, in_subnode, &mut below)?;
        subnodes.add(nid, data, below.finish(ndb)?);
        table.add_row(ndb, nid, &properties)?;
        size += total;
    }
    let (data, below) = table.finish(ndb)?;
    subnodes.add(ids::ATTACHMENT_TABLE, data, below);
    Ok(size)
}

fn attachment_properties(attachment: &Attachment, number: usize) -> Properties {
    let mut out = Properties::new();
    out.set(0x0E21, Value::I32(number as i32));
    out.set(0x370B, Value::I32(-1)); // not shown within the body
    if matches!(attachment.payload, Payload::Message(_)) {
        out.set(0x3705, Value::I32(ATTACH_EMBEDDED));
    } else {
        let nothing = matches!(attachment.payload, Payload::Nothing);
        out.set(0x3705, Value::I32(if nothing { NO_ATTACHMENT } else { ATTACH_BY_VALUE }));
        out.set_str(0x3704, attachment.name.as_str());
        out.set_str(0x3707, attachment.name.as_str());
        if let Some(dot) = attachment.name.rfind('.') {
            out.set_str(0x3703, &attachment.name[dot..]);
        }
    }
    out.set_str(0x3001, attachment.name.as_str());
    if let Some(mime_type) = &attachment.mime_type {
        out.set_str(0x370E, mime_type.as_str());
    }
    if let Some(content_id) = &attachment.content_id {
        out.set_str(0x3712, content_id.as_str());
    }
    out
}

/// Writes what an attachment holds: short bytes into its properties, the rest into a subnode. Gives the
/// property that refers to the subnode, and the bytes in it.
fn write_payload<W: Write + Seek>(
    ndb: &mut Ndb<W>,
    attachment: Attachment,
    properties: &mut Properties,
    below: &mut Subnodes,
    created: FileTime,
    depth: usize,
) -> Result<(Option<InSubnode>, u64), Error> {
    let name = attachment.name;
    let is_nothing = matches!(attachment.payload, Payload::Nothing);
    let written = match attachment.payload {
        Payload::Bytes(bytes) if bytes.len() <= MAX_ALLOCATION => {
            properties.set(PR_ATTACH_DATA, Value::Binary(bytes));
            (None, 0)
        }
        Payload::Nothing => (None, 0),
        Payload::Bytes(bytes) => write_stream(ndb, &mut bytes.as_slice(), name, below)?,
        Payload::Stream(mut reader) => match write_stream(ndb, reader.as_mut(), name, below)? {
            (_, 0) => {
                properties.set(PR_ATTACH_DATA, Value::Binary(Vec::new()));
                (None, 0)
            }
            written => written,
        },
        Payload::Message(message) => {
            let composed = write_message(ndb, *message, created, depth + 1)?;
            // Unique in the whole archive: libpff looks for the id among the folders' messages first.
            let nid = ndb.new_nid(ids::TYPE_MESSAGE)?;
            below.add(nid, composed.data, composed.subnodes);
            let size = u32::try_from(composed.size).unwrap_or(u32::MAX);
            (Some(InSubnode::Object { id: PR_ATTACH_DATA, nid, size }), composed.size)
        }
    };
    let data = properties.remove(PR_ATTACH_DATA);
    properties.extend(attachment.properties);
    properties.remove(PR_ATTACH_DATA);
    let method = match properties.get(PR_ATTACH_METHOD) {
        Some(Value::Raw { bytes, .. }) => bytes.first().copied().map(i32::from),
        _ => None,
    };
    if is_nothing && matches!(method, Some(ATTACH_BY_VALUE | ATTACH_EMBEDDED | ATTACH_OLE)) {
        // It would have what is not there.
        properties.set(PR_ATTACH_METHOD, Value::I32(NO_ATTACHMENT));
    }
    if let Some(data) = data {
        properties.set(PR_ATTACH_DATA, data);
    }
    Ok(written)
}

fn write_stream<W: Write + Seek>(
    ndb: &mut Ndb<W>,
    reader: &mut dyn Read,
    name: String,
    below: &mut Subnodes,
) -> Result<(Option<InSubnode>, u64), Error> {
    let (data, bytes) = copy_data(ndb, reader).map_err(|error| match error {
        CopyError::Read(source) => Error::Payload { name, source },
        CopyError::Write(error) => error,
    })?;
    if bytes == 0 {
        return Ok((None, 0));
    }
    let nid = below.new_nid(ids::TYPE_LTP)?;
    below.add(nid, data, 0);
    Ok((Some(InSubnode::Data { id: PR_ATTACH_DATA, kind: PTYP_BINARY, nid }), bytes))
}
