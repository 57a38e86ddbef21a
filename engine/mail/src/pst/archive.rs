//! An open archive: what it is, what is in it, and its items.

use super::error::PstError;
use super::ffi;
use super::folder::{self, Listing};
use super::header::{HEADER, Header};
use super::item::Item;
use super::limits::MAX_PROPERTY;
use super::prop::{NameMap, Note, PropReader, Props};
use super::rows::Lists;
use super::view::View;
use libpff_sys as sys;
use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

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
    file: Rc<File>,
    header: Header,
    /// What libpff opens when it reads the archive by itself.
    name: CString,
    names: NameMap,
    info: ArchiveInfo,
    /// The view that was read from last, and the node ids it covers.
    recent: RefCell<Option<(RangeInclusive<u32>, Rc<ffi::File>)>>,
    /// The archive without a view, once it was needed.
    whole: RefCell<Option<Rc<ffi::File>>>,
    /// It was looked for deleted items there.
    recovered: Cell<bool>,
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
        Self::open_checked(file, name)
    }

    /// Opens an archive through a descriptor that is already open for reading; its position is left alone. Where
    /// libpff has to read the archive by itself, it opens the file once more through `/proc/self/fd`.
    ///
    /// # Errors
    /// As [`Archive::open`].
    pub fn from_file(file: &File) -> Result<Self, PstError> {
        let file = file.try_clone()?;
        let name =
            CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(std::io::Error::other)?;
        Self::open_checked(file, name)
    }

    fn open_checked(file: File, name: CString) -> Result<Self, PstError> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(PstError::NotPst("it is not a regular file"));
        }
        let size = metadata.len();
        let mut start = Vec::with_capacity(HEADER);
        PositionedRead { file: &file, at: 0 }.take(HEADER as u64).read_to_end(&mut start)?;
        let header = Header::read(&start, size)?;
        let damaged = |why: String| PstError::Damaged { why, expected: header.size, actual: size };
        let file = Rc::new(file);
        let (mut handle, mut whole) = (open_view(View::of_archive(&file, &header)), None);
        if !matches!(handle.as_ref().map(|h| h.root_folder()), Some(Ok(Some(_)))) {
            let opened = open_whole(&file, &header, &name).map_err(|error| match error {
                PstError::Corrupt { error, .. } => damaged(error.cause.unwrap_or(error.message)),
                other => other,
            })?;
            if opened.root_folder()?.is_none() {
                return Err(damaged("it has no root folder".to_owned()));
            }
            let opened = Rc::new(opened);
            whole = Some(Rc::clone(&opened));
            handle = Some(opened);
        }
        let handle = handle.ok_or(PstError::Missing { what: "root folder" })?;
        let (info, names) = read_info(&handle, size, header.size)?;
        let (recent, whole) = (RefCell::new(None), RefCell::new(whole));
        Ok(Self { file, header, name, names, info, recent, whole, recovered: Cell::new(false) })
    }

    /// What is known of it as a whole.
    #[must_use]
    pub fn info(&self) -> &ArchiveInfo {
        &self.info
    }

    /// Whether libpff reads it through views, at a cost that does not grow with the archive. Otherwise libpff opens it
    /// whole: the archive has pages of 4 KiB or a damaged tree of nodes, or libbfio is not there.
    #[must_use]
    pub fn has_views(&self) -> bool {
        open_view(View::of_archive(&self.file, &self.header)).is_some()
    }

    /// Names every folder and every item of every folder, in the order of the archive. Opens no item.
    ///
    /// # Errors
    /// [`PstError`] where not even the root folder can be read. What cannot be read below it is in
    /// [`Listing::failures`].
    pub fn list(&self) -> Result<Listing, PstError> {
        match self.list_by_index() {
            Some(listing) => Ok(listing),
            None => self.list_by_libpff(),
        }
    }

    /// The same from the indexes of folders' lists, read by ourselves at a few bytes an item, where nothing is odd about
    /// any of them; else `None`.
    #[must_use]
    pub fn list_by_index(&self) -> Option<Listing> {
        let lists = Lists::new(&self.file, &self.header)?;
        let handle = open_view(View::of_folders(&self.file, &self.header, false))?;
        let listing = folder::list(&handle, self.info.codepage, Some(&lists)).ok()?;
        listing.failures.is_empty().then_some(listing)
    }

    /// The same from what libpff makes of folders' lists, at kilobytes an item.
    ///
    /// # Errors
    /// As [`Archive::list`].
    pub fn list_by_libpff(&self) -> Result<Listing, PstError> {
        let view = open_view(View::of_folders(&self.file, &self.header, true));
        let viewed = view.map(|handle| folder::list(&handle, self.info.codepage, None));
        let viewed = match viewed {
            Some(Ok(listing)) if listing.failures.is_empty() => return Ok(listing),
            other => other,
        };
        // Items that their folder's table does not name rightly can only be found in the whole archive, where that
        // can be opened.
        let whole = self.whole().and_then(|handle| folder::list(&handle, self.info.codepage, None));
        match (viewed, whole) {
            (Some(Ok(viewed)), Ok(whole)) => Ok(if whole.found() < viewed.found() { viewed } else { whole }),
            (Some(Ok(viewed)), Err(_)) => Ok(viewed),
            (_, whole) => whole,
        }
    }

    /// Opens one item by its node id for `f`. Items are best asked for in the order of their node ids: a few hundred
    /// that follow each other cost one look into the tree of nodes, others one each.
    ///
    /// # Errors
    /// `Missing` where there is no such node, `Corrupt` where it cannot be opened.
    pub fn with_item<R>(&self, nid: u32, f: impl FnOnce(&Item<'_>) -> R) -> Result<R, PstError> {
        if let Some(handle) = self.view_of(nid)
            && let Ok(Some(item)) = handle.item(nid)
        {
            return Ok(f(&self.item(item)));
        }
        let handle = self.whole()?;
        let item = handle.item(nid)?.ok_or(PstError::Missing { what: "item" })?;
        Ok(f(&self.item(item)))
    }

    pub(super) fn item<'i>(&'i self, item: ffi::Item<'i>) -> Item<'i> {
        Item::new(item, &self.names, self.info.codepage, 0)
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn recovered(&self) -> bool {
        self.recovered.get()
    }

    pub(super) fn set_recovered(&self) {
        self.recovered.set(true);
    }

    /// The view that holds an item; `None` where there is none.
    fn view_of(&self, nid: u32) -> Option<Rc<ffi::File>> {
        if let Some((covered, handle)) = &*self.recent.borrow()
            && covered.contains(&nid)
        {
            return Some(Rc::clone(handle));
        }
        // The old one goes first: two are never held.
        self.recent.replace(None);
        let (view, covered) = View::of_items(&self.file, &self.header, nid).ok()??;
        let handle = open_view(Ok(Some(view)))?;
        self.recent.replace(Some((covered, Rc::clone(&handle))));
        Some(handle)
    }

    /// The archive as libpff sees it by itself.
    pub(super) fn whole(&self) -> Result<Rc<ffi::File>, PstError> {
        if let Some(handle) = &*self.whole.borrow() {
            return Ok(Rc::clone(handle));
        }
        let handle = Rc::new(open_whole(&self.file, &self.header, &self.name)?);
        self.whole.replace(Some(Rc::clone(&handle)));
        Ok(handle)
    }
}

/// Opens the archive without a view. Where libbfio is there, libpff reads it through the descriptor that is open, so
/// that no file need be opened; only else by its name.
fn open_whole(file: &Rc<File>, header: &Header, name: &CString) -> Result<ffi::File, PstError> {
    match ffi::File::open_view(View::of_everything(file, header)?)? {
        Some(opened) => Ok(opened),
        None => ffi::File::open(name),
    }
}

/// Opens a view. Whatever stands against it, there is the whole archive to fall back on, and that has the last word
/// on what is wrong.
fn open_view(view: std::io::Result<Option<View>>) -> Option<Rc<ffi::File>> {
    ffi::File::open_view(view.ok()??).ok()?.map(Rc::new)
}

fn read_info(file: &ffi::File, size: u64, claimed_size: u64) -> Result<(ArchiveInfo, NameMap), PstError> {
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
    Ok((info, names))
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
