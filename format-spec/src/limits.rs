//! Every limit of the format, in one place. Sizes are in bytes unless a name says otherwise.

/// Unit of O_DIRECT transfers and of log pages. Every section starts at a multiple of it.
pub const PAGE: usize = 4096;
/// Smallest block of a section.
pub const MIN_BLOCK: usize = 4096;
/// Largest block of a section.
pub const MAX_BLOCK: usize = 65_536;
/// Largest key of any row or index entry.
pub const MAX_KEY: usize = 1024;
/// Largest key of a B+tree: a row's, after its kind.
pub const MAX_TREE_KEY: usize = MAX_KEY + 1;
/// Largest value of one row. A larger body or attachment is cut into chunks before it becomes rows.
pub const MAX_VALUE: usize = 64 << 20;
/// Size into which attachments are cut: one chunk is one row.
pub const BLOB_CHUNK: usize = 1 << 20;
/// Largest payload of one log frame, that is, of one group commit of one shard.
pub const MAX_FRAME: usize = 128 << 20;
/// Bytes of a variable-length component inside an index key; a longer one is cut and marked by a hash.
pub const MAX_KEY_PART: usize = 200;
/// Most segments a manifest may list.
pub const MAX_SEGMENTS: usize = 1 << 20;
/// Most sections of one segment.
pub const MAX_SECTIONS: usize = 64;

const _: () = assert!(MIN_BLOCK.is_multiple_of(PAGE));
const _: () = assert!(MAX_FRAME > MAX_VALUE + MAX_KEY + 64);
