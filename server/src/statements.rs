//! `/v1/statements`: queries that are prepared once and executed with values.

use crate::app::App;
use crate::body::Body;
use crate::params;
use crate::problem::Problem;
use crate::reply::Reply;
use hyper::http::request::Parts;
use postlode_format::id::Id;
use postlode_query::ExecuteRequest;
use serde::Deserialize;
use serde_json::json;

/// What is to be prepared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prepare {
    q: String,
}

fn nobody() -> Problem {
    Problem::not_found("prepared statement with such an id")
}

/// Prepares one; that it was prepared before makes no difference.
pub(crate) async fn prepare(app: &App, parts: &Parts, body: Body) -> Result<Reply, Problem> {
    let Prepare { q } = params::json(&parts.headers, body, app.limits.body_timeout).await?;
    Reply::json(&app.engine.prepare(&q).await?)
}

/// Tells what one is.
pub(crate) async fn statement(app: &App, id: Id) -> Result<Reply, Problem> {
    Reply::json(&app.engine.statement(id).await?.ok_or_else(nobody)?)
}

/// Removes one.
pub(crate) async fn remove(app: &App, id: Id) -> Result<Reply, Problem> {
    if app.engine.unprepare(id).await? { Reply::json(&json!({ "removed": true })) } else { Err(nobody()) }
}

/// Executes one.
pub(crate) async fn execute(app: &App, id: Id, parts: &Parts, body: Body) -> Result<Reply, Problem> {
    let request: ExecuteRequest = params::json(&parts.headers, body, app.limits.body_timeout).await?;
    Reply::json(&app.engine.execute(id, request).await?.ok_or_else(nobody)?)
}
