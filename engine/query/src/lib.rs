//! The query layer: a language for mail, a planner, and an engine that answers from a
//! [`Store`](postlode_store::Store).
//!
//! An [`Engine`] is a cheap handle, usable from any thread and any async runtime; its methods' futures are
//! `Send`. What always holds:
//!
//! * an answer lists every email once, in a total order, and a cursor goes on exactly behind the last one;
//! * what could not be read is named in the answer's `partial`, and the rest is still answered;
//! * query text and cursors come from strangers: both are bounded, and neither can make the engine panic;
//! * text search runs on the CPU pool, never on an executor.

mod archives;
pub mod attachment;
pub mod body;
mod by_date;
mod by_key;
mod charset;
mod columns;
pub mod cursor;
pub mod dates;
mod detail;
mod docs;
mod duplicates;
pub mod eml;
pub mod engine;
pub mod error;
mod eval;
pub mod export;
mod facets;
pub mod filter;
pub mod folders;
mod group;
mod hits;
mod holds;
mod hybrid;
pub mod lang;
mod languages;
mod lists;
mod marks;
mod members;
mod mix;
pub mod model;
mod plan;
mod props;
mod ranked;
mod relevance;
mod saved;
mod search;
mod similar;
mod statement;
mod stream;
mod threads;
mod update;
mod views;
mod words;

pub use attachment::Attachment;
pub use body::BodyView;
pub use eml::{EmlStream, RawKind};
pub use engine::Engine;
pub use error::{QueryError, SyntaxError};
pub use export::Export;
pub use facets::Facet;
pub use group::Group;
pub use holds::Hold;
pub use mix::Fusion;
pub use model::*;
pub use postlode_semantic::{GraphInside, Inside as VectorsInside};
pub use postlode_store::MAX_NAME;
pub use saved::SavedSearch;
pub use statement::{ExecuteRequest, MAX_PARAMETERS, Parameter, Statement};
pub use update::{Names, NotUpdated, Said, Update, Updated, Updating};
