//! Builds the text section of a segment, and the small indexes of a memtable.

use crate::bundle;
use crate::document::document;
use crate::error::TextError;
use crate::schema::{schema, tokenizers};
use postlode_store::{TextBuilder, TextDoc};
use std::collections::BTreeMap;
use std::path::Path;
use tantivy::directory::RamDirectory;
use tantivy::index::SegmentComponent;
use tantivy::{Directory, HasLen, Index, SingleSegmentIndexWriter};

/// From it the library derives the size of its first hash table; it is no limit.
const SEGMENT_MEMORY: usize = 32 << 20;
const BATCH_MEMORY: usize = 1 << 20;

/// The name that stands for the random one that the library gives an index.
pub const FIXED_ID: &str = "00000000000000000000000000000000";
/// The file that lists the others.
pub const META: &str = "meta.json";

/// The files of an index, and their names in the bundle.
const COMPONENTS: [(SegmentComponent, &str); 6] = [
    (SegmentComponent::Postings, "idx"),
    (SegmentComponent::Positions, "pos"),
    (SegmentComponent::Terms, "term"),
    (SegmentComponent::FieldNorms, "fieldnorm"),
    (SegmentComponent::FastFields, "fast"),
    (SegmentComponent::Store, "store"),
];

/// Builds text sections with tantivy.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextIndex;

impl TextBuilder for TextIndex {
    fn build(&self, next: &mut dyn FnMut() -> Option<TextDoc>) -> Result<Vec<u8>, String> {
        section(next).map_err(|e| e.to_string())
    }
}

fn section(next: &mut dyn FnMut() -> Option<TextDoc>) -> Result<Vec<u8>, TextError> {
    let (directory, index) = in_memory(SEGMENT_MEMORY, std::iter::from_fn(next))?;
    let mut files = BTreeMap::new();
    let mut id = None;
    for meta in index.searchable_segment_metas()? {
        id = Some(meta.id());
        for (component, name) in COMPONENTS {
            files.insert(name.to_owned(), content(&directory, &meta.relative_path(component))?);
        }
    }
    let mut meta = content(&directory, Path::new(META))?;
    if let Some(id) = id {
        let fixed = format!("{}-0000-0000-0000-000000000000", "0".repeat(8));
        let hyphened = hyphened(&id.uuid_string());
        meta = String::from_utf8_lossy(&meta)
            .replace(&hyphened, &fixed)
            .replace(&id.uuid_string(), FIXED_ID)
            .into_bytes();
    }
    files.insert(META.to_owned(), meta);
    bundle::write(&files)
}

/// The other spelling of a random name: 8-4-4-4-12 digits.
fn hyphened(digits: &str) -> String {
    let mut out = String::with_capacity(36);
    for (n, digit) in digits.chars().enumerate() {
        if matches!(n, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

fn content(directory: &RamDirectory, path: &Path) -> Result<Vec<u8>, TextError> {
    let file = directory.open_read(path)?;
    Ok(if file.len() == 0 { Vec::new() } else { file.read_bytes()?.as_slice().to_vec() })
}

/// Indexes a few mails for searching them at once.
pub fn batch(docs: impl Iterator<Item = TextDoc>) -> Result<Index, TextError> {
    in_memory(BATCH_MEMORY, docs).map(|(_, index)| index)
}

fn in_memory(memory: usize, docs: impl Iterator<Item = TextDoc>) -> Result<(RamDirectory, Index), TextError> {
    let directory = RamDirectory::create();
    let mut writer: SingleSegmentIndexWriter = Index::builder()
        .schema(schema())
        .tokenizers(tokenizers())
        .single_segment_index_writer(directory.clone(), memory)?;
    for doc in docs {
        writer.add_document(document(&doc))?;
    }
    Ok((directory, writer.finalize()?))
}
