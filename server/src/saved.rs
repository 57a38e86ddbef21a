//! `/v1/searches`: searches that are kept under names.

use crate::app::App;
use crate::body::Body;
use crate::params;
use crate::problem::Problem;
use crate::reply::Reply;
use hyper::Method;
use hyper::http::request::Parts;
use postlode_query::SearchRequest;
use serde_json::json;

fn nobody() -> Problem {
    Problem::not_found("saved search of such a name")
}

/// All of them.
pub(crate) async fn all(app: &App) -> Result<Reply, Problem> {
    let (searches, unreadable) = app.engine.saved_searches().await?;
    Reply::json(&json!({ "searches": searches, "unreadable": unreadable }))
}

/// Tells, saves or removes one.
pub(crate) async fn one(app: &App, name: &str, parts: &Parts, body: Body) -> Result<Reply, Problem> {
    match parts.method {
        Method::PUT => {
            let search: SearchRequest = params::json(&parts.headers, body, app.limits.body_timeout).await?;
            Reply::json(&app.engine.save_search(name, search).await?)
        }
        Method::DELETE if app.engine.remove_search(name).await? => Reply::json(&json!({ "removed": true })),
        Method::DELETE => Err(nobody()),
        _ => Reply::json(&app.engine.saved_search(name).await?.ok_or_else(nobody)?),
    }
}
