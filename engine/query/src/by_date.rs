//! Hits in the order of dates, the newest first, and how many there are.
//!
//! What always holds: a cursor goes on right behind the last hit, whatever is loaded meanwhile; a total is exact, or says that
//! it is at least so much.

use crate::cursor::Cursor;
use crate::error::QueryError;
use crate::group::{Group, Groups, LOOKED, Order};
use crate::model::{Relation, Sort, Total};
use crate::plan::{self, Driver, Source};
use crate::search::{BATCH, COUNT_ROWS, Matched, Page, Run};
use crate::stream::Stream;
use postlode_format::index::IndexId;

/// Candidates that are checked beyond a page to tell an exact total, where keys are enough.
const COUNT_KEYS: usize = 500_000;

impl Run {
    /// A page of hits, the newest first.
    ///
    /// # Errors
    /// Where the store as a whole cannot answer.
    pub async fn by_date(
        &mut self,
        limit: usize,
        cursor: Option<&Cursor>,
        query: u64,
    ) -> Result<Page, QueryError> {
        let generation = self.engine.store.generation();
        self.look_up_texts(false).await?;
        let all = self.bounds();
        let bounds = cursor.map_or(all, |c| all.behind(c.position, true));
        // Whether there is a newer one of a group is asked of what comes before the page, too.
        let driver = self.plan(if self.group == Group::None { bounds } else { all }).await?;
        let parts = self.parts(&driver).await?;
        let mut stream = Stream::new(self.engine.store.clone(), parts, bounds, true);
        let mut groups = Groups::default();
        let mut matched: Vec<Matched> = Vec::new();
        let mut beyond = 0u64;
        let mut ended = false;
        let group = self.group;
        // How many were looked at, and where that ended, where hits are grouped.
        let (mut looked, mut end) = (0usize, None);
        while matched.len() <= limit && !ended && groups.looked(looked) < LOOKED {
            let few = driver.covered && group == Group::None;
            let want =
                if few { limit.saturating_sub(matched.len()).saturating_add(1) } else { group.batch() };
            let mut candidates = self.next(&mut stream, want.min(BATCH)).await?;
            ended = candidates.is_empty();
            if group != Group::None {
                looked = looked.saturating_add(candidates.len());
                end = candidates.last().copied().or(end);
                candidates.retain(|at| !groups.is_behind(at));
                // What is in memory is looked at without waiting for anything.
                futures_lite::future::yield_now().await;
            }
            let some = self.check(&candidates, driver.covered).await?;
            matched.extend(self.firsts(some, (&Order::Date, false), group, &mut groups).await?);
        }
        self.lap("page");
        let cut = group != Group::None && !ended && matched.len() <= limit;
        if matched.len() > limit {
            beyond = matched.len().saturating_sub(limit) as u64;
            matched.truncate(limit);
        }
        let so_far = (matched.len() as u64).saturating_add(beyond);
        let total = match cursor {
            Some(cursor) => cursor.total,
            None if ended && self.group == Group::None => Total { value: so_far, relation: Relation::Eq },
            None if self.group != Group::None => {
                // All that match count, whatever is shown of them.
                self.sifted.clear();
                let parts = self.parts(&driver).await?;
                let mut again = Stream::new(self.engine.store.clone(), parts, all, true);
                let total = self.count(&driver, &mut again, 0).await?;
                self.missing.extend(std::mem::take(&mut again.missing));
                total
            }
            None => self.count(&driver, &mut stream, so_far).await?,
        };
        self.explain.keys = self.explain.keys.saturating_add(stream.keys);
        self.missing.extend(std::mem::take(&mut stream.missing));
        self.lap("total");
        let last = if cut { end } else { matched.last().filter(|_| beyond > 0).map(|m| m.position) };
        let next = last.map(|position| Cursor {
            sort: Sort::Date,
            query,
            generation: cursor.map_or(generation, |c| c.generation),
            score: 0.0,
            position,
            total,
            key: Vec::new(),
        });
        Ok(Page { matched, total, next })
    }

    /// Counts what is left of a stream, as far as that is cheap.
    async fn count(
        &mut self,
        driver: &Driver,
        stream: &mut Stream,
        so_far: u64,
    ) -> Result<Total, QueryError> {
        let as_counted = !self.keyed && self.deleted.as_ref().is_some_and(|d| d.is_empty());
        if let ([Source::Index(index, _)], true, true) =
            (driver.sources.as_slice(), driver.covered, as_counted)
        {
            // One key an email: nothing to read.
            let single = [
                IndexId::Date,
                IndexId::Sender,
                IndexId::Thread,
                IndexId::Parent,
                IndexId::MessageId,
                IndexId::Domain,
                IndexId::Attachment,
                IndexId::Size,
            ];
            if single.contains(index) && driver.cost < plan::DAMAGED {
                return Ok(Total { value: driver.cost.max(so_far), relation: Relation::Eq });
            }
        }
        let mut value = so_far;
        let keys_do = driver.covered && self.deleted.is_some();
        let (most, batch) = if keys_do { (COUNT_KEYS, 4096) } else { (COUNT_ROWS, BATCH) };
        let mut seen = 0usize;
        while seen < most {
            let candidates = self.next(stream, batch).await?;
            if candidates.is_empty() {
                return Ok(Total { value, relation: Relation::Eq });
            }
            seen = seen.saturating_add(candidates.len());
            let more = match &self.deleted {
                Some(deleted) if keys_do => candidates.iter().filter(|p| !deleted.has(&p.id)).count(),
                _ => self.check(&candidates, driver.covered).await?.len(),
            };
            value = value.saturating_add(more as u64);
        }
        Ok(Total { value, relation: Relation::Gte })
    }
}
