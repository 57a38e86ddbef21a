//! `/v1/holds`: named sets of mail that cannot be deleted.

use crate::app::App;
use crate::body::Body;
use crate::params;
use crate::problem::Problem;
use crate::reply::Reply;
use hyper::Method;
use hyper::http::request::Parts;
use serde::Deserialize;
use serde_json::json;

/// Why a hold is made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Make {
    reason: String,
}

fn nobody() -> Problem {
    Problem::not_found("hold of such a name")
}

/// All of them.
pub(crate) async fn all(app: &App) -> Result<Reply, Problem> {
    Reply::json(&json!({ "holds": app.engine.holds().await? }))
}

/// Tells, makes or releases one.
pub(crate) async fn one(app: &App, name: &str, parts: &Parts, body: Body) -> Result<Reply, Problem> {
    match parts.method {
        Method::PUT => {
            let Make { reason } = params::json(&parts.headers, body, app.limits.body_timeout).await?;
            Reply::json(&app.engine.hold(name, &reason, "").await?)
        }
        Method::DELETE => {
            let released = app.engine.release(name).await?.ok_or_else(nobody)?;
            Reply::json(&json!({ "released": released }))
        }
        _ => Reply::json(&app.engine.hold_of(name).await?.ok_or_else(nobody)?),
    }
}
