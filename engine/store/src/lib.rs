//! The store: shards, log, memtable, segments, manifest, recovery.
//!
//! A [`Store`] is a handle to one executor a shard. Each shard alone owns its log, memtable and segments, so the
//! data path has no locks; callers and shards talk through bounded queues. What always holds:
//!
//! * acknowledged means durable: a commit returns after its frame's fdatasync;
//! * a segment is never changed; the manifest names all there are, and is itself never changed;
//! * damage is found by checksums, confined to the block it is in, and named in every answer it touches;
//! * nothing here knows HTTP, a query language, a search library or a model, or reads a clock or a file except through
//!   [`postlode_runtime::Runtime`].

pub mod api;
mod attachments;
mod backup;
mod cache;
mod columns;
mod compact;
mod documents;
pub mod error;
mod follow;
mod inbox;
mod inspect;
mod keeper;
mod log;
mod maintenance;
mod marks;
mod memtable;
mod names;
mod only;
mod open;
mod ordinals;
mod recover;
mod reserve;
mod segment;
mod shard;
mod store;
mod vectors;
mod verify;

pub use api::*;
pub use attachments::Loading;
pub use backup::Copied;
pub use cache::in_parts;
pub use columns::{ColumnSources, FreshRow, SegmentColumns};
pub use error::StoreError;
pub use inspect::{Dumped, Inside, Inspected, Shape, TreeShape};
pub use marks::{MAX_HOLDS, MAX_NAME, MAX_NOTE, MAX_TAGS, MarkChange, Marked};
pub use only::{Named, Numbers, Only, sought};
pub use ordinals::{Ordinals, doubles};
pub use store::Store;
pub use vectors::{
    AddVectors, Coverage, Covered, MakeAddon, MergedVectors, NewVectors, VectorBuilder, VectorParts,
};
