//! Text to vectors.
//!
//! * [`StaticModel`] is a table of vectors for parts of words (`tools/distill` makes one): tens of thousands of mails a second.
//! * [`BuiltIn`] is such a model that is part of the program.
//! * [`passages`] says what of a mail is embedded.
//! * [`Tokenizer`] cuts text into parts of words as BERT does.
//!
//! * [`Embed`] is what a model is to those who use it.
//!
//! What always holds: a vector has length one, or there is none, where a text says nothing that the model knows; time and
//! memory are bounded by the text's length; vectors carry the [`Model`] they are of, and those of two are never compared.

#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "tests may panic"))]

mod built_in;
mod error;
mod passages;
mod static_model;
mod table;
mod wordpiece;

pub use built_in::BuiltIn;
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

/// Makes vectors of texts. Blocks its caller.
pub trait Embed: Send + Sync {
    /// Whose vectors they are.
    fn model(&self) -> Model;

    /// Can it say anything about text in a language? ISO 639-3; empty where nobody knows the language.
    fn knows(&self, language: &str) -> bool;

    /// The vectors of texts, in their order; `None` for a text that says nothing that the model knows.
    ///
    /// # Errors
    /// Why there are none.
    fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError>;
}
