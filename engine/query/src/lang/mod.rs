//! The query language: text to tree and back.
//!
//! ```text
//! query   = [ all ]
//! all     = any { [ "AND" ] any }                 all of them
//! any     = near { "OR" near }                    at least one; binds tighter than standing side by side
//! near    = unary [ apart unary ]                 two words or phrases of one field, in either order
//! apart   = "NEAR" [ "/" number ] | "AROUND" number
//! unary   = ( "-" | "NOT" ) unary | group | term
//! group   = [ field ":" ] "(" all ")"             the field is that of the words in the group
//! term    = [ field ":" ] value
//! value   = word | '"' { character | '\"' | '\\' } '"'
//! ```
//!
//! `AND`, `OR`, `NOT`, `NEAR` and `AROUND` are operators in capitals only; fields are read in any case. A word ends at a blank, a
//! quote or a bracket. What always holds: parsing is bounded by [`MAX_BYTES`], [`MAX_DEPTH`] and [`MAX_TERMS`],
//! gives a tree or an error that points at a character, and what [`print`] writes parses to the same tree.

mod ast;
mod json;
mod parse;
mod print;
mod suggest;

pub use ast::{Field, Near, Node, Term};
pub(crate) use json::value_of;
pub use json::{from_json, to_json};
pub use parse::parse;
pub use print::print;
pub(crate) use suggest::nearest;

/// Longest query, in bytes.
pub const MAX_BYTES: usize = 64 << 10;
/// Deepest nesting of groups and negations.
pub const MAX_DEPTH: usize = 64;
/// Most terms of one query.
pub const MAX_TERMS: usize = 1000;
/// How many words apart words may be that are near one another, where no number is written.
pub const APART: u32 = 10;
/// The same, at most.
pub const MAX_APART: u32 = 1000;
