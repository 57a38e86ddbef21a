//! Vectors of mail inside segments, and the search over all of them.
//!
//! * [`VectorIndex`] makes the vectors of a segment: one index of `engine/vector` and whose vectors they are.
//! * [`SemanticEngine`] searches the vectors of all segments and the mails of the memtables as one.
//! * [`Models`] are the models of a store: the one that makes the vectors of every segment, and perhaps a better one.
//! * [`Upgrade`] makes the vectors of the better one in the background.
//! * [`texts`] says what of a mail is embedded.
//!
//! What always holds: vectors of two models are never compared; scores come from exact values, so it does not matter how
//! mails are spread over segments; what has no vectors is counted; a damaged section is named and the rest is searched.
//! Everything here blocks: it runs on the CPU pool.

#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "tests may panic"))]

mod build;
mod document;
mod engine;
mod error;
mod inspect;
mod memtable;
mod models;
mod part;
mod sections;
mod turn;
mod upgrade;
mod walk;

pub use build::VectorIndex;
pub use document::{Text, Texts, texts};
pub use engine::Nearest;
pub use engine::{Known, SemanticEngine, SemanticView};
pub use error::SemanticError;
pub use inspect::{GraphInside, Inside, inspect};
pub use models::Models;
pub use part::Near;
pub use postlode_embed::{Embed, EmbedError, Model};
pub use postlode_store::Only;
pub use postlode_vector::Whitening;
pub use upgrade::{Find, Progress, Upgrade};
