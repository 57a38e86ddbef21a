//! Keyword indexes inside segments, and the search over them.
//!
//! * [`TextIndex`] builds the text section of a segment: one immutable tantivy index, bundled.
//! * [`TextEngine`] searches the sections of all segments and the mails of the memtables as one.
//! * [`Highlighter`] marks a query's words in a text.
//!
//! What always holds: one rule of words ([`words`]) for mails, queries and snippets; an email's ordinal in its
//! segment is its document number; scores use the statistics of everything searched together, so it does not
//! matter how mails are spread over segments; a damaged section is named and the rest is still searched.
//! Everything here blocks: it runs on the CPU pool.

mod best;
pub mod bundle;
mod directory;
mod docs;
mod document;
mod engine;
mod error;
mod find;
pub mod fold;
mod form;
mod highlight;
pub mod language;
mod many;
mod memtable;
mod merge;
mod near;
mod norms;
mod query;
mod schema;
mod segment;
mod stats;
mod word;
pub mod words;

mod build;

pub use best::{Best, Both, Sorted, Wanted};
pub use build::TextIndex;
pub use document::text_parts;
pub use engine::{Known, Match, TextEngine, TextMatches, TextView};
pub use error::TextError;
pub use form::{Form, MAX_EDITS, MAX_SIMILAR, distance};
pub use highlight::{Highlighter, Snippet, beginning};
pub use query::{Near, Phrase, Scope, TextQuery};
