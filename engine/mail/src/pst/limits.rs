//! Every limit of the PST reader, in one place. A file that asks for more is refused in that part, by name.

/// Largest property that is read whole, in bytes. Data of attachments is streamed and has no such limit.
pub const MAX_PROPERTY: u64 = 20 << 20;
/// Most bytes of properties that are read of one item, its recipients and attachment descriptions included.
pub const MAX_ITEM: u64 = 24 << 20;
/// Largest RTF body after decompression, in bytes.
pub const MAX_RTF: usize = 12 << 20;
/// Longest text made from a body, in bytes.
pub const MAX_TEXT: usize = 12 << 20;
/// Most bytes of properties that are read of one item and all messages inside it.
pub const MAX_FAMILY: u64 = 128 << 20;
/// Largest attachment that is handed out whole; a larger one is streamed, when it is asked for.
pub const MAX_INLINE_BLOB: usize = 1 << 20;
/// Most bytes of attachments of one item that are handed out whole.
pub const MAX_INLINE_BLOBS: usize = 16 << 20;

// Whatever is read of one item can be stored as one row: UTF-16 kept as UTF-8 takes at most half as much again.
const _: () = assert!((MAX_ITEM as usize) / 2 * 3 + MAX_RTF + MAX_TEXT < postlode_format::limits::MAX_VALUE);

/// Most properties of one record set.
pub const MAX_ENTRIES: usize = 16_384;
/// Most recipients of one item.
pub const MAX_RECIPIENTS: usize = 100_000;
/// Most attachments of one item.
pub const MAX_ATTACHMENTS: usize = 20_000;
/// Deepest folder below the root.
pub const MAX_FOLDER_DEPTH: usize = 128;
/// Most folders of one archive.
pub const MAX_FOLDERS: usize = 1_000_000;
/// Longest folder path in bytes.
pub const MAX_PATH: usize = 16 << 10;
/// Deepest message inside messages.
pub const MAX_EMBEDDED_DEPTH: usize = 16;
/// Most messages embedded in one item, at all depths together.
pub const MAX_EMBEDDED: usize = 4_096;
/// Most names in the map of named properties: the ids from 0x8000 to 0xfffe.
pub const MAX_NAMES: usize = 0x7fff;
/// Longest string name of a property, in bytes.
pub const MAX_NAME: usize = 4_096;
/// Bytes asked of libpff at once when data is streamed.
pub const READ_CHUNK: usize = 64 << 10;
/// Orphaned items, and deleted ones, that are taken.
pub(super) const MAX_RECOVERED: usize = 1 << 24;
