//! Where the vectors of a segment come from. The store knows no models and no graphs; this is where they plug in.
//!
//! What always holds: vectors are made of the emails and of nothing else, so a segment without them lost nothing: they can
//! be made again; a section's bytes mean something to the builder alone.

use crate::api::{NOWHERE, SectionRead, TextDoc};
use postlode_format::segment::VectorPart;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The vectors of one segment, to be read: sections by what they are; none where it has no vectors.
pub type VectorParts = BTreeMap<VectorPart, Arc<dyn SectionRead>>;

/// The vectors of one segment, as they are to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewVectors {
    /// The bytes of each part, and how many entries these are.
    pub parts: BTreeMap<VectorPart, (Vec<u8>, u64)>,
}

/// The vectors of a segment that is merged with others.
pub struct MergedVectors {
    /// Its sections.
    pub parts: VectorParts,
    /// The number that each of its emails gets, ascending; [`NOWHERE`] for one that is left out.
    pub to: Vec<u32>,
}

impl MergedVectors {
    /// The new number of an email.
    #[must_use]
    pub fn new_number(&self, email: u32) -> Option<u32> {
        self.to.get(email as usize).copied().filter(|to| *to != NOWHERE)
    }
}

/// Makes the vectors of segments.
pub trait VectorBuilder: Send + Sync {
    /// Those of the emails that `next` gives; their number is the ordinal in the segment. Runs on the CPU pool.
    ///
    /// # Errors
    /// One line that says why there are none.
    fn build(&self, next: &mut dyn FnMut() -> Option<TextDoc>) -> Result<NewVectors, String>;

    /// Those of the segment that others are merged into, without the emails themselves. Runs on a thread of its own.
    ///
    /// # Errors
    /// One line that says why these cannot be merged: then the emails are embedded anew.
    fn merge(&self, sources: &[MergedVectors]) -> Result<NewVectors, String>;
}
