//! Merges text sections without reading the mails again: of each word the postings of all sections, under new numbers.
//!
//! The library can merge indexes one behind the other; here documents of several sections lie between each other, by
//! date. What always holds: what comes out finds what an index made from the mails would find; a word that only mails had
//! which are left out is in it no more; memory holds what comes out and the postings of one word.

use crate::build::{in_memory, write_bundle};
use crate::directory::{BundleDirectory, Damage};
use crate::error::TextError;
use crate::schema::{equip, schema};
use postlode_store::{MergedText, NOWHERE, TextDoc};
use std::io::Write;
use std::sync::Arc;
use tantivy::directory::RamDirectory;
use tantivy::fieldnorm::{FieldNormReader, FieldNormReaders, FieldNormsSerializer};
use tantivy::index::SegmentComponent;
use tantivy::postings::{InvertedIndexSerializer, Postings};
use tantivy::schema::{Field, IndexRecordOption, Schema};
use tantivy::termdict::TermMerger;
use tantivy::{
    Directory, DocSet, Index, InvertedIndexReader, Segment, SegmentReader, TERMINATED, TantivyError,
};

/// Memory of the writer of documents without words.
const EMPTY_MEMORY: usize = 1 << 20;

/// The files that this makes itself; the others are those of an index of as many documents without words.
const OWN: [SegmentComponent; 4] = [
    SegmentComponent::FieldNorms,
    SegmentComponent::Terms,
    SegmentComponent::Postings,
    SegmentComponent::Positions,
];

/// One section, opened.
struct Source<'s> {
    reader: SegmentReader,
    /// The new number of each document.
    to: &'s [u32],
}

impl Source<'_> {
    fn new_number(&self, doc: u32) -> Option<u32> {
        self.to.get(doc as usize).copied().filter(|to| *to != NOWHERE)
    }
}

/// Writes the section that these merge into, of `docs` documents.
pub fn merge(sources: &[MergedText], docs: u32, out: &mut dyn Write) -> Result<(), TextError> {
    let sources =
        sources.iter().filter_map(|source| open(source).transpose()).collect::<Result<Vec<_>, _>>()?;
    let (directory, index) = of_empty(docs)?;
    for segment in index.searchable_segments()? {
        for component in OWN {
            drop(directory.delete(&segment.relative_path(component)));
        }
        let norms = field_norms(&sources, docs, &segment)?;
        let mut serializer = InvertedIndexSerializer::open(&segment)?;
        for (field, entry) in schema().fields() {
            let option = entry.field_type().index_record_option().unwrap_or(IndexRecordOption::Basic);
            postings(&sources, field, option, norms.get_field(field)?, &mut serializer)?;
        }
        serializer.close()?;
    }
    write_bundle(&directory, &index, out)
}

/// `None` for a section without documents.
fn open(source: &MergedText) -> Result<Option<Source<'_>>, TextError> {
    let damage = Damage::default();
    let directory = BundleDirectory::open(Arc::clone(&source.text), damage)?;
    if !directory.is_current() {
        return Err(TextError::Bundle("it has not all the fields of today"));
    }
    let mut index = Index::open(directory)?;
    equip(&mut index);
    let segments = index.searchable_segments()?;
    let Some(segment) = segments.first() else { return Ok(None) };
    let reader = SegmentReader::open(segment)?;
    if segments.len() > 1 || reader.max_doc() as usize != source.to.len() {
        return Err(TextError::Bundle("it does not hold as many mails as its segment"));
    }
    Ok(Some(Source { reader, to: &source.to }))
}

/// An index of so many documents, none of which has any words.
fn of_empty(docs: u32) -> Result<(RamDirectory, Index), TextError> {
    in_memory(EMPTY_MEMORY, std::iter::repeat_n((), docs as usize).map(|()| None::<TextDoc>))
}

/// The lengths of the fields of all documents.
fn field_norms(sources: &[Source<'_>], docs: u32, segment: &Segment) -> Result<FieldNormReaders, TextError> {
    let mut serializer = FieldNormsSerializer::from_write(
        segment.open_write(SegmentComponent::FieldNorms).map_err(TantivyError::from)?,
    )?;
    for field in with_lengths(&segment.schema()) {
        let mut all = vec![0u8; docs as usize];
        for source in sources {
            let norms = source.reader.get_fieldnorms_reader(field)?;
            for doc in 0..source.reader.max_doc() {
                if let Some(slot) = source.new_number(doc).and_then(|to| all.get_mut(to as usize)) {
                    *slot = norms.fieldnorm_id(doc);
                }
            }
        }
        serializer.serialize_field(field, &all)?;
    }
    serializer.close()?;
    Ok(FieldNormReaders::open(segment.open_read(SegmentComponent::FieldNorms)?)?)
}

fn with_lengths(schema: &Schema) -> Vec<Field> {
    schema.fields().filter(|(_, entry)| entry.has_fieldnorms()).map(|(field, _)| field).collect()
}

/// How many words a field of all documents has. Of documents that are left out the library keeps no exact number, so the
/// rest is estimated from the lengths, as the library itself does.
fn words(
    sources: &[Source<'_>],
    indexes: &[Arc<InvertedIndexReader>],
    field: Field,
) -> Result<u64, TextError> {
    let mut sum = 0u64;
    for (source, index) in sources.iter().zip(indexes) {
        let all = index.total_num_tokens();
        let kept = source.to.iter().filter(|to| **to != NOWHERE).count() as u64;
        let docs = u64::from(source.reader.max_doc()).max(1);
        sum = sum.saturating_add(match source.reader.fieldnorms_readers().get_field(field)? {
            _ if kept == docs => all,
            Some(norms) => {
                let length = |doc: u32| u64::from(norms.fieldnorm(doc));
                (0..source.reader.max_doc()).filter(|doc| source.new_number(*doc).is_some()).map(length).sum()
            }
            None => (u128::from(all) * u128::from(kept) / u128::from(docs)).try_into().unwrap_or(u64::MAX),
        });
    }
    Ok(sum)
}

/// One document of a word's postings.
struct Posting {
    doc: u32,
    count: u32,
    /// Where its positions begin in the list of all.
    at: usize,
}

/// Merges the postings of one field.
fn postings(
    sources: &[Source<'_>],
    field: Field,
    option: IndexRecordOption,
    norms: Option<FieldNormReader>,
    serializer: &mut InvertedIndexSerializer,
) -> Result<(), TextError> {
    let indexes = sources.iter().map(|source| source.reader.inverted_index(field));
    let indexes = indexes.collect::<Result<Vec<_>, _>>()?;
    let mut to = serializer.new_field(field, words(sources, &indexes, field)?, norms)?;
    let streams = indexes.iter().map(|index| index.terms().stream()).collect::<Result<Vec<_>, _>>()?;
    let mut terms = TermMerger::new(streams);
    let (mut found, mut positions, mut one) = (Vec::new(), Vec::new(), Vec::new());
    while terms.advance() {
        found.clear();
        positions.clear();
        for (number, info) in terms.current_segment_ords_and_term_infos() {
            let (Some(source), Some(index)) = (sources.get(number), indexes.get(number)) else { continue };
            let mut postings = index.read_postings_from_terminfo(&info, option)?;
            let mut doc = postings.doc();
            while doc != TERMINATED {
                if let Some(doc) = source.new_number(doc) {
                    found.push(Posting { doc, count: postings.term_freq(), at: positions.len() });
                    if option.has_positions() {
                        postings.positions(&mut one);
                        steps(&one, &mut positions);
                    }
                }
                doc = postings.advance();
            }
        }
        if found.is_empty() {
            continue;
        }
        // Each source's are in order already.
        found.sort_by_key(|posting| posting.doc);
        to.new_term(terms.key(), u32::try_from(found.len()).unwrap_or(u32::MAX), option.has_freq())?;
        for Posting { doc, count, at } in &found {
            let end = if option.has_positions() { at.saturating_add(*count as usize) } else { *at };
            to.write_doc(*doc, *count, positions.get(*at..end).unwrap_or_default());
        }
        to.close_term()?;
    }
    Ok(to.close()?)
}

/// Positions as steps from the one before.
fn steps(positions: &[u32], out: &mut Vec<u32>) {
    let mut last = 0u32;
    for position in positions {
        out.push(position.saturating_sub(last));
        last = *position;
    }
}
