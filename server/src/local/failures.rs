//! `/local/failures`: everything that could not be read, one a line, in the shape of a load's report.

use crate::app::App;
use crate::body::{self, BodyError};
use crate::lines::LineBuffer;
use crate::reply::Reply;
use postlode_format::id::{Id, to_hex};
use postlode_format::row::{
    ArchivedArchiveVersion, ArchivedException, ArchivedFailure, ExceptionKey, Grade, Row, RowKind, access,
};
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
    /// Kinds of rows that are still to be gone through: the last one first.
    kinds: Vec<RowKind>,
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
        kinds: vec![RowKind::Exception, RowKind::Failure],
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
            let Some(kind) = self.kinds.last().copied() else {
                self.done = true;
                break;
            };
            let after = self.after.as_deref();
            let (rows, missing) = self.store.rows(kind, &[], after, PAGE).await?;
            for part in missing.into_iter().map(MissingPart::from) {
                if !self.partial.missing.contains(&part) {
                    self.partial.missing.push(part);
                }
            }
            if rows.is_empty() {
                self.kinds.pop();
                self.after = None;
            }
            for row in rows {
                match kind {
                    RowKind::Exception => self.exception(&row)?,
                    _ => self.failure(&row).await?,
                }
                self.after = Some(row.key.to_vec());
            }
        }
        if self.done {
            self.lines.end(std::mem::take(&mut self.partial))?;
        }
        Ok(())
    }

    fn exception(&mut self, row: &Row) -> Result<(), BodyError> {
        let (key, exception) =
            (ExceptionKey::from_bytes(&row.key)?, access::<ArchivedException>(&row.value)?);
        if exception.resolved {
            return Ok(());
        }
        self.lines.push(&FailureReport {
            archive: exception.path.to_string(),
            folder: exception.folder.to_string(),
            node: key.node,
            code: exception.code.to_string(),
            stage: exception.stage.to_string(),
            reason: exception.reason.to_string(),
            lost: key.grade.as_str().to_owned(),
        })?;
        Ok(())
    }

    /// What a store of version 1 has.
    async fn failure(&mut self, row: &Row) -> Result<(), BodyError> {
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
            lost: Grade::Item.as_str().to_owned(),
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
