//! `POST /local/update`: changes what is said of all emails that a query finds, telling on the way how far it is.

use crate::app::App;
use crate::body::{self, Body};
use crate::lines::LineBuffer;
use crate::params;
use crate::problem::Problem;
use crate::reply::Reply;
use hyper::http::request::Parts;
use postlode_query::{Update, Updated};
use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateMany {
    /// Which emails.
    pub q: String,
    /// Time zone of day boundaries in it.
    #[serde(default)]
    pub tz: Option<String>,
    /// What is to be said of them.
    pub update: Update,
}

/// A line of the answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UpdateLine {
    /// How far it is.
    #[serde(flatten)]
    pub told: Updated,
    /// Why it ends here; what is told is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Does it, batch by batch, as the caller takes the lines that tell how far it is: who goes away has stopped it.
pub(crate) async fn answer(app: &App, parts: &Parts, body: Body) -> Result<Reply, Problem> {
    let request: UpdateMany = params::json(&parts.headers, body, app.limits.body_timeout).await?;
    let updating = app.engine.update_all(&request.q, request.tz.as_deref(), &request.update).await?;
    Ok(Reply::lines(body::unfold(Some(updating), |updating| async move {
        let Some(mut updating) = updating else { return Ok(None) };
        let mut lines = LineBuffer::default();
        let (more, error) = match updating.next().await {
            Ok(told) => (told.is_some(), None),
            Err(error) => (false, Some(error.to_string())),
        };
        lines.push(&UpdateLine { told: updating.told().clone(), error })?;
        if !more {
            lines.end(updating.partial())?;
        }
        Ok(Some((lines.take(), more.then_some(updating))))
    })))
}
