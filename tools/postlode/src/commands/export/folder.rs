//! EML: a folder of files, one a message, by months.

use super::Piece;
use super::families::Message;
use super::manifest::{self, Entry};
use super::output::Kept;
use super::target::{Folder, create, failed, hex};
use crate::error::Failure;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// The name of the manifest.
const MANIFEST: &str = "manifest.csv";

/// A folder of messages on its way.
pub struct Messages {
    folder: Folder,
    manifest: BufWriter<File>,
    made: HashSet<String>,
    now: Option<Now>,
}

/// The message that is being written.
struct Now {
    name: String,
    path: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Messages {
    /// Begins it.
    ///
    /// # Errors
    /// Where something of that name is there, or nothing can be made.
    pub fn create(path: &std::path::Path) -> Result<Self, Failure> {
        let folder = Folder::create(path)?;
        let mut manifest = create(&folder.inside(MANIFEST))?;
        manifest.write_all(&manifest::titles()?).map_err(|error| failed(path, "write", &error))?;
        Ok(Self { folder, manifest, made: HashSet::new(), now: None })
    }

    /// Begins a message: `2017-02/2017-02-28T153900Z-ID.eml`.
    pub fn begin(&mut self, message: &Message) -> Result<(), Failure> {
        let date = message.date.as_deref().filter(|date| date.is_ascii());
        let month = date.and_then(|date| date.get(..7)).unwrap_or("undated").to_owned();
        let of_date = date.map(|date| format!("{}-", date.replace(':', ""))).unwrap_or_default();
        if self.made.insert(month.clone()) {
            let path = self.folder.inside(&month);
            std::fs::create_dir(&path).map_err(|error| failed(&path, "make", &error))?;
        }
        let name = format!("{month}/{of_date}{}.eml", message.id);
        let path = self.folder.inside(&name);
        self.now = Some(Now { file: create(&path)?, path, name, hash: Sha256::new(), bytes: 0 });
        Ok(())
    }

    /// Goes on with it.
    pub fn piece(&mut self, piece: &Piece) -> Result<(), Failure> {
        let Some(now) = &mut self.now else { return Ok(()) };
        now.hash.update(piece);
        now.bytes = now.bytes.saturating_add(piece.len() as u64);
        now.file.write_all(piece).map_err(|error| failed(&now.path, "write", &error))
    }

    /// Ends it; one that is not whole is taken away again, and said to be lost.
    pub fn end(&mut self, message: &Message, error: Option<&str>) -> Result<(), Failure> {
        let mut entry = message.entry(error);
        if let Some(Now { name, path, mut file, hash, bytes }) = self.now.take() {
            file.flush().map_err(|error| failed(&path, "write", &error))?;
            if error.is_some() {
                std::fs::remove_file(&path).map_err(|error| failed(&path, "remove", &error))?;
            } else {
                entry = Entry { file: name, bytes, sha256: hex(hash), ..entry };
            }
        }
        let row = entry.row()?;
        self.manifest.write_all(&row).map_err(|error| failed(&self.folder.later(MANIFEST), "write", &error))
    }

    /// Gives it its name.
    pub fn keep(self) -> Result<Kept, Failure> {
        let Self { folder, mut manifest, .. } = self;
        let path = folder.later(MANIFEST);
        manifest.flush().map_err(|error| failed(&path, "write", &error))?;
        folder.keep()?;
        Ok(Kept { sha256: None, manifest: Some(path) })
    }
}
