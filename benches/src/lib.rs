//! Benchmarks: programs that load, write and read as users do, and print what it took.
//!
//! What always holds: stores are throw-away, in folders of the build's target folder (a real disk; `/tmp` often is
//! memory), and removed at the end; nothing is asserted about time; runtimes that are compared take turns.

pub mod error;
pub mod figures;
pub mod list_mails;
pub mod machine;
pub mod mails;
pub mod models;
pub mod place;
pub mod stores;
pub mod vectors;

pub use error::BenchError;
