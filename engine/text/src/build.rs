//! Builds the text section of a segment, and the small indexes of a memtable.

use crate::bundle::Bundler;
use crate::document::document;
use crate::error::TextError;
use crate::merge::merge;
use crate::schema::{schema, tokenizers};
use postlode_store::{MergedText, TextBuilder, TextDoc};
use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use tantivy::directory::{OwnedBytes, RamDirectory};
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
    fn build(&self, next: &mut dyn FnMut() -> Option<TextDoc>, out: &mut dyn Write) -> Result<(), String> {
        section(next, out).map_err(|e| e.to_string())
    }

    fn merge(&self, sources: &[MergedText], docs: u32, out: &mut dyn Write) -> Result<(), String> {
        // Sections may hold any bytes. What `out` got before a panic is for the caller to throw away.
        let merged = catch_unwind(AssertUnwindSafe(|| merge(sources, docs, out)));
        match merged {
            Ok(done) => done.map_err(|e| e.to_string()),
            Err(_) => Err("the merge ended inside a text section".to_owned()),
        }
    }
}

fn section(next: &mut dyn FnMut() -> Option<TextDoc>, out: &mut dyn Write) -> Result<(), TextError> {
    let (directory, index) = in_memory(SEGMENT_MEMORY, std::iter::from_fn(next).map(Some))?;
    write_bundle(&directory, &index, out)
}

/// Writes the files of an index as a section. They are gone from the folder afterwards.
pub fn write_bundle(directory: &RamDirectory, index: &Index, out: &mut dyn Write) -> Result<(), TextError> {
    let mut meta = content(directory, Path::new(META))?.to_vec();
    let mut files = BTreeMap::from([(META, PathBuf::from(META))]);
    for segment in index.searchable_segment_metas()? {
        let digits = segment.id().uuid_string();
        let fixed = format!("{}-0000-0000-0000-000000000000", "0".repeat(8));
        meta = String::from_utf8_lossy(&meta)
            .replace(&hyphened(&digits), &fixed)
            .replace(&digits, FIXED_ID)
            .into_bytes();
        files.extend(COMPONENTS.map(|(component, name)| (name, segment.relative_path(component))));
    }
    let mut bundle = Bundler::new(out);
    for (name, path) in files {
        match name {
            META => bundle.file(name, &meta)?,
            _ => bundle.file(name, &content(directory, &path)?)?,
        }
        // What has been written need not be in memory any longer.
        drop(directory.delete(&path));
    }
    bundle.finish()
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

fn content(directory: &RamDirectory, path: &Path) -> Result<OwnedBytes, TextError> {
    let file = directory.open_read(path)?;
    Ok(if file.len() == 0 { OwnedBytes::empty() } else { file.read_bytes()? })
}

/// Indexes a few mails for searching them at once.
pub fn batch(docs: impl Iterator<Item = TextDoc>) -> Result<Index, TextError> {
    in_memory(BATCH_MEMORY, docs.map(Some)).map(|(_, index)| index)
}

/// An index of these mails; `None` is one without words.
pub fn in_memory(
    memory: usize,
    docs: impl Iterator<Item = Option<TextDoc>>,
) -> Result<(RamDirectory, Index), TextError> {
    let directory = RamDirectory::create();
    let mut writer: SingleSegmentIndexWriter = Index::builder()
        .schema(schema())
        .tokenizers(tokenizers())
        .single_segment_index_writer(directory.clone(), memory)?;
    for doc in docs {
        writer.add_document(doc.map(|doc| document(&doc)).unwrap_or_default())?;
    }
    Ok((directory, writer.finalize()?))
}
