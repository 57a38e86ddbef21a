//! The folders of an archive and which items are in them.
//!
//! Node ids come from the folders' own tables (one row an item), so that no item is opened to be counted. What always
//! holds: each row of each table is in the listing, either as an item or as a failure.

use super::error::PstError;
use super::ffi;
use super::limits::{MAX_FOLDER_DEPTH, MAX_FOLDERS, MAX_PATH};
use super::prop::text_of;
use super::rows::Lists;

/// `PidTagLtpRowId`: in a folder's table, the node id of the row's item.
const ROW_ID: u16 = 0x67f2;
/// `PidTagDisplayName`.
const DISPLAY_NAME: u16 = 0x3001;
/// Longest folder name that is read, in bytes.
const MAX_FOLDER_NAME: u64 = 4096;

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its node id.
    pub nid: u32,
    /// Its path below the archive's root, as `/Top of Outlook data file/Inbox`; `/` for the root itself.
    pub path: String,
    /// Number of rows in its table of items.
    pub items: u32,
}

/// An item of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemRef {
    /// Its node id.
    pub nid: u32,
    /// Index of its folder in [`Listing::folders`].
    pub folder: u32,
}

/// Something of the folder tree that could not be read.
#[derive(Debug)]
pub struct ListingFailure {
    /// Index of the folder in [`Listing::folders`].
    pub folder: u32,
    /// The row of the folder's table that could not be read: an item that was found and has failed. `None`: a folder
    /// or its table, whose items are not known.
    pub row: Option<u32>,
    /// Why.
    pub error: PstError,
}

impl ListingFailure {
    /// A node to report it under: the folder's node id, and above it the number of the row from 1, where no
    /// item's node has anything.
    #[must_use]
    pub fn node(&self, listing: &Listing) -> u64 {
        let folder = usize::try_from(self.folder).ok().and_then(|n| listing.folders.get(n));
        let row = self.row.map_or(0, |row| u64::from(row).saturating_add(1));
        (row << 32) | folder.map_or(0, |f| u64::from(f.nid))
    }
}

/// The folders of an archive and the items in them.
#[derive(Debug, Default)]
pub struct Listing {
    /// All folders, the root first, each before those inside it.
    pub folders: Vec<Folder>,
    /// All items, folder by folder.
    pub items: Vec<ItemRef>,
    /// What could not be read.
    pub failures: Vec<ListingFailure>,
}

impl Listing {
    /// Items found: those that are listed and those whose row could not be read.
    #[must_use]
    pub fn found(&self) -> u64 {
        let rows = self.failures.iter().filter(|f| f.row.is_some()).count();
        (self.items.len() as u64).saturating_add(rows as u64)
    }

    /// The path of an item's folder.
    #[must_use]
    pub fn path_of(&self, item: &ItemRef) -> &str {
        usize::try_from(item.folder).ok().and_then(|n| self.folders.get(n)).map_or("/", |f| &f.path)
    }
}

/// Lists an archive. With `lists`, items are read by ourselves, at a few bytes an item; else by libpff, at kilobytes.
pub(super) fn list(file: &ffi::File, codepage: u32, lists: Option<&Lists<'_>>) -> Result<Listing, PstError> {
    let root = file.root_folder()?.ok_or(PstError::Missing { what: "root folder" })?;
    let mut walk = Walk { listing: Listing::default(), codepage, lists };
    walk.folder(&root, "", 0);
    Ok(walk.listing)
}

struct Walk<'l> {
    listing: Listing,
    codepage: u32,
    lists: Option<&'l Lists<'l>>,
}

impl Walk<'_> {
    fn fail(&mut self, folder: u32, row: Option<usize>, error: PstError) {
        let row = row.map(|row| u32::try_from(row).unwrap_or(u32::MAX));
        self.listing.failures.push(ListingFailure { folder, row, error });
    }

    fn folder(&mut self, folder: &ffi::Item<'_>, path: &str, depth: usize) {
        let number = u32::try_from(self.listing.folders.len()).unwrap_or(u32::MAX);
        let nid = folder.identifier();
        let shown = if path.is_empty() { "/" } else { path }.to_owned();
        self.listing.folders.push(Folder { nid: nid.as_ref().copied().unwrap_or(0), path: shown, items: 0 });
        if let Err(error) = nid {
            self.fail(number, None, error);
        }
        let items = self.items(folder, number);
        if let Some(last) = self.listing.folders.last_mut() {
            last.items = u32::try_from(items).unwrap_or(u32::MAX);
        }
        let inside = match folder.sub_folders() {
            Ok(inside) => inside,
            Err(error) => return self.fail(number, None, error),
        };
        for index in 0..inside {
            if self.listing.folders.len() >= MAX_FOLDERS {
                let limit = MAX_FOLDERS as u64;
                return self.fail(
                    number,
                    None,
                    PstError::Limit { what: "number of folders", have: limit, limit },
                );
            }
            let limit = MAX_FOLDER_DEPTH as u64;
            if depth >= MAX_FOLDER_DEPTH {
                return self.fail(
                    number,
                    None,
                    PstError::Limit { what: "depth of folders", have: limit, limit },
                );
            }
            match folder.sub_folder(index) {
                Ok(child) => {
                    let path = self.path(path, &child, number);
                    self.folder(&child, &path, depth.saturating_add(1));
                }
                Err(error) => self.fail(number, None, error),
            }
        }
    }

    fn path(&mut self, parent: &str, folder: &ffi::Item<'_>, number: u32) -> String {
        let name = match self.name(folder) {
            Ok(name) => name,
            Err(error) => {
                self.fail(number, None, error);
                None
            }
        };
        let name = name.unwrap_or_else(|| format!("(folder {:#x})", folder.identifier().unwrap_or(0)));
        let mut path = format!("{parent}/{name}");
        if path.len() > MAX_PATH {
            let mut end = MAX_PATH;
            while !path.is_char_boundary(end) {
                end = end.saturating_sub(1);
            }
            path.truncate(end);
        }
        path
    }

    fn name(&self, folder: &ffi::Item<'_>) -> Result<Option<String>, PstError> {
        let set = folder.record_set(0)?;
        let Some(entry) = set.find(DISPLAY_NAME)? else { return Ok(None) };
        let (_, kind) = entry.tag()?;
        let value = entry.data(MAX_FOLDER_NAME)?;
        let kind = u16::try_from(kind).unwrap_or(0);
        Ok(text_of(kind, &value, self.codepage).filter(|name| !name.is_empty()))
    }

    /// Lists the items of a folder and returns how many rows its table has.
    fn items(&mut self, folder: &ffi::Item<'_>, number: u32) -> usize {
        if let Some(lists) = self.lists {
            let nid = folder.identifier().and_then(|nid| Ok(lists.items(nid)?));
            return match nid {
                Ok(items) => {
                    let found = items.iter().map(|nid| ItemRef { nid: *nid, folder: number });
                    self.listing.items.extend(found);
                    items.len()
                }
                Err(error) => {
                    self.fail(number, None, error);
                    0
                }
            };
        }
        // The table tells its rows; the count is asked as well, because rows must not go missing between the two.
        let rows = match folder.sub_messages() {
            Ok(rows) => rows,
            Err(error) => {
                self.fail(number, None, error);
                return 0;
            }
        };
        if rows == 0 {
            return 0;
        }
        let table = match folder.message_table() {
            Ok(Some(table)) => table,
            Ok(None) => {
                (0..rows).for_each(|row| {
                    self.fail(number, Some(row), PstError::Missing { what: "table of items" })
                });
                return rows;
            }
            Err(error) => {
                let reason = error.to_string();
                self.fail(number, None, error);
                (0..rows).for_each(|row| self.by_position(folder, number, row, &reason));
                return rows;
            }
        };
        self.listing.items.reserve(rows.min(1 << 16));
        for row in 0..rows {
            match row_id(&table, row) {
                Ok(nid) => self.listing.items.push(ItemRef { nid, folder: number }),
                Err(error) => self.by_position(folder, number, row, &error.to_string()),
            }
        }
        rows
    }

    /// Asks the item itself for its node id, where the table does not tell it.
    fn by_position(&mut self, folder: &ffi::Item<'_>, number: u32, row: usize, _table: &str) {
        match folder.sub_message(row).and_then(|item| item.identifier()) {
            Ok(nid) => self.listing.items.push(ItemRef { nid, folder: number }),
            Err(error) => self.fail(number, Some(row), error),
        }
    }
}

fn row_id(table: &ffi::Item<'_>, row: usize) -> Result<u32, PstError> {
    let set = table.record_set(row)?;
    let entry = set.find(ROW_ID)?.ok_or(PstError::Missing { what: "node id of a row" })?;
    let value = entry.data(8)?;
    value.first_chunk().map(|b| u32::from_le_bytes(*b)).ok_or(PstError::Missing { what: "node id of a row" })
}
