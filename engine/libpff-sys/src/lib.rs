//! Raw bindings to libpff, the library that reads Outlook PST, OST and PAB files.
//!
//! Written by hand and only as far as Postlode needs them; `postlode-mail` holds the safe wrapper. They fit every
//! libpff from 20180714 (Debian 12) on: only functions whose signature has not changed since are declared.
//!
//! What always holds in libpff:
//! * `-1` is failure, with details in `*error` where `error` is not null; the caller frees those with
//!   [`libpff_error_free`]. `1` is success, and `0` means "there is none" where a function documents it.
//! * What comes back through a pointer to pointer must be null before, and is freed by its own `_free` function.
//! * Sizes of strings count the closing zero.
//! * A handle and everything got from it belong to one thread at a time: libpff does not lock them.
//! * Items, record sets and record entries point into the file they came from and must be freed before it.
#![no_std]
#![allow(non_camel_case_types, reason = "the names are those of the C library")]

use core::ffi::{c_char, c_int, c_void};
use core::marker::{PhantomData, PhantomPinned};

macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub struct $name {
            _opaque: [u8; 0],
            _not_send_sync_unpin: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}

opaque! {
    /// Details of a failure.
    libpff_error_t;
    /// An open archive.
    libpff_file_t;
    /// A folder, a message, an attachment, or a list of such.
    libpff_item_t;
    /// One set of properties: a message has one, a list of recipients has one each.
    libpff_record_set_t;
    /// One property.
    libpff_record_entry_t;
}

/// Open for reading.
pub const LIBPFF_OPEN_READ: c_int = 1;

/// `libpff_file_get_type`: ANSI archive.
pub const LIBPFF_FILE_TYPE_32BIT: u8 = 32;
/// `libpff_file_get_type`: Unicode archive.
pub const LIBPFF_FILE_TYPE_64BIT: u8 = 64;
/// `libpff_file_get_type`: Unicode archive with pages of 4 KiB (OST of Outlook 2013 and later).
pub const LIBPFF_FILE_TYPE_64BIT_4K_PAGE: u8 = 65;

/// `libpff_file_get_content_type`: address book.
pub const LIBPFF_FILE_CONTENT_TYPE_PAB: u8 = b'a';
/// `libpff_file_get_content_type`: PST.
pub const LIBPFF_FILE_CONTENT_TYPE_PST: u8 = b'p';
/// `libpff_file_get_content_type`: OST.
pub const LIBPFF_FILE_CONTENT_TYPE_OST: u8 = b'o';

/// Match a property by its id, whatever its type.
pub const LIBPFF_ENTRY_VALUE_FLAG_MATCH_ANY_VALUE_TYPE: u8 = 1;
/// Match only properties without a name.
pub const LIBPFF_ENTRY_VALUE_FLAG_IGNORE_NAME_TO_ID_MAP: u8 = 2;

unsafe extern "C" {
    /// Version of the library, as `20180714`. Static, closed by a zero.
    pub safe fn libpff_get_version() -> *const c_char;

    /// Frees an error and sets the pointer to null.
    pub fn libpff_error_free(error: *mut *mut libpff_error_t);
    /// Writes the outermost message; returns the number of bytes, or -1 where it does not fit.
    pub fn libpff_error_sprint(error: *mut libpff_error_t, string: *mut c_char, size: usize) -> c_int;
    /// Writes all messages, innermost first, one a line; returns the number of bytes, or -1 where they do not fit.
    pub fn libpff_error_backtrace_sprint(
        error: *mut libpff_error_t,
        string: *mut c_char,
        size: usize,
    ) -> c_int;

    /// Makes a handle.
    pub fn libpff_file_initialize(file: *mut *mut libpff_file_t, error: *mut *mut libpff_error_t) -> c_int;
    /// Frees a handle, closing it first where it is open.
    pub fn libpff_file_free(file: *mut *mut libpff_file_t, error: *mut *mut libpff_error_t) -> c_int;
    /// Opens an archive.
    pub fn libpff_file_open(
        file: *mut libpff_file_t,
        filename: *const c_char,
        access_flags: c_int,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// Opens an archive through a handle of libbfio (`libbfio_handle_t`), which stays the caller's and must live on
    /// until the archive is freed.
    pub fn libpff_file_open_file_io_handle(
        file: *mut libpff_file_t,
        file_io_handle: *mut c_void,
        access_flags: c_int,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// Closes an archive; 0 on success.
    pub fn libpff_file_close(file: *mut libpff_file_t, error: *mut *mut libpff_error_t) -> c_int;
    /// 1 where libpff met damage while it opened the archive.
    pub fn libpff_file_is_corrupted(file: *mut libpff_file_t, error: *mut *mut libpff_error_t) -> c_int;
    /// One of `LIBPFF_FILE_CONTENT_TYPE_*`.
    pub fn libpff_file_get_content_type(
        file: *mut libpff_file_t,
        content_type: *mut u8,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// One of `LIBPFF_FILE_TYPE_*`.
    pub fn libpff_file_get_type(
        file: *mut libpff_file_t,
        kind: *mut u8,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// The code page libpff takes for 8-bit strings.
    pub fn libpff_file_get_ascii_codepage(
        file: *mut libpff_file_t,
        codepage: *mut c_int,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// The message store; 0 where there is none.
    pub fn libpff_file_get_message_store(
        file: *mut libpff_file_t,
        message_store: *mut *mut libpff_item_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// The map of named properties; 0 where there is none.
    pub fn libpff_file_get_name_to_id_map(
        file: *mut libpff_file_t,
        map: *mut *mut libpff_item_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// The folder that all others are in; 0 where there is none.
    pub fn libpff_file_get_root_folder(
        file: *mut libpff_file_t,
        root_folder: *mut *mut libpff_item_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// An item by its node id; 0 where there is none. Its cost grows with the number of nodes of the archive.
    pub fn libpff_file_get_item_by_identifier(
        file: *mut libpff_file_t,
        identifier: u32,
        item: *mut *mut libpff_item_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;

    /// Looks for deleted items in the parts of the archive that are free. Flags 0 look nowhere else.
    pub fn libpff_file_recover_items(
        file: *mut libpff_file_t,
        flags: u8,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// How many it has found.
    pub fn libpff_file_get_number_of_recovered_items(
        file: *mut libpff_file_t,
        number: *mut c_int,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// One of them.
    pub fn libpff_file_get_recovered_item_by_index(
        file: *mut libpff_file_t,
        index: c_int,
        item: *mut *mut libpff_item_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// How many items are in no folder.
    pub fn libpff_file_get_number_of_orphan_items(
        file: *mut libpff_file_t,
        number: *mut c_int,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// One of them.
    pub fn libpff_file_get_orphan_item_by_index(
        file: *mut libpff_file_t,
        index: c_int,
        item: *mut *mut libpff_item_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;

    /// Frees an item.
    pub fn libpff_item_free(item: *mut *mut libpff_item_t, error: *mut *mut libpff_error_t) -> c_int;
    /// Node id of an item.
    pub fn libpff_item_get_identifier(
        item: *mut libpff_item_t,
        identifier: *mut u32,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// Number of its record sets.
    pub fn libpff_item_get_number_of_record_sets(
        item: *mut libpff_item_t,
        number: *mut c_int,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// One of its record sets.
    pub fn libpff_item_get_record_set_by_index(
        item: *mut libpff_item_t,
        index: c_int,
        record_set: *mut *mut libpff_record_set_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;

    /// Frees a record set.
    pub fn libpff_record_set_free(
        record_set: *mut *mut libpff_record_set_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// Number of its entries.
    pub fn libpff_record_set_get_number_of_entries(
        record_set: *mut libpff_record_set_t,
        number: *mut c_int,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// One of its entries.
    pub fn libpff_record_set_get_entry_by_index(
        record_set: *mut libpff_record_set_t,
        index: c_int,
        entry: *mut *mut libpff_record_entry_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// The entry of a property; 0 where there is none.
    pub fn libpff_record_set_get_entry_by_type(
        record_set: *mut libpff_record_set_t,
        entry_type: u32,
        value_type: u32,
        entry: *mut *mut libpff_record_entry_t,
        flags: u8,
        error: *mut *mut libpff_error_t,
    ) -> c_int;

    /// Frees a record entry.
    pub fn libpff_record_entry_free(
        entry: *mut *mut libpff_record_entry_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// Property id.
    pub fn libpff_record_entry_get_entry_type(
        entry: *mut libpff_record_entry_t,
        entry_type: *mut u32,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// Property type.
    pub fn libpff_record_entry_get_value_type(
        entry: *mut libpff_record_entry_t,
        value_type: *mut u32,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// Bytes of the value.
    pub fn libpff_record_entry_get_data_size(
        entry: *mut libpff_record_entry_t,
        size: *mut usize,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// The value as it is in the archive.
    pub fn libpff_record_entry_get_data(
        entry: *mut libpff_record_entry_t,
        data: *mut u8,
        size: usize,
        error: *mut *mut libpff_error_t,
    ) -> c_int;

    /// Number of folders in a folder.
    pub fn libpff_folder_get_number_of_sub_folders(
        folder: *mut libpff_item_t,
        number: *mut c_int,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// One folder of a folder.
    pub fn libpff_folder_get_sub_folder(
        folder: *mut libpff_item_t,
        index: c_int,
        sub_folder: *mut *mut libpff_item_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// Number of items in a folder.
    pub fn libpff_folder_get_number_of_sub_messages(
        folder: *mut libpff_item_t,
        number: *mut c_int,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// One item of a folder. Its cost grows with the folder.
    pub fn libpff_folder_get_sub_message(
        folder: *mut libpff_item_t,
        index: c_int,
        message: *mut *mut libpff_item_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// The table of a folder's items, one record set a row; 0 where there is none.
    pub fn libpff_folder_get_sub_messages(
        folder: *mut libpff_item_t,
        messages: *mut *mut libpff_item_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;

    /// Number of attachments of a message.
    pub fn libpff_message_get_number_of_attachments(
        message: *mut libpff_item_t,
        number: *mut c_int,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// One attachment of a message.
    pub fn libpff_message_get_attachment(
        message: *mut libpff_item_t,
        index: c_int,
        attachment: *mut *mut libpff_item_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// The table of a message's recipients, one record set each; 0 where there is none.
    pub fn libpff_message_get_recipients(
        message: *mut libpff_item_t,
        recipients: *mut *mut libpff_item_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;

    /// Bytes of an attachment's data; 0 where there is none.
    pub fn libpff_attachment_get_data_size(
        attachment: *mut libpff_item_t,
        size: *mut u64,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
    /// Reads on in an attachment's data; returns the number of bytes, 0 at the end, or -1.
    pub fn libpff_attachment_data_read_buffer(
        attachment: *mut libpff_item_t,
        buffer: *mut u8,
        size: usize,
        error: *mut *mut libpff_error_t,
    ) -> isize;
    /// The message that an attachment holds; 0 where there is none.
    pub fn libpff_attachment_get_item(
        attachment: *mut libpff_item_t,
        item: *mut *mut libpff_item_t,
        error: *mut *mut libpff_error_t,
    ) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_there_and_new_enough() {
        // SAFETY: the function returns a static string closed by a zero.
        let version = unsafe { core::ffi::CStr::from_ptr(libpff_get_version()) };
        let version: u32 = version.to_str().unwrap().parse().unwrap();
        assert!(version >= 20_180_714);
    }

    #[test]
    fn a_handle_is_made_and_freed() {
        let mut file = core::ptr::null_mut();
        let mut error = core::ptr::null_mut();
        // SAFETY: both pointers are null, as the function wants them.
        assert_eq!(unsafe { libpff_file_initialize(&mut file, &mut error) }, 1);
        assert!(!file.is_null() && error.is_null());
        // SAFETY: the handle was just made and nothing points into it.
        assert_eq!(unsafe { libpff_file_free(&mut file, &mut error) }, 1);
        assert!(file.is_null());
    }
}
