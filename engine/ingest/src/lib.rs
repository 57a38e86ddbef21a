//! The load pipeline: archives in, committed emails out, every item accounted for.
//!
//! What always holds:
//!
//! * `found = stored + duplicate + failed`, for every archive of every run; nothing is left out in silence.
//! * A load may be interrupted at any moment and repeated: what was committed is found again and not parsed again.
//! * Memory does not grow with the archive: queues are bounded, attachments are streamed.
//! * Sources are opened read-only, and hashed before and after.
//! * Archives are met by parsers, which are processes of their own (`parser`): what an archive does to one of them
//!   costs the item it was at, and nothing else. What a parser says is checked (`reply`).

mod archive;
mod child;
mod commit;
mod contents;
pub mod discover;
mod error;
mod hash;
mod limits;
mod load;
mod losses;
pub mod model;
mod nursery;
mod output;
mod packed;
mod parser;
mod pass;
mod plan;
mod reply;
mod resume;
mod stages;
mod sums;
mod targets;
#[cfg(test)]
mod tests;
mod watch;
mod wire;
mod worker;

pub use child::Parsers;
pub use error::LoadError;
pub use limits::Limits;
pub use load::{Load, Loader, MAX_JOBS, Stop};
pub use model::{
    ArchiveReport, CustodianPath, FailureReport, LoadEvent, LoadProgress, LoadReport, LoadRequest, StageTime,
};
pub use parser::main as parser_main;
pub use plan::{BATCH_ITEMS, RANGE_BATCHES};
