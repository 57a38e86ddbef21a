//! Writes Outlook PST archives as [MS-PST] describes them: Unicode archives of version 23, or ANSI archives of
//! version 15 ([`Format`]).
//!
//! [`PstWriter`] is a streaming writer. Folders and messages are handed over one after the other and go to
//! the file as they come; what stays in memory is an entry a block and a node for the two B-trees, eight
//! bytes a message for the row index of its folder's contents table, and a few 8 KiB pages a folder. The
//! file is written front to back, except for its header, which is written last: a file that was not
//! finished has no magic number and is refused by every reader.
//!
//! What always holds:
//!
//! * The same calls give the same bytes: no clock, no random numbers, no iteration over hash maps.
//! * Layers know only the layer below: messaging (`writer`, `message`, `store`) over lists, tables and
//!   properties (`context`, `table`, `bth`, `heap`) over nodes and blocks (`ndb`, `data_tree`, `subnodes`)
//!   over space in the file (`space`).
//! * After an I/O error the writer refuses further work ([`Error::Poisoned`]).
//!
//! ```
//! use postlode_pst_writer::{Address, Message, Options, PstWriter};
//!
//! let mut bytes = std::io::Cursor::new(Vec::new());
//! let mut pst = PstWriter::new(&mut bytes, Options::new([7; 16]))?;
//! let inbox = pst.add_folder_path("Inbox")?;
//! let message = Message {
//!     subject: "Contract".into(),
//!     sender: Some(Address::new("Ada", "ada@example.com")),
//!     body_text: Some("Signed.".into()),
//!     ..Message::default()
//! };
//! pst.add_message(inbox, message)?;
//! pst.finish()?;
//! assert!(bytes.into_inner().starts_with(b"!BDN"));
//! # Ok::<(), postlode_pst_writer::Error>(())
//! ```

mod address;
mod bth;
mod bytes;
mod compose;
mod context;
mod crc;
mod data_tree;
mod error;
mod format;
mod header;
mod heap;
mod ids;
mod message;
mod names;
mod ndb;
mod page;
mod permute;
mod rtf;
mod schema;
mod space;
mod store;
mod subnodes;
mod table;
mod value;
mod writer;

pub use address::Address;
pub use error::Error;
pub use format::{Format, fit_ansi};
pub use ids::FolderId;
pub use message::{Attachment, Importance, Message, Payload, Recipient, RecipientKind};
pub use names::{NameKey, PS_PUBLIC_STRINGS, PSETID_ADDRESS, PSETID_APPOINTMENT, PSETID_COMMON, PSETID_TASK};
pub use ndb::Encoding;
pub use rtf::compress_rtf;
pub use value::{FileTime, Properties, Value};
pub use writer::{Options, PstWriter, Written};
