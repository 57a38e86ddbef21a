//! Lets libpff read from a [`View`] instead of a file, through libbfio, the library by which libpff does its own
//! reading.
//!
//! libbfio is looked up when it is needed rather than linked: libpff brings it along at run time, while its
//! development files are another package. Where it is not found there are no views, and archives are read as files.

use super::view::View;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::LazyLock;

/// `libbfio_handle_t`.
pub(super) type RawHandle = c_void;
type RawError = *mut *mut c_void;
type FreeIo = extern "C" fn(*mut *mut Source, RawError) -> c_int;
type CloneIo = extern "C" fn(*mut *mut Source, *mut Source, RawError) -> c_int;
type OpenIo = extern "C" fn(*mut Source, c_int, RawError) -> c_int;
type AskIo = extern "C" fn(*mut Source, RawError) -> c_int;
type ReadIo = extern "C" fn(*mut Source, *mut u8, usize, RawError) -> isize;
type WriteIo = extern "C" fn(*mut Source, *const u8, usize, RawError) -> isize;
type SeekIo = extern "C" fn(*mut Source, i64, c_int, RawError) -> i64;
type SizeIo = extern "C" fn(*mut Source, *mut u64, RawError) -> c_int;
type Initialize = unsafe extern "C" fn(
    *mut *mut RawHandle,
    *mut Source,
    FreeIo,
    CloneIo,
    OpenIo,
    AskIo,
    ReadIo,
    WriteIo,
    SeekIo,
    AskIo,
    AskIo,
    SizeIo,
    u8,
    RawError,
) -> c_int;
type Free = unsafe extern "C" fn(*mut *mut RawHandle, RawError) -> c_int;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
}

/// The two functions of libbfio.
struct Library {
    initialize: Initialize,
    free: Free,
}

static LIBRARY: LazyLock<Option<Library>> = LazyLock::new(|| {
    let find = |name: &CStr| {
        // SAFETY: a null handle asks for the first such symbol among the libraries of the program; the name is
        // closed by a zero.
        let symbol = unsafe { dlsym(ptr::null_mut(), name.as_ptr()) };
        (!symbol.is_null()).then_some(symbol)
    };
    let (initialize, free) = (find(c"libbfio_handle_initialize")?, find(c"libbfio_handle_free")?);
    // SAFETY: the symbols are functions of libbfio, whose signatures have been these since its first release of 2010.
    Some(unsafe {
        Library {
            initialize: std::mem::transmute::<*mut c_void, Initialize>(initialize),
            free: std::mem::transmute::<*mut c_void, Free>(free),
        }
    })
});

/// What libbfio reads from: a view and a position in it.
struct Source {
    view: View,
    at: u64,
    open: bool,
}

/// A handle of libbfio on a view.
pub(super) struct Handle {
    raw: *mut RawHandle,
    source: *mut Source,
    free: Free,
}

impl Handle {
    /// `None` where libbfio is not there or does not want to.
    pub(super) fn new(view: View) -> Option<Self> {
        let library = LIBRARY.as_ref()?;
        let source = Box::into_raw(Box::new(Source { view, at: 0, open: false }));
        let mut raw = ptr::null_mut();
        // SAFETY: the handle is null, as the function wants it; `source` is live until this handle is dropped and is
        // not managed by libbfio (flags 0); the functions match their types.
        let result = unsafe {
            (library.initialize)(
                &raw mut raw,
                source,
                free,
                clone,
                open,
                close,
                read,
                write,
                seek,
                exists,
                is_open,
                size,
                0,
                ptr::null_mut(),
            )
        };
        let handle = Self { raw, source, free: library.free };
        (result == 1 && !raw.is_null()).then_some(handle)
    }

    pub(super) fn as_ptr(&self) -> *mut RawHandle {
        self.raw
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: the handle came from libbfio, and the archive that read through it is closed before.
            unsafe { (self.free)(&raw mut self.raw, ptr::null_mut()) };
        }
        // SAFETY: `source` came from a box, and nothing refers to it any more.
        drop(unsafe { Box::from_raw(self.source) });
    }
}

/// The source behind a pointer that libbfio hands back.
fn source<'s>(source: *mut Source) -> Option<&'s mut Source> {
    // SAFETY: libbfio hands back the pointer it was given, which is live and is used on one thread by one call at a
    // time, as the archive that reads through it is.
    unsafe { source.as_mut() }
}

extern "C" fn free(_: *mut *mut Source, _: RawError) -> c_int {
    1
}

extern "C" fn clone(_: *mut *mut Source, _: *mut Source, _: RawError) -> c_int {
    -1
}

extern "C" fn open(pointer: *mut Source, _: c_int, _: RawError) -> c_int {
    let Some(source) = source(pointer) else { return -1 };
    source.open = true;
    source.at = 0;
    1
}

extern "C" fn close(pointer: *mut Source, _: RawError) -> c_int {
    let Some(source) = source(pointer) else { return -1 };
    source.open = false;
    0
}

extern "C" fn read(pointer: *mut Source, buffer: *mut u8, length: usize, _: RawError) -> isize {
    let Some(source) = source(pointer) else { return -1 };
    if buffer.is_null() || isize::try_from(length).is_err() {
        return -1;
    }
    // SAFETY: libbfio gives a buffer of this length to be filled; bytes of any value may be written to it.
    let buffer = unsafe {
        ptr::write_bytes(buffer, 0, length);
        std::slice::from_raw_parts_mut(buffer, length)
    };
    match source.view.read_at(buffer, source.at) {
        Ok(count) => {
            source.at = source.at.saturating_add(count as u64);
            isize::try_from(count).unwrap_or(-1)
        }
        Err(_) => -1,
    }
}

extern "C" fn write(_: *mut Source, _: *const u8, _: usize, _: RawError) -> isize {
    -1
}

extern "C" fn seek(pointer: *mut Source, offset: i64, whence: c_int, _: RawError) -> i64 {
    let Some(source) = source(pointer) else { return -1 };
    let from = match whence {
        0 => Some(0),
        1 => i64::try_from(source.at).ok(),
        2 => i64::try_from(source.view.size()).ok(),
        _ => None,
    };
    let Some(to) = from.and_then(|from| from.checked_add(offset)) else { return -1 };
    match u64::try_from(to) {
        Ok(at) => {
            source.at = at;
            to
        }
        Err(_) => -1,
    }
}

extern "C" fn exists(_: *mut Source, _: RawError) -> c_int {
    1
}

extern "C" fn is_open(pointer: *mut Source, _: RawError) -> c_int {
    source(pointer).map_or(-1, |source| c_int::from(source.open))
}

extern "C" fn size(pointer: *mut Source, size: *mut u64, _: RawError) -> c_int {
    let Some(source) = source(pointer) else { return -1 };
    // SAFETY: libbfio gives a place for the size, or null, which is checked.
    match unsafe { size.as_mut() } {
        Some(size) => {
            *size = source.view.size();
            1
        }
        None => -1,
    }
}
