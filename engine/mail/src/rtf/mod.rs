//! RTF bodies: out of their compression, and to text.
//!
//! Outlook keeps a body as compressed RTF. Many of these carry an HTML body inside ([MS-OXRTFEX]); that HTML is given
//! back as such. The tokenizer is our own and small, because the RTF crates there are do not stand hostile input.

mod compressed;
mod document;
mod token;

pub use compressed::{CompressedError, decompress};
pub use document::{Content, read};
