//! Text for search out of what is attached to mails: plain text, HTML, RTF, PDF, office documents, and ZIP archives and
//! `winmail.dat` of them.
//!
//! It runs in the process that reads archives, which has no files, no network, no threads and little memory. What
//! always holds:
//!
//! * Input is hostile. Everything works on bytes in memory, on one thread; what a file unpacks to, how deep it nests
//!   and how long it may take is limited by [`Limits`], whatever sizes the file declares.
//! * A panic inside a library that reads a format ends in a note, not in the caller.
//! * Nothing is hidden: what claims to be of a known format and is not read, or not read to its end, has a [`Note`].
//!   Pictures, sounds and bytes of which nothing is known have none, and no text.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests may panic")
)]

mod archive;
mod classify;
mod container;
mod detect;
mod meter;
mod odf;
mod office;
mod ole;
mod output;
mod pdf;
mod plain;
mod sheet;
mod tnef;
mod unpack;
mod word;
mod xml;

use meter::Meter;
use output::Output;
use std::time::Duration;

/// What one attachment may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one attachment, and of one file in an archive.
    pub input: u64,
    /// Bytes of text out of one attachment.
    pub text: usize,
    /// Archives in archives.
    pub depth: u32,
    /// Files in archives, together.
    pub entries: u32,
    /// Bytes that are unpacked, together.
    pub unpacked: u64,
    /// How many times its packed size something may unpack to, over the first MiB.
    pub ratio: u64,
    /// Time by the clock, looked at between pieces.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            input: 64 << 20,
            text: 1 << 20,
            depth: 3,
            entries: 10_000,
            unpacked: 256 << 20,
            ratio: 200,
            time: Duration::from_secs(10),
        }
    }
}

/// What was found in an attachment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Its text: at most [`Limits::text`] bytes.
    pub text: String,
    /// What was not read, and why.
    pub notes: Vec<Note>,
    /// What it is; none for what holds no text that is known of.
    pub format: Option<Format>,
}

/// Something that was not read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// One of `refused`, `corrupt`, `encrypted`, `timeout`, `memory`, `unsupported`, `crashed`.
    pub code: &'static str,
    /// The path within the attachment, e.g. `a.zip/b.docx`.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// The formats that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text as it stands: also CSV, JSON, XML and source code.
    Text,
    /// HTML.
    Html,
    /// Rich Text Format.
    Rtf,
    /// PDF.
    Pdf,
    /// A Word document in Office Open XML.
    Word,
    /// An Excel workbook in Office Open XML.
    Sheet,
    /// A PowerPoint presentation in Office Open XML.
    Slides,
    /// A document of an OpenDocument office.
    OpenDocument,
    /// An OLE compound file: the older office formats, and encrypted new ones.
    Ole,
    /// A ZIP archive.
    Zip,
    /// A message of Outlook packed into an attachment, `winmail.dat`.
    Tnef,
    /// An archive of a kind that is not opened.
    Archive,
}

impl Format {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Html => "html",
            Self::Rtf => "rtf",
            Self::Pdf => "pdf",
            Self::Word => "docx",
            Self::Sheet => "xlsx",
            Self::Slides => "pptx",
            Self::OpenDocument => "odf",
            Self::Ole => "ole",
            Self::Zip => "zip",
            Self::Tnef => "tnef",
            Self::Archive => "archive",
        }
    }
}

/// The text of one attachment: its bytes, and the name and media type it was given.
#[must_use]
pub fn extract(bytes: &[u8], name: &str, mime: &str, limits: &Limits) -> Extracted {
    let meter = Meter::new(limits);
    let mut output = Output::new(limits.text, name);
    let format = classify::read(bytes, name, mime, 0, &meter, &mut output);
    let (text, notes) = output.finish();
    Extracted { text, notes, format }
}
