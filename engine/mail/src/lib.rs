//! The Email model and the readers that fill it.
//!
//! Archives hold items in many shapes; this crate turns each into the rows of `postlode-format`: an email, its raw
//! bodies and properties, its attachments, and the messages inside it. What always holds:
//!
//! * Input is hostile. Nothing in it makes a function here panic, recurse without bound, or allocate by a length
//!   that was not checked.
//! * An id is made from raw properties only, never from what this crate made of them.
//! * What cannot be read is said, in the item's `partial` notes or as an error with its failure code.

pub mod charset;
pub mod class;
pub mod codepage;
pub mod family;
pub mod headers;
pub mod html;
pub mod language;
pub mod mime;
pub mod parts;
pub mod pst;
pub mod rfc;
pub mod rtf;
pub mod subject;
pub mod text;
pub mod thread;
pub mod time;
