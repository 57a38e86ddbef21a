//! `POST /local/backup`: copies the store as it is now into an empty folder.

use crate::app::App;
use crate::body::Body;
use crate::params;
use crate::problem::{Problem, ProblemKind};
use crate::reply::Reply;
use crate::stats::{BackedUp, BackupRequest};
use hyper::http::request::Parts;
use std::path::Path;

/// Copies, and tells what the copy consists of.
pub(crate) async fn answer(app: &App, parts: &Parts, body: Body) -> Result<Reply, Problem> {
    let request: BackupRequest = params::json(&parts.headers, body, app.limits.body_timeout).await?;
    let to = Path::new(&request.to);
    if !to.is_absolute() {
        let told = format!("{} is no absolute path", request.to);
        return Err(Problem::new(ProblemKind::BadRequest, told));
    }
    Reply::json(&BackedUp::from(app.engine.store().copy_to(to, !request.copy).await?))
}
