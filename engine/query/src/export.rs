//! Exports: everything that a query finds, with its text, oldest first.
//!
//! What always holds: one batch is in memory at a time; emails that cannot be read are left out and named.

use crate::body::decoded;
use crate::engine::Inner;
use crate::error::QueryError;
use crate::hits;
use crate::model::{ExportItem, Partial};
use crate::search::{Matched, Run, bodies};
use crate::stream::Stream;
use bytes::Bytes;
use postlode_format::id::Id;
use postlode_format::row::{ArchivedBody, ArchivedEmail, access};
use std::collections::VecDeque;
use std::sync::Arc;

/// Candidates looked at together, and emails whose bodies are in memory together.
const CANDIDATES: usize = 256;
const BODIES: usize = 32;

/// All hits of a query with their text, in (date, id) order, oldest first.
pub struct Export {
    stream: Stream,
    covered: bool,
    run: Run,
    /// With texts and headers.
    texts: bool,
    matched: VecDeque<Matched>,
    ready: VecDeque<ExportItem>,
}

impl Export {
    pub(crate) async fn open(
        engine: &Arc<Inner>,
        q: &str,
        tz: Option<&str>,
        texts: bool,
    ) -> Result<Self, QueryError> {
        let mut run = Run::new(engine, q, tz)?;
        let (driver, stream) = run.oldest_first().await?;
        let (matched, ready) = Default::default();
        Ok(Self { stream, covered: driver.covered, run, texts, matched, ready })
    }

    /// The next email; `None` after the last.
    ///
    /// # Errors
    /// Where the store fails as a whole; emails that cannot be read are left out and named in [`Export::partial`].
    pub async fn next(&mut self) -> Result<Option<ExportItem>, QueryError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.matched.is_empty() {
                let candidates = self.run.next(&mut self.stream, CANDIDATES).await?;
                self.run.missing.append(&mut self.stream.missing);
                if candidates.is_empty() {
                    return Ok(None);
                }
                // It may take hours: what is deleted meanwhile is not in what comes then.
                self.run.deleted = self.run.engine.deleted().await?;
                self.matched.extend(self.run.check(&candidates, self.covered).await?);
            } else {
                self.fill().await?;
            }
        }
    }

    async fn fill(&mut self) -> Result<(), QueryError> {
        let batch: Vec<Matched> = self.matched.drain(..BODIES.min(self.matched.len())).collect();
        let ids: Vec<Id> = batch.iter().map(|m| m.found.id).collect();
        let with = self.texts;
        let texts = if with { bodies(&mut self.run, &ids).await? } else { vec![None; ids.len()] };
        let engine = Arc::clone(&self.run.engine);
        let paths = hits::paths(&engine, batch.iter().map(|m| &m.found)).await?;
        let job = move || -> Result<Vec<ExportItem>, QueryError> {
            let read = |(one, body): (&Matched, &Option<Bytes>)| -> Result<Option<ExportItem>, QueryError> {
                if !with {
                    let hit = hits::hit(&one.found, &paths, true)?;
                    let hashes = hits::hashes(access::<ArchivedEmail>(&one.found.email)?);
                    let (body, headers) = Default::default();
                    return Ok(Some(ExportItem { hit, hashes, body, headers }));
                }
                // An email whose body cannot be read is left out: half of it would pass for all of it.
                let Some(bytes) = body else { return Ok(None) };
                let mut hit = hits::hit(&one.found, &paths, true)?;
                hits::passage(&mut hit, &one.found, Some(bytes), None)?;
                let body = access::<ArchivedBody>(bytes)?;
                let email = access::<ArchivedEmail>(&one.found.email)?;
                let headers = decoded(body.headers.as_ref(), email.codepage.to_native()).unwrap_or_default();
                let hashes = hits::hashes(email);
                Ok(Some(ExportItem { hit, hashes, body: body.text().to_owned(), headers }))
            };
            batch.iter().zip(&texts).filter_map(|pair| read(pair).transpose()).collect()
        };
        self.ready = engine.cpu.run(job).await.ok_or(QueryError::Internal("export"))??.into();
        Ok(())
    }

    /// What was left out so far; whole after the last email.
    #[must_use]
    pub fn partial(&self) -> Partial {
        self.run.partial()
    }
}
