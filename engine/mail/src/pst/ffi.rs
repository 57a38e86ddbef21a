//! The only place that calls libpff: owned handles, checked results, no lengths believed.
//!
//! What always holds: each handle is freed exactly once and before the one it points into (the lifetimes see to
//! that); each libpff error is turned into a [`PffError`] and freed; no handle leaves the thread it was made on.

use super::bfio::Handle;
use super::error::{PffError, PstError};
use super::view::View;
use libpff_sys as sys;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

type RawError = *mut sys::libpff_error_t;

/// Longest account of an error that is asked of libpff, in bytes.
const ERROR_TEXT: usize = 8 << 10;

/// Runs a libpff function: `true` for 1, `false` for 0, its error for anything else.
fn call(what: &'static str, f: impl FnOnce(*mut RawError) -> c_int) -> Result<bool, PstError> {
    let mut error: RawError = ptr::null_mut();
    let result = f(&raw mut error);
    let account = take_error(error);
    match result {
        1 => Ok(true),
        0 => Ok(false),
        _ => Err(PstError::Corrupt { what, error: account }),
    }
}

/// Turns libpff's error into ours and frees it.
fn take_error(mut error: RawError) -> PffError {
    if error.is_null() {
        return PffError { message: "libpff gave no reason".to_owned(), cause: None };
    }
    let mut text = vec![0u8; ERROR_TEXT];
    // SAFETY: `error` came from libpff and is freed below only; the buffer is as large as said, and the last byte
    // stays zero because libpff is told of one less.
    let mut length = unsafe {
        sys::libpff_error_backtrace_sprint(error, text.as_mut_ptr().cast(), ERROR_TEXT.saturating_sub(1))
    };
    if length <= 0 {
        text.fill(0);
        // SAFETY: as above.
        length = unsafe {
            sys::libpff_error_sprint(error, text.as_mut_ptr().cast(), ERROR_TEXT.saturating_sub(1))
        };
    }
    // SAFETY: the error is not used after this.
    unsafe { sys::libpff_error_free(&raw mut error) };
    let text = match CStr::from_bytes_until_nul(&text) {
        Ok(text) if length > 0 => text.to_string_lossy(),
        _ => "libpff gave a reason that is too long".into(),
    };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let cause = lines.next().map(str::to_owned);
    match lines.next_back() {
        Some(message) => PffError { message: message.to_owned(), cause },
        None => PffError { message: cause.unwrap_or_default(), cause: None },
    }
}

/// An open archive. Neither `Send` nor `Sync`: two threads on one handle lose messages without an error.
pub(super) struct File {
    raw: NonNull<sys::libpff_file_t>,
    /// What it reads through; freed after `raw`, see `drop`.
    source: Option<Handle>,
    _not_send: PhantomData<*const ()>,
}

impl File {
    fn new(source: Option<Handle>) -> Result<Self, PstError> {
        let mut raw = ptr::null_mut();
        // SAFETY: the pointer is null, as the function wants it.
        call("archive", |e| unsafe { sys::libpff_file_initialize(&raw mut raw, e) })?;
        let raw = NonNull::new(raw).ok_or(PstError::Missing { what: "archive handle" })?;
        Ok(Self { raw, source, _not_send: PhantomData })
    }

    /// Opens a view of an archive; `None` where libpff cannot read through one.
    pub(super) fn open_view(view: View) -> Result<Option<Self>, PstError> {
        let Some(source) = Handle::new(view) else { return Ok(None) };
        let source_raw = source.as_ptr();
        let file = Self::new(Some(source))?;
        // SAFETY: both handles are live and not yet open; the one read through lives as long as the file.
        call("archive", |e| unsafe {
            sys::libpff_file_open_file_io_handle(file.raw.as_ptr(), source_raw, sys::LIBPFF_OPEN_READ, e)
        })?;
        Ok(Some(file))
    }

    /// Opens an archive as a file.
    pub(super) fn open(path: &CString) -> Result<Self, PstError> {
        let file = Self::new(None)?;
        // SAFETY: the handle is live and not yet open; the path is closed by a zero.
        call("archive", |e| unsafe {
            sys::libpff_file_open(file.raw.as_ptr(), path.as_ptr(), sys::LIBPFF_OPEN_READ, e)
        })?;
        Ok(file)
    }

    pub(super) fn kind(&self) -> Result<(u8, u8), PstError> {
        let (mut content, mut kind) = (0, 0);
        // SAFETY: the handle is open and the places written to are ours, here and below.
        call("archive kind", |e| unsafe {
            sys::libpff_file_get_content_type(self.raw.as_ptr(), &raw mut content, e)
        })?;
        // SAFETY: as above.
        call("archive kind", |e| unsafe { sys::libpff_file_get_type(self.raw.as_ptr(), &raw mut kind, e) })?;
        Ok((content, kind))
    }

    pub(super) fn codepage(&self) -> Result<u32, PstError> {
        let mut page: c_int = 0;
        // SAFETY: as above.
        call("code page", |e| unsafe {
            sys::libpff_file_get_ascii_codepage(self.raw.as_ptr(), &raw mut page, e)
        })?;
        Ok(u32::try_from(page).unwrap_or(0))
    }

    pub(super) fn is_corrupted(&self) -> Result<bool, PstError> {
        // SAFETY: as above.
        call("archive", |e| unsafe { sys::libpff_file_is_corrupted(self.raw.as_ptr(), e) })
    }

    pub(super) fn message_store(&self) -> Result<Option<Item<'_>>, PstError> {
        // SAFETY: the handle is open; `Item::get` passes a null pointer to fill and takes over what comes back.
        Item::get("message store", |item, e| unsafe {
            sys::libpff_file_get_message_store(self.raw.as_ptr(), item, e)
        })
    }

    pub(super) fn name_map(&self) -> Result<Option<Item<'_>>, PstError> {
        // SAFETY: as above.
        Item::get("map of named properties", |item, e| unsafe {
            sys::libpff_file_get_name_to_id_map(self.raw.as_ptr(), item, e)
        })
    }

    pub(super) fn root_folder(&self) -> Result<Option<Item<'_>>, PstError> {
        // SAFETY: as above.
        Item::get("root folder", |item, e| unsafe {
            sys::libpff_file_get_root_folder(self.raw.as_ptr(), item, e)
        })
    }

    pub(super) fn item(&self, nid: u32) -> Result<Option<Item<'_>>, PstError> {
        // SAFETY: as above.
        Item::get("item", |item, e| unsafe {
            sys::libpff_file_get_item_by_identifier(self.raw.as_ptr(), nid, item, e)
        })
    }

    /// Looks for deleted items.
    pub(super) fn recover(&self) -> Result<(), PstError> {
        // SAFETY: as above; the function takes no pointers but the handle.
        call("deleted items", |e| unsafe { sys::libpff_file_recover_items(self.raw.as_ptr(), 0, e) })?;
        Ok(())
    }

    /// How many it has found.
    pub(super) fn recovered(&self) -> Result<usize, PstError> {
        // SAFETY: the handle is live and the place written to is ours.
        Item::number("deleted items", |n, e| unsafe {
            sys::libpff_file_get_number_of_recovered_items(self.raw.as_ptr(), n, e)
        })
    }

    pub(super) fn recovered_item(&self, index: usize) -> Result<Option<Item<'_>>, PstError> {
        // SAFETY: as above.
        Item::get("deleted item", |item, e| unsafe {
            sys::libpff_file_get_recovered_item_by_index(self.raw.as_ptr(), c_index(index), item, e)
        })
    }

    /// How many items are in no folder.
    pub(super) fn orphans(&self) -> Result<usize, PstError> {
        // SAFETY: as above.
        Item::number("orphaned items", |n, e| unsafe {
            sys::libpff_file_get_number_of_orphan_items(self.raw.as_ptr(), n, e)
        })
    }

    pub(super) fn orphan(&self, index: usize) -> Result<Option<Item<'_>>, PstError> {
        // SAFETY: as above.
        Item::get("orphaned item", |item, e| unsafe {
            sys::libpff_file_get_orphan_item_by_index(self.raw.as_ptr(), c_index(index), item, e)
        })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let mut raw = self.raw.as_ptr();
        // SAFETY: the handle is live, and everything that points into it borrows `self` and is gone. It closes itself.
        // An error here has no one left to hear it.
        let _ = call("archive", |e| unsafe { sys::libpff_file_free(&raw mut raw, e) });
        // Only now may go what the file read through.
        drop(self.source.take());
    }
}

/// A folder, message, attachment or list. `'p` is the borrow of what it points into.
pub(super) struct Item<'p> {
    raw: NonNull<sys::libpff_item_t>,
    _parent: PhantomData<&'p *const ()>,
}

impl<'p> Item<'p> {
    fn get(
        what: &'static str,
        f: impl FnOnce(*mut *mut sys::libpff_item_t, *mut RawError) -> c_int,
    ) -> Result<Option<Self>, PstError> {
        let mut raw = ptr::null_mut();
        let found = call(what, |e| f(&raw mut raw, e));
        let item = NonNull::new(raw).map(|raw| Self { raw, _parent: PhantomData });
        Ok(if found? { item } else { None })
    }

    fn number(
        what: &'static str,
        f: impl FnOnce(*mut c_int, *mut RawError) -> c_int,
    ) -> Result<usize, PstError> {
        let mut number: c_int = 0;
        call(what, |e| f(&raw mut number, e))?;
        Ok(usize::try_from(number).unwrap_or(0))
    }

    pub(super) fn identifier(&self) -> Result<u32, PstError> {
        let mut nid = 0;
        // SAFETY: the item is live and the place written to is ours, here and below.
        call("node id", |e| unsafe { sys::libpff_item_get_identifier(self.raw.as_ptr(), &raw mut nid, e) })?;
        Ok(nid)
    }

    pub(super) fn record_sets(&self) -> Result<usize, PstError> {
        // SAFETY: as above.
        Self::number("properties", |n, e| unsafe {
            sys::libpff_item_get_number_of_record_sets(self.raw.as_ptr(), n, e)
        })
    }

    pub(super) fn record_set(&self, index: usize) -> Result<RecordSet<'_>, PstError> {
        let mut raw = ptr::null_mut();
        // SAFETY: the item is live; the pointer is null, as the function wants it, and is taken over below.
        let found = call("properties", |e| unsafe {
            sys::libpff_item_get_record_set_by_index(self.raw.as_ptr(), c_index(index), &raw mut raw, e)
        });
        let set = NonNull::new(raw).map(|raw| RecordSet { raw, _parent: PhantomData });
        found?;
        set.ok_or(PstError::Missing { what: "set of properties" })
    }

    pub(super) fn sub_folders(&self) -> Result<usize, PstError> {
        // SAFETY: as above.
        Self::number("folders of a folder", |n, e| unsafe {
            sys::libpff_folder_get_number_of_sub_folders(self.raw.as_ptr(), n, e)
        })
    }

    pub(super) fn sub_folder(&self, index: usize) -> Result<Item<'p>, PstError> {
        // SAFETY: the item is live; `get` passes a null pointer and takes over what comes back. A folder points into
        // the archive, not into the folder above it, hence `'p`.
        let folder = Item::get("folder", |item, e| unsafe {
            sys::libpff_folder_get_sub_folder(self.raw.as_ptr(), c_index(index), item, e)
        })?;
        folder.ok_or(PstError::Missing { what: "folder" })
    }

    pub(super) fn sub_messages(&self) -> Result<usize, PstError> {
        // SAFETY: as above.
        Self::number("items of a folder", |n, e| unsafe {
            sys::libpff_folder_get_number_of_sub_messages(self.raw.as_ptr(), n, e)
        })
    }

    pub(super) fn sub_message(&self, index: usize) -> Result<Item<'_>, PstError> {
        // SAFETY: as above.
        let item = Item::get("item of a folder", |item, e| unsafe {
            sys::libpff_folder_get_sub_message(self.raw.as_ptr(), c_index(index), item, e)
        })?;
        item.ok_or(PstError::Missing { what: "item of a folder" })
    }

    pub(super) fn message_table(&self) -> Result<Option<Item<'_>>, PstError> {
        // SAFETY: as above.
        Item::get("table of a folder's items", |item, e| unsafe {
            sys::libpff_folder_get_sub_messages(self.raw.as_ptr(), item, e)
        })
    }

    pub(super) fn attachments(&self) -> Result<usize, PstError> {
        // SAFETY: as above.
        Self::number("attachments", |n, e| unsafe {
            sys::libpff_message_get_number_of_attachments(self.raw.as_ptr(), n, e)
        })
    }

    pub(super) fn attachment(&self, index: usize) -> Result<Item<'_>, PstError> {
        // SAFETY: as above.
        let item = Item::get("attachment", |item, e| unsafe {
            sys::libpff_message_get_attachment(self.raw.as_ptr(), c_index(index), item, e)
        })?;
        item.ok_or(PstError::Missing { what: "attachment" })
    }

    pub(super) fn recipients(&self) -> Result<Option<Item<'_>>, PstError> {
        // SAFETY: as above.
        Item::get("recipients", |item, e| unsafe {
            sys::libpff_message_get_recipients(self.raw.as_ptr(), item, e)
        })
    }

    pub(super) fn attached_item(&self) -> Result<Option<Item<'_>>, PstError> {
        // SAFETY: as above.
        Item::get("embedded message", |item, e| unsafe {
            sys::libpff_attachment_get_item(self.raw.as_ptr(), item, e)
        })
    }

    pub(super) fn attachment_size(&self) -> Result<Option<u64>, PstError> {
        let mut size = 0;
        // SAFETY: as above.
        let found = call("size of an attachment", |e| unsafe {
            sys::libpff_attachment_get_data_size(self.raw.as_ptr(), &raw mut size, e)
        })?;
        Ok(found.then_some(size))
    }

    /// Reads on in an attachment's data; 0 is the end.
    pub(super) fn read_attachment(&self, buffer: &mut [u8]) -> Result<usize, PstError> {
        let mut error: RawError = ptr::null_mut();
        // SAFETY: the item is live; the buffer is as large as said.
        let count = unsafe {
            sys::libpff_attachment_data_read_buffer(
                self.raw.as_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut error,
            )
        };
        let account = take_error(error);
        match usize::try_from(count) {
            Ok(count) => Ok(count.min(buffer.len())),
            Err(_) => Err(PstError::Corrupt { what: "data of an attachment", error: account }),
        }
    }
}

impl Drop for Item<'_> {
    fn drop(&mut self) {
        let mut raw = self.raw.as_ptr();
        // SAFETY: the item is live, what it points into outlives `'p`, and what points into it borrows `self`.
        // Where freeing fails there is nothing left to do about it.
        let _ = call("item", |e| unsafe { sys::libpff_item_free(&raw mut raw, e) });
    }
}

/// One set of properties of an item.
pub(super) struct RecordSet<'i> {
    raw: NonNull<sys::libpff_record_set_t>,
    _parent: PhantomData<&'i *const ()>,
}

impl RecordSet<'_> {
    pub(super) fn entries(&self) -> Result<usize, PstError> {
        // SAFETY: the set is live and the place written to is ours.
        Item::number("properties", |n, e| unsafe {
            sys::libpff_record_set_get_number_of_entries(self.raw.as_ptr(), n, e)
        })
    }

    fn get(
        what: &'static str,
        f: impl FnOnce(*mut *mut sys::libpff_record_entry_t, *mut RawError) -> c_int,
    ) -> Result<Option<NonNull<sys::libpff_record_entry_t>>, PstError> {
        let mut raw = ptr::null_mut();
        let found = call(what, |e| f(&raw mut raw, e))?;
        Ok(if found { NonNull::new(raw) } else { None })
    }

    pub(super) fn entry(&self, index: usize) -> Result<Entry<'_>, PstError> {
        // SAFETY: the set is live; the pointer is null, as the function wants it, and owned by `Entry` afterwards.
        let raw = Self::get("property", |entry, e| unsafe {
            sys::libpff_record_set_get_entry_by_index(self.raw.as_ptr(), c_index(index), entry, e)
        })?;
        let raw = raw.ok_or(PstError::Missing { what: "property" })?;
        Ok(Entry { raw, _parent: PhantomData })
    }

    /// The unnamed property `id`, whatever its type.
    pub(super) fn find(&self, id: u16) -> Result<Option<Entry<'_>>, PstError> {
        let flags = sys::LIBPFF_ENTRY_VALUE_FLAG_MATCH_ANY_VALUE_TYPE
            | sys::LIBPFF_ENTRY_VALUE_FLAG_IGNORE_NAME_TO_ID_MAP;
        // SAFETY: as above.
        let raw = Self::get("property", |entry, e| unsafe {
            sys::libpff_record_set_get_entry_by_type(self.raw.as_ptr(), u32::from(id), 0, entry, flags, e)
        })?;
        Ok(raw.map(|raw| Entry { raw, _parent: PhantomData }))
    }
}

impl Drop for RecordSet<'_> {
    fn drop(&mut self) {
        let mut raw = self.raw.as_ptr();
        // SAFETY: the set is live and its item outlives it; entries borrow `self` and are gone.
        let _ = call("properties", |e| unsafe { sys::libpff_record_set_free(&raw mut raw, e) });
    }
}

/// One property.
pub(super) struct Entry<'s> {
    raw: NonNull<sys::libpff_record_entry_t>,
    _parent: PhantomData<&'s *const ()>,
}

impl Entry<'_> {
    /// Id and type.
    pub(super) fn tag(&self) -> Result<(u32, u32), PstError> {
        let (mut id, mut kind) = (0, 0);
        // SAFETY: the entry is live and the places written to are ours, here and below.
        call("property", |e| unsafe {
            sys::libpff_record_entry_get_entry_type(self.raw.as_ptr(), &raw mut id, e)
        })?;
        // SAFETY: as above.
        call("property", |e| unsafe {
            sys::libpff_record_entry_get_value_type(self.raw.as_ptr(), &raw mut kind, e)
        })?;
        Ok((id, kind))
    }

    /// Bytes of the value.
    pub(super) fn size(&self) -> Result<u64, PstError> {
        let mut size = 0;
        // SAFETY: as above.
        call("property", |e| unsafe {
            sys::libpff_record_entry_get_data_size(self.raw.as_ptr(), &raw mut size, e)
        })?;
        Ok(size as u64)
    }

    /// The value, where it has at most `limit` bytes.
    pub(super) fn data(&self, limit: u64) -> Result<Vec<u8>, PstError> {
        let size = self.size()?;
        if size > limit {
            return Err(PstError::Limit { what: "property (bytes)", have: size, limit });
        }
        let mut data = vec![0u8; usize::try_from(size).unwrap_or(0)];
        if !data.is_empty() {
            // SAFETY: the entry is live; the buffer is as large as said.
            call("property", |e| unsafe {
                sys::libpff_record_entry_get_data(self.raw.as_ptr(), data.as_mut_ptr(), data.len(), e)
            })?;
        }
        Ok(data)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut raw = self.raw.as_ptr();
        // SAFETY: the entry is live and its set outlives it.
        let _ = call("property", |e| unsafe { sys::libpff_record_entry_free(&raw mut raw, e) });
    }
}

/// libpff counts with `int`; what does not fit is an index that it refuses.
fn c_index(index: usize) -> c_int {
    c_int::try_from(index).unwrap_or(-1)
}
