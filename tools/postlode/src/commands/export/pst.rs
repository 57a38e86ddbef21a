//! An Outlook archive of messages: one folder for each archive they come from, with the folders that they were found in, and
//! what was embedded in them inside them.

use super::families::{Fetched, Message};
use super::manifest;
use super::outlook::{Lost, Outlook};
use super::output::Kept;
use super::target::{Loose, Target};
use crate::error::Failure;
use crate::session::Session;
use postlode_pst_writer::{FileTime, FolderId, Options, PstWriter, Written};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Folders that every such archive has.
const OWN_FOLDERS: [&str; 1] = ["Deleted Items"];

/// A PST file on its way, and its manifest.
pub struct Pst {
    file: Loose,
    writer: PstWriter<BufWriter<File>>,
    manifest: Target,
    name: String,
    path: PathBuf,
    manifest_path: PathBuf,
    /// Names of the folders of archives, by their paths.
    archives: HashMap<PathBuf, String>,
    folders: HashMap<(String, String), FolderId>,
    now: Option<(Written, String)>,
}

impl Pst {
    /// Begins it.
    ///
    /// # Errors
    /// Where it or its manifest is there, or cannot be made.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let manifest_path = path.with_file_name(format!("{name}.manifest.csv"));
        let (file, sink) = Loose::create(path)?;
        let mut manifest = Target::create(&manifest_path)?;
        manifest.write(&manifest::titles()?)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Programs know an archive by its key; of two exports each is one of its own.
        let key = Sha256::new()
            .chain_update(now.as_nanos().to_le_bytes())
            .chain_update(std::process::id().to_le_bytes())
            .chain_update(path.as_os_str().as_encoded_bytes())
            .finalize();
        let mut options = Options::new(key.first_chunk().copied().unwrap_or_default());
        options.name =
            path.file_stem().map_or_else(|| name.clone(), |stem| stem.to_string_lossy().into_owned());
        options.created = FileTime::from_unix(i64::try_from(now.as_secs()).unwrap_or(0));
        let writer = PstWriter::new(sink, options).map_err(|error| failed(path, &error))?;
        let (archives, folders) = Default::default();
        let path = path.to_owned();
        Ok(Self { file, writer, manifest, name, path, manifest_path, archives, folders, now: None })
    }

    /// Writes a message with what is embedded in it.
    pub async fn add(&mut self, message: &Message, session: &Session) -> Result<Fetched, Failure> {
        let folder = self.folder(&message.archive, &message.folder)?;
        let near = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let near = near.map_or_else(|| PathBuf::from("."), Path::to_owned);
        let mut outlook = Outlook::new(session, &near, &mut self.writer);
        let (composed, sha256) = match outlook.message(&message.id, 0).await {
            Ok(composed) => composed,
            Err(Lost::Gone) => return Ok(Fetched::Deleted),
            Err(Lost::Because(why)) => return Ok(Fetched::Lost(why)),
            Err(Lost::All(failure)) => return Err(failure),
        };
        let written =
            self.writer.add_message(folder, composed).map_err(|error| failed(&self.path, &error))?;
        self.now = Some((written, sha256));
        Ok(Fetched::Whole)
    }

    /// Its row.
    pub fn end(&mut self, message: &Message, error: Option<&str>) -> Result<(), Failure> {
        let mut entry = message.entry(error);
        if let Some((written, sha256)) = self.now.take() {
            (entry.file, entry.offset, entry.bytes) =
                (self.name.clone(), u64::from(written.nid), written.size);
            entry.sha256 = sha256;
        }
        self.manifest.write(&entry.row()?)
    }

    /// Gives both their names.
    pub fn keep(self) -> Result<Kept, Failure> {
        let (sink, _) = self.writer.finish().map_err(|error| failed(&self.path, &error))?;
        // First what tells of the other, as of an mbox.
        self.manifest.keep()?;
        match self.file.keep(sink) {
            Ok(sha256) => Ok(Kept { sha256: Some(sha256), manifest: Some(self.manifest_path) }),
            Err(error) => {
                // It is ours, made a moment ago; what happened is told in any case.
                let _ = std::fs::remove_file(&self.manifest_path);
                Err(error)
            }
        }
    }

    /// The name of the folder of an archive: that of its file, or where that is a single message, of the folder it lies in. Of
    /// two of one name the second has a number.
    fn name_of(&mut self, archive: &str) -> Option<String> {
        let path = Path::new(archive);
        let is_message = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("eml"));
        let (source, name) = match path.parent().filter(|_| is_message) {
            Some(parent) => (parent, parent.file_name()),
            None => (path, path.file_stem()),
        };
        let name = name?.to_string_lossy().into_owned();
        if let Some(known) = self.archives.get(source) {
            return Some(known.clone());
        }
        let others: HashSet<&str> = self.archives.values().map(String::as_str).chain(OWN_FOLDERS).collect();
        let numbered = (2u32..).map(|number| format!("{name} ({number})"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !others.contains(name.as_str()));
        let free = free.unwrap_or(name);
        self.archives.insert(source.to_owned(), free.clone());
        Some(free)
    }

    /// The folder of an archive's folder.
    fn folder(&mut self, archive: &str, folder: &str) -> Result<FolderId, Failure> {
        let key = (archive.to_owned(), folder.to_owned());
        if let Some(known) = self.folders.get(&key) {
            return Ok(*known);
        }
        let of_archive = self.name_of(archive);
        let names = of_archive.iter().map(String::as_str).chain(folder.split('/'));
        let mut at = self.writer.top();
        for name in names {
            let name = name.replace('\0', " ");
            if !name.is_empty() {
                let made = self.writer.add_folder(at, &name, Some("IPF.Note"));
                at = made.map_err(|error| failed(&self.path, &error))?;
            }
        }
        self.folders.insert(key, at);
        Ok(at)
    }
}

fn failed(path: &Path, error: &postlode_pst_writer::Error) -> Failure {
    Failure::Done(format!("{}: {error}; nothing was kept", path.display()))
}
