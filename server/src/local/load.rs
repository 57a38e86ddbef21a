//! `POST /local/load`: loads archives, telling on the way how far it is.

use crate::app::App;
use crate::body::{self, Body};
use crate::load::{EVENTS, LoadEvent};
use crate::params;
use crate::problem::{Problem, ProblemKind};
use crate::reply::Reply;
use bytes::Bytes;
use hyper::http::request::Parts;

/// Starts the load and streams its events. The load goes on in a task of its own: it is never cut in the middle of
/// a batch, and learns by the closed channel that its caller has gone.
pub(crate) async fn answer(app: &App, parts: &Parts, body: Body) -> Result<Reply, Problem> {
    let request = params::json(&parts.headers, body, app.limits.body_timeout).await?;
    let loader = app.loader.as_ref().ok_or_else(|| {
        Problem::new(ProblemKind::Conflict, "this process holds the store for reading and cannot load")
    })?;
    let (events, told) = async_channel::bounded(EVENTS);
    tokio::spawn(loader.load(request, events));
    Ok(Reply::lines(body::unfold((told, false), |(told, ended)| async move {
        if ended {
            return Ok(None);
        }
        let event = told.recv().await.unwrap_or_else(|_| LoadEvent::Failed {
            error:
                "the load ended by an internal fault; what was acknowledged is stored, load again to go on"
                    .to_owned(),
        });
        let ended = matches!(event, LoadEvent::Done(_) | LoadEvent::Failed { .. });
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        Ok(Some((Bytes::from(line), (told, ended))))
    })))
}
