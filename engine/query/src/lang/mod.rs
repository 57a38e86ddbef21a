//! The query language: text to tree and back.
//!
//! ```text
//! query   = [ all ]
//! all     = any { [ "AND" ] any }                 all of them
//! any     = unary { "OR" unary }                  at least one; binds tighter than standing side by side
//! unary   = ( "-" | "NOT" ) unary | group | term
//! group   = [ field ":" ] "(" all ")"             the field is that of the words in the group
//! term    = [ field ":" ] value
//! value   = word | '"' { character | '\"' | '\\' } '"'
//! ```
//!
//! `AND`, `OR` and `NOT` are operators in capitals only; fields are read in any case. A word ends at a blank, a
//! quote or a bracket. What always holds: parsing is bounded by [`MAX_BYTES`], [`MAX_DEPTH`] and [`MAX_TERMS`],
//! gives a tree or an error that points at a character, and what [`print`] writes parses to the same tree.

mod ast;
mod parse;
mod print;
mod suggest;

pub use ast::{Field, Node, Term};
pub use parse::parse;
pub use print::print;
pub(crate) use suggest::nearest;

/// Longest query, in bytes.
pub const MAX_BYTES: usize = 64 << 10;
/// Deepest nesting of groups and negations.
pub const MAX_DEPTH: usize = 64;
/// Most terms of one query.
pub const MAX_TERMS: usize = 1000;
