//! Text to vectors.
//!
//! * [`StaticModel`] is a table of vectors for parts of words (`tools/distill` makes one): tens of thousands of mails a second.
//! * [`BuiltIn`] is such a model that is part of the program.
//! * [`Endpoint`] is a model that another process serves, on this machine or another.
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
mod endpoint;
mod error;
mod passages;
mod static_model;
mod table;
mod wordpiece;

pub use built_in::BuiltIn;
pub use endpoint::{Endpoint, EndpointOptions};
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

impl Model {
    /// What tells it from all others, as one word: `static-en/1/256`.
    #[must_use]
    pub fn key(&self) -> String {
        let Self { name, version, dimensions } = self;
        format!("{name}/{version}/{dimensions}")
    }
}

/// Makes vectors of texts. Blocks its caller.
pub trait Embed: Send + Sync {
    /// Whose vectors they are.
    fn model(&self) -> Model;

    /// Can it say anything about text in a language? ISO 639-3; empty where nobody knows the language.
    fn knows(&self, language: &str) -> bool;

    /// Do its vectors lie evenly in all directions, so that they are compared as they are? Where they do not, a query is turned
    /// to what tells those of a store apart.
    fn is_even(&self) -> bool {
        true
    }

    /// The part of meaning in a score that is mixed of words and meaning, of one: more for a model that ranks better.
    fn weight(&self) -> f32 {
        0.5
    }

    /// The vectors of texts, in their order; `None` for a text that says nothing that the model knows.
    ///
    /// # Errors
    /// Why there are none.
    fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError>;

    /// The vector of a text that is searched for, while somebody waits.
    ///
    /// # Errors
    /// As [`Embed::embed`].
    fn embed_query(&self, text: &str) -> Result<Option<Vec<f32>>, EmbedError> {
        Ok(self.embed(&[text.to_owned()])?.pop().flatten())
    }

    /// As [`Embed::embed`], while somebody waits.
    ///
    /// # Errors
    /// As [`Embed::embed`].
    fn embed_now(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
        self.embed(texts)
    }

    /// Has a text a vector? As far as that can be told without asking anybody.
    fn says(&self, text: &str) -> bool {
        self.embed(&[text.to_owned()]).is_ok_and(|vectors| vectors.iter().any(Option::is_some))
    }
}
