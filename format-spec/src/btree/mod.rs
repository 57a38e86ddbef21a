//! Immutable B+trees, bulk-built: one page is one block's payload.
//!
//! ```text
//! 0  type      u8    1 leaf, 2 inner
//! 1  reserved  u8    0
//! 2  count     u16   entries
//! 4  restarts  u16   restart points
//! 6  restarts_at u16 where the restart points begin
//! 8  entries: shared varint, rest varint, value_len varint, rest of key, value
//! …  restart points: u16 × n, offsets from byte 8
//! ```
//!
//! Keys are prefix-compressed against the key before; every sixteenth is whole (a restart point), for binary
//! search. A leaf's value is the caller's; an inner entry's key is the first key below it and its value the child's
//! block number (u32) and the number of leaf entries below it (u64), so that ranges are counted without reading
//! their leaves. What always holds: keys are strictly ascending over the whole tree; leaves come first, in order,
//! each level after the one below it, the root last.

mod builder;
mod page;

pub use builder::{Built, TreeBuilder};
pub use page::{Child, Page};

/// Entries between two restart points.
pub(crate) const RESTART_EVERY: usize = 16;
/// Bytes before the entries of a page.
pub(crate) const PAGE_HEADER: usize = 8;
pub(crate) const LEAF: u8 = 1;
pub(crate) const INNER: u8 = 2;
/// Most levels a tree may have; a deeper one is damage.
pub const MAX_HEIGHT: u8 = 12;

#[cfg(test)]
mod tests;
