//! An open archive: what it is, what is in it, and its items.

use super::error::PstError;
use super::ffi;
use super::folder::{self, Listing};
use super::header::{HEADER, Header};
use super::item::Item;
use super::limits::MAX_PROPERTY;
use super::prop::{NameMap, Note, PropReader, Props};
use libpff_sys as sys;
use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// `PidTagRecordKey`: 16 bytes made up when the archive was made.
const RECORD_KEY: u16 = 0x0ff9;
/// `PidTagDisplayName`.
const DISPLAY_NAME: u16 = 0x3001;
/// `PidTagPstPassword`: a CRC of the password, 0 where there is none.
const PST_PASSWORD: u16 = 0x67ff;

/// What is known of an archive as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveInfo {
    /// `pst-ansi`, `pst-unicode`, `pst-4k`, `ost-ansi`, `ost-unicode` or `ost-4k`.
    pub kind: &'static str,
    /// The record key of the message store; empty where the archive has none.
    pub record_key: Vec<u8>,
    /// Display name of the message store, or empty.
    pub name: String,
    /// Code page taken for 8-bit strings that do not name one.
    pub codepage: u32,
    /// A password is set. It keeps Outlook out, not us: nothing is encrypted by it.
    pub password: bool,
    /// libpff met damage while opening.
    pub damaged: bool,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes the archive says it has; more than `size` means that it was cut short.
    pub claimed_size: u64,
    /// What could not be read of all this.
    pub notes: Vec<Note>,
}

/// An open archive. It belongs to the thread that opened it:
///
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<postlode_mail::pst::Archive>();
/// ```
pub struct Archive {
    file: ffi::File,
    names: NameMap,
    info: ArchiveInfo,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Archive {
    /// Opens an archive for reading.
    ///
    /// # Errors
    /// [`PstError`]: `Io` where the file cannot be read, else the reason for which it is refused.
    pub fn open(path: &Path) -> Result<Self, PstError> {
        let file = File::open(path)?;
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path contains a zero byte")
        })?;
        Self::open_checked(&file, &name)
    }

    /// Opens an archive through a descriptor that is already open for reading. libpff opens it once more through
    /// `/proc/self/fd`, so a sandbox that forbids opening files must begin after this.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn from_file(file: &File) -> Result<Self, PstError> {
        let name =
            CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(std::io::Error::other)?;
        Self::open_checked(file, &name)
    }

    fn open_checked(file: &File, name: &CString) -> Result<Self, PstError> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(PstError::NotPst("it is not a regular file"));
        }
        let size = metadata.len();
        let mut start = Vec::with_capacity(HEADER);
        // The descriptor may be shared: its position is left alone.
        let mut bytes = PositionedRead { file, at: 0 }.take(HEADER as u64);
        bytes.read_to_end(&mut start)?;
        let header = Header::read(&start, size)?;
        let damaged = |why: String| PstError::Damaged { why, expected: header.size, actual: size };
        let handle = ffi::File::open(name).map_err(|error| match error {
            PstError::Corrupt { error, .. } => damaged(error.cause.unwrap_or(error.message)),
            other => other,
        })?;
        let archive = Self::read_info(handle, size, header.size)?;
        if archive.file.root_folder()?.is_none() {
            return Err(damaged("it has no root folder".to_owned()));
        }
        Ok(archive)
    }

    fn read_info(file: ffi::File, size: u64, claimed_size: u64) -> Result<Self, PstError> {
        let kind = match file.kind()? {
            (sys::LIBPFF_FILE_CONTENT_TYPE_PST, sys::LIBPFF_FILE_TYPE_32BIT) => "pst-ansi",
            (sys::LIBPFF_FILE_CONTENT_TYPE_PST, sys::LIBPFF_FILE_TYPE_64BIT) => "pst-unicode",
            (sys::LIBPFF_FILE_CONTENT_TYPE_PST, sys::LIBPFF_FILE_TYPE_64BIT_4K_PAGE) => "pst-4k",
            (sys::LIBPFF_FILE_CONTENT_TYPE_OST, sys::LIBPFF_FILE_TYPE_32BIT) => "ost-ansi",
            (sys::LIBPFF_FILE_CONTENT_TYPE_OST, sys::LIBPFF_FILE_TYPE_64BIT) => "ost-unicode",
            (sys::LIBPFF_FILE_CONTENT_TYPE_OST, sys::LIBPFF_FILE_TYPE_64BIT_4K_PAGE) => "ost-4k",
            (content, kind) => {
                return Err(PstError::Unsupported(format!("content {content}, file type {kind}")));
            }
        };
        let codepage = file.codepage()?;
        let damaged = file.is_corrupted()?;
        let no_names = NameMap::default();
        let mut reader = PropReader { names: &no_names, left: MAX_PROPERTY, notes: Vec::new() };
        let store = match file.message_store() {
            Ok(Some(store)) => first(reader.item(&store, &[], "message store")),
            Ok(None) => Props::default(),
            Err(error) => {
                reader.notes.push(Note::new("message store", &error));
                Props::default()
            }
        };
        let map = match file.name_map() {
            Ok(Some(map)) => first(reader.item(&map, &[], "map of named properties")),
            Ok(None) => Props::default(),
            Err(error) => {
                reader.notes.push(Note::new("map of named properties", &error));
                Props::default()
            }
        };
        let notes = reader.notes;
        let stream = |id| map.bytes(id).unwrap_or_default();
        let names = NameMap::parse(stream(2), stream(3), stream(4));
        let info = ArchiveInfo {
            kind,
            record_key: store.bytes(RECORD_KEY).unwrap_or_default().to_vec(),
            name: store.text(DISPLAY_NAME, codepage).unwrap_or_default(),
            codepage,
            password: store.int(PST_PASSWORD).is_some_and(|crc| crc != 0),
            damaged,
            size,
            claimed_size,
            notes,
        };
        Ok(Self { file, names, info })
    }

    /// What is known of it as a whole.
    #[must_use]
    pub fn info(&self) -> &ArchiveInfo {
        &self.info
    }

    /// Names every folder and every item of every folder, in the order of the archive. Opens no item.
    ///
    /// # Errors
    /// [`PstError`] where not even the root folder can be read. What cannot be read below it is in
    /// [`Listing::failures`].
    pub fn list(&self) -> Result<Listing, PstError> {
        folder::list(&self.file, self.info.codepage)
    }

    /// Opens one item by its node id.
    ///
    /// libpff looks it up by walking all nodes of the archive up to it, some 8 ns each while they are in the
    /// processor's cache: 12 us an item in an archive of 3,000 items, 100 us to read it.
    ///
    /// # Errors
    /// `Missing` where there is no such node, `Corrupt` where it cannot be opened.
    pub fn item(&self, nid: u32) -> Result<Item<'_>, PstError> {
        let item = self.file.item(nid)?.ok_or(PstError::Missing { what: "item" })?;
        Ok(Item::new(item, &self.names, self.info.codepage, 0))
    }
}

fn first(sets: Vec<Props>) -> Props {
    sets.into_iter().next().unwrap_or_default()
}

/// Reads from the start of a file without moving the position of its descriptor.
struct PositionedRead<'f> {
    file: &'f File,
    at: u64,
}

impl Read for PositionedRead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.at)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }
}
