//! `/local/inspect` and `/local/dump`: one segment from inside.

use crate::app::App;
use crate::body;
use crate::inspect::{SegmentInside, row};
use crate::lines::LineBuffer;
use crate::problem::{Problem, ProblemKind};
use crate::reply::Reply;
use postlode_format::row::RowKind;
use postlode_query::{Partial, QueryError};
use postlode_store::{Store, StoreError};

/// Rows asked for at a time.
const PAGE: usize = 1000;

/// The id of a segment, as `segment list` tells it.
pub(crate) fn id(text: Option<&str>) -> Result<u64, Problem> {
    let id = text.filter(|text| text.len() <= 16).and_then(|text| u64::from_str_radix(text, 16).ok());
    id.ok_or_else(|| {
        Problem::new(ProblemKind::BadRequest, "segment: want the id of a segment, as `segment list` tells it")
    })
}

/// Its sections.
pub(crate) async fn inspect(app: &App, segment: u64) -> Result<Reply, Problem> {
    let mut inside = SegmentInside::from(app.engine.store().inspect(segment).await?);
    match app.engine.vectors_inside(segment).await {
        Ok(vectors) => inside.vectors = vectors.map(Into::into),
        // It hides nothing else of the segment.
        Err(QueryError::Store(StoreError::Missing(missing))) => inside.note_damage(&missing),
        Err(other) => return Err(other.into()),
    }
    Reply::json(&inside)
}

struct Walk {
    store: Store,
    segment: u64,
    after: Option<(RowKind, Vec<u8>)>,
    left: usize,
    lines: LineBuffer,
    done: bool,
}

/// Streams its rows, at most `limit`.
pub(crate) async fn dump(app: &App, segment: u64, limit: Option<usize>) -> Result<Reply, Problem> {
    let store = app.engine.store().clone();
    // A segment that is not there is a problem, not a broken answer.
    store.dump(segment, None, 1).await?;
    let left = limit.unwrap_or(usize::MAX);
    let walk = Walk { store, segment, after: None, left, lines: LineBuffer::default(), done: false };
    Ok(Reply::lines(body::unfold(walk, |mut walk| async move {
        if walk.done {
            return Ok(None);
        }
        let take = PAGE.min(walk.left);
        let after = walk.after.as_ref().map(|(kind, key)| (*kind, key.as_slice()));
        let rows = walk.store.dump(walk.segment, after, take).await?;
        for dumped in &rows {
            walk.lines.push(&row(dumped))?;
        }
        walk.left = walk.left.saturating_sub(rows.len());
        walk.done = rows.len() < take || walk.left == 0;
        walk.after = rows.last().map(|last| (last.kind, last.key.to_vec()));
        if walk.done {
            walk.lines.end(Partial::default())?;
        }
        Ok(Some((walk.lines.take(), walk)))
    })))
}
