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

    /// The add-on of the segment that others are merged into, of their add-ons of one model, whichever it is; one that has
    /// none comes without parts. Of the emails that the new one says nothing about yet it tells the number. Runs on a
    /// thread of its own.
    ///
    /// # Errors
    /// One line that says why these cannot be merged: then there is none, until somebody embeds anew.
    fn merge_addons(&self, sources: &[MergedVectors]) -> Result<(NewVectors, u64), String>;
}

/// Vectors that a segment is to gain.
pub struct AddVectors {
    /// The segment.
    pub segment: u64,
    /// The model, by its key.
    pub model: String,
    /// Makes all that is to be in the add-on out of what was in it before: nothing, where it cannot be read. Tells of how
    /// many emails it says nothing yet. Runs on a thread of its own.
    pub make: MakeAddon,
}

/// See [`AddVectors::make`].
pub type MakeAddon = Box<dyn FnOnce(&VectorParts) -> Result<(NewVectors, u64), String> + Send>;

/// How much of a store a model's vectors cover.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// It answers.
    pub active: bool,
    /// Some add-ons are of other models that do not answer either.
    pub others: bool,
    /// Segments that have emails, the newest last.
    pub segments: Vec<Covered>,
}

/// How much of a segment a model's vectors cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// The segment.
    pub segment: u64,
    /// Its emails.
    pub emails: u64,
    /// Those of which the model's vectors say nothing yet.
    pub pending: u64,
}

impl Coverage {
    /// Emails in segments, and those of which the vectors say nothing yet.
    #[must_use]
    pub fn sums(&self) -> (u64, u64) {
        let add = |sum: (u64, u64), one: &Covered| {
            (sum.0.saturating_add(one.emails), sum.1.saturating_add(one.pending))
        };
        self.segments.iter().fold((0, 0), add)
    }
}
