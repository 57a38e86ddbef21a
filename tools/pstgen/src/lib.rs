//! Makes PST archives to test and demonstrate with: plausible mail from a seed, or mail from a JSONL file,
//! and beside the archive the truth about what is in it.
//!
//! What always holds: the same options give the same bytes; memory does not grow with the number of messages
//! beyond what the archive's own indexes need; and a file appears under its name only once it is whole.

mod civil;
mod content;
mod error;
mod fit;
mod from;
mod items;
mod mail;
mod notices;
mod output;
mod people;
mod random;
mod rtf;
mod scenery;
mod templates;
mod threads;
mod truth;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;

use postlode_pst_writer::{FileTime, FolderId, Format, PstWriter};
use sha2::{Digest, Sha256};

pub use error::Error;
use output::Output;
use truth::TruthFile;

/// What to make.
#[derive(Debug, Clone)]
pub struct Options {
    /// The archive to write.
    pub out: PathBuf,
    /// How many items; by default 1,000, or all of `from`.
    pub messages: Option<u64>,
    /// What the archive is made from.
    pub seed: u64,
    /// The share of messages with attachments, from 0 to 1.
    pub attachments: f64,
    /// Where to write the truth, one JSON object an item.
    pub truth: Option<PathBuf>,
    /// Mail to write instead of making it up: JSONL, or that compressed by zstd (`.zst`).
    pub from: Option<PathBuf>,
    /// Whether the archive is to be an ANSI archive: at most 2 GiB, text in code page 1252, and 65,536 items in a
    /// folder; what is beyond goes into another folder beside it.
    pub ansi: bool,
    /// Whether files that are there already may be replaced.
    pub force: bool,
}

impl Options {
    /// `messages` made-up items at `out`, from seed 1, one in ten with attachments.
    pub fn new(out: impl Into<PathBuf>, messages: u64) -> Self {
        Self {
            out: out.into(),
            messages: Some(messages),
            seed: 1,
            attachments: 0.1,
            truth: None,
            from: None,
            ansi: false,
            force: false,
        }
    }
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Items in folders.
    pub items: u64,
    /// Folders below the archive's top folder, itself included.
    pub folders: u64,
    /// Attachments of those items, embedded messages included; what is attached within those is not counted.
    pub attachments: u64,
    /// Bytes in the archive.
    pub bytes: u64,
}

/// The archive that is being made: its writer, the truth about it, and the count of both.
struct Archive {
    pst: PstWriter<File>,
    /// The paths of all folders below the root.
    paths: BTreeSet<String>,
    /// How many items were meant for each folder of an ANSI archive.
    items_in: BTreeMap<FolderId, u64>,
    truth: Option<TruthFile>,
    summary: Summary,
}

/// Makes an archive.
///
/// # Errors
///
/// See [`Error`]. When there is one, neither the archive nor the truth is at its place.
pub fn generate(options: &Options) -> Result<Summary, Error> {
    if options.truth.as_ref() == Some(&options.out) {
        return Err(Error::SameFile(options.out.clone()));
    }
    let out = Output::create(&options.out, options.force)?;
    let truth_out = match &options.truth {
        Some(path) => Some(Output::create(path, options.force)?),
        None => None,
    };
    let mut writer_options = postlode_pst_writer::Options::new(record_key(options)?);
    if options.ansi {
        writer_options.format = Format::Ansi;
    }
    writer_options.created = FileTime::from_unix(threads::START);
    let sink = out.file()?;
    let cannot_write = |error| Error::archive(&options.out, error);
    let mut archive = Archive {
        pst: PstWriter::new(sink, writer_options).map_err(cannot_write)?,
        truth: match &truth_out {
            Some(output) => Some(TruthFile::new(output)?),
            None => None,
        },
        paths: BTreeSet::new(),
        items_in: BTreeMap::new(),
        summary: Summary::default(),
    };
    // It is there in any case.
    archive.folder(options, "Deleted Items", "IPF.Note")?;
    match &options.from {
        Some(path) => from::fill(&mut archive, path, options)?,
        None => threads::fill(&mut archive, options)?,
    }
    let Archive { pst, paths, truth, mut summary, items_in: _ } = archive;
    summary.folders = paths.len() as u64;
    let (_, bytes) = pst.finish().map_err(cannot_write)?;
    summary.bytes = bytes;
    if let Some(truth) = truth {
        truth.finish()?;
    }
    out.keep()?;
    if let Some(output) = truth_out {
        output.keep()?;
    }
    Ok(summary)
}

/// A key that differs whenever the options that shape the archive do.
fn record_key(options: &Options) -> Result<[u8; 16], Error> {
    let mut hash = Sha256::new();
    hash.update(b"pstgen archive 1");
    hash.update(options.seed.to_le_bytes());
    hash.update(options.messages.unwrap_or(u64::MAX).to_le_bytes());
    hash.update(options.attachments.to_le_bytes());
    hash.update([u8::from(options.ansi)]);
    if let Some(from) = &options.from {
        hash.update(from::digest(from)?);
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    Ok(key)
}
