//! The load pipeline: archives in, committed emails out, every item accounted for.
//!
//! What always holds:
//!
//! * `found = stored + duplicate + failed`, for every archive of every run; nothing is left out in silence.
//! * A load may be interrupted at any moment and repeated: what was committed is found again and not parsed again.
//! * Memory does not grow with the archive: queues are bounded, attachments are streamed.
//! * Sources are opened read-only, and hashed before and after.

mod archive;
mod commit;
pub mod discover;
mod error;
mod hash;
mod load;
pub mod model;
mod output;
mod parse;
mod plan;
mod resume;
#[cfg(test)]
mod tests;
mod watch;
mod worker;

pub use error::LoadError;
pub use load::{Load, Loader, MAX_JOBS, Stop};
pub use model::{ArchiveReport, FailureReport, LoadEvent, LoadProgress, LoadReport, LoadRequest};
pub use plan::{BATCH_ITEMS, RANGE_BATCHES};
