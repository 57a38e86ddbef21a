//! PST and OST archives, through libpff.
//!
//! [`Archive`] is one libpff handle with one owner: it stays on the thread that opened it. Workers open one each and
//! share the work by node id: [`Archive::list`] names every item of every folder, [`Archive::item`] reads one.
//!
//! Access is by node id rather than by position in a folder because ranges of node ids can be dealt out evenly
//! (folders are skewed) and because both cost the same in libpff: each walks a linked list, of the folder's items
//! or of all nodes. See [`Archive::item`] for what that means in large archives.

mod archive;
mod attachment;
mod body;
mod email;
mod error;
mod ffi;
mod folder;
mod header;
mod identity;
mod item;
pub mod limits;
mod prop;
mod reader;
pub mod table;
pub mod tag;

pub use archive::{Archive, ArchiveInfo};
pub use attachment::{AttachmentData, AttachmentReader, RawAttachment};
pub use error::{PffError, PstError};
pub use folder::{Folder, ItemRef, Listing, ListingFailure};
pub use item::{Contents, Item, Recipient, RecipientKind};
pub use prop::{Note, Props, RawProp, kind, text_of};
pub use reader::{Blob, BlobContent, Family, Member, Reader};
