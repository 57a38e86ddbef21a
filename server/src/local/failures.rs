//! `/local/failures`: the items that could not be read, one a line, in the shape of a load's report.

use crate::app::App;
use crate::body::{self, BodyError};
use crate::lines::LineBuffer;
use crate::reply::Reply;
use postlode_format::id::{Id, to_hex};
use postlode_format::row::{ArchivedArchiveVersion, ArchivedFailure, Row, RowKind, access};
use postlode_ingest::model::FailureReport;
use postlode_query::{MissingPart, Partial};
use postlode_store::Store;
use std::collections::HashMap;

/// Rows asked for at a time.
const PAGE: usize = 1000;
/// Bytes of an archive's key, which begins the keys of its failures.
const ARCHIVE_KEY: usize = 32;

struct Walk {
    store: Store,
    after: Option<Vec<u8>>,
    /// Paths of archives by their keys.
    paths: HashMap<Vec<u8>, String>,
    partial: Partial,
    lines: LineBuffer,
    done: bool,
}

/// Streams them.
pub(crate) fn answer(app: &App) -> Reply {
    let walk = Walk {
        store: app.engine.store().clone(),
        after: None,
        paths: HashMap::new(),
        partial: Partial::default(),
        lines: LineBuffer::default(),
        done: false,
    };
    Reply::lines(body::unfold(walk, |mut walk| async move {
        if walk.done {
            return Ok(None);
        }
        walk.page().await?;
        Ok(Some((walk.lines.take(), walk)))
    }))
}

impl Walk {
    /// Writes pages of rows until there is something to send.
    async fn page(&mut self) -> Result<(), BodyError> {
        while !self.done && !self.lines.is_full() {
            let after = self.after.as_deref();
            let (rows, missing) = self.store.rows(RowKind::Failure, &[], after, PAGE).await?;
            for part in missing.into_iter().map(MissingPart::from) {
                if !self.partial.missing.contains(&part) {
                    self.partial.missing.push(part);
                }
            }
            self.done = rows.is_empty();
            for row in rows {
                self.row(&row).await?;
                self.after = Some(row.key.to_vec());
            }
        }
        if self.done {
            self.lines.end(std::mem::take(&mut self.partial))?;
        }
        Ok(())
    }

    async fn row(&mut self, row: &Row) -> Result<(), BodyError> {
        let failure = access::<ArchivedFailure>(&row.value)?;
        if failure.resolved {
            return Ok(());
        }
        let archive = match row.key.get(..ARCHIVE_KEY) {
            Some(key) => self.path(key).await?,
            None => String::new(),
        };
        self.lines.push(&FailureReport {
            archive,
            folder: failure.folder.to_string(),
            node: failure.node.to_native(),
            code: failure.code.to_string(),
            stage: failure.stage.to_string(),
            reason: failure.reason.to_string(),
        })?;
        Ok(())
    }

    /// The path an archive was loaded from; its id where its row is not there (yet).
    async fn path(&mut self, key: &[u8]) -> Result<String, BodyError> {
        if let Some(path) = self.paths.get(key) {
            return Ok(path.clone());
        }
        let path = match self.store.get(RowKind::Archive, key).await? {
            Some(value) => access::<ArchivedArchiveVersion>(&value)?.path.to_string(),
            None => key.first_chunk::<16>().map(|id: &Id| to_hex(id)).unwrap_or_default(),
        };
        self.paths.insert(key.to_vec(), path.clone());
        Ok(path)
    }
}
