//! Text to vectors.
//!
//! * [`StaticModel`] is a table of vectors for parts of words (`tools/distill` makes one): tens of thousands of mails a second.
//! * [`passages`] says what of a mail is embedded.
//! * [`Tokenizer`] cuts text into parts of words as BERT does.
//!
//! What always holds: a vector has length one, or there is none, where a text says nothing that the model knows; time and
//! memory are bounded by the text's length; vectors carry the [`Model`] they are of, and those of two are never compared.

#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "tests may panic"))]

mod error;
mod passages;
mod static_model;
mod table;
mod wordpiece;

pub use error::EmbedError;
pub use passages::{Passage, passages};
pub use static_model::{StaticEmbedder, StaticModel};
pub use table::Table;
pub use wordpiece::{Tokenizer, Vocabulary};

/// Which vectors: those of two models say nothing about each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Which of that name.
    pub version: u32,
    /// Values of a vector.
    pub dimensions: u32,
}
