//! One item of an archive: its properties, recipients and attachments, as they are there.

use super::attachment::RawAttachment;
use super::error::PstError;
use super::ffi;
use super::limits::{MAX_ATTACHMENTS, MAX_ITEM, MAX_RECIPIENTS};
use super::prop::{NameMap, Note, PropReader, Props};

/// `PidTagRecipientType`.
const RECIPIENT_TYPE: u16 = 0x0c15;
/// `PidTagDisplayName`.
const DISPLAY_NAME: u16 = 0x3001;
/// `PidTagAddressType`.
const ADDRESS_TYPE: u16 = 0x3002;
/// `PidTagEmailAddress`.
const EMAIL_ADDRESS: u16 = 0x3003;
/// `PidTagSmtpAddress`.
const SMTP_ADDRESS: u16 = 0x39fe;

/// An item, opened. `'a` is the borrow of the archive, or of the attachment that holds it.
pub struct Item<'a> {
    pub(super) raw: ffi::Item<'a>,
    pub(super) names: &'a NameMap,
    codepage: u32,
    /// 0 for an item of a folder, 1 for a message in it, and so on.
    pub(super) depth: usize,
}

/// What a recipient is to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientKind {
    /// The sender, listed among the recipients.
    Originator,
    /// Primary recipient.
    To,
    /// Carbon copy; for a meeting, optional.
    Cc,
    /// Blind copy; for a meeting, a resource.
    Bcc,
    /// Any other number.
    Other(i32),
}

impl RecipientKind {
    fn of(number: Option<i32>) -> Self {
        // The upper bits tell of resubmission and delivery; the kind is in the lowest four.
        match number.map(|n| n & 0x0f) {
            Some(0) => Self::Originator,
            Some(1) | None => Self::To,
            Some(2) => Self::Cc,
            Some(3) => Self::Bcc,
            Some(other) => Self::Other(other),
        }
    }
}

/// One recipient as it is in the archive.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipient {
    /// All its properties.
    pub props: Props,
}

impl Recipient {
    /// What it is to the message. A recipient that does not say is a primary one.
    #[must_use]
    pub fn kind(&self) -> RecipientKind {
        RecipientKind::of(self.props.int(RECIPIENT_TYPE))
    }

    /// Display name, or empty.
    #[must_use]
    pub fn name(&self, codepage: u32) -> String {
        self.props.text(DISPLAY_NAME, codepage).unwrap_or_default()
    }

    /// Address as the source has it, or empty; its meaning depends on the address type.
    #[must_use]
    pub fn address(&self, codepage: u32) -> String {
        self.props.text(EMAIL_ADDRESS, codepage).unwrap_or_default()
    }

    /// Address type, as `SMTP` or `EX`, or empty.
    #[must_use]
    pub fn address_type(&self, codepage: u32) -> String {
        self.props.text(ADDRESS_TYPE, codepage).unwrap_or_default()
    }

    /// SMTP address, where there is one beside the other.
    #[must_use]
    pub fn smtp(&self, codepage: u32) -> Option<String> {
        self.props.text(SMTP_ADDRESS, codepage).filter(|address| !address.is_empty())
    }

    /// The raw values of address type, address and name, in this order; empty where there is none.
    #[must_use]
    pub fn raw_identity(&self) -> [&[u8]; 3] {
        [ADDRESS_TYPE, EMAIL_ADDRESS, DISPLAY_NAME]
            .map(|id| self.props.get(id).map_or(&[] as &[u8], |p| p.value.as_slice()))
    }
}

/// All of an item but the data of its attachments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// All properties.
    pub props: Props,
    /// All recipients, in the archive's order.
    pub recipients: Vec<Recipient>,
    /// What could not be read.
    pub notes: Vec<Note>,
    /// Bytes of all values read.
    pub size: u64,
}

impl<'a> Item<'a> {
    pub(super) fn new(raw: ffi::Item<'a>, names: &'a NameMap, codepage: u32, depth: usize) -> Self {
        Self { raw, names, codepage, depth }
    }

    /// Its node id; for an embedded message, its id inside the message that holds it.
    ///
    /// # Errors
    /// `Corrupt` where libpff does not know.
    pub fn nid(&self) -> Result<u32, PstError> {
        self.raw.identifier()
    }

    /// Code page that the archive takes for 8-bit strings.
    #[must_use]
    pub fn archive_codepage(&self) -> u32 {
        self.codepage
    }

    /// Reads all properties and recipients, at most `budget` bytes of them and never more than
    /// [`MAX_ITEM`](super::limits::MAX_ITEM). What cannot be read is in [`Contents::notes`].
    ///
    /// # Errors
    /// `Corrupt` or `Missing` where the item has no properties that can be read at all.
    pub fn read(&self, budget: u64) -> Result<Contents, PstError> {
        let budget = budget.min(MAX_ITEM);
        let mut reader = PropReader { names: self.names, left: budget, notes: Vec::new() };
        let sets = self.raw.record_sets()?;
        if sets == 0 {
            return Err(PstError::Missing { what: "properties of the item" });
        }
        // An item has one set. Were there more, their properties are the item's too.
        let mut props = Props::default();
        for index in 0..sets.min(64) {
            let set = self.raw.record_set(index)?;
            let more = reader.set(&set, &[], "properties");
            props.0.extend(more.0);
        }
        if props.0.is_empty() {
            return Err(PstError::Missing { what: "properties of the item" });
        }
        let recipients = self.recipients(&mut reader);
        let size = budget.saturating_sub(reader.left);
        Ok(Contents { props, recipients, notes: reader.notes, size })
    }

    fn recipients(&self, reader: &mut PropReader<'_>) -> Vec<Recipient> {
        let table = match self.raw.recipients() {
            Ok(Some(table)) => table,
            Ok(None) => return Vec::new(),
            Err(error) => {
                reader.notes.push(Note::new("recipients", &error));
                return Vec::new();
            }
        };
        let count = match table.record_sets() {
            Ok(count) => count,
            Err(error) => {
                reader.notes.push(Note::new("recipients", &error));
                return Vec::new();
            }
        };
        if count > MAX_RECIPIENTS {
            let limit = MAX_RECIPIENTS as u64;
            let error = PstError::Limit { what: "number of recipients", have: count as u64, limit };
            reader.notes.push(Note::new("recipients", &error));
        }
        let mut recipients = Vec::with_capacity(count.min(256));
        for index in 0..count.min(MAX_RECIPIENTS) {
            let stage = format!("recipient {index}");
            match table.record_set(index) {
                Ok(set) => recipients.push(Recipient { props: reader.set(&set, &[], &stage) }),
                Err(error) => reader.notes.push(Note::new(stage, &error)),
            }
        }
        recipients
    }

    /// Number of attachments.
    ///
    /// # Errors
    /// `Corrupt` where the list of attachments cannot be read, `Limit` where it is longer than any real one.
    pub fn attachments(&self) -> Result<usize, PstError> {
        let count = self.raw.attachments()?;
        if count > MAX_ATTACHMENTS {
            let limit = MAX_ATTACHMENTS as u64;
            return Err(PstError::Limit { what: "number of attachments", have: count as u64, limit });
        }
        Ok(count)
    }

    /// Opens an attachment by its position.
    ///
    /// # Errors
    /// `Corrupt` or `Missing` where it cannot be opened.
    pub fn attachment(&self, index: usize) -> Result<RawAttachment<'_>, PstError> {
        let raw = self.raw.attachment(index)?;
        Ok(RawAttachment::new(raw, self.names, self.codepage, self.depth))
    }
}
