//! The sections of a segment's vectors. Numbers are little-endian. The head:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | the version of this layout: 1, or 2 where some emails are pending |
//! | 4 | 4 | version of the model |
//! | 8 | 4 | values of a vector |
//! | 12 | 4 | vectors |
//! | 16 | 4 | emails in languages, or of words, that the model does not know |
//! | 20 | 4 | bytes of the model's name, *n* |
//! | 24 | 4 | only in version 2: pending emails, which were not embedded yet |
//! | | *n* | its name |
//! | | | the head of the index, as `engine/vector` has it |
//!
//! Emails: the ordinal of the email of each vector, then the ordinals of those that the model does not know, then of those that
//! are pending, four bytes each, all three ascending. Values, codes, links and rows are those of the index; a row is the number of a vector, and the vectors of an
//! email are in the order of its passages.

use crate::error::SemanticError;
use postlode_embed::Model;
use postlode_format::segment::VectorPart;
use postlode_store::{NewVectors, SectionRead, VectorParts};
use postlode_vector::{FarValues, Index, IndexBytes};
use std::collections::BTreeMap;
use std::sync::Arc;

const WHOLE: u32 = 1;
const WITH_PENDING: u32 = 2;
const HEAD: usize = 24;
/// Bytes of a model's name.
const LONGEST_NAME: usize = 256;
/// Most bytes of a head: the index has few levels, and strays are few or its graph is of no use.
const LONGEST_HEAD: u64 = 64 << 20;

/// What the sections hold.
pub struct Sections {
    /// Whose vectors they are.
    pub model: Model,
    /// The ordinal of the email of each vector, ascending.
    pub emails: Vec<u32>,
    /// Ordinals of emails in languages, or of words, that the model does not know, ascending.
    pub foreign: Vec<u32>,
    /// Ordinals of emails that were not embedded yet, ascending.
    pub pending: Vec<u32>,
    /// The vectors; rows are their numbers.
    pub index: Index,
}

fn wrong<T>(what: &'static str) -> Result<T, SemanticError> {
    Err(SemanticError::Sections(what))
}

/// All bytes of a section.
fn all(parts: &VectorParts, part: VectorPart) -> Result<Vec<u8>, SemanticError> {
    let Some(section) = parts.get(&part) else { return Ok(Vec::new()) };
    let Ok(len) = usize::try_from(section.len()) else { return wrong("a section is too long") };
    Ok(section.read(0, len).map_err(SemanticError::Missing)?.to_vec())
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word))
}

/// Exact values in a section, read one by one.
struct SectionValues {
    section: Arc<dyn SectionRead>,
    /// Of one vector.
    bytes: usize,
}

impl FarValues for SectionValues {
    fn read(&self, node: u32, bytes: &mut Vec<u8>) -> Result<(), String> {
        let at = u64::from(node).saturating_mul(self.bytes as u64);
        let read = self.section.read(at, self.bytes).map_err(|missing| missing.to_string())?;
        bytes.extend_from_slice(&read);
        Ok(())
    }
}

/// The numbers of a head, and what follows the model's name.
struct Head<'h> {
    model: Model,
    vectors: u32,
    foreign: u32,
    pending: u32,
    index: &'h [u8],
}

fn head(bytes: &[u8]) -> Result<Head<'_>, SemanticError> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<HEAD>() else { return wrong("the head is cut off") };
    let mut numbers = [0u32; HEAD / 4];
    numbers.iter_mut().zip(words(fixed)).for_each(|(to, from)| *to = from);
    let [version, model, dimensions, vectors, foreign, name] = numbers;
    let (pending, rest) = match (version, rest.split_first_chunk::<4>()) {
        (WHOLE, _) => (0, rest),
        (WITH_PENDING, Some((pending, rest))) => (u32::from_le_bytes(*pending), rest),
        (WITH_PENDING, None) => return wrong("the head is cut off"),
        _ => return wrong("they are of a version that this program does not know"),
    };
    let name = usize::try_from(name).ok().filter(|len| *len <= LONGEST_NAME);
    let Some((name, index)) = name.and_then(|len| rest.split_at_checked(len)) else {
        return wrong("the model's name is too long");
    };
    let Ok(name) = std::str::from_utf8(name) else { return wrong("the model's name is no text") };
    let model = Model { name: name.to_owned(), version: model, dimensions };
    Ok(Head { model, vectors, foreign, pending, index })
}

/// The section of emails.
struct Whose {
    emails: Vec<u32>,
    foreign: Vec<u32>,
    pending: Vec<u32>,
}

fn whose(parts: &VectorParts, head: &Head<'_>, of: u64) -> Result<Whose, SemanticError> {
    let bytes = all(parts, VectorPart::Emails)?;
    let [vectors, foreign, pending] = [head.vectors, head.foreign, head.pending].map(u64::from);
    if bytes.len() as u64 != (vectors + foreign + pending) * 4 {
        return wrong("there are not as many emails as the head says");
    }
    let mut emails: Vec<u32> = words(&bytes).collect();
    let split = |from: &mut Vec<u32>, at: u32| from.split_off((at as usize).min(from.len()));
    let mut foreign = split(&mut emails, head.vectors);
    let pending = split(&mut foreign, head.foreign);
    let fits = |some: &Vec<u32>| some.is_sorted() && some.last().is_none_or(|last| u64::from(*last) < of);
    let distinct = |some: &Vec<u32>| some.is_sorted_by(|a, b| a < b);
    if !fits(&emails) || !fits(&foreign) || !fits(&pending) || !distinct(&pending) {
        return wrong("emails are out of order, or are none of the segment");
    }
    Ok(Whose { emails, foreign, pending })
}

fn head_bytes(parts: &VectorParts) -> Result<Vec<u8>, SemanticError> {
    if parts.get(&VectorPart::Head).is_none_or(|head| head.len() > LONGEST_HEAD) {
        return wrong("there is no head, or it is too long");
    }
    all(parts, VectorPart::Head)
}

/// Which of so many emails of a segment were not embedded yet by a model: all, where it has no vectors of it that can be read.
#[must_use]
pub fn pending(parts: &VectorParts, emails: u64, model: &Model) -> Vec<u32> {
    let read = || -> Result<Vec<u32>, SemanticError> {
        let bytes = head_bytes(parts)?;
        let head = head(&bytes)?;
        match head.model == *model {
            true => Ok(whose(parts, &head, emails)?.pending),
            false => wrong("they are of another model"),
        }
    };
    read().unwrap_or_else(|_| (0..u32::try_from(emails).unwrap_or(u32::MAX)).collect())
}

impl Sections {
    /// Reads them. `emails`: how many the segment has.
    ///
    /// # Errors
    /// Damage; bytes that are none; another model than `model`.
    pub fn read(parts: &VectorParts, emails: u64, model: &Model) -> Result<Self, SemanticError> {
        Self::read_of(parts, emails, Some(model), false)
    }

    /// The same, with exact values that are read when a score needs them.
    ///
    /// # Errors
    /// As [`Sections::read`].
    pub fn open(parts: &VectorParts, emails: u64, model: &Model) -> Result<Self, SemanticError> {
        Self::read_of(parts, emails, Some(model), true)
    }

    /// Reads those of any model.
    ///
    /// # Errors
    /// Damage; bytes that are none.
    pub fn read_any(parts: &VectorParts, emails: u64) -> Result<Self, SemanticError> {
        Self::read_of(parts, emails, None, false)
    }

    fn read_of(
        parts: &VectorParts,
        emails: u64,
        model: Option<&Model>,
        far: bool,
    ) -> Result<Self, SemanticError> {
        let bytes = head_bytes(parts)?;
        let head = head(&bytes)?;
        if model.is_some_and(|model| head.model != *model) {
            return Err(SemanticError::OtherModel(format!("{} {}", head.model.name, head.model.version)));
        }
        let Whose { emails: whose, foreign, pending } = whose(parts, &head, emails)?;
        let far = parts.get(&VectorPart::Values).filter(|_| far).map(|section| {
            let dimensions = head.model.dimensions as usize;
            let values = SectionValues { section: Arc::clone(section), bytes: dimensions.saturating_mul(2) };
            (Arc::new(values) as Arc<dyn FarValues>, section.len())
        });
        let bytes = IndexBytes {
            head: head.index.to_vec(),
            values: if far.is_some() { Vec::new() } else { all(parts, VectorPart::Values)? },
            codes: all(parts, VectorPart::Codes)?,
            links: all(parts, VectorPart::Links)?,
            rows: all(parts, VectorPart::Rows)?,
        };
        let index = match far {
            Some(far) => Index::from_bytes_far(&bytes, head.vectors, far)?,
            None => Index::from_bytes(&bytes, head.vectors)?,
        };
        let (rows, _, dimensions) = index.size();
        if rows != head.vectors || dimensions != head.model.dimensions as usize {
            return wrong("the index is not of these vectors");
        }
        Ok(Self { model: head.model, emails: whose, foreign, pending, index })
    }

    /// Their bytes.
    ///
    /// # Errors
    /// Where exact values are not in memory.
    pub fn write(&self) -> Result<NewVectors, SemanticError> {
        let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let index = self.index.to_bytes()?;
        let numbers = [
            if self.pending.is_empty() { WHOLE } else { WITH_PENDING },
            self.model.version,
            self.model.dimensions,
            length(self.emails.len()),
            length(self.foreign.len()),
            length(self.model.name.len()),
        ];
        let mut head: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
        if !self.pending.is_empty() {
            head.extend(length(self.pending.len()).to_le_bytes());
        }
        head.extend(self.model.name.as_bytes());
        head.extend(&index.head);
        let numbers = self.emails.iter().chain(&self.foreign).chain(&self.pending);
        let whose: Vec<u8> = numbers.flat_map(|email| email.to_le_bytes()).collect();
        let (vectors, nodes, _) = self.index.size();
        let all = [
            (VectorPart::Head, head, 1),
            (VectorPart::Emails, whose, (self.emails.len() + self.foreign.len() + self.pending.len()) as u64),
            (VectorPart::Values, index.values, nodes.into()),
            (VectorPart::Codes, index.codes, nodes.into()),
            (VectorPart::Links, index.links, nodes.into()),
            (VectorPart::Rows, index.rows, vectors.into()),
        ];
        let some = all.into_iter().filter(|(_, bytes, _)| !bytes.is_empty());
        let parts = some.map(|(part, bytes, entries)| (part, (bytes, entries))).collect::<BTreeMap<_, _>>();
        Ok(NewVectors { parts })
    }
}
