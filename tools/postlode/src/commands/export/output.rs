//! Where an export goes: to stdout, into a file, into a folder.

use super::folder::Messages;
use super::mbox::Mbox;
use super::pst::Pst;
use super::target::Target;
use crate::arguments::{Export, Format};
use crate::error::Failure;
use crate::output::Console;
use std::path::{Path, PathBuf};

/// Where it goes.
pub enum Output {
    Stdout,
    File(Box<Target>),
    Mbox(Box<Mbox>),
    Folder(Box<Messages>),
    Pst(Box<Pst>),
}

/// What is under its name.
pub struct Kept {
    /// Of the file's bytes.
    pub sha256: Option<String>,
    pub manifest: Option<PathBuf>,
}

impl Output {
    /// Begins it.
    ///
    /// # Errors
    /// Where something of that name is there, or nothing can be made.
    pub fn create(export: &Export) -> Result<Self, Failure> {
        let stdout = export.out == Path::new("-");
        Ok(match export.format {
            Format::Eml | Format::Mbox | Format::Pst if stdout => {
                let what = "messages are written into a file or folder, with a manifest beside them";
                return Err(Failure::Usage(format!("{what}: give --out a name")));
            }
            Format::Eml => Self::Folder(Box::new(Messages::create(&export.out)?)),
            Format::Mbox => Self::Mbox(Box::new(Mbox::create(&export.out)?)),
            Format::Pst => Self::Pst(Box::new(Pst::create(&export.out)?)),
            Format::Jsonl | Format::Csv if stdout => Self::Stdout,
            Format::Jsonl | Format::Csv => Self::File(Box::new(Target::create(&export.out)?)),
        })
    }

    /// Writes bytes of a file as they are.
    ///
    /// # Errors
    /// What the disk said.
    pub fn bytes(&mut self, bytes: &[u8], console: &Console) -> Result<(), Failure> {
        match self {
            Self::Stdout => console.bytes(bytes),
            Self::File(target) => target.write(bytes),
            Self::Mbox(_) | Self::Folder(_) | Self::Pst(_) => Ok(()),
        }
    }

    /// Gives it its name; nothing where it has none.
    ///
    /// # Errors
    /// Where somebody else took the name, or what the disk said.
    pub fn keep(self) -> Result<Option<Kept>, Failure> {
        Ok(match self {
            Self::Stdout => None,
            Self::File(target) => Some(Kept { sha256: Some(target.keep()?), manifest: None }),
            Self::Mbox(mbox) => Some(mbox.keep()?),
            Self::Folder(messages) => Some(messages.keep()?),
            Self::Pst(pst) => Some(pst.keep()?),
        })
    }
}
