//! What the vectors of a segment are like, for people who look after a store.

use crate::error::SemanticError;
use crate::sections::Sections;
use postlode_embed::Model;
use postlode_store::SegmentText;

/// The vectors of one segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Inside {
    /// Whose they are.
    pub model: Model,
    /// Vectors; distinct ones among them.
    pub vectors: (u32, u32),
    /// Emails that have some, and emails in languages that the model does not know.
    pub emails: (u64, u64),
    /// Emails that were not embedded yet.
    pub pending: u64,
    /// What a walk compares: `sq8`, `f16`.
    pub codes: &'static str,
    /// Bytes of codes, links and rows, and of exact values.
    pub bytes: (u64, u64),
    /// The graph; `None` where vectors are compared one by one.
    pub graph: Option<GraphInside>,
}

/// The graph over them.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphInside {
    /// Nodes of each layer, the bottom first.
    pub layers: Vec<u32>,
    /// How many nodes of the bottom have as many links as the place in this list says.
    pub degrees: Vec<u64>,
    /// Nodes that paths from the entry point lead to.
    pub reachable: u64,
    /// Nodes that no path leads to, which each search looks at one by one.
    pub strays: u64,
}

/// Looks at the vectors of a segment; `None` where it has none. Any model's may be looked at.
///
/// # Errors
/// Damage.
pub fn inspect(segment: &SegmentText) -> Result<Option<Inside>, SemanticError> {
    if segment.vectors.is_empty() {
        return Ok(None);
    }
    let Sections { model, emails, foreign, pending, index } =
        Sections::read_any(&segment.vectors, segment.emails)?;
    let (vectors, distinct, _) = index.size();
    let (walked, exact) = index.bytes();
    let graph = index.graph().map(|graph| {
        let mut degrees: Vec<u64> = Vec::new();
        for links in graph.links(0) {
            if degrees.len() <= links.len() {
                degrees.resize(links.len() + 1, 0);
            }
            if let Some(count) = degrees.get_mut(links.len()) {
                *count += 1;
            }
        }
        let unreached = graph.unreached().len() as u64;
        GraphInside {
            layers: graph.sizes(),
            degrees,
            reachable: u64::from(distinct).saturating_sub(unreached),
            strays: graph.strays().len() as u64,
        }
    });
    let with = emails.chunk_by(|a, b| a == b).count() as u64;
    Ok(Some(Inside {
        model,
        vectors: (vectors, distinct),
        emails: (with, foreign.len() as u64),
        pending: pending.len() as u64,
        codes: index.codes().name(),
        bytes: (walked as u64, exact as u64),
        graph,
    }))
}
