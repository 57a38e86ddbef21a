//! `/local/…`: what commands of the same user ask of the process that holds the store. Never reached over TCP.

pub(crate) mod backup;
pub(crate) mod export;
pub(crate) mod failures;
pub(crate) mod load;
pub(crate) mod record;
pub(crate) mod segment;
pub(crate) mod update;

use crate::app::App;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::stats::{Segments, Stats, Verified};

/// Counts, sizes, shards.
pub(crate) async fn stats(app: &App) -> Result<Reply, Problem> {
    let mut stats = Stats::from(app.engine.store().stats().await?);
    // Where the model that should is not at hand, the built-in one does.
    let answers = app.engine.models().map(|models| {
        let answering = models.answering(&stats.vectors.answers);
        answering.unwrap_or_else(|| models.base().clone()).model().model().key()
    });
    stats.vectors.answers = answers.unwrap_or_default();
    stats.vectors.embedding = app.embedding().map(Into::into);
    Reply::json(&stats)
}

/// The segments with their sections.
pub(crate) async fn segments(app: &App) -> Result<Reply, Problem> {
    Reply::json(&Segments::from(app.engine.store().stats().await?))
}

/// Reads every byte.
pub(crate) async fn verify(app: &App) -> Result<Reply, Problem> {
    Reply::json(&Verified::from(app.engine.store().verify().await?))
}

/// Seals, merges, and tells what segments there are then.
pub(crate) async fn compact(app: &App) -> Result<Reply, Problem> {
    let swept = app.engine.store().compact().await?;
    let segments = Segments::from(app.engine.store().stats().await?);
    Reply::json(&Segments { attachments: Some(swept.into()), ..segments })
}

/// Seals, and tells what segments there are then.
pub(crate) async fn seal(app: &App) -> Result<Reply, Problem> {
    app.engine.store().seal().await?;
    segments(app).await
}
