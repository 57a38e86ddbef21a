//! Mail as it travels, RFC 5322 and MIME: `.eml` files, and `.mbox` files full of it.
//!
//! [`read`] makes the same [`Family`](crate::family::Family) of a message as the PST reader does of an item, and keeps
//! the message as it came beside it. [`Mbox`] finds the messages of an mbox file. [`kind_of`] tells both from files
//! that are neither.
//!
//! mail-parser understands header fields, encoded words, dates, addresses and transfer encodings; the structure is cut
//! here (`part.rs` says why).

mod compose;
mod decode;
mod detect;
mod error;
mod file;
mod head;
mod identity;
pub mod limits;
mod mbox;
mod part;
mod quote;
mod read;

pub use detect::{Kind, kind_of};
pub use error::RfcError;
pub use file::whole;
pub use mbox::{Entry, Mbox};
pub use read::{Source, read};
