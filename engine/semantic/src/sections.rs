//! The sections of a segment's vectors. Numbers are little-endian. The head:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | 1, the version of this layout |
//! | 4 | 4 | version of the model |
//! | 8 | 4 | values of a vector |
//! | 12 | 4 | vectors |
//! | 16 | 4 | emails in languages, or of words, that the model does not know |
//! | 20 | 4 | bytes of the model's name, *n* |
//! | 24 | *n* | its name |
//! | | | the head of the index, as `engine/vector` has it |
//!
//! Emails: the ordinal of the email of each vector, then the ordinals of those that the model does not know, four bytes each, both
//! ascending. Values, codes, links and rows are those of the index; a row is the number of a vector, and the vectors of an
//! email are in the order of its passages.

use crate::error::SemanticError;
use postlode_embed::Model;
use postlode_format::segment::VectorPart;
use postlode_store::{NewVectors, SectionRead, VectorParts};
use postlode_vector::{FarValues, Index, IndexBytes};
use std::collections::BTreeMap;
use std::sync::Arc;

const VERSION: u32 = 1;
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
    index: &'h [u8],
}

fn head(bytes: &[u8]) -> Result<Head<'_>, SemanticError> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<HEAD>() else { return wrong("the head is cut off") };
    let mut numbers = [0u32; HEAD / 4];
    numbers.iter_mut().zip(words(fixed)).for_each(|(to, from)| *to = from);
    let [version, model, dimensions, vectors, foreign, name] = numbers;
    if version != VERSION {
        return wrong("they are of a version that this program does not know");
    }
    let name = usize::try_from(name).ok().filter(|len| *len <= LONGEST_NAME);
    let Some((name, index)) = name.and_then(|len| rest.split_at_checked(len)) else {
        return wrong("the model's name is too long");
    };
    let Ok(name) = std::str::from_utf8(name) else { return wrong("the model's name is no text") };
    let model = Model { name: name.to_owned(), version: model, dimensions };
    Ok(Head { model, vectors, foreign, index })
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
        if parts.get(&VectorPart::Head).is_none_or(|head| head.len() > LONGEST_HEAD) {
            return wrong("there is no head, or it is too long");
        }
        let bytes = all(parts, VectorPart::Head)?;
        let head = head(&bytes)?;
        if model.is_some_and(|model| head.model != *model) {
            return Err(SemanticError::OtherModel(format!("{} {}", head.model.name, head.model.version)));
        }
        let whose = all(parts, VectorPart::Emails)?;
        if whose.len() as u64 != (u64::from(head.vectors) + u64::from(head.foreign)) * 4 {
            return wrong("there are not as many emails as the head says");
        }
        let mut whose: Vec<u32> = words(&whose).collect();
        let foreign = whose.split_off(usize::try_from(head.vectors).unwrap_or(usize::MAX).min(whose.len()));
        let known = |last: Option<&u32>| last.is_none_or(|last| u64::from(*last) < emails);
        if !whose.is_sorted() || !foreign.is_sorted() || !known(whose.last()) || !known(foreign.last()) {
            return wrong("emails are out of order, or are none of the segment");
        }
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
        Ok(Self { model: head.model, emails: whose, foreign, index })
    }

    /// Their bytes.
    ///
    /// # Errors
    /// Where exact values are not in memory.
    pub fn write(&self) -> Result<NewVectors, SemanticError> {
        let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let index = self.index.to_bytes()?;
        let numbers = [
            VERSION,
            self.model.version,
            self.model.dimensions,
            length(self.emails.len()),
            length(self.foreign.len()),
            length(self.model.name.len()),
        ];
        let mut head: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
        head.extend(self.model.name.as_bytes());
        head.extend(&index.head);
        let whose: Vec<u8> =
            self.emails.iter().chain(&self.foreign).flat_map(|email| email.to_le_bytes()).collect();
        let (vectors, nodes, _) = self.index.size();
        let all = [
            (VectorPart::Head, head, 1),
            (VectorPart::Emails, whose, (self.emails.len() + self.foreign.len()) as u64),
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
