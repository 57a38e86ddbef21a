//! The vector sections of a segment: any bytes, opened, searched, looked at and merged.
//!
//! An input is the sections one after another, each after its length (four bytes, little-endian), in the order of
//! [`VectorPart::ALL`]; what is cut off is an empty one.

use crate::text::{Disk, EMAILS, SEGMENT, Section, ordinals};
use bytes::Bytes;
use postlode_embed::{BuiltIn, Embed};
use postlode_format::index::Position;
use postlode_format::segment::VectorPart;
use postlode_semantic::{Only, SemanticEngine, SemanticView, VectorIndex, inspect};
use postlode_store::{
    MergedVectors, NOWHERE, NewVectors, Ordinals, SegmentText, TextSources, VectorBuilder, VectorParts,
};
use std::collections::HashSet;
use std::sync::Arc;

/// The input that these sections are.
#[must_use]
pub fn input(vectors: &NewVectors) -> Vec<u8> {
    let mut out = Vec::new();
    for part in VectorPart::ALL {
        let bytes = vectors.parts.get(&part).map_or(&[][..], |(bytes, _)| bytes);
        out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(bytes);
    }
    out
}

fn parts(data: &Bytes) -> VectorParts {
    let mut rest = data.clone();
    let mut out = VectorParts::new();
    for part in VectorPart::ALL {
        let len = rest.first_chunk::<4>().map_or(0, |len| u32::from_le_bytes(*len) as usize);
        let bytes = rest.slice(4.min(rest.len())..);
        let end = len.min(bytes.len());
        if end > 0 {
            out.insert(part, Section::new(bytes.slice(..end), Disk::Honest));
        }
        rest = bytes.slice(end..);
    }
    out
}

/// Opens the bytes as vector sections, and does all that is done with such.
pub fn target(data: &[u8]) {
    let data = Bytes::copy_from_slice(data.get(..data.len().min(crate::MAX_INPUT)).unwrap_or_default());
    let vectors = parts(&data);
    let segment = SegmentText {
        id: SEGMENT,
        emails: EMAILS as u64,
        text: Section::new(Bytes::new(), Disk::Honest),
        ordinals: Ordinals::new(Section::new(ordinals(EMAILS), Disk::Honest), EMAILS as u64),
        vectors: vectors.clone(),
        addons: Vec::new(),
    };
    // What it says is for people; that it comes back is what is tested.
    let _told = inspect(&segment);
    let model: Arc<dyn Embed> = Arc::new(BuiltIn);
    let engine = SemanticEngine::new(Arc::clone(&model), 1 << 30);
    let sources = TextSources { segments: vec![segment], ..TextSources::default() };
    search(&engine.view(&sources, &engine.known()), &*model);
    // Every third email is left out.
    let to = (0u32..).take(EMAILS).map(|n| if n % 3 == 2 { NOWHERE } else { n / 3 * 2 + n % 3 });
    let merged = VectorIndex::new(model).merge(&[MergedVectors { parts: vectors, to: to.collect() }]);
    assert!(!matches!(merged, Err(why) if why.contains("broken off")), "a merge ended by a panic");
}

fn search(view: &SemanticView, model: &dyn Embed) {
    let texts = ["quarterly budget".to_owned()];
    let Some(query) = model.embed(&texts).ok().and_then(|mut vectors| vectors.pop().flatten()) else {
        return;
    };
    let half = Position { date: (EMAILS / 2) as i64, id: [0xff; 16] };
    let some = Only { between: (Position::MIN, half), these: None };
    for only in [Only::default(), some] {
        for k in [1, 7, 3 * EMAILS] {
            let found = view.nearest(&query, k, &only);
            assert!(found.near.len() <= k.min(EMAILS), "{} of {k}", found.near.len());
            assert!(found.near.iter().all(|near| only.has(near.position)), "one that was not asked for");
            let different: HashSet<Position> = found.near.iter().map(|near| near.position).collect();
            assert_eq!(different.len(), found.near.len(), "an email came twice");
            assert!(
                found.near.is_sorted_by(|a, b| a.score.total_cmp(&b.score).is_ge()),
                "not the nearest first"
            );
            let inside = |reason: &str| reason.contains("ended inside");
            assert!(
                !found.missing.iter().any(|missing| inside(&missing.reason)),
                "a search ended by a panic"
            );
            let these: Vec<Position> =
                different.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
            assert!(
                view.scores(&query, &these).len() <= these.len(),
                "scores of emails that were not asked for"
            );
        }
    }
}
