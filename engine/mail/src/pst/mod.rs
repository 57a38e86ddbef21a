//! PST and OST archives, through libpff.
//!
//! [`Archive`] is one archive with one owner: it stays on the thread that opened it. Workers open one each and share
//! the work by node id: [`Archive::list`] names every item of every folder, [`Archive::with_item`] opens one.
//!
//! libpff is never shown a large archive whole: its time for opening one and for finding an item grows with all
//! items there are (264 items/s in an archive of 48,000). It reads through views (`view.rs`) that hold a few hundred
//! items each, so that both cost the same in every archive.

mod archive;
mod attachment;
mod bfio;
mod blocks;
mod body;
mod by_nodes;
mod distlist;
mod email;
mod error;
mod ffi;
mod folder;
mod header;
mod identity;
mod item;
pub mod limits;
mod lost;
mod nodes;
mod prop;
mod reader;
mod rows;
pub mod table;
pub mod tag;
mod view;

pub use archive::{Archive, ArchiveInfo};
pub use attachment::{AttachmentData, AttachmentReader, RawAttachment};
pub use error::{PffError, PstError};
pub use folder::{Folder, ItemRef, Listing, ListingFailure};
pub use item::{Contents, Item, Recipient, RecipientKind};
pub use lost::{Lost, Which};
pub use prop::{Note, Props, RawProp, kind, text_of};
pub use reader::Reader;

// What an archive's items become is the same for every kind of archive.
pub use crate::family::{Blob, BlobContent, Family, Member};
