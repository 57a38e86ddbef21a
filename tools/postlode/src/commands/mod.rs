//! One command a file.

pub mod backup;
pub mod bench;
pub mod bench_query;
pub mod bench_vectors;
pub mod embed;
pub mod export;
pub mod hold_mail;
pub mod inspect;
pub mod load;
pub mod saved;
pub mod search;
pub mod segment;
pub mod serve;
pub mod show;
pub mod stats;
pub mod update;

use crate::output::Console;
use postlode_query::Partial;

/// Says what an answer lacks; true where something of it was lost.
fn tell_partial(partial: Option<&Partial>, console: &Console) -> bool {
    let Some(partial) = partial else { return false };
    for reason in &partial.reasons {
        console.note(&format!("note: {reason}"));
    }
    for part in &partial.missing {
        let segment = part.segment.as_deref().map_or_else(|| "log".to_owned(), |id| format!("segment {id}"));
        console.note(&format!("missing: {segment}, section {}: {}", part.section, part.reason));
    }
    !partial.missing.is_empty()
}
