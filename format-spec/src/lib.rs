//! The on-disk format of Postlode: types and codecs, no I/O.
//!
//! `SPEC.md` beside this crate is the authority; this crate is its executable form. What always holds here:
//!
//! * Nothing reads a clock, a file or a random number: bytes in, values out, and back.
//! * Every byte string read from a medium is checked by a CRC **before** its structure is looked at, and every
//!   length is checked before it is used. Decoders return [`FormatError`]; none panics.
//! * Numbers are little-endian, except inside *keys*, which are big-endian so that byte order is key order.
//! * A layout that has landed never changes: a new layout gets a new row kind, section kind or version number.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests may panic")
)]

pub mod block;
pub mod bloom;
pub mod btree;
pub mod column;
pub mod custody;
pub mod error;
pub mod id;
pub mod index;
mod layout;
pub mod limits;
pub mod log;
pub mod manifest;
pub mod near;
pub mod row;
pub mod segment;
mod varint;

pub use error::FormatError;
